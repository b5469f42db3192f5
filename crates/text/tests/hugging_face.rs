//! Against Hugging Face's libraries: files, ids, chats. What they gave is recorded by `goldens/text/record.py`.

use std::ops::ControlFlow;
use std::path::PathBuf;

use serde_json::Value;
use shuyuan_text::{
    CONFIG_FILE, ChatTemplate, Message, Rendering, TOKENIZER_FILE, TokenId, Tokenizer, TrainConfig, train,
};

fn goldens() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../goldens/text")
}

fn golden() -> Value {
    let text = std::fs::read_to_string(goldens().join("golden.json")).expect("golden.json is there");
    serde_json::from_str(&text).expect("golden.json is JSON")
}

fn ids(value: &Value) -> Vec<TokenId> {
    value.as_array().expect("a list").iter().map(|id| id.as_u64().expect("an id") as TokenId).collect()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// Training the committed sample gives the committed files, bit by bit, on every machine and any number of threads.
#[test]
fn training_gives_the_fixture() {
    let sample = std::fs::read_to_string(goldens().join("sample.txt")).expect("sample.txt is there");
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let texts = sample.split_inclusive("\n\n").map(|t| Ok(t.to_string()));
        let config = TrainConfig::new(600);
        let trained =
            pool.install(|| train(texts, &config, |_| ControlFlow::Continue(()))).expect("the sample trains");
        assert_eq!(trained.report.vocab_size, 600);
        assert_eq!(trained.report.bytes, sample.len() as u64);
        let dir = goldens().join("ours");
        if std::env::var_os("SHUYUAN_UPDATE").is_some() {
            trained.tokenizer.save(&dir).expect("writes the fixture");
        }
        let read = |name: &str| std::fs::read_to_string(dir.join(name)).expect("the fixture is there");
        // The order of fields is serde_json's, which other crates of a build may change.
        let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        assert!(
            json(&trained.tokenizer.to_json()) == json(&read(TOKENIZER_FILE)),
            "tokenizer.json differs, {threads} threads"
        );
        assert!(
            json(&trained.tokenizer.config_json()) == json(&read(CONFIG_FILE)),
            "tokenizer_config.json differs"
        );
    }
}

#[test]
fn ids_are_those_of_hugging_face() {
    let tokenizer = Tokenizer::load(goldens().join("ours")).expect("loads");
    let golden = golden();
    for item in items(&golden["texts"]) {
        let text = item["text"].as_str().expect("a text");
        let expected = ids(&item["ids"]);
        assert_eq!(tokenizer.encode(text), expected, "{text:?}");
        assert_eq!(tokenizer.decode(&expected), text);
    }
    for (text, id) in golden["special"].as_object().expect("a map") {
        assert_eq!(tokenizer.special(text).map(u64::from), id.as_u64());
    }
}

#[test]
fn a_file_like_qwen2s_gives_the_same_ids() {
    let tokenizer = Tokenizer::load(goldens().join("qwen2_like.json")).expect("loads");
    assert!(tokenizer.composes());
    for item in items(&golden()["texts"]) {
        let text = item["text"].as_str().expect("a text");
        assert_eq!(tokenizer.encode(text), ids(&item["qwen2_like"]), "{text:?}");
    }
    // Written and read again, it is the same.
    let again = Tokenizer::from_json(&tokenizer.to_json(), "again").expect("reads what it wrote");
    assert_eq!(again.to_json(), tokenizer.to_json());
    let think = tokenizer.special("<think>").expect("an added token");
    assert!(!tokenizer.encode("<think>").contains(&think));
    assert_eq!(tokenizer.encode_with_specials("<think>"), [think]);
}

#[test]
fn chats_are_those_of_hugging_face() {
    let tokenizer = Tokenizer::load(goldens().join("ours")).expect("loads");
    let template = ChatTemplate::new(&tokenizer).expect("has the special tokens");
    for chat in items(&golden()["chats"]) {
        let messages: Vec<Message> = serde_json::from_value(chat["messages"].clone()).expect("messages");
        let expected = ids(&chat["ids"]);
        assert_eq!(
            template.render(&messages, &Rendering::default()).expect("renders"),
            expected,
            "{messages:?}"
        );
        assert_eq!(
            template.render(&messages, &Rendering::answer()).expect("renders"),
            ids(&chat["with_prompt"]),
            "{messages:?}"
        );
        let (trained, mask) = template.render_for_training(&messages).expect("renders");
        assert_eq!(trained, expected);
        let expected: Vec<bool> = items(&chat["mask"]).iter().map(|m| m == 1).collect();
        assert_eq!(mask, expected, "{messages:?}");
    }
}
