//! The base as a whole: what was taken out or may not be read changes nothing that is found.

#![expect(clippy::unwrap_used, reason = "a test")]

mod store;

use shuyuan_knowledge::{
    Base, Block, Document, Embed, Filter, Item, Kind, Parsed, Prepared, Query, Reader, Role, Size, Writer,
    estimate,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A generator of numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

const WORDS: [&str; 24] = [
    "leave",
    "salary",
    "trial",
    "office",
    "door",
    "badge",
    "train",
    "lunch",
    "contract",
    "holiday",
    "printer",
    "travel",
    "试用期",
    "年假",
    "合同",
    "工资",
    "办公室",
    "出差",
    "午餐",
    "打印机",
    "A-17",
    "2026",
    "培训",
    "宿舍",
];
const GROUPS: [&str; 3] = ["hr", "board", "lab"];

#[derive(Clone, Debug)]
struct File {
    text: String,
    groups: Vec<String>,
}

fn file(random: &mut Random) -> File {
    let mut paragraph = || {
        let words: Vec<&str> = (0..5 + random.below(40)).map(|_| WORDS[random.below(WORDS.len())]).collect();
        words.join(" ") + "."
    };
    let text = [paragraph(), paragraph(), paragraph()].join("\n\n");
    let groups = GROUPS.iter().filter(|_| random.below(4) == 0).map(|group| (*group).to_string()).collect();
    File { text, groups }
}

fn put(writer: &mut Writer, source: i64, key: &str, file: &File) {
    let mut at = 0;
    let mut block = |part: &str| {
        at += part.len();
        Block { kind: Kind::Text, span: at - part.len()..at }
    };
    let blocks = file.text.split_inclusive("\n\n").map(&mut block).collect();
    let document = Document { text: file.text.clone(), blocks, format: "txt", ..Document::default() };
    let parsed = Parsed { documents: vec![document], unread: vec![] };
    let item = Item { key: key.into(), groups: file.groups.clone(), stamp: "1".into(), ..Item::default() };
    writer.put(source, &item, &Prepared::new(parsed, &Size { most: 40, count: &estimate })).unwrap();
}

fn empty() -> (tempfile::TempDir, Base, i64) {
    let dir = tempfile::tempdir().unwrap();
    let base = store::open(dir.path());
    let source = base.set_source("s", "test", &serde_json::Value::Null).unwrap().id;
    (dir, base, source)
}

/// A base with these files and their vectors.
fn base_of(files: &BTreeMap<String, File>) -> (tempfile::TempDir, Base) {
    let (dir, base, source) = empty();
    let mut writer = base.writer().unwrap();
    for (key, file) in files {
        put(&mut writer, source, key, file);
    }
    writer.commit().unwrap();
    base.embed(&mut writer, &Hashing::default(), &mut |_, _| true).unwrap();
    writer.finish().unwrap();
    (dir, base)
}

/// Vectors that depend on a text's words alone.
struct Hashing {
    name: &'static str,
    texts: AtomicUsize,
}

impl Default for Hashing {
    fn default() -> Self {
        Self { name: "hashing", texts: AtomicUsize::new(0) }
    }
}

impl Embed for Hashing {
    fn name(&self) -> &str {
        self.name
    }
    fn dimensions(&self) -> usize {
        64
    }
    fn max_tokens(&self) -> usize {
        256
    }
    fn count(&self, text: &str) -> usize {
        estimate(text)
    }
    fn embed(&self, texts: &[&str], _: Role) -> Result<Vec<Vec<f32>>, String> {
        self.texts.fetch_add(texts.len(), Ordering::Relaxed);
        let one = |text: &&str| {
            let mut vector = vec![0f32; 64];
            shuyuan_knowledge::words(text, |word, _| {
                let mut random = Random(word.bytes().fold(7, |hash, b| hash * 31 + u64::from(b)));
                (0..64).for_each(|i| vector[i] += random.below(1000) as f32 / 500.0 - 1.0);
            });
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-9);
            vector.into_iter().map(|x| x / length).collect()
        };
        Ok(texts.iter().map(one).collect())
    }
}

