//! A model exported from a folder and from a file, to a file and to a folder.

use shuyuan_academy::LiveModel;
use shuyuan_academy::stages::export::{Export, export};
use shuyuan_model::gguf::{Gguf, Mix};
use std::path::{Path, PathBuf};

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/eval/model")
}

fn ask(from: &Path, to: &Path, format: Option<Mix>) -> Export {
    Export { from: from.into(), to: to.into(), format, importance: None }
}

#[test]
fn a_model_goes_round() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let before = LiveModel::load(&model()).unwrap();
    let text = "The cat sat on the mat. 我吃了。";
    let ids = before.tokenizer.encode(text);
    let logits = before.model.forward(&ids).unwrap();

    let done = export(&ask(&model(), &at("a.gguf"), Some(Mix::F32))).unwrap();
    assert_eq!(done.bytes, at("a.gguf").metadata().unwrap().len());
    assert!(done.dequantised.is_empty());
    export(&ask(&at("a.gguf"), &at("b"), None)).unwrap();
    let done = export(&ask(&at("b"), &at("c"), None)).unwrap();
    assert_eq!(done.format, Mix::F32);
    for name in ["a.gguf", "b", "c"] {
        let after = LiveModel::load(&at(name)).unwrap();
        assert_eq!(after.model.forward(&ids).unwrap(), logits, "{name}");
        assert_eq!(after.tokenizer.encode(text), ids, "{name}");
        assert_eq!(after.tokenizer.eos_ids(), before.tokenizer.eos_ids(), "{name}");
    }

    // What was quantised is said, and what the file says beside is kept.
    std::fs::write(at("pages.txt"), text.repeat(30)).unwrap();
    let weighed =
        Export { importance: Some(at("pages.txt")), ..ask(&at("b"), &at("d.gguf"), Some(Mix::Q8_0)) };
    export(&weighed).unwrap();
    let done = export(&ask(&at("d.gguf"), &at("e.gguf"), None)).unwrap();
    assert_eq!((done.format, done.dequantised), (Mix::F16, vec!["Q8_0".to_string()]));
    let [d, e] = ["d.gguf", "e.gguf"].map(|name| Gguf::open(&at(name)).unwrap());
    for key in ["general.name", "tokenizer.ggml.tokens", "tokenizer.chat_template"] {
        assert_eq!(d.metadata().get(key), e.metadata().get(key), "{key}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let refused = |ask: &Export, why: &str| {
        let error = format!("{:#}", export(ask).unwrap_err());
        assert!(error.contains(why), "{error}");
    };
    refused(&ask(&model(), &at("x"), Some(Mix::Q4_0)), "name that ends in .gguf");
    refused(&ask(&model(), &model(), None), "is the model itself");
    refused(&ask(&at("none"), &at("x"), None), "none");
    std::fs::write(at("empty.txt"), "").unwrap();
    let no_text =
        Export { importance: Some(at("empty.txt")), ..ask(&model(), &at("x.gguf"), Some(Mix::Q4_0)) };
    refused(&no_text, "no text to measure importance on");
    refused(&Export { to: at("x"), format: None, ..no_text.clone() }, "quantised formats");
    let missing = Export { importance: Some(at("missing.txt")), ..no_text };
    refused(&missing, "reading");
    // Another model's shards would be read instead of what is written.
    std::fs::create_dir(at("sharded")).unwrap();
    std::fs::write(at("sharded/model.safetensors.index.json"), "{}").unwrap();
    refused(&ask(&model(), &at("sharded"), None), "empty folder");
    assert!(!at("x.gguf").exists());
    assert!(!at("sharded/model.safetensors").exists());
}
