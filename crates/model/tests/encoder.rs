//! Encoders against transformers: states and embeddings of texts in Chinese and English, from folders and GGUF files.
//!
//! The folders are those of `goldens/encoder/record.py`.

#[expect(dead_code, reason = "families.rs uses all of it")]
mod recorded;

use recorded::{Golden, nmse};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use shuyuan_model::{
    Config, Decoder, Encoder, ModelError, Pooling, Qwen3ForCausalLM, SentenceConfig, for_each_param,
};
use std::path::{Path, PathBuf};

const FAMILIES: [&str; 3] = ["bert", "roberta", "distilbert"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/encoder").join(name)
}

fn golden_ids(name: &str) -> Vec<Vec<u32>> {
    let text = std::fs::read_to_string(folder(name).join("golden.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(value["ids"].clone()).unwrap()
}

fn slices(ids: &[Vec<u32>]) -> Vec<&[u32]> {
    ids.iter().map(Vec::as_slice).collect()
}

/// The worst NMSE of states and embeddings, all texts in one batch.
fn worst(encoder: &Encoder, ids: &[Vec<u32>], golden: &Golden, kind: &str) -> f64 {
    let texts = slices(ids);
    let (states, vectors) = (encoder.states(&texts).unwrap(), encoder.embed(&texts).unwrap());
    let errors = states.iter().zip(&vectors).enumerate().flat_map(|(index, (states, vector))| {
        [
            nmse(states, &golden.floats(&format!("{kind}states.{index}"))),
            nmse(vector, &golden.floats(&format!("{kind}embedding.{index}"))),
        ]
    });
    errors.fold(0.0, f64::max)
}

#[test]
fn states_and_embeddings_are_those_of_transformers() {
    for name in FAMILIES {
        let encoder = Encoder::load(&folder(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let golden = Golden::open(&folder(name).join("golden.safetensors"));
        let error = worst(&encoder, &golden_ids(name), &golden, "");
        println!("{name}: NMSE {error:.1e}");
        // f32 itself is off by 1e-13 or so.
        assert!(error < 1e-9, "{name}: NMSE {error:e}");
    }
}

#[test]
fn gguf_files_give_what_their_numbers_stand_for() {
    let golden = Golden::open(&folder("bert").join("golden_gguf.safetensors"));
    // Packed weights are multiplied with activations rounded to 8 bits.
    for (kind, most) in [("f16", 1e-9), ("q8_0", 1e-3)] {
        let path = folder("bert").join(format!("model.{kind}.gguf"));
        let encoder = Encoder::load(&path).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let error = worst(&encoder, &golden_ids("bert"), &golden, &format!("{kind}."));
        println!("{kind}: NMSE {error:.1e}");
        assert!(error < most, "{kind}: NMSE {error:e}");
    }
}

#[test]
fn a_text_gives_the_same_alone_and_in_company() {
    for (name, file) in [("bert", ""), ("roberta", ""), ("distilbert", ""), ("bert", "model.q8_0.gguf")] {
        let encoder = Encoder::load(&folder(name).join(file)).unwrap();
        let ids = golden_ids(name);
        // More than go through the layers together.
        let many: Vec<&[u32]> = ids.iter().cycle().take(15 * ids.len()).map(Vec::as_slice).collect();
        let together = encoder.embed(&many).unwrap();
        assert_eq!(together.len(), many.len());
        for (index, vector) in together.iter().enumerate() {
            let alone = encoder.embed(&[many[index]]).unwrap().remove(0);
            let error = nmse(vector, &alone);
            // Sums in another order.
            assert!(error < 1e-10, "{name}{file}, text {index}: NMSE {error:e}");
        }
    }
}

#[test]
fn poolings_are_those_of_sentence_transformers() {
    let of = |name: &str| SentenceConfig::of_folder(&folder(name)).unwrap().unwrap();
    assert_eq!((of("bert").pooling, of("bert").normalize), (Pooling::Mean, true));
    assert_eq!((of("roberta").pooling, of("roberta").normalize), (Pooling::Cls, true));
    assert_eq!((of("distilbert").pooling, of("distilbert").normalize), (Pooling::Last, false));
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(SentenceConfig::of_folder(dir.path()).unwrap(), None);
    let write = |file: &str, text: &str| {
        std::fs::create_dir_all(dir.path().join("1_Pooling")).unwrap();
        std::fs::write(dir.path().join(file), text).unwrap();
    };
    write(
        "modules.json",
        r#"[{"type": "sentence_transformers.base.modules.Transformer"}, {"type": "a.Pooling", "path": "1_Pooling"}]"#,
    );
    for (config, expected) in [
        (r#"{"pooling_mode": "cls"}"#, "Cls"),
        (r#"{"pooling_mode_lasttoken": true, "include_prompt": true}"#, "Last"),
        (r#"{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true}"#, "at once"),
        (r#"{"pooling_mode_max_tokens": true}"#, "max_tokens"),
        ("{}", "expected one"),
        ("[", "JSON"),
    ] {
        write("1_Pooling/config.json", config);
        let found = match SentenceConfig::of_folder(dir.path()) {
            Ok(found) => format!("{found:?}"),
            Err(error) => error.to_string(),
        };
        assert!(found.contains(expected), "{config}: {found}");
    }
    write("modules.json", r#"[{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]"#);
    let error = SentenceConfig::of_folder(dir.path()).unwrap_err().to_string();
    assert!(error.contains("modules.json") && error.contains("Dense"), "{error}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let encoder = Encoder::load(&folder("roberta")).unwrap();
    // RoBERTa's first two positions are no text's.
    assert_eq!(encoder.config().max_tokens(), 158);
    assert!(encoder.embed(&[&vec![5; 158]]).is_ok());
    let error = encoder.embed(&[&[5], &vec![5; 159]]).unwrap_err();
    assert!(matches!(error, ModelError::TooLong { tokens: 159, context: 158 }), "{error}");
    let vocab = encoder.config().vocab_size;
    let error = encoder.embed(&[&[vocab as u32]]).unwrap_err();
    assert!(matches!(error, ModelError::UnknownToken { .. }), "{error}");
    assert!(encoder.embed(&[&[]]).is_err());
    assert!(encoder.embed(&[]).unwrap().is_empty());
}

/// A copy of the bert folder whose tensors went through `change`.
fn changed(change: impl Fn(&str) -> Option<String>) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(folder("bert").join("config.json"), dir.path().join("config.json")).unwrap();
    let bytes = std::fs::read(folder("bert").join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<_> = file.iter().filter_map(|(name, view)| Some((change(name)?, view))).collect();
    // As older files have it: whole numbers, which nobody takes.
    let positions = TensorView::new(Dtype::I64, vec![1, 160], &[0; 8 * 160]).unwrap();
    if let Some(name) = change("embeddings.position_ids") {
        tensors.push((name, positions));
    }
    std::fs::write(dir.path().join("model.safetensors"), safetensors::serialize(tensors, None).unwrap())
        .unwrap();
    match Encoder::load(dir.path()) {
        Ok(_) => "loads".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_tensor_is_accounted_for() {
    let same = |name: &str| Some(name.to_string());
    assert_eq!(changed(same), "loads");
    // As saved with a head, and as TensorFlow's first checkpoints were converted.
    assert_eq!(changed(|name| Some(format!("bert.{name}"))), "loads");
    let old = |name: &str| {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    };
    assert_eq!(changed(|name| Some(old(name))), "loads");
    let lost = "encoder.layer.1.output.dense.bias";
    let error = changed(|name| (name != lost).then(|| name.to_string()));
    assert!(error.contains(&format!("missing   {lost} [32]")), "{error}");
    let error = changed(|name| {
        Some(if name == "pooler.dense.weight" { "classifier.weight".into() } else { name.into() })
    });
    assert!(error.contains("unknown   classifier.weight"), "{error}");
    let error =
        changed(|name| Some(if name == "embeddings.position_ids" { "what".into() } else { name.into() }));
    assert!(error.contains("unusable  what: expected F32, F16 or BF16, found I64"), "{error}");
    let swap = |name: &str| match name {
        "encoder.layer.0.output.dense.weight" => "encoder.layer.0.intermediate.dense.weight".to_string(),
        "encoder.layer.0.intermediate.dense.weight" => "encoder.layer.0.output.dense.weight".to_string(),
        name => name.to_string(),
    };
    let error = changed(|name| Some(swap(name)));
    assert!(
        error.contains("misshapen encoder.layer.0.output.dense.weight: expected [32, 64], found [64, 32]"),
        "{error}"
    );
}

#[test]
fn a_decoder_embeds_by_its_last_state() {
    let config = Config {
        vocab_size: 64,
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 8,
        max_position_embeddings: 64,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-6,
        tie_word_embeddings: true,
        eos_token_id: None,
    };
    let model = Qwen3ForCausalLM::init(&config, 3, &shuyuan_tensor::cpu()).unwrap();
    let decoder = Decoder::of(&model);
    let mut embedding = Vec::new();
    for_each_param(&model, |name, _, data| {
        if name == "model.embed_tokens.weight" {
            embedding = data.to_vec();
        }
    });
    let texts: [&[u32]; 2] = [&[1, 2, 3, 4], &[9]];
    let vectors = decoder.embed(&texts).unwrap();
    for (ids, vector) in texts.iter().zip(&vectors) {
        assert_eq!(vector.len(), 16);
        let length: f32 = vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
        // Tied: logits are the products of the state with the rows of the embedding, but for its length.
        let logits = decoder.forward(ids).unwrap();
        let last = &logits[logits.len() - config.vocab_size..];
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let products: Vec<f32> = embedding.chunks(16).map(|row| dot(row, vector)).collect();
        let cosine = dot(last, &products) / (dot(last, last) * dot(&products, &products)).sqrt();
        assert!(cosine > 0.999_999, "{cosine}");
    }
    assert!(decoder.embed(&[&[]]).is_err());
}