/// All that a reader is told, in an order that does not depend on when something was added.
///
/// `weights`: how much vectors count, too, which is measured when a base has grown, not with each change.
fn told(base: &Base, reader: &Reader, question: &str, hybrid: bool, weights: bool) -> Vec<String> {
    let vector = Hashing::default().embed(&[question], Role::Query).unwrap().remove(0);
    let query = Query {
        vector: hybrid.then_some(("hashing", vector.as_slice())),
        limit: 250,
        join: false,
        ..Query::new(question, reader.clone())
    };
    let found = base.search(&query).unwrap();
    let line = |passage: &shuyuan_knowledge::Passage| {
        // Ranks of equal scores may change places.
        let why = (passage.why.words, &passage.why.shares, passage.why.cosine);
        let weight = passage.why.vector_weight;
        let place = format!("{} {} {}", passage.document.item, passage.start, passage.end);
        format!("{place} {why:?} {:?} {}", passage.text, if weights { weight } else { 0.0 })
    };
    let mut all: Vec<String> = found.passages.iter().map(line).collect();
    let (count, documents) = base.documents(reader, &Filter::default(), 0, 1000).unwrap();
    for info in documents {
        let text = base.document(reader, info.id).unwrap().map(|document| document.text);
        all.push(format!("{} {text:?}", info.item));
    }
    all.sort();
    all.push(format!("{:?} {} {count}", found.mode, found.searched));
    all
}

const QUESTIONS: [&str; 5] =
    ["trial leave", "试用期 年假 合同", "A-17 printer", "holiday 2026 出差", "unknown"];

#[test]
fn after_any_changes_the_base_is_as_if_made_anew() {
    let mut random = Random(3);
    let (dir, base, source) = empty();
    let mut files: BTreeMap<String, File> = BTreeMap::new();
    let mut writer = base.writer().unwrap();
    for round in 0..120 {
        for _ in 0..1 + random.below(4) {
            let key = format!("f{}", random.below(40));
            match (random.below(5), files.get_mut(&key)) {
                (0, _) => {
                    files.remove(&key);
                    writer.remove(source, &key).unwrap();
                }
                (1, Some(old)) => {
                    old.groups = file(&mut random).groups;
                    writer.regroup(source, &key, &old.groups).unwrap();
                }
                _ => {
                    let file = file(&mut random);
                    put(&mut writer, source, &key, &file);
                    files.insert(key, file);
                }
            }
        }
        writer.commit().unwrap();
        if round % 10 == 3 {
            // What is not committed is as if never done.
            put(&mut writer, source, "never", &file(&mut random));
            drop(writer);
            writer = base.writer().unwrap();
        }
        if round % 8 == 7 || round % 20 == 19 {
            base.embed(&mut writer, &Hashing::default(), &mut |_, _| true).unwrap();
        }
        if round % 20 == 19 {
            let (_fresh_dir, fresh) = base_of(&files);
            // One keeps its copy in memory, another reads the file anew.
            let other = store::open(dir.path());
            for question in QUESTIONS {
                for reader in [Reader::Owner, Reader::public(), Reader::of(["hr"])] {
                    let expected = told(&fresh, &reader, question, true, false);
                    assert_eq!(told(&base, &reader, question, true, false), expected, "round {round}");
                    assert_eq!(told(&other, &reader, question, true, false), expected, "round {round}");
                }
            }
        }
    }
}

