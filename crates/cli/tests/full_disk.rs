//! A disk that is really full: the message says where and what to do, and what was there stays and can be gone on with.

#![cfg(unix)]

mod common;

use common::{command, json, recipe, school, shuyuan};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

const TRAIN: &str = "
batch = 2
tokens = 64
steps = 8
checkpoint_every = 2
";

/// A file system of 16 MiB; where one may not be mounted, a folder and a limit on the size of files.
struct Disk {
    dir: tempfile::TempDir,
    mounted: bool,
    _turn: MutexGuard<'static, ()>,
}

/// One test at a time: a process that another one starts holds, for a moment, the file that fills the disk, also when it was
/// removed.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    fn new() -> Self {
        let turn = turn();
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(dir.path()).stderr(Stdio::null());
        let mounted = mount.status().is_ok_and(|status| status.success());
        Self { dir, mounted, _turn: turn }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs `shuyuan` where only `kib` KiB are free.
    fn with_room(&self, kib: usize, words: &[&str]) -> Output {
        if !self.mounted {
            let shuyuan = command(self.path(), words);
            // Blocks of 512 bytes. A process that lets this signal pass gets an error from the write.
            let limit = format!("ulimit -f {}; trap '' XFSZ; exec \"$@\"", 2 * kib);
            let mut shell = Command::new("sh");
            shell.current_dir(self.path()).args(["-c", &limit, "sh"]).arg(shuyuan.get_program());
            shell.args(words).env("LC_ALL", "C.UTF-8").env("HOME", self.path());
            return shell.env("XDG_DATA_HOME", self.path().join("home")).output().unwrap();
        }
        let filler = self.path().join("filler");
        let mut file = File::create(&filler).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        let full = file.metadata().unwrap().len();
        file.set_len(full.saturating_sub(1024 * kib as u64)).unwrap();
        let output = shuyuan(self.path(), words);
        std::fs::remove_file(filler).unwrap();
        output
    }

    /// Runs what must fail for want of room, and says why and what to do about `path`.
    fn refused(&self, kib: usize, words: &[&str], path: &str) {
        let output = self.with_room(kib, words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}\n{errors}");
        assert!(!errors.contains("panicked"), "{words:?}: {errors}");
        for named in ["error: could not", path, "os error", "free some space", "run the same command again"] {
            assert_eq!(errors.matches(named).count(), 1, "{words:?}: expected {named:?} once in\n{errors}");
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg(self.path()).status();
        }
    }
}

/// Files of a folder and what is in them, the lock aside.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            all.extend(files(&entry));
        } else if !entry.ends_with(".lock") {
            let bytes = std::fs::read(&entry).unwrap();
            all.push((entry, bytes));
        }
    }
    all.sort();
    all
}

#[test]
fn a_full_disk_costs_no_work() {
    let disk = Disk::new();
    let at = disk.path();
    school(at, "200");
    recipe(at, TRAIN);

    let tokenizer =
        ["tokenizer", "train", "--input", "world.jsonl", "--vocab-size", "700", "--output", "tok"];
    let before = files(&at.join("tok"));
    disk.refused(8, &tokenizer, ".tok.staged/tokenizer.json");
    assert!(files(&at.join("tok")) == before, "the old tokenizer is as it was");

    let corpus =
        ["corpus", "build", "--input", "world.jsonl", "--tokenizer", "tok", "--output", "c", "--json"];
    disk.refused(8, &corpus, "c/");
    let report = json(at, &corpus);
    let built = files(&at.join("corpus")).into_iter().filter(|(path, _)| path.ends_with("train-00000.tok"));
    assert!(built.map(|(_, bytes)| bytes).eq([std::fs::read(at.join("c/train-00000.tok")).unwrap()]));
    assert!(report["tokens"].as_u64().unwrap() > 1000);

    let pretrain =
        ["pretrain", "--recipe", "recipe.toml", "--corpus", "corpus", "--resume", "--json", "--output"];
    let run = |name| [&pretrain[..], &[name]].concat();
    assert_eq!(json(at, &run("whole"))["steps"], 8);
    let size = files(&at.join("whole/checkpoint")).iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    // Room for the first checkpoint, and half of the second beside it.
    let room = if disk.mounted { size * 3 / 2 / 1024 } else { 64 };
    disk.refused(room, &run("parts"), "parts/.checkpoint.staged/");
    assert!(!at.join("parts/.checkpoint.staged").exists(), "what was begun takes room");
    if disk.mounted {
        let before = files(&at.join("parts/checkpoint"));
        assert!(before.iter().any(|(path, _)| path.ends_with("state.json")));
        disk.refused(64, &run("parts"), "parts/.checkpoint.staged/");
        disk.refused(0, &run("parts"), "parts/");
        assert!(files(&at.join("parts/checkpoint")) == before, "the last checkpoint is as it was");
    }
    assert_eq!(json(at, &run("parts"))["steps"], 8);
    let weights = |name| std::fs::read(at.join(name).join("model/model.safetensors")).unwrap();
    assert!(weights("parts") == weights("whole"));
}

