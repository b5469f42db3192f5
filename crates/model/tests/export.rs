//! Models of every family, exported as GGUF and as safetensors: read again they say the same, to us, to transformers and to
//! llama.cpp.
//!
//! The models are those of `families.rs`. What needs Python runs where SHUYUAN_PYTHON names one with torch and transformers, and
//! of these what needs llama.cpp where it has llama_cpp, too.

#[expect(dead_code, reason = "families.rs uses all of it")]
mod recorded;

use recorded::{Golden, folders, greedy, ids_of, nmse};
use safetensors::SafeTensors;
use shuyuan_model::gguf::{ExportOptions, ExportReport, Gguf, GgufError, Mix, Words, export};
use shuyuan_model::{Decoder, DecoderConfig, Plain, Qwen3ForCausalLM, save_decoder};
use shuyuan_text::Tokenizer;
use std::path::{Path, PathBuf};
use std::process::Command;

fn text_goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/text/families")
}

/// One with fewer tokens than any of the models has rows.
fn tokenizer() -> Tokenizer {
    Tokenizer::load(text_goldens().join("qwen2")).unwrap()
}

/// A model with a text and what it writes after it.
struct Case {
    name: String,
    decoder: Decoder,
    /// The config.json that it was loaded with.
    config: String,
    prompt: Vec<u32>,
    greedy: Vec<u32>,
}

fn config_of(folder: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join("config.json")).unwrap()).unwrap()
}

fn case(folder: &Path, ids: &Path) -> Case {
    let decoder = Decoder::load(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let prompt = ids_of(&Golden::open(&ids.join("golden.safetensors")), "input_ids").swap_remove(0);
    let name = ids.file_name().unwrap().to_string_lossy().into_owned();
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let greedy = greedy(&decoder, &prompt, 32);
    Case { name, decoder, config, prompt, greedy }
}

/// The model of `folder`, less what a GGUF file cannot say of a Qwen3-MoE: layers without experts, shares that do not sum to 1.
fn with_experts_only(folder: &Path, to: &Path) {
    let mut config = config_of(folder);
    let layers = config["num_hidden_layers"].as_u64().unwrap();
    config["num_hidden_layers"] = (layers - 1).into();
    config["mlp_only_layers"] = serde_json::json!([]);
    config["norm_topk_prob"] = true.into();
    config["layer_types"] = serde_json::Value::Null;
    std::fs::write(to.join("config.json"), config.to_string()).unwrap();
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let kept = file.iter().filter_map(|(name, view)| {
        let Some(rest) = name.strip_prefix("model.layers.") else { return Some((name.to_string(), view)) };
        let (layer, rest) = rest.split_once('.').unwrap();
        let layer = layer.parse::<u64>().unwrap().checked_sub(1)?;
        Some((format!("model.layers.{layer}.{rest}"), view))
    });
    let kept: Vec<_> = kept.collect();
    safetensors::serialize_to_file(kept, None, &to.join("model.safetensors")).unwrap();
}

/// Every model, such that a GGUF file can hold it; with `for_llama_cpp`, such that llama.cpp runs all of it.
fn cases(for_llama_cpp: bool) -> Vec<Case> {
    let one = |folder: PathBuf| {
        let mut config = config_of(&folder);
        let dir = tempfile::tempdir().unwrap();
        match config["model_type"].as_str().unwrap() {
            "qwen3_moe" => with_experts_only(&folder, dir.path()),
            "mistral" | "phi3" if for_llama_cpp => {
                // It has no windows for them, and turns angles by the context that is asked for, not by the text's length.
                config["sliding_window"] = serde_json::Value::Null;
                if config["model_type"] == "phi3" {
                    // It asks for 256 at the least.
                    let context = serde_json::json!(256);
                    config["max_position_embeddings"] = context.clone();
                    config["rope_parameters"]["original_max_position_embeddings"] = context.clone();
                    config["original_max_position_embeddings"] = context;
                }
                std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
                std::fs::copy(folder.join("model.safetensors"), dir.path().join("model.safetensors"))
                    .unwrap();
            }
            _ => return case(&folder, &folder),
        }
        case(dir.path(), &folder)
    };
    folders().into_iter().map(one).collect()
}

fn to_gguf(path: &Path, decoder: &Decoder, mix: Mix) -> Result<ExportReport, GgufError> {
    export(path, decoder, Words::Tokenizer(&tokenizer()), &ExportOptions::new(mix, "tiny"))
}

/// The plain format of most of its numbers.
fn own_format(decoder: &Decoder) -> (Mix, Plain) {
    let formats = decoder.formats();
    match formats.iter().max_by_key(|(_, numbers)| **numbers).unwrap().0.as_str() {
        "F32" => (Mix::F32, Plain::F32),
        "F16" => (Mix::F16, Plain::F16),
        _ => (Mix::Bf16, Plain::Bf16),
    }
}

#[test]
fn a_gguf_file_says_what_the_model_said() {
    for case in cases(false) {
        let name = &case.name;
        let expected = case.decoder.forward(&case.prompt).unwrap();
        let (own, _) = own_format(&case.decoder);
        for mix in [Mix::F32, Mix::F16, Mix::Bf16, Mix::Q8_0, Mix::Q4KM] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x.gguf");
            let report = to_gguf(&path, &case.decoder, mix).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(report.bytes, path.metadata().unwrap().len());
            let back = Decoder::load(&path).unwrap_or_else(|error| panic!("{name} {mix}: {error}"));
            let error = nmse(&back.forward(&case.prompt).unwrap(), &expected);
            println!("{name} {mix}: NMSE {error:.1e}");
            // What a format keeps of a number, squared, and a few layers of that: 24, 11, 8 bits, 8 bits a block, 4.
            let most = match mix {
                Mix::F32 => 1e-10,
                // This one's queries are scaled, for which a GGUF file has no word: they are rounded anew.
                _ if mix == own && name == "gemma2" => 1e-4,
                _ if mix == own => 1e-10,
                Mix::F16 => 1e-5,
                Mix::Bf16 => 1e-3,
                Mix::Q8_0 => 2e-2,
                _ => 0.4,
            };
            assert!(error < most, "{name} {mix}: NMSE {error:e}");
            if mix == own || mix == Mix::F32 {
                assert_eq!(greedy(&back, &case.prompt, 32), case.greedy, "{name} {mix}");
            }
        }
    }
}