#[test]
fn what_may_not_be_read_cannot_change_what_is_told() {
    let mut random = Random(11);
    for _ in 0..12 {
        let files: BTreeMap<String, File> =
            (0..30).map(|n| (format!("f{n:02}"), file(&mut random))).collect();
        let (_dir, base) = base_of(&files);
        for reader in
            [Reader::public(), Reader::of(["hr"]), Reader::of(["lab", "board"]), Reader::of(["nobody"])]
        {
            let mut readable = files.clone();
            readable.retain(|_, file| reader.may_read(&file.groups));
            assert!(readable.len() < files.len());
            let (_only_dir, only) = base_of(&readable);
            for question in QUESTIONS {
                for hybrid in [false, true] {
                    let expected = told(&only, &reader, question, hybrid, true);
                    assert_eq!(
                        told(&base, &reader, question, hybrid, true),
                        expected,
                        "{reader:?} {question}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_backup_is_one_moment_and_can_be_put_back_while_others_read() {
    let mut random = Random(5);
    let files: BTreeMap<String, File> = (0..20).map(|n| (format!("f{n}"), file(&mut random))).collect();
    let (dir, base) = base_of(&files);
    let before = told(&base, &Reader::Owner, "trial leave", true, true);
    let backup = dir.path().join("backup.sqlite");
    base.backup(&backup).unwrap();
    assert!(base.backup(&backup).unwrap_err().to_string().contains("exists"));
    let source = base.source("s").unwrap();
    let mut writer = base.writer().unwrap();
    writer.remove_source(source.id).unwrap();
    writer.finish().unwrap();
    assert_eq!(base.chunks(&Reader::Owner).unwrap(), 0);
    base.restore(&backup).unwrap();
    assert_eq!(told(&base, &Reader::Owner, "trial leave", true, true), before);
    let garbage = dir.path().join("garbage");
    std::fs::write(&garbage, "this is no database, and long enough to look like one".repeat(100)).unwrap();
    assert!(base.restore(&garbage).unwrap_err().to_string().contains("another file"));
    assert_eq!(told(&base, &Reader::Owner, "trial leave", true, true), before);
}

#[test]
fn another_embedder_takes_over_when_it_is_done() {
    let mut random = Random(6);
    let files: BTreeMap<String, File> = (0..90).map(|n| (format!("f{n}"), file(&mut random))).collect();
    let (_dir, base) = base_of(&files);
    let other = Hashing { name: "other", ..Hashing::default() };
    let mut writer = base.writer().unwrap();
    let stopped = base.embed(&mut writer, &other, &mut |_, _| false).unwrap_err();
    assert!(stopped.to_string().contains("goes on"), "{stopped}");
    assert_eq!(base.embedder().unwrap().unwrap().0, "hashing");
    drop(writer);
    let mut writer = base.writer().unwrap();
    base.embed(&mut writer, &other, &mut |_, _| true).unwrap();
    assert_eq!(base.embedder().unwrap().unwrap().0, "other");
    // Stopped in between, no chunk was read twice.
    assert_eq!(other.texts.into_inner(), base.chunks(&Reader::Owner).unwrap() as usize);
}

#[test]
fn filters_let_through_what_they_say() {
    let (_dir, base, source) = empty();
    let mut writer = base.writer().unwrap();
    for (key, tag, date) in [
        ("a/one.txt", "red", Some("2026-01-05")),
        ("a/two.txt", "blue", Some("2026-03-05")),
        ("b/a/x.txt", "red", None),
    ] {
        let document = Document {
            text: "The trial period.".into(),
            blocks: vec![Block { kind: Kind::Text, span: 0..17 }],
            format: "txt",
            ..Document::default()
        };
        let item = Item {
            key: key.into(),
            tags: vec![tag.into(), "all, of them".into()],
            date: date.map(Into::into),
            ..Item::default()
        };
        let parsed = Parsed { documents: vec![document], unread: vec![] };
        writer.put(source, &item, &Prepared::new(parsed, &Size { most: 40, count: &estimate })).unwrap();
    }
    writer.finish().unwrap();
    let through = |filter: Filter| -> Vec<String> {
        let (count, documents) = base.documents(&Reader::Owner, &filter, 0, 9).unwrap();
        let query = Query { filter, join: false, ..Query::new("trial", Reader::Owner) };
        assert_eq!(base.search(&query).unwrap().passages.len(), count);
        documents.into_iter().map(|info| info.item).collect()
    };
    let text = |text: &str| Some(text.to_string());
    let some = Filter::default;
    assert_eq!(through(some()), ["a/one.txt", "a/two.txt", "b/a/x.txt"]);
    assert_eq!(through(Filter { source: text("s"), ..some() }).len(), 3);
    assert_eq!(through(Filter { source: text("other"), ..some() }).len(), 0);
    assert_eq!(through(Filter { except: text("s"), ..some() }).len(), 0);
    assert_eq!(through(Filter { folder: text("a/"), ..some() }), ["a/one.txt", "a/two.txt"]);
    assert_eq!(through(Filter { after: text("2026-02-01"), ..some() }), ["a/two.txt"]);
    assert_eq!(through(Filter { before: text("2026-02-01"), ..some() }), ["a/one.txt"]);
    assert_eq!(through(Filter { formats: vec!["pdf".into(), "txt".into()], ..some() }).len(), 3);
    assert_eq!(through(Filter { formats: vec!["pdf".into()], ..some() }).len(), 0);
    assert_eq!(through(Filter { tags: vec!["red".into()], ..some() }), ["a/one.txt", "b/a/x.txt"]);
    assert_eq!(through(Filter { tags: vec!["all, of them".into(), "blue".into()], ..some() }), ["a/two.txt"]);
    assert_eq!(through(Filter { tags: vec!["all".into()], ..some() }).len(), 0);
    assert_eq!(base.find(&Reader::Owner, "x.txt").unwrap(), base.find(&Reader::Owner, "b/a/x.txt").unwrap());
    assert_eq!(base.find(&Reader::Owner, "%.txt").unwrap(), None);
}

#[test]
fn other_files_are_no_bases() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("knowledge.sqlite");
    std::fs::write(&path, "hello ".repeat(2000)).unwrap();
    let said = || Base::open(dir.path()).map(drop).unwrap_err().to_string();
    assert!(said().contains("another file"), "{}", said());
    std::fs::remove_file(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE t (x); PRAGMA user_version = 1;").unwrap();
    drop(other);
    assert!(said().contains("another SQLite file"), "{}", said());
}
