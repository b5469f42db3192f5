//! The CUDA kernels, run on the processor: a C++ compiler and 128 threads stand in for the card.

use std::path::Path;
use std::process::Command;

#[test]
fn attention_is_that_of_the_formula() {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    if Command::new(&compiler).arg("--version").output().is_err() {
        println!("skipped: there is no C++ compiler ({compiler})");
        return;
    }
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = crate_dir.join("tests/cuda");
    // (T, H, K, D): tiles that are not full, key heads shared and not.
    for (t, heads, kv_heads, d) in [(70, 2, 1, 32), (65, 1, 1, 64), (3, 1, 1, 32)] {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("attention-{t}-{heads}-{d}"));
        let sizes = [("T", t), ("HEADS", heads), ("KV_HEADS", kv_heads), ("D", d)];
        let made = Command::new(&compiler)
            .args(["-std=c++20", "-O2", "-pthread", "-Wno-unknown-pragmas"])
            .args(sizes.map(|(name, size)| format!("-D{name}={size}")))
            .arg("-I")
            .arg(crate_dir.join("src/cuda"))
            .arg("-I")
            .arg(&tests)
            .arg("-o")
            .args([&program, &tests.join("main.cpp")])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let found = Command::new(&program).output().unwrap();
        let said = String::from_utf8_lossy(&found.stdout);
        println!("T {t}, H {heads}, K {kv_heads}, D {d}:\n{said}");
        assert!(found.status.success() && said.lines().count() == 5, "T {t}, D {d}:\n{said}");
    }
}
