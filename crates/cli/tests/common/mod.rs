//! Runs the binary as a person would.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `shuyuan` with `words` in the folder `dir`, its home in `dir/home`.
pub fn shuyuan<S: AsRef<std::ffi::OsStr>>(dir: &Path, words: &[S]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shuyuan"));
    command.current_dir(dir).args(words).stdin(Stdio::null());
    command.env("XDG_DATA_HOME", dir.join("home")).env("HOME", dir).env("LC_ALL", "C.UTF-8");
    command.output().expect("the binary runs")
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
