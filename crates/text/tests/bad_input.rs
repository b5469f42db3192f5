//! Files, texts and settings that are wrong: a clear error each, and no panic.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use serde_json::{Value, json};
use shuyuan_text::{ChatTemplate, Error, Tokenizer, TrainConfig, TrainProgress, Trained, train};

/// What the message must say, and a change of the file.
type Case = (&'static str, fn(&mut Value));

fn train_on(text: &str, config: &TrainConfig) -> Result<Trained, Error> {
    train([Ok(text.to_string())], config, |_| ControlFlow::Continue(()))
}

fn fixture() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../goldens/text/ours/tokenizer.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the fixture is there")).expect("is JSON")
}

/// What loading says to the fixture after a change.
fn refusal(change: impl FnOnce(&mut Value)) -> String {
    let mut file = fixture();
    change(&mut file);
    Tokenizer::from_json(&file.to_string(), "tokenizer.json").expect_err("is refused").to_string()
}

#[test]
fn a_vocabulary_smaller_than_the_bytes() {
    for size in [0, 255, 258] {
        let message = train_on("text", &TrainConfig::new(size)).expect_err("is refused").to_string();
        assert!(message.contains(&format!("vocabulary size {size} is too small")), "{message}");
        assert!(message.contains("at least 259"), "{message}");
    }
    assert!(train_on("text", &TrainConfig::new(259)).is_ok());
    assert!(train_on("text", &TrainConfig::new(usize::MAX)).is_err());
}

#[test]
fn text_with_too_few_pairs_gives_a_smaller_vocabulary_and_says_so() {
    let trained = train_on("aab aab", &TrainConfig::new(10_000)).expect("trains");
    assert_eq!(trained.report.requested_vocab_size, 10_000);
    assert_eq!(trained.report.vocab_size, trained.tokenizer.vocab_size());
    assert!(trained.report.vocab_size < 265);
}

#[test]
fn no_text_a_failing_reader_and_a_stop() {
    let config = TrainConfig::new(300);
    assert!(matches!(train_on("", &config), Err(Error::NoText)));
    let failing = [Ok("some text".into()), Err(io::Error::other("the disk is gone"))];
    let message = train(failing, &config, |_| ControlFlow::Continue(())).expect_err("is refused").to_string();
    assert!(message.contains("the disk is gone"), "{message}");
    let text = "some text, some more text".repeat(100);
    let stopped = train([Ok(text)], &config, |p| match p {
        TrainProgress::Merging { .. } => ControlFlow::Break(()),
        TrainProgress::Counting { .. } => ControlFlow::Continue(()),
    });
    assert!(matches!(stopped, Err(Error::Stopped)));
}

#[test]
fn special_tokens_that_are_empty_or_repeated() {
    for bad in ["", "<a>"] {
        let mut config = TrainConfig::new(300);
        config.specials = vec!["<a>".into(), bad.into()];
        assert!(matches!(train_on("text", &config), Err(Error::BadSpecial(_))));
    }
}

#[test]
fn a_special_token_that_the_text_is_full_of_stays_special() {
    let mut config = TrainConfig::new(300);
    config.specials = vec!["ab".into(), "<|endoftext|>".into()];
    let tokenizer = train_on(&"ab abc ab <|endoftext|> ".repeat(500), &config).expect("trains").tokenizer;
    let ids = tokenizer.encode("ab <|endoftext|>");
    assert!(ids.iter().all(|&id| !tokenizer.is_special(id)));
    let again = Tokenizer::from_json(&tokenizer.to_json(), "t").expect("loads");
    assert_eq!(again.encode("ab abc"), tokenizer.encode("ab abc"));
    assert!(ChatTemplate::new(&tokenizer).is_err());
}

#[test]
fn words_beyond_the_room_are_forgotten_and_counted() {
    let mut config = TrainConfig::new(300);
    config.word_bytes = 2000;
    let text: String =
        (0..2000).map(|i| format!("word{} ", ["a", "b", "c"].map(|s| s.repeat(i % 40)).concat())).collect();
    let rare: String =
        (0..3000u32).filter_map(|i| char::from_u32(0x4e00 + i)).flat_map(|c| [c, '，']).collect();
    let trained = train_on(&(text + &rare), &config).expect("trains");
    assert!(trained.report.forgotten_words >= 2900, "{:?}", trained.report);
}

#[test]
fn files_that_are_missing_broken_or_foreign() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).expect("writes");
        path
    };
    assert!(matches!(Tokenizer::load(dir.path()), Err(Error::Io { .. })), "an empty folder");
    assert!(matches!(Tokenizer::load(dir.path().join("none")), Err(Error::Io { .. })));
    let whole = fixture().to_string();
    let corrupt: [&[u8]; 6] =
        [b"", b"{}", b"[1, 2]", b"\xff\xfe\x00", b"{\"model\": 3}", &whole.as_bytes()[..whole.len() / 2]];
    for bytes in corrupt {
        let loaded = Tokenizer::load(at("bad.json", bytes));
        assert!(
            matches!(loaded, Err(Error::Corrupt { .. })),
            "{:?} {loaded:?}",
            String::from_utf8_lossy(bytes)
        );
    }
    assert!(Tokenizer::load("/dev/zero").is_err());
    assert!(Tokenizer::from_json(&"[".repeat(100_000), "deep").is_err());
}

