//! From files of every kind to batches: what is kept, what is dropped and why, and that interruptions leave no trace.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use shuyuan_corpus::{
    Batch, BatchConfig, Batches, BuildConfig, ChatBatches, Conversations, Corpus, Error, Filters, Report,
    Source, Split, Stage, build, texts,
};
use shuyuan_text::{END_OF_TEXT, Tokenizer, TrainConfig, train};
use tempfile::TempDir;

const SYLLABLES: [&str; 16] =
    ["ba", "ko", "mi", "tu", "re", "sa", "no", "le", "vi", "da", "po", "ge", "zu", "fi", "ha", "ny"];
const HAN: &str =
    "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳云腾致雨露结为霜金生丽水玉出昆冈";

/// SplitMix64, for texts of made-up words.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 33) as usize % n
    }

    fn english(&mut self, words: usize) -> String {
        let mut text = String::new();
        for i in 0..words {
            for _ in 0..1 + self.below(3) {
                text += SYLLABLES[self.below(16)];
            }
            text += if i % 12 == 11 { ".\n" } else { " " };
        }
        text
    }

    fn chinese(&mut self, characters: usize) -> String {
        let han: Vec<char> = HAN.chars().collect();
        (0..characters)
            .flat_map(|i| [Some(han[self.below(han.len())]), (i % 20 == 19).then_some('。')])
            .flatten()
            .collect()
    }
}

fn tokenizer() -> Tokenizer {
    let mut chance = Chance(1);
    let texts: Vec<_> = (0..20).map(|_| Ok(chance.english(200) + &chance.chinese(200))).collect();
    train(texts, &TrainConfig::new(600), |_| ControlFlow::Continue(())).unwrap().tokenizer
}

fn jsonl(texts: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    texts.into_iter().map(|t| serde_json::json!({"id": 1, "text": t.as_ref()}).to_string() + "\n").collect()
}

fn make(config: &BuildConfig) -> Result<Report, Error> {
    build(config, &tokenizer(), &|_| {}, &AtomicBool::new(false))
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.file_name().unwrap() != ".lock")
        .map(|p| (p.file_name().unwrap().into(), fs::read(&p).unwrap_or_default()))
        .collect()
}

/// All documents of a split as text.
fn documents(dir: &Path, split: Split) -> Vec<String> {
    let corpus = Corpus::open(dir).unwrap();
    corpus.verify().unwrap();
    let tokenizer = Tokenizer::load(dir).unwrap();
    let config = BatchConfig { batch: 1, tokens: 4096, seed: 1, epochs: Some(1) };
    let mut texts = Vec::new();
    for batch in Batches::new(&corpus, split, config).unwrap() {
        let batch = batch.unwrap();
        let (mut at, n) = (0, batch.targets.iter().rposition(|&t| t != Batch::IGNORE).unwrap() + 1);
        for end in 1..=n {
            if end == n || batch.starts[end] as usize == end {
                let text = &batch.inputs[at..end];
                let begins = text.first().copied() == tokenizer.special(END_OF_TEXT);
                texts.push(tokenizer.decode(&text[usize::from(begins)..]));
                at = end;
            }
        }
    }
    texts.sort();
    texts
}

