//! `chat` as a person at a terminal has it, and as a script has it.
#![cfg(target_os = "linux")] // for `script`, which lends a terminal

mod common;

use common::{command, json, out, recipe, school};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Asks the terminal to mark what is pasted, at the beginning of each prompt.
const PROMPT: &str = "\x1b[?2004h";

/// A person before a terminal.
struct Person {
    program: Child,
    screen: Arc<Mutex<String>>,
    /// How much of the screen was read already.
    read: usize,
}

impl Person {
    fn sits_down(dir: &Path, words: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_shuyuan");
        let mut terminal = Command::new("script");
        terminal.args(["-qec", &format!("{program} chat {words}"), "/dev/null"]).current_dir(dir);
        terminal.env("XDG_DATA_HOME", dir.join("home")).env("HOME", dir).env("LC_ALL", "C.UTF-8");
        terminal.env("TERM", "xterm").env_remove("NO_COLOR");
        let mut program = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let (shown, mut from) = (screen.clone(), program.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = from.read(&mut bytes) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..n]));
            }
        });
        Self { program, screen, read: 0 }
    }

    /// At the next prompt: what is typed before it is lost.
    fn types(&mut self, keys: &str) {
        self.sees(PROMPT);
        self.program.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until `text` stands behind what was read before; what is shown up to there.
    fn sees(&mut self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen.lock().unwrap().clone();
            if let Some(at) = screen[self.read..].find(text) {
                let end = self.read + at + text.len();
                let seen = screen[self.read..end].to_string();
                self.read = end;
                return seen;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "no {text:?} in {:?}", &screen[self.read..]);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn leaves(mut self, keys: &str) {
        self.types(keys);
        assert!(self.program.wait().unwrap().success(), "{}", self.screen.lock().unwrap());
    }
}

fn model(dir: &Path) {
    school(dir, "100");
    recipe(dir, "batch = 2\ntokens = 64\n");
    let words = [
        "pretrain",
        "--recipe",
        "recipe.toml",
        "--corpus",
        "corpus",
        "--output",
        "run",
        "--steps",
        "2",
        "--json",
    ];
    json(dir, &words);
}

#[test]
fn a_person_edits_writes_several_lines_and_finds_them_again() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    model(at);
    let mut person = Person::sits_down(at, "--model run/model --max-tokens 3");
    // A line that goes on, and what it was read as.
    person.types("/system Be\\\rbrief.\r");
    person.types("/system\r");
    person.sees("Be\r\nbrief.");
    // A block is one question.
    person.types("\"\"\"\rone\rtwo\r\"\"\"\r");
    person.types("/history\r");
    person.sees("user");
    person.sees("one\r\ntwo");
    person.sees("assistant");
    // A letter is put in where it was forgotten.
    person.types("/hlp\x1b[D\x1b[De\r");
    person.sees("/undo takes back");
    person.types("/model\r");
    person.sees("256");
    person.leaves("\x04");

    let history = at.join("home/shuyuan/chat_history");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&history).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "for nobody else");

    let mut again = Person::sits_down(at, "--model run/model --max-tokens 3 --lang zh");
    again.types("\x1b[A\r");
    again.sees("256");
    again.sees("个词元的上下文");
    // Two further back: the block, whole.
    again.types("\x1b[A\x1b[A\x1b[A\x1b[A\r");
    again.types("/history\r");
    again.sees("one\r\ntwo");
    again.leaves("\x03");
}

#[test]
fn what_is_thought_is_dim() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    model(at);
    let jinja = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
                 <|im_start|>assistant\n<think>\n";
    std::fs::write(at.join("run/model/chat_template.jinja"), jinja).unwrap();
    let mut person = Person::sits_down(at, "--model run/model --max-tokens 20");
    person.types("hello\r");
    person.sees("hello");
    person.sees("\x1b[2m");
    person.sees("\x1b[0m");
    person.leaves("\x04");
}

/// Also lines that a person's terminal would have taken for the beginning of more.
#[test]
fn of_piped_input_each_line_is_a_question() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    model(at);
    let ask = |lines: &str| {
        let words = ["chat", "--model", "run/model", "--max-tokens", "3", "--system", "Be brief.", "--json"];
        let mut program = command(at, &words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        program.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = program.wait_with_output().unwrap();
        assert!(output.status.success());
        let messages: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        messages["messages"].as_array().unwrap().clone()
    };
    let said = ask("one\\\n\"\"\"\n\n/undo\n  two\n");
    let contents: Vec<_> = said.iter().map(|message| message["content"].as_str().unwrap()).collect();
    let roles: Vec<_> = said.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user", "assistant"]);
    assert_eq!((contents[0], contents[1], contents[3]), ("Be brief.", "one\\", "two"));
    assert_eq!(ask("/new\n/system Be long.\n/quit\nnever").len(), 1);
    assert!(!at.join("home/shuyuan/chat_history").exists(), "a script is not remembered");
    out(at, &["chat", "--model", "run/model"]);
}
