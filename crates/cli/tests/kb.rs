//! `kb` as it is typed: files in, passages and answers out, and nothing lost by a `kill -9`.

use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// In the database that `SHUYUAN_TEST_STORE` names, if it does, each home in a schema of its own.
fn shuyuan(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shuyuan"));
    command.args(["--home", home.to_str().expect("a path"), "--lang", "en"]);
    if let Ok(store) = std::env::var("SHUYUAN_TEST_STORE") {
        let mut hasher = DefaultHasher::new();
        home.hash(&mut hasher);
        command.env("SHUYUAN_STORE", format!("{store}?schema=kb_{:x}", hasher.finish()));
    }
    command
}

fn run(home: &Path, args: &[&str]) -> Output {
    shuyuan(home).args(args).output().expect("it starts")
}

fn json(home: &Path, args: &[&str]) -> Value {
    let output = run(home, &[args, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {said}"))
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, text).expect("written");
}

#[test]
fn a_handbook_is_added_searched_asked_and_kept_fresh() {
    let dir = tempfile::tempdir().expect("a folder");
    let (home, books) = (dir.path().join("home"), dir.path().join("handbook"));
    let leave = "# Leave\n\nEvery employee has 17 days of annual leave. Sick leave needs a note from the third day.\n";
    write(&books.join("leave.md"), leave);
    write(
        &books.join("试用期.md"),
        "# 试用期\n\n试用期为三个月，表现优异者可以提前转正。\n\n## 请假\n\n试用期内可以请事假两天。\n",
    );
    write(&books.join("board/salaries.txt"), "The salary of the director is 90,000 a year.");
    write(&books.join("broken.docx"), "PK\u{3}\u{4} this is no archive");
    let books_path = books.to_str().expect("a path");
    let report = json(&home, &["kb", "add", books_path, "--rule", "board=board"]);
    let [name, counts] = [&report["sources"][0][0], &report["sources"][0][1]];
    assert_eq!(
        (name.as_str(), counts["added"].as_u64(), counts["failed"].as_u64()),
        (Some("handbook"), Some(4), Some(1))
    );
    let failures = json(&home, &["kb", "list", "--failures"]);
    assert_eq!(failures[0]["item"], "broken.docx", "{failures}");

    let found = json(&home, &["kb", "search", "annual leave", "--source", "handbook"]);
    let passage = &found["passages"][0];
    assert_eq!(
        (&passage["document"]["title"], &passage["context"]),
        (&"Leave".into(), &"Leave".into()),
        "{found}"
    );
    for (question, quote) in [
        ("How many days of annual leave are there?", "Every employee has 17 days of annual leave."),
        ("試用期多長?", "试用期为三个月，表现优异者可以提前转正。"),
    ] {
        let answer = json(&home, &["kb", "ask", question, "--source", "handbook"]);
        assert_eq!(answer["sentences"][0]["citations"][0]["quote"], quote, "{answer}");
    }
    let said = run(&home, &["kb", "ask", "Who painted the ceiling?", "--source", "handbook"]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("do not say"), "{said:?}");

    // The course that a new base holds steps back behind what someone added, and is there by name.
    let found = json(&home, &["kb", "search", "What is a token?"]);
    assert!(
        found["passages"].as_array().expect("a list").iter().all(|p| p["document"]["source"] == "handbook"),
        "{found}"
    );
    assert_eq!(json(&home, &["kb", "ask", "What is a token?", "--source", "course"])["found"], true);

    // What a group may not read is not there for it.
    let owner = json(&home, &["kb", "ask", "salary of the director", "--source", "handbook"]);
    assert_eq!(owner["found"], true);
    for groups in [&["--as"][..], &["--as", "hr"]] {
        let args = [&["kb", "search", "salary director", "--source", "handbook"], groups].concat();
        assert!(!json(&home, &args)["passages"].to_string().contains("90,000"));
    }
    assert!(
        json(&home, &["kb", "search", "salary director", "--as", "board"]).to_string().contains("90,000")
    );

    // Only what changed is read again, and what is gone is gone.
    write(&books.join("leave.md"), &leave.replace("17", "19"));
    std::fs::remove_file(books.join("试用期.md")).expect("removed");
    let report = json(&home, &["kb", "sync", "handbook"])["sources"][0][1].clone();
    let counts = ["changed", "removed", "unchanged", "added"].map(|key| report[key].as_u64());
    assert_eq!(counts, [Some(1), Some(1), Some(2), Some(0)], "{report}");
    assert!(
        json(&home, &["kb", "search", "annual leave", "--source", "handbook"])
            .to_string()
            .contains("19 days")
    );
    assert_eq!(
        json(&home, &["kb", "search", "试用期", "--source", "handbook"])["passages"],
        Value::Array(vec![])
    );

    // A folder that is not there keeps what was known, and says so.
    std::fs::rename(&books, dir.path().join("elsewhere")).expect("renamed");
    let output = run(&home, &["kb", "sync"]);
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("is kept"),
        "{output:?}"
    );
    assert!(
        json(&home, &["kb", "search", "annual leave", "--source", "handbook"])
            .to_string()
            .contains("19 days")
    );
    let list = json(&home, &["kb", "list"]);
    let handbook =
        list["sources"].as_array().expect("a list").iter().find(|source| source["name"] == "handbook");
    assert!(handbook.expect("the source")["state"]["error"].is_string(), "{list}");
}