#[test]
fn every_kind_of_file_is_read() {
    let dir = TempDir::new().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    fs::create_dir_all(input.join("deep/er")).unwrap();
    let mut chance = Chance(2);
    let mut expected: Vec<String> = (0..7).map(|_| chance.english(60)).collect();
    let put = |name: &str, bytes: &[u8]| fs::write(input.join(name), bytes).unwrap();
    put("a.txt", expected[0].as_bytes());
    put("b.MD", expected[1].replace('\n', "\r\n").as_bytes());
    put("deep/c.jsonl", jsonl([&expected[2], &expected[3]]).as_bytes());
    put("deep/er/d.jsonl.zst", &zstd::encode_all(jsonl([&expected[4]]).as_bytes(), 3).unwrap());
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(jsonl([&expected[5]]).as_bytes()).unwrap();
    put("deep/e.jsonl.gz", &gz.finish().unwrap());
    put("f.parquet", &parquet_file(&expected[6]));
    put(".hidden.txt", b"not read at all, and not listed either");
    put("g.pdf", b"%PDF");
    put("h.jsonl", br#"{"messages": [{"role": "user", "content": "who is there tonight?"}, {"role": "assistant", "content": "only me and the cat"}]}"#);
    expected.push("user\nwho is there tonight?\nassistant\nonly me and the cat\n".into());

    let report =
        make(&BuildConfig { validation_share: 0.0, ..BuildConfig::new(vec![Source::new(&input)], &output) })
            .unwrap();
    let source = &report.sources[0];
    assert_eq!((source.files, source.documents_in, source.kept, source.dropped.total()), (7, 8, 8, 0));
    assert_eq!((source.languages.en, source.tokens), (8, report.tokens));
    assert!(
        source.skipped.files.len() == 1 && source.skipped.files[0].contains("g.pdf"),
        "{:?}",
        source.skipped
    );
    let mut expected: Vec<String> =
        expected.iter().map(|t| t.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")).collect();
    expected.sort();
    // Special tokens decode to their texts.
    let mut found: Vec<String> = documents(&output, Split::Train)
        .iter()
        .map(|t| t.replace("<|im_start|>", "").replace("<|im_end|>", "").trim_end().to_owned())
        .collect();
    found.sort();
    assert_eq!(found, expected);
    // The tokenizer's trainer sees the same texts.
    let read: Vec<String> = texts(&[&input], None).unwrap().map(Result::unwrap).collect();
    assert!(read.len() == 8 && expected.iter().filter(|t| read.contains(t)).count() == 7);
}

/// A file with a column `text` of one row, beside another.
fn parquet_file(text: &str) -> Vec<u8> {
    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    let schema = "message m { required int64 id; optional binary text (UTF8); }";
    let schema = std::sync::Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut file =
        parquet::file::writer::SerializedFileWriter::new(&mut bytes, schema, Default::default()).unwrap();
    let mut group = file.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[7, 8], None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    // The second row is null.
    column.typed::<ByteArrayType>().write_batch(&[ByteArray::from(text)], Some(&[1, 0]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    file.close().unwrap();
    bytes
}

#[test]
fn bad_input_is_skipped_counted_and_named() {
    let dir = TempDir::new().unwrap();
    let input = dir.path().join("in");
    fs::create_dir(&input).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(input.join(name), bytes).unwrap();
    let mut chance = Chance(3);
    let good = jsonl((0..4).map(|_| chance.english(50)));
    let mut lines: Vec<Vec<u8>> = good.lines().map(|l| l.as_bytes().to_vec()).collect();
    lines.insert(1, b"{\"text\": \"cut o".to_vec());
    lines.insert(2, b"{\"text\": \"\xff\xfe\"}".to_vec());
    lines.insert(3, format!("{{\"text\": \"{}\"}}", "x".repeat(10 << 20)).into_bytes());
    lines.insert(4, b"{\"title\": \"no text\"}".to_vec());
    lines.insert(5, b"{\"text\": \"   \"}".to_vec());
    put("lines.jsonl", &lines.join(&b'\n'));
    put("empty.txt", b"");
    put("binary.txt", &(0..=255).cycle().take(5000).collect::<Vec<u8>>());
    put("utf16.txt", &[0xff, 0xfe, b'a', 0, b'b', 0]);
    put("random.jsonl.zst", b"this is no zstd frame");
    let whole = zstd::encode_all(jsonl((0..4000).map(|_| chance.english(50))).as_bytes(), 3).unwrap();
    put("cut.jsonl.zst", &whole[..whole.len() / 2]);
    put("random.parquet", b"PAR1 but not really");
    put("latin1.txt", b"caf\xe9 au lait");
    let report = make(&BuildConfig::new(vec![Source::new(&input)], dir.path().join("out"))).unwrap();
    let source = &report.sources[0];
    let records: Vec<(&str, u64)> = source.skipped.records.iter().map(|(r, n)| (r.as_str(), *n)).collect();
    let expected =
        [("invalid UTF-8", 2), ("line over 8 MiB", 1), ("neither text nor messages", 1), ("not JSON", 1)];
    assert_eq!(records, expected);
    assert!(
        source.skipped.first.iter().any(|l| l.contains("lines.jsonl:2 ") && l.ends_with("not JSON")),
        "{:?}",
        source.skipped.first
    );
    for name in [
        "empty.txt: empty",
        "binary.txt: binary",
        "utf16.txt: UTF-16",
        "random.jsonl.zst: ",
        "cut.jsonl.zst: after line",
        "random.parquet: not a parquet",
    ] {
        assert!(
            source.skipped.files.iter().any(|f| f.contains(name)),
            "{name} in {:?}",
            source.skipped.files
        );
    }
    assert_eq!(source.dropped.empty, 1);
    assert!(source.kept > 1000);

    let fail = |path: &str, expected: &str| {
        let config = BuildConfig::new(vec![Source::new(input.join(path))], dir.path().join("fail"));
        let message = make(&config).unwrap_err().to_string();
        assert!(message.contains(expected), "{path}: {message}");
    };
    fail("nowhere", "no such file");
    fs::create_dir(input.join("void")).unwrap();
    fail("void", "holds no file");
    fail("empty.txt", "empty");
    fail("latin1.txt", "invalid UTF-8");
    put("x.pdf", b"");
    fail("x.pdf", "expected txt, md, jsonl");
    let config =
        BuildConfig::new(vec![Source { path: input.clone(), weight: -1.0 }], dir.path().join("fail"));
    assert!(make(&config).unwrap_err().to_string().contains("weight"));
}

#[test]
fn planted_duplicates_are_found_and_the_earliest_stays() {
    let dir = TempDir::new().unwrap();
    let mut chance = Chance(4);
    let originals: Vec<String> =
        (0..300).map(|i| if i % 2 == 0 { chance.english(150) } else { chance.chinese(300) }).collect();
    // A tenth cut off the end of each, a change of case and punctuation, and the same text with other white space.
    let cut = |t: &String| t.chars().take(t.chars().count() * 9 / 10).collect::<String>();
    let (one, two) = (dir.path().join("one.jsonl"), dir.path().join("two.jsonl"));
    fs::write(&one, jsonl(&originals)).unwrap();
    let copies: Vec<String> = originals
        .iter()
        .enumerate()
        .map(|(i, t)| match i % 3 {
            0 => cut(t),
            1 => t.to_uppercase().replace(['.', '。'], "!"),
            _ => format!("\u{feff}\n{}\r\n\r\n", t.replace('\n', "  \r\n")),
        })
        .collect();
    fs::write(&two, jsonl(&copies)).unwrap();
    let config =
        BuildConfig::new(vec![Source::new(&one), Source { path: two, weight: 2.0 }], dir.path().join("out"));
    let report = make(&BuildConfig { validation_share: 0.1, ..config.clone() }).unwrap();
    let (first, second) = (&report.sources[0], &report.sources[1]);
    assert_eq!((first.kept, second.kept), (300, 0));
    assert_eq!((second.dropped.exact_duplicate, second.dropped.near_duplicate), (100, 200));
    assert_eq!((first.languages.zh, first.languages.en), (150, 150));
    // Train and validation share nothing; both together are the originals.
    let (train, validation) =
        (documents(&config.output, Split::Train), documents(&config.output, Split::Validation));
    assert!((15..50).contains(&validation.len()), "{}", validation.len());
    assert_eq!(train.len() + validation.len(), 300);

    let output = dir.path().join("all");
    let report = make(&BuildConfig { near_duplicates: false, output, ..config }).unwrap();
    assert_eq!((report.sources[1].kept, report.sources[1].dropped.near_duplicate), (200, 0));
}

#[test]
fn documents_of_an_evaluation_set_are_left_out() {
    let dir = TempDir::new().unwrap();
    let mut chance = Chance(5);
    let texts: Vec<String> = (0..50).map(|_| chance.english(120)).collect();
    let words: Vec<&str> = texts[7].split_whitespace().skip(30).take(20).collect();
    let question =
        serde_json::json!({"query": words.join("  ").to_uppercase(), "choices": ["a", "b"]}).to_string();
    let (train, eval) = (dir.path().join("train.jsonl"), dir.path().join("eval.jsonl"));
    fs::write(&train, jsonl(&texts)).unwrap();
    fs::write(&eval, question).unwrap();
    let config = BuildConfig::new(vec![Source::new(train)], dir.path().join("out"));
    let report = make(&BuildConfig { decontaminate: vec![eval], ..config.clone() }).unwrap();
    assert_eq!((report.sources[0].kept, report.sources[0].dropped.overlap), (49, 1));
    let all: String =
        [Split::Train, Split::Validation].map(|s| documents(&config.output, s).concat()).concat();
    assert!(
        all.contains(texts[8].lines().next().unwrap()) && !all.contains(texts[7].lines().next().unwrap())
    );
}

/// Three units and a folder of small files, with duplicates across.
fn large_input(dir: &Path) -> BuildConfig {
    let mut chance = Chance(6);
    let texts: Vec<String> = (0..9000).map(|_| chance.english(250)).collect();
    fs::create_dir(dir.join("small")).unwrap();
    for i in 0..30 {
        fs::write(dir.join(format!("small/{i:02}.txt")), &texts[i * 3]).unwrap();
    }
    fs::write(dir.join("large.jsonl"), jsonl(&texts)).unwrap();
    let inputs = vec![Source::new(dir.join("small")), Source { path: dir.join("large.jsonl"), weight: 1.5 }];
    BuildConfig { validation_share: 0.05, ..BuildConfig::new(inputs, dir.join("whole")) }
}

#[test]
fn an_interrupted_build_ends_as_an_uninterrupted_one_on_any_number_of_threads() {
    let dir = TempDir::new().unwrap();
    let config = large_input(dir.path());
    let tokenizer = tokenizer();
    let steps = Cell::new(0);
    let count = |_| steps.set(steps.get() + 1);
    let report = build(&config, &tokenizer, &count, &AtomicBool::new(false)).unwrap();
    let whole = files(&config.output);
    assert!(!whole.contains_key(Path::new("work")) && whole.contains_key(Path::new("validation-00001.tok")));
    assert!(steps.get() > 20, "{}", steps.get());

    let broken = BuildConfig { output: dir.path().join("broken"), ..config.clone() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut stages = Vec::new();
    for at in [1, 1, 2, 4, 9, 23] {
        let (stop, n) = (AtomicBool::new(false), std::sync::atomic::AtomicUsize::new(0));
        let stage = std::sync::Mutex::new(None);
        let result = pool.install(|| {
            let progress = |p: shuyuan_corpus::Progress| {
                *stage.lock().unwrap() = Some(p.stage);
                if n.fetch_add(1, Ordering::Relaxed) + 1 >= at {
                    stop.store(true, Ordering::Relaxed);
                }
            };
            build(&broken, &tokenizer, &progress, &stop)
        });
        assert!(matches!(result, Err(Error::Stopped)), "at step {at}");
        assert!(Corpus::open(&broken.output).unwrap_err().to_string().contains("not finished"));
        stages.extend(stage.into_inner().unwrap());
    }
    for stage in [Stage::Reading, Stage::Comparing, Stage::Writing] {
        assert!(stages.contains(&stage), "{stage:?} was not interrupted: {stages:?}");
    }
    // A crash leaves half-written files behind.
    fs::write(broken.output.join("work/.001-000009.unit.tmp"), b"half").unwrap();
    fs::write(broken.output.join("train-00000.tok"), b"half").unwrap();
    let again = pool.install(|| build(&broken, &tokenizer, &|_| {}, &AtomicBool::new(false))).unwrap();
    assert_eq!(report, again);
    let broken_files = files(&broken.output);
    assert!(whole == broken_files, "{:?} {:?}", whole.keys(), broken_files.keys());

    // Once more: nothing to do. With other settings: refused, and the corpus is untouched.
    assert_eq!(build(&broken, &tokenizer, &|_| {}, &AtomicBool::new(true)).unwrap(), report);
    let other = BuildConfig { filters: Filters::web(), ..broken.clone() };
    assert!(make(&other).unwrap_err().to_string().contains("another folder"));
    assert!(files(&broken.output) == whole);
}

#[test]
fn an_unfinished_build_of_other_settings_is_begun_anew_and_a_busy_folder_refused() {
    let dir = TempDir::new().unwrap();
    let config = large_input(dir.path());
    let stop = AtomicBool::new(false);
    let result = build(&config, &tokenizer(), &|_| stop.store(true, Ordering::Relaxed), &stop);
    assert!(matches!(result, Err(Error::Stopped)));
    {
        let _lock = shuyuan_store::Lock::acquire(&config.output).unwrap();
        assert!(make(&config).unwrap_err().to_string().contains("in use"));
    }
    let other = BuildConfig { limit: Some(1 << 20), ..config.clone() };
    let report = make(&other).unwrap();
    let read = report.sources[1].bytes_in;
    assert!(((1 << 20) - 65_536..(1 << 20) + 4096).contains(&read), "{read}");
}

#[test]
fn truncated_and_foreign_parts_of_a_corpus_are_named() {
    let dir = TempDir::new().unwrap();
    let input = dir.path().join("a.jsonl");
    let mut chance = Chance(8);
    fs::write(&input, jsonl((0..100).map(|_| chance.english(60)))).unwrap();
    let out = dir.path().join("out");
    make(&BuildConfig::new(vec![Source::new(input)], &out)).unwrap();
    let fails = |file: &str, bytes: &[u8], expected: &str| {
        let path = out.join(file);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let message = Corpus::open(&out).unwrap_err().to_string();
        assert!(message.contains(file) && message.contains(expected), "{message}");
        fs::write(&path, whole).unwrap();
    };
    let shard = fs::read(out.join("train-00000.tok")).unwrap();
    fails("train-00000.tok", &shard[..shard.len() - 1], "expected");
    fails("train-00000.tok", &fs::read(out.join("validation-00000.tok")).unwrap(), "another corpus");
    fails("train-00000.tok", b"hello", "5 bytes");
    fails("tokenizer.json", b"{}", "another");
    fails("corpus.json", b"{\"format\": 3}", "shuyuan-corpus");
    fails("corpus.json", b"not json", "JSON");
    assert!(Corpus::open(dir.path()).unwrap_err().to_string().contains("is no corpus"));
    Corpus::open(&out).unwrap().verify().unwrap();
}

#[test]
fn conversations_are_read_and_learned_where_the_assistant_speaks() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("chat.jsonl");
    let chat = r#"{"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello there"}, {"role": "assistant", "content": "good day"}]}"#;
    let silent = r#"{"messages": [{"role": "user", "content": "anyone?"}]}"#;
    fs::write(&path, format!("{chat}\nnot json\n{silent}\n")).unwrap();
    let tokenizer = tokenizer();
    let read = Conversations::read(&[&path], &tokenizer).unwrap();
    assert_eq!(read.conversations.len(), 1);
    assert_eq!(read.skipped.records.values().sum::<u64>(), 2);
    let config = BatchConfig { batch: 1, tokens: 128, seed: 0, epochs: Some(1) };
    let batch = ChatBatches::new(read.conversations, config).unwrap().next().unwrap().unwrap();
    let targets: Vec<u32> = batch.targets.iter().copied().filter(|&t| t != Batch::IGNORE).collect();
    assert_eq!(tokenizer.decode(&targets), "good day<|im_end|>");
    fs::write(&path, "not json\n").unwrap();
    let message = Conversations::read(&[&path], &tokenizer).unwrap_err().to_string();
    assert!(message.contains("chat.jsonl") && message.contains("messages"), "{message}");
}

/// The committed corpus of version 1 must stay readable for as long as version 1 is said to be read.
#[test]
fn a_corpus_of_version_1_is_read() {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/corpus-v1"));
    let corpus = Corpus::open(dir).unwrap();
    assert_eq!((corpus.documents(Split::Train), corpus.documents(Split::Validation)), (3, 1));
    assert_eq!(shuyuan_corpus::stats(dir).unwrap().sources[0].kept, 4);
    let all = [documents(dir, Split::Train), documents(dir, Split::Validation)].concat();
    assert!(all.contains(&"我今天吃了狮子头和蔬菜，晚上还想再吃一碗面。".to_owned()), "{all:?}");
    assert!(
        all.iter().any(|t| t.starts_with("<|im_start|>user\nWhat did you eat today?<|im_end|>\n")),
        "{all:?}"
    );
}
