//! The help of every verb, as it was when someone last looked at it.
//!
//! `SHUYUAN_BLESS=1 cargo test --release -p shuyuan-cli --test help` writes tests/help.txt anew.

mod common;

use std::path::Path;

const VERBS: [&str; 32] = [
    "",
    "quickstart",
    "doctor",
    "tokenizer",
    "tokenizer train",
    "tokenizer encode",
    "tokenizer show",
    "corpus",
    "corpus build",
    "corpus stats",
    "corpus world",
    "pretrain",
    "finetune",
    "eval",
    "generate",
    "chat",
    "embed",
    "ask",
    "translate",
    "summarize",
    "explain",
    "serve",
    "model",
    "model info",
    "model get",
    "model export",
    "runs",
    "race",
    "bench",
    "bench train",
    "bench decode",
    "bench prefill",
];

#[test]
fn help_is_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = String::new();
    for verb in VERBS {
        let words: Vec<&str> = verb.split_whitespace().chain(["--help"]).collect();
        let help = common::out(dir.path(), &words);
        assert!(help.contains("Example:\n  shuyuan"), "{verb}:\n{help}");
        assert!(!help.contains('\x1b'), "{verb}: control codes without a terminal");
        all += &format!("$ shuyuan {}\n{help}\n", words.join(" "));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help.txt");
    if std::env::var_os("SHUYUAN_BLESS").is_some() {
        std::fs::write(&path, &all).unwrap();
    }
    let was = std::fs::read_to_string(&path).unwrap();
    if let Some((is, was)) = all.lines().zip(was.lines()).find(|(is, was)| is != was) {
        panic!("help changed; look at it, then run with SHUYUAN_BLESS=1\nwas: {was}\nis:  {is}");
    }
    assert_eq!(
        all.lines().count(),
        was.lines().count(),
        "help changed; look at it, then run with SHUYUAN_BLESS=1"
    );
}
