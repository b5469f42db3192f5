//! Runs the binary as a person would.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// `shuyuan` with `words` in the folder `dir`, its home in `dir/home`.
pub fn command<S: AsRef<std::ffi::OsStr>>(dir: &Path, words: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shuyuan"));
    command.current_dir(dir).args(words).stdin(Stdio::null());
    command.env("XDG_DATA_HOME", dir.join("home")).env("HOME", dir).env("LC_ALL", "C.UTF-8");
    command
}

/// Runs it.
pub fn shuyuan<S: AsRef<std::ffi::OsStr>>(dir: &Path, words: &[S]) -> Output {
    command(dir, words).output().expect("the binary runs")
}

/// What it wrote to standard output; fails if it failed.
pub fn out<S: AsRef<std::ffi::OsStr> + std::fmt::Debug>(dir: &Path, words: &[S]) -> String {
    let output = shuyuan(dir, words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {:?}\n{errors}", output.status.code());
    String::from_utf8(output.stdout).expect("text")
}

/// The same as JSON.
#[allow(dead_code, clippy::allow_attributes, reason = "not every test file reads JSON")]
pub fn json<S: AsRef<std::ffi::OsStr> + std::fmt::Debug>(dir: &Path, words: &[S]) -> serde_json::Value {
    let text = out(dir, words);
    assert_eq!(text.lines().count(), 1, "one JSON value: {text}");
    serde_json::from_str(&text).expect(&text)
}

/// Makes text in `world.jsonl`, a tokenizer in `tok`, a corpus in `corpus`.
#[allow(dead_code, clippy::allow_attributes, reason = "not every test file trains")]
pub fn school(dir: &Path, docs: &str) {
    let world =
        ["corpus", "world", "--seed", "1", "--docs", docs, "--split", "train", "--output", "world.jsonl"];
    out(dir, &world);
    let words =
        ["tokenizer", "train", "--input", "world.jsonl", "--vocab-size", "600", "--output", "tok", "--json"];
    assert_eq!(json(dir, &words)["vocab_size"], 600);
    let words =
        ["corpus", "build", "--input", "world.jsonl", "--tokenizer", "tok", "--output", "corpus", "--json"];
    assert!(json(dir, &words)["tokens"].as_u64().expect("a number") > 1000);
}

/// Writes `recipe.toml` for a model that trains in moments; `train` is its `[train]` table.
#[allow(dead_code, clippy::allow_attributes, reason = "not every test file trains")]
pub fn recipe(dir: &Path, train: &str) {
    const MODEL: &str = "
[model]
hidden_size = 32
intermediate_size = 64
num_hidden_layers = 2
num_attention_heads = 2
num_key_value_heads = 1
head_dim = 16
max_position_embeddings = 256
";
    std::fs::write(dir.join("recipe.toml"), format!("{MODEL}\n[train]\n{train}")).unwrap();
}