#[test]
fn a_live_source_is_asked_for_the_present_value_and_cited_with_the_moment() {
    let dir = tempfile::tempdir().expect("a folder");
    let (home, books) = (dir.path().join("home"), dir.path().join("handbook"));
    write(
        &books.join("orders.md"),
        "# Orders\n\nAn order can be cancelled within a day. Its state is told by the office.\n",
    );
    json(&home, &["kb", "add", books.to_str().expect("a path")]);
    let (file, rows) = (dir.path().join("orders.toml"), dir.path().join("rows.db"));
    let definition = |sql: &str| {
        format!(
            "name = \"orders\"\nkind = \"sqlite\"\npath = {rows:?}\n[live]\n\
             description = {{ en = \"The present state of an order\", zh = \"订单现在的状态\" }}\nsql = {sql:?}\n\
             [live.parameters.number]\ntype = \"integer\"\nrequired = true\n"
        )
    };
    write(&rows, "");
    write(&file, &definition("SELECT :number AS number, 'in the harbour' AS place"));
    let added = run(&home, &["kb", "source", "add", file.to_str().expect("a path")]);
    assert!(added.status.success(), "{added:?}");
    let question = "What is the state of order 48213?";
    let answer = json(&home, &["kb", "ask", question]);
    assert_eq!(
        answer["sentences"][0]["citations"][0]["quote"], "number: 48213, place: in the harbour",
        "{answer}"
    );
    assert_eq!(answer["calls"][0]["arguments"]["number"], 48213);
    assert_eq!(json(&home, &["kb", "ask", question, "--no-live"])["calls"], Value::Array(vec![]));
    let said = run(&home, &["kb", "ask", question, "--explain"]);
    let (out, notes) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(out.contains("asked live: orders(number=48213), 20") && out.contains(" UTC"), "{out}");
    assert!(notes.contains("live source orders: words ") && notes.contains(": asked"), "{notes}");
    let other = run(&home, &["kb", "ask", "How is an order cancelled?", "--explain"]);
    let notes = String::from_utf8_lossy(&other.stderr);
    assert!(notes.contains("the question does not say what it must be given"), "{notes}");
    let leans =
        run(&home, &["kb", "ask", "And how long is it kept?", "--follows", "What is an order?", "--explain"]);
    let notes = String::from_utf8_lossy(&leans.stderr);
    assert!(
        notes.contains("(with the question before it): And how long is it kept? What is an order?"),
        "{notes}"
    );

    write(&file, &definition("SELECT :number FROM nowhere"));
    run(&home, &["kb", "source", "add", file.to_str().expect("a path")]);
    let said = run(&home, &["kb", "ask", question]);
    let (out, notes) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(out.contains("Its state is told by the office."), "{out}");
    assert!(
        notes.contains("a live source gave nothing: orders(number=48213): ") && notes.contains("nowhere"),
        "{notes}"
    );
}

