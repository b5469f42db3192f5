//! How fast the plainest formats are read: `cargo test --release --test parse_speed -- --ignored --nocapture`.

use shuyuan_knowledge::parse::{Limits, parse};

/// Seconds of processor time of this process, as Linux counts them: other processes do not matter then.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("a number")).sum();
    ticks / 100.0
}

#[test]
#[ignore = "measures"]
fn speed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../goldens/documents/files");
    let golden = |name: &str| std::fs::read(format!("{folder}/{name}")).expect("a golden");
    let prose = |marks: &str| {
        let zh = "工坊每天早上八点开门。先到的人依次打开电灯、空气压缩机和热水壶。损坏的零件放进红色的箱子，每周五检查一次。";
        let en = "The workshop opens at eight. Whoever comes first turns on the lights, the compressor and the kettle.\n";
        format!("{marks} Rules of the workshop\n\n{}\n{zh}{zh}\n\n{}\n", en.repeat(4), en.repeat(6))
            .into_bytes()
    };
    for (name, unit) in [
        ("prose.txt", prose("")),
        ("prose.md", prose("##")),
        ("dense.md", golden("guide.md")),
        ("page.html", golden("page.html")),
        ("board.rs", golden("board.rs")),
    ] {
        let text = unit.repeat((100 << 20) / unit.len());
        for _ in 0..3 {
            let begun = processor_seconds();
            let read = parse(name, &text, &Limits::default());
            let seconds = processor_seconds() - begun;
            println!(
                "{name}: {:.0} MB/s, {} blocks",
                text.len() as f64 / 1e6 / seconds,
                read.documents[0].blocks.len()
            );
        }
    }
}