/// What the knowledge base in `at` has, but for the numbers of documents.
fn known(at: &Path) -> Vec<String> {
    let documents = json(at, &["kb", "list", "--documents", "--json"]);
    let line = |one: &serde_json::Value| format!("{} {} {}", one["item"], one["characters"], one["chunks"]);
    let mut all: Vec<String> = documents.as_array().unwrap().iter().map(line).collect();
    for question in ["word7 word19", "annual leave", "第三章"] {
        let found = json(at, &["kb", "search", question, "--limit", "1", "--json"]);
        all.push(format!("{} {}", found["searched"], found["passages"][0]["why"]["words"]));
    }
    all
}

/// A folder with `count` texts of some thirty kilobytes.
fn texts(dir: &Path, count: usize) {
    for n in 0..count {
        let words: Vec<String> =
            (0..4_000).map(|i| format!("word{}", (n * 31 + i * i * 7 + i / 3) % 997)).collect();
        let text = format!("# Text {n}\n\n{}\n\n第三章的内容，第 {n} 份。\n", words.join(" "));
        std::fs::write(dir.join(format!("text{n:03}.md")), text).unwrap();
    }
}

#[test]
fn a_full_disk_costs_no_knowledge() {
    let (disk, elsewhere) = (Disk::new(), tempfile::tempdir().unwrap());
    let at = disk.path();
    let books = elsewhere.path().join("books");
    std::fs::create_dir(&books).unwrap();
    std::fs::write(books.join("leave.md"), "# Leave\n\nEveryone has 28 days of annual leave.\n").unwrap();
    let add = ["kb", "add", books.to_str().unwrap()];
    let refused = |kib: usize, words: &[&str]| {
        let output = disk.with_room(kib, words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{kib} KiB {words:?}\n{errors}");
        assert!(!errors.contains("panicked"), "{kib} KiB {words:?}: {errors}");
        assert!(errors.contains("free some space"), "{kib} KiB {words:?}: {errors}");
    };
    // A base that could not be made is made by the next run.
    for kib in [0, 8, 64] {
        refused(kib, &add);
    }
    common::out(at, &add);
    let kept = known(at);
    assert!(kept.iter().any(|line| line.contains("leave.md")), "{kept:?}");

    texts(&books, 120);
    for kib in [0, 16, 128, 1024] {
        refused(kib, &["kb", "sync", "books"]);
        let now = known(at);
        assert!(
            kept[..kept.len() - 3].iter().all(|line| now.contains(line)),
            "{kib} KiB: what was kept is there"
        );
        let found = json(at, &["kb", "search", "annual leave", "--source", "books", "--json"]);
        assert_eq!(found["passages"][0]["document"]["item"], "leave.md", "{kib} KiB");
    }
    // Once there is room, it goes on, and nothing tells the base from one that always had room.
    common::out(at, &["kb", "sync", "books"]);
    common::out(elsewhere.path(), &add);
    assert_eq!(known(at), known(elsewhere.path()));
}

/// A result that cannot be written is no success.
#[test]
fn a_full_standard_output_is_an_error() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    for words in [&["doctor"][..], &["doctor", "--json"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command(dir.path(), words).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains("standard output") && !errors.contains("panicked"), "{errors}");
    }
}