#[test]
fn a_new_base_knows_the_course() {
    let dir = tempfile::tempdir().expect("a folder");
    let answer = json(dir.path(), &["kb", "ask", "What does attention gather?"]);
    assert_eq!(answer["found"], true, "{answer}");
    let questions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/knowledge/questions.jsonl");
    let bars = ["--min-ndcg", "0.8", "--min-hit", "0.95", "--answers", "--min-citations", "0.55"];
    let args = [&["kb", "eval", questions.to_str().expect("a path")], &bars[..]].concat();
    json(dir.path(), &args);
    let output = run(dir.path(), &["kb", "eval", questions.to_str().expect("a path"), "--min-ndcg", "1.01"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("below the bar of 1.01"), "{output:?}");
}

/// All that is in a base, but for the numbers of documents.
fn contents(home: &Path) -> Vec<String> {
    let documents = json(home, &["kb", "list", "--documents"]);
    let mut all: Vec<String> = Vec::new();
    for document in documents.as_array().expect("a list") {
        all.push(format!("{} {} {}", document["item"], document["characters"], document["chunks"]));
    }
    for question in ["word7 word19", "第三章 内容", "unknown", "Text 57", "Text 200"] {
        // Of equal scores, what was added first comes first: so the best score, not whose it is.
        let found = json(home, &["kb", "search", question, "--limit", "1"]);
        all.push(format!("{} {}", found["searched"], found["passages"][0]["why"]["words"]));
    }
    all
}

/// A folder of texts, of which version `version` differs in some.
fn texts(dir: &Path, version: usize) {
    for n in 0..240 {
        let path = dir.join(format!("{}/text{n:03}.md", n % 7));
        if n % 11 == version % 11 {
            let _ = std::fs::remove_file(&path);
            continue;
        }
        let edition = if n % 5 == version % 5 { version } else { 0 };
        let words: Vec<String> =
            (0..400).map(|i| format!("word{}", (n * 31 + i * i + edition) % 97)).collect();
        write(&path, &format!("# Text {n}\n\n{}\n\n第三章的内容，版本 {edition}。\n", words.join(" ")));
    }
}

/// `SHUYUAN_KILLS=100` for the long form.
#[cfg(unix)]
#[test]
fn killed_at_any_moment_the_next_run_finishes() {
    let kills: usize = std::env::var("SHUYUAN_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let dir = tempfile::tempdir().expect("a folder");
    let (home, books) = (dir.path().join("home"), dir.path().join("texts"));
    texts(&books, 0);
    let books_path = books.to_str().expect("a path");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut killed = 0;
    for kill in 0..kills {
        texts(&books, kill);
        let mut command = shuyuan(&home);
        command.args(["kb", "add", books_path]).stdout(Stdio::null()).stderr(Stdio::null());
        let began = std::time::Instant::now();
        let mut child = command.spawn().expect("it starts");
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros((state >> 33) % 400_000));
        if child.try_wait().expect("a child").is_none() {
            killed += 1;
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        // From here on half of the runs finish in between.
        if kill % 2 == 1 {
            json(&home, &["kb", "sync"]);
        }
        assert!(began.elapsed() < Duration::from_secs(60));
    }
    assert!(killed > 0, "no run was cut off");
    json(&home, &["kb", "add", books_path]);
    let other = dir.path().join("other");
    json(&other, &["kb", "add", books_path]);
    let (kept, made) = (contents(&home), contents(&other));
    for (kept, made) in kept.iter().zip(&made) {
        assert_eq!(kept, made);
    }
    assert_eq!(kept.len(), made.len());
}