#[test]
fn safetensors_say_what_the_model_said() {
    for case in cases(false) {
        let name = &case.name;
        let expected = case.decoder.forward(&case.prompt).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (own, plain) = own_format(&case.decoder);
        save_decoder(&case.decoder, dir.path(), plain, Some(&case.config)).unwrap();
        let back = Decoder::load(dir.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(back.config(), case.decoder.config(), "{name}");
        // The same numbers, and the same bits of what comes out.
        assert_eq!(back.forward(&case.prompt).unwrap(), expected, "{name}");

        // Through GGUF, where names, orders and settings are others.
        let path = dir.path().join("x.gguf");
        to_gguf(&path, &case.decoder, own).unwrap();
        let middle = Decoder::load(&path).unwrap();
        let folder = dir.path().join("back");
        std::fs::create_dir(&folder).unwrap();
        save_decoder(&middle, &folder, plain, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let back = Decoder::load(&folder).unwrap_or_else(|error| panic!("{name}: {error}"));
        let error = nmse(&back.forward(&case.prompt).unwrap(), &expected);
        println!("{name}: through GGUF and back, NMSE {error:.1e}");
        assert!(error < if name == "gemma2" { 1e-4 } else { 1e-5 }, "{name}: NMSE {error:e}");
        assert_eq!(greedy(&back, &case.prompt, 32), case.greedy, "{name}");
    }
}

#[test]
fn a_quantised_file_can_be_quantised_anew() {
    for case in cases(false).into_iter().take(3) {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        to_gguf(&path("q8.gguf"), &case.decoder, Mix::Q8_0).unwrap();
        let q8 = Decoder::load(&path("q8.gguf")).unwrap();
        let gguf = Gguf::open(&path("q8.gguf")).unwrap();
        let options = ExportOptions::new(Mix::F32, "again");
        export(&path("f32.gguf"), &q8, Words::Gguf(&gguf), &options).unwrap();
        let plain = Gguf::open(&path("f32.gguf")).unwrap();
        for tensor in gguf.tensors() {
            // The numbers are those that the blocks stand for.
            assert_eq!(plain.tensor(tensor.name()).unwrap().to_f32(), tensor.to_f32(), "{tensor:?}");
        }
        let words = |gguf: &Gguf| -> Vec<_> {
            let all = gguf.metadata().iter().filter(|(key, _)| key.starts_with("tokenizer."));
            all.map(|(key, value)| (key.to_string(), value.clone())).collect()
        };
        assert_eq!(words(&plain), words(&gguf));
        // Blocks of blocks' numbers are the same blocks.
        export(&path("again.gguf"), &Decoder::load(&path("f32.gguf")).unwrap(), Words::Gguf(&gguf), &{
            ExportOptions::new(Mix::Q8_0, "tiny")
        })
        .unwrap();
        let again = Gguf::open(&path("again.gguf")).unwrap();
        for tensor in gguf.tensors() {
            let same = again.tensor(tensor.name()).unwrap().to_f32();
            assert!(nmse(&same, &tensor.to_f32()) < 1e-6, "{tensor:?}");
        }
    }
}

#[test]
fn importance_reaches_the_matrices_of_every_family() {
    for case in cases(false) {
        let name = &case.name;
        let expected = case.decoder.forward(&case.prompt).unwrap();
        let mut options = ExportOptions::new(Mix::Q4KM, "tiny");
        options.importance = case.decoder.importance(&[&case.prompt]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.gguf");
        let words = tokenizer();
        let report = export(&path, &case.decoder, Words::Tokenizer(&words), &options).unwrap();
        // All but embeddings, the output layer, routers and what is one row.
        let matrices = report.tensors.iter().filter(|tensor| {
            let name = &tensor.spec.name;
            let small = tensor.spec.shape.len() < 2 || name.contains("gate_inp");
            name.starts_with("blk.") && !small
        });
        for tensor in matrices {
            assert!(options.importance.contains_key(&tensor.spec.name), "{name}: {}", tensor.spec.name);
        }
        let error = nmse(&Decoder::load(&path).unwrap().forward(&case.prompt).unwrap(), &expected);
        println!("{name}: NMSE {error:.1e}");
        assert!(error < 0.4, "{name}: NMSE {error:e}");
    }
}

#[test]
fn what_a_format_cannot_say_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |name: &str, changes: serde_json::Value, why: &[&str]| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/families").join(name);
        let mut config = config_of(&folder);
        for (key, value) in changes.as_object().unwrap() {
            config[key] = value.clone();
        }
        let from = tempfile::tempdir().unwrap();
        std::fs::write(from.path().join("config.json"), config.to_string()).unwrap();
        std::fs::copy(folder.join("model.safetensors"), from.path().join("model.safetensors")).unwrap();
        let decoder = Decoder::load(from.path()).unwrap();
        let error = to_gguf(&dir.path().join("x.gguf"), &decoder, Mix::F16).unwrap_err().to_string();
        for why in why {
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "something was left");
    };
    let none = || serde_json::json!({});
    refused("qwen3-moe", none(), &["norm_topk_prob of layer 1 is false", "read as true", "safetensors"]);
    refused("gpt2", serde_json::json!({"activation_function": "relu"}), &["the activation is Relu"]);
    refused("gemma2", serde_json::json!({"attn_logit_softcapping": null}), &["attn_logit_softcapping"]);

    let mut yarn =
        config_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/families/qwen3"))["rope_parameters"].take();
    yarn["attention_factor"] = 2.0.into();
    refused("qwen3", serde_json::json!({ "rope_parameters": yarn }), &["RoPE's factor of layer 0 is 2"]);

    // A GGUF file with angles that no config.json can say.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/families/llama3");
    let decoder = Decoder::load(&folder).unwrap();
    let path = dir.path().join("x.gguf");
    to_gguf(&path, &decoder, Mix::F16).unwrap();
    let text = Decoder::load(&path).unwrap().config().to_json("float16").unwrap();
    assert!(text.contains("\"rope_type\": \"llama3\""), "{text}");
    assert!(text.contains("\"original_max_position_embeddings\": 16"), "{text}");
    let mut odd: DecoderConfig = decoder.config().clone();
    odd.ropes[0].scaling = shuyuan_model::Scaling::Factors(vec![1.0, 3.0, 2.0, 5.0]);
    assert!(odd.to_json("float16").unwrap_err().to_string().contains("RoPE's angles"));
}

fn python(script: &str, folder: &Path) -> Option<String> {
    let Ok(python) = std::env::var("SHUYUAN_PYTHON") else {
        println!("skipped: SHUYUAN_PYTHON does not name a Python with transformers");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/export").join(script);
    let output = Command::new(&python).arg(script).arg(folder).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {python}: {error}"));
    let (told, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{complained}");
    println!("{told}");
    Some(told.into_owned())
}

#[test]
fn exports_open_in_transformers_and_llama_cpp() {
    let dir = tempfile::tempdir().unwrap();
    for case in cases(true) {
        let to = dir.path().join(&case.name);
        let (own, plain) = own_format(&case.decoder);
        for name in ["safetensors", "of_gguf"] {
            std::fs::create_dir_all(to.join(name)).unwrap();
        }
        save_decoder(&case.decoder, &to.join("safetensors"), plain, Some(&case.config)).unwrap();
        for mix in [own, Mix::F16, Mix::Q8_0] {
            to_gguf(&to.join(format!("{mix}.gguf")), &case.decoder, mix).unwrap();
        }
        let gguf = Decoder::load(&to.join(format!("{own}.gguf"))).unwrap();
        save_decoder(&gguf, &to.join("of_gguf"), plain, None).unwrap();
        let q8 = Decoder::load(&to.join("Q8_0.gguf")).unwrap();
        let q8_ids = greedy(&q8, &case.prompt, 32);
        // Of the steps on which these ids were chosen.
        let logits = |decoder: &Decoder, ids: &[u32]| -> Vec<f32> {
            let all = decoder.forward(&[case.prompt.as_slice(), &ids[..31]].concat()).unwrap();
            all[all.len() - 32 * decoder.config().vocab_size..].to_vec()
        };
        let ours = serde_json::json!({
            "prompt": case.prompt,
            "greedy": case.greedy,
            "logits": logits(&case.decoder, &case.greedy),
            "q8_0": q8_ids,
            "q8_0_logits": logits(&q8, &q8_ids),
        });
        std::fs::write(to.join("ours.json"), ours.to_string()).unwrap();
    }
    python("open_all.py", dir.path());
}

/// llama.cpp cuts texts as our tokenizers do, of every kind that it knows.
#[test]
fn vocabularies_open_in_llama_cpp() {
    let dir = tempfile::tempdir().unwrap();
    for kind in ["gpt2", "smollm", "llama3", "qwen2", "qwen3", "tekken", "llama2", "mistral", "phi3", "gemma"]
    {
        let tokenizer = Tokenizer::load(text_goldens().join(kind)).unwrap();
        let config = shuyuan_model::Config {
            vocab_size: 768,
            hidden_size: 32,
            intermediate_size: 32,
            num_hidden_layers: 1,
            num_attention_heads: 2,
            num_key_value_heads: 1,
            head_dim: 16,
            max_position_embeddings: 64,
            rope_theta: 10_000.0,
            rms_norm_eps: 1e-6,
            tie_word_embeddings: true,
            eos_token_id: tokenizer.roles().eos,
        };
        let model = Qwen3ForCausalLM::init(&config, 1, &shuyuan_tensor::cpu()).unwrap();
        let path = dir.path().join(format!("{kind}.gguf"));
        let options = ExportOptions::new(Mix::F16, kind);
        export(&path, &Decoder::of(&model), Words::Tokenizer(&tokenizer), &options).unwrap();
        let back = Tokenizer::from_gguf(Gguf::open(&path).unwrap().vocabulary().unwrap()).unwrap();
        assert_eq!(back.roles().chat_template, tokenizer.roles().chat_template, "{kind}");
        assert_eq!(back.prefix(), tokenizer.prefix(), "{kind}");
        let about = serde_json::json!({
            "bos": back.roles().bos, "eos": back.roles().eos, "prefix": back.prefix(),
            "chat_template": back.roles().chat_template,
        });
        std::fs::write(dir.path().join(format!("{kind}.json")), about.to_string()).unwrap();
    }
    python("open_vocabularies.py", dir.path());
}