#[test]
fn tokenizers_of_other_kinds_are_named() {
    let cases: [Case; 9] = [
        ("model type WordLevel", |f| f["model"] = json!({"type": "WordLevel", "vocab": {"a": 0}})),
        ("unknown token", |f| f["model"] = json!({"type": "WordPiece", "vocab": {"a": 0}})),
        ("dropout", |f| f["model"]["dropout"] = 0.1.into()),
        ("suffixes of word parts", |f| f["model"]["end_of_word_suffix"] = "</w>".into()),
        ("decoder BPEDecoder", |f| f["decoder"] = json!({"type": "BPEDecoder", "suffix": "</w>"})),
        ("no decoder", |f| {
            f["decoder"] = Value::Null;
            f["model"]["byte_fallback"] = true.into();
        }),
        ("decoder Replace after Fuse", |f| {
            let steps =
                json!([{"type": "Fuse"}, {"type": "Replace", "pattern": {"String": "a"}, "content": "b"}]);
            f["decoder"] = json!({"type": "Sequence", "decoders": steps});
        }),
        ("post-processor Odd", |f| f["post_processor"] = json!({"type": "Odd"})),
        ("not byte-level", |f| f["model"]["vocab"]["▁the"] = 700.into()),
    ];
    for (expected, change) in cases {
        let message = refusal(change);
        assert!(message.contains("not supported") && message.contains(expected), "{expected}: {message}");
    }
}

#[test]
fn contradictions_inside_a_file_are_named() {
    let cases: [Case; 12] = [
        ("which is not there", |f| f["model"]["merges"][3] = "zz zz".into()),
        ("not two tokens", |f| f["model"]["merges"][3] = "zz".into()),
        ("two tokens have id 300", |f| f["model"]["vocab"]["zzzz"] = 300.into()),
        ("neither text nor special token", |f| {
            f["post_processor"] = json!({"type": "TemplateProcessing", "single": [3], "special_tokens": {}})
        }),
        ("adds token 9999", |f| {
            f["post_processor"] = json!({"type": "BertProcessing", "cls": ["x", 9999], "sep": ["y", 1]})
        }),
        ("unk_id", |f| f["model"] = json!({"type": "Unigram", "vocab": [["a", 0.5]], "unk_id": 7})),
        ("tokenizer file", |f| {
            f["pre_tokenizer"] =
                json!({"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": false})
        }),
        ("which another token has", |f| f["added_tokens"][0]["id"] = 300.into()),
        ("two added tokens", |f| f["added_tokens"][0] = f["added_tokens"][1].clone()),
        ("is empty", |f| f["added_tokens"][0]["content"] = "".into()),
        ("expected u32", |f| f["model"]["vocab"]["zzzz"] = (-1).into()),
        ("missing field `merges`", |f| f["model"] = json!({"type": "BPE", "vocab": {}})),
    ];
    for (expected, change) in cases {
        let message = refusal(change);
        assert!(
            message.contains("not a valid tokenizer") && message.contains(expected),
            "{expected}: {message}"
        );
    }
    assert!(refusal(|f| f["model"]["vocab"]["zzzz"] = 4_000_000_000u32.into()).contains("id 4000000000"));
    let no_byte = refusal(|f| {
        f["model"]["merges"] = json!([]);
        f["model"]["vocab"] = json!({"a": 0});
        f["added_tokens"] = json!([]);
    });
    assert!(no_byte.contains("without byte 0x09"), "{no_byte}");
}

/// Merges in an order that no trainer makes: encoding must still be what merging by rank gives, or be refused.
#[test]
fn merges_in_any_order_encode_as_their_ranks_say() {
    let mut file = fixture();
    let merges = file["model"]["merges"].as_array_mut().expect("a list");
    merges.reverse();
    let reversed = Tokenizer::from_json(&file.to_string(), "reversed").expect("loads");
    let text = "The cat sat on the mat. 我今天吃了狮子头和蔬菜";
    assert_eq!(reversed.decode(&reversed.encode(text)), text);
    let mut file = fixture();
    let merges = file["model"]["merges"].as_array_mut().expect("a list");
    merges.extend(merges.clone());
    let doubled = Tokenizer::from_json(&file.to_string(), "doubled").expect("loads");
    assert_eq!(
        doubled.encode(text),
        Tokenizer::from_json(&fixture().to_string(), "f").expect("loads").encode(text)
    );
}

#[test]
fn a_folder_that_cannot_be_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("file");
    std::fs::write(&file, "here").expect("writes");
    let tokenizer = train_on("text text", &TrainConfig::new(260)).expect("trains").tokenizer;
    let message = tokenizer.save(file.join("below")).expect_err("is refused").to_string();
    assert!(message.contains("file"), "{message}");
}
