//! From texts to vectors: tokenizer, encoder and pooling together against transformers.
//!
//! The folders are those of `goldens/encoder/record.py`.

use safetensors::SafeTensors;
use shuyuan_academy::LiveEmbedder;
use shuyuan_chain::{ChainError, Cut, TooLong};
use shuyuan_model::ModelError;
use std::path::{Path, PathBuf};

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens")
}

fn folder(name: &str) -> PathBuf {
    goldens().join("encoder").join(name)
}

fn texts() -> Vec<String> {
    let text = std::fs::read_to_string(folder("bert").join("golden.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(value["texts"].clone()).unwrap()
}

fn floats(file: &Path, name: &str) -> Vec<f32> {
    let bytes = std::fs::read(file).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensor(name)
        .unwrap()
        .data()
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

#[test]
fn texts_have_the_vectors_of_transformers() {
    for (model, golden, kind) in [
        ("bert", "bert/golden.safetensors", ""),
        ("roberta", "roberta/golden.safetensors", ""),
        ("distilbert", "distilbert/golden.safetensors", ""),
        // Its tokenizer is in the file, too.
        ("bert/model.f16.gguf", "bert/golden_gguf.safetensors", "f16."),
    ] {
        let live = LiveEmbedder::load(&folder(model)).unwrap_or_else(|error| panic!("{model}: {error:#}"));
        assert!(LiveEmbedder::is_at(&folder(model)));
        let vectors = live.embedder.embed(&texts()).unwrap();
        for (index, vector) in vectors.iter().enumerate() {
            assert_eq!(vector.len(), live.embedder.dimensions());
            let expected = floats(&folder(golden), &format!("{kind}embedding.{index}"));
            for (found, expected) in vector.iter().zip(&expected) {
                // Those that are not normalised are as large as 3.
                assert!((found - expected).abs() < 1e-5, "{model}, text {index}: {found} for {expected}");
            }
        }
    }
    assert_eq!(LiveEmbedder::load(&folder("bert/model.q8_0.gguf")).unwrap().name, "model.q8_0");
}

#[test]
fn long_texts_are_refused_or_cut_and_told() {
    let embedder = LiveEmbedder::load(&folder("bert")).unwrap().embedder;
    assert_eq!(embedder.max_tokens(), 160);
    let long = ["a", &"a ".repeat(200)];
    let error = embedder.embed(&long).unwrap_err();
    assert!(matches!(error, ChainError::Model(ModelError::TooLong { tokens: 202, context: 160 })), "{error}");
    let found = embedder.embed_with(&long, TooLong::Truncate).unwrap();
    assert_eq!(found.cut, [Cut { text: 1, tokens: 202, kept: 160 }]);
    assert_eq!(found.tokens, [3, 160]);
    // The end of a text is kept.
    let whole = embedder.embed(&["a ".repeat(158)]).unwrap();
    assert!(whole[0].iter().zip(&found.vectors[1]).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn what_does_not_embed_says_so() {
    let path = goldens().join("eval/model");
    assert!(!LiveEmbedder::is_at(&path));
    let error = format!("{:#}", LiveEmbedder::load(&path).err().unwrap());
    assert!(error.contains("does not embed") && error.contains("bert"), "{error}");
    let nothing = goldens().join("nothing");
    assert!(!LiveEmbedder::is_at(&nothing) && LiveEmbedder::load(&nothing).is_err());
}
