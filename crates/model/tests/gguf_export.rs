//! A model exported as GGUF: what is in the file, and that llama.cpp runs it.
//!
//! The second runs where SHUYUAN_PYTHON names a Python with torch, transformers, gguf and llama_cpp.

use shuyuan_kernels::BlockType;
use shuyuan_model::gguf::{ExportOptions, ExportReport, Gguf, GgufError, Mix, Words, export};
use shuyuan_model::{Config, Decoder, ParamMapper, Qwen3ForCausalLM, map_params, save};
use shuyuan_text::Tokenizer;
use std::path::Path;
use std::process::Command;

const TEXTS: [&str; 22] = [
    " ",
    "\n",
    "书",
    "The cat sat on the mat",
    "我今天吃了狮子头和蔬菜",
    "书院 is a school，读书人 learn there。",
    "Hello,  world!\n\n  Two  spaces\t\ttabs ",
    "it's IT'S they'LL we've I'd I'm you're 'tis ' 's",
    "1234567890 3.14 1,000 ½ ٣ ² 一二三",
    "\r\n\r\n \r\n x\r\ry",
    "   leading",
    "trailing   ",
    "a\u{a0}b\u{3000}c",
    "🙂👩‍👩‍👧🇨🇳 e\u{301} é 𠀀𠮷",
    "fn f(x: &str) -> usize { x.len() }  // ok",
    "https://example.org/a?b=c&d=%20",
    "“你好！”——‘再见’……",
    "の한국어हिन्दीعربى",
    "-----=====-----",
    "Ａｆｕｌｌ ｗｉｄｔｈ １２",
    "<|im_start|>user\nhi<|im_end|>",
    "Ångström naïve café РУССКИЙ",
];

fn tokenizer() -> Tokenizer {
    Tokenizer::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/text/ours")).unwrap()
}

/// What the models here differ in.
#[derive(Clone, Copy, Debug)]
struct Kind {
    tied: bool,
    hidden_size: usize,
    /// No multiple of 256, or not even of 32: falls back.
    intermediate_size: usize,
    num_hidden_layers: usize,
}

const TIED: Kind = Kind { tied: true, hidden_size: 256, intermediate_size: 416, num_hidden_layers: 3 };
const UNTIED: Kind = Kind { tied: false, ..TIED };
const ODD: Kind = Kind { tied: false, hidden_size: 96, intermediate_size: 136, num_hidden_layers: 9 };

/// Five rows of the embedding have no token, as in models whose vocabulary was rounded up.
fn config(tokenizer: &Tokenizer, kind: Kind) -> Config {
    let Kind { tied, hidden_size, intermediate_size, num_hidden_layers } = kind;
    Config {
        vocab_size: tokenizer.vocab_size() + 5,
        hidden_size,
        intermediate_size,
        num_hidden_layers,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 64,
        max_position_embeddings: 256,
        rope_theta: 1_000_000.0,
        rms_norm_eps: 1e-6,
        tie_word_embeddings: tied,
        eos_token_id: tokenizer.special(shuyuan_text::IM_END),
    }
}

/// Weights large enough that every part moves the logits, norms that are not all ones.
struct Fill(u64);

impl Fill {
    fn gaussian(&mut self) -> f32 {
        let sum: f64 = (0..12)
            .map(|_| {
                self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
                ((z ^ z >> 31) >> 11) as f64 * 2_f64.powi(-53)
            })
            .sum();
        (sum - 6.0) as f32
    }
}

impl ParamMapper for Fill {
    fn map<const D: usize>(&mut self, name: &str, value: burn::tensor::Tensor<D>) -> burn::tensor::Tensor<D> {
        let dims = value.dims();
        let root = (dims[D - 1] as f32).sqrt();
        let (center, scale) = match name {
            _ if D == 1 => (1.0, 0.2),
            _ if name.contains("embed_tokens") || name.contains("lm_head") => (0.0, 2.0 / root),
            _ if name.contains("q_proj") || name.contains("k_proj") => (0.0, 1.5 / root),
            _ => (0.0, 1.0 / root),
        };
        shuyuan_tensor::update(value, |numbers| numbers.fill_with(|| center + scale * self.gaussian()))
    }
}

fn model(tokenizer: &Tokenizer, kind: Kind, seed: u64) -> Qwen3ForCausalLM {
    let model = Qwen3ForCausalLM::init(&config(tokenizer, kind), 1, &shuyuan_tensor::cpu()).unwrap();
    map_params(model, &mut Fill(seed))
}

/// Our greedy ids, and the least lead that one had over the second best.
fn greedy(model: &Qwen3ForCausalLM, prompt: &[u32], count: usize) -> (Vec<u32>, f32) {
    let decoder = Decoder::of(model);
    let mut cache = decoder.cache();
    let mut logits = decoder.extend(prompt, &mut cache).unwrap();
    let (mut ids, mut lead) = (Vec::new(), f32::INFINITY);
    for _ in 0..count {
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
        lead = lead.min(logits[order[0]] - logits[order[1]]);
        ids.push(order[0] as u32);
        logits = decoder.extend(&ids[ids.len() - 1..], &mut cache).unwrap();
    }
    (ids, lead)
}

fn write(
    path: &Path,
    model: &Qwen3ForCausalLM,
    tokenizer: &Tokenizer,
    options: &ExportOptions,
) -> Result<ExportReport, GgufError> {
    export(path, &Decoder::of(model), Words::Tokenizer(tokenizer), options)
}

fn exported(model: &Qwen3ForCausalLM, options: ExportOptions) -> Gguf {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    write(&path, model, &tokenizer(), &options).unwrap();
    Gguf::open(&path).unwrap()
}

#[test]
fn an_export_holds_the_model() {
    let tokenizer = tokenizer();
    for kind in [TIED, UNTIED] {
        let model = model(&tokenizer, kind, 7);
        let file = exported(&model, ExportOptions::new(Mix::F32, "tiny"));
        let m = file.metadata();
        let size = model.config().vocab_size;
        assert_eq!(m.str("general.architecture").unwrap(), "qwen3");
        assert_eq!(m.u64("qwen3.attention.head_count_kv").unwrap(), 2);
        assert_eq!(m.u64("qwen3.attention.key_length").unwrap(), 64);
        assert_eq!(m.f32("qwen3.rope.freq_base").unwrap(), 1e6);
        assert_eq!(m.str("tokenizer.ggml.pre").unwrap(), "qwen2");
        assert!(m.str("tokenizer.chat_template").unwrap().contains("<|im_start|>"));
        let (tokens, types) =
            (m.strs("tokenizer.ggml.tokens").unwrap(), m.i64s("tokenizer.ggml.token_type").unwrap());
        assert_eq!((tokens.len(), types.len()), (size, size));
        assert_eq!((tokens[size - 1].as_str(), types[size - 1]), (format!("[PAD{}]", size - 1).as_str(), 5));
        let end = m.u64("tokenizer.ggml.eos_token_id").unwrap() as usize;
        assert_eq!((tokens[end].as_str(), types[end]), ("<|im_end|>", 3));
        assert_eq!(m.strs("tokenizer.ggml.merges").unwrap().len(), tokenizer.merges().len());
        assert_eq!(file.tensors().len(), model.config().tensors().len());
        assert_eq!(file.opt_tensor("output.weight").is_none(), kind.tied);
        let down = file.tensor("blk.2.ffn_down.weight").unwrap();
        assert_eq!(down.shape(), [256, 416]);
        shuyuan_model::for_each_param(&model, |name, _, data| {
            if name == "model.layers.2.mlp.down_proj.weight" {
                assert_eq!(down.to_f32(), data);
            }
        });
    }
}

#[test]
fn a_mix_gives_each_tensor_its_format() {
    let tokenizer = tokenizer();
    let model = model(&tokenizer, TIED, 7);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    let report = write(&path, &model, &tokenizer, &ExportOptions::new(Mix::Q4KM, "tiny")).unwrap();
    let kind = |name: &str| Gguf::open(&path).unwrap().tensor(name).unwrap().kind();
    assert_eq!(kind("token_embd.weight"), BlockType::Q6K);
    assert_eq!(kind("blk.0.attn_q.weight"), BlockType::Q4K);
    assert_eq!(kind("blk.2.attn_v.weight"), BlockType::Q6K);
    assert_eq!(kind("blk.0.attn_norm.weight"), BlockType::F32);
    let fell: Vec<_> = report.fallbacks().map(|t| (t.spec.name.as_str(), t.spec.kind, t.wanted)).collect();
    assert_eq!(
        fell,
        [
            ("blk.0.ffn_down.weight", BlockType::Q5_0, BlockType::Q4K),
            ("blk.1.ffn_down.weight", BlockType::Q5_0, BlockType::Q4K),
            ("blk.2.ffn_down.weight", BlockType::Q8_0, BlockType::Q6K),
        ]
    );
    assert_eq!(report.bytes, std::fs::metadata(&path).unwrap().len());
    assert_eq!(report.params, model.config().num_params());
}

#[test]
fn importance_reaches_its_matrix() {
    let tokenizer = tokenizer();
    let model = model(&tokenizer, TIED, 7);
    let (name, at) = ("model.layers.1.self_attn.q_proj.weight", "blk.1.attn_q.weight");
    let mut options = ExportOptions::new(Mix::Q4KM, "tiny");
    let plain = exported(&model, options.clone());
    options.importance.insert(at.into(), (0..256).map(|i| if i < 8 { 1.0 } else { 1e-3 }).collect());
    let weighted = exported(&model, options.clone());
    let mut seen = 0;
    shuyuan_model::for_each_param(&model, |found, _, data| {
        if found == name {
            let error = |file: &Gguf| {
                let y = file.tensor(at).unwrap().to_f32();
                data.iter()
                    .zip(&y)
                    .enumerate()
                    .filter(|(i, _)| i % 256 < 8)
                    .map(|(_, (x, y))| (x - y).powi(2))
                    .sum::<f32>()
            };
            assert!(error(&weighted) < 0.7 * error(&plain), "{} {}", error(&weighted), error(&plain));
            seen += 1;
        }
    });
    assert_eq!(seen, 1);
    let path = tempfile::tempdir().unwrap().path().join("x.gguf");
    for (name, importance, why) in [
        (at, vec![1.0; 255], "expected importance for 256 columns, found 255"),
        (at, vec![-1.0; 256], "from 0 on, found -1"),
        ("output_norm.weight", vec![1.0; 256], "is no matrix of the model"),
    ] {
        options.importance = [(name.to_string(), importance)].into();
        let error = write(&path, &model, &tokenizer, &options).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn importance_is_measured_for_every_matrix() {
    let tokenizer = tokenizer();
    let model = Decoder::of(&model(&tokenizer, TIED, 7));
    let text = tokenizer.encode("The cat sat on the mat. 我今天吃了狮子头。");
    let mut options = ExportOptions::new(Mix::Q4KM, "tiny");
    options.importance = model.importance(&[&text, &text[..5]]).unwrap();
    assert_eq!(options.importance.len(), 3 * 7);
    assert!(options.importance.values().flatten().all(|x| x.is_finite() && *x >= 0.0));
    assert!(options.importance["blk.1.ffn_down.weight"].iter().any(|x| *x > 0.0));
    let dir = tempfile::tempdir().unwrap();
    export(&dir.path().join("x.gguf"), &model, Words::Tokenizer(&tokenizer), &options).unwrap();
    assert!(model.importance(&[]).unwrap_err().to_string().contains("at least one text"));
}

#[test]
fn what_cannot_be_exported_is_named() {
    let tokenizer = tokenizer();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.gguf");
    let config = config(&tokenizer, TIED);
    let options = ExportOptions::new(Mix::F16, "x");
    let refused = |model: Qwen3ForCausalLM, why: &str| {
        let error = write(&path, &model, &tokenizer, &options).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        // Neither the file nor a part of it.
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    };
    let small = Config { vocab_size: 96, ..config.clone() };
    let small = Qwen3ForCausalLM::init(&small, 1, &shuyuan_tensor::cpu()).unwrap();
    refused(small, "embedding 96 rows");
    for (name, number, why) in [
        ("model.norm.weight", f32::NAN, "found NaN"),
        ("model.norm.weight", f32::INFINITY, "found inf"),
        ("model.layers.0.self_attn.k_proj.weight", 70_000.0, "up to 65504, which F16 can hold, found 70000"),
    ] {
        refused(map_params(model(&tokenizer, TIED, 7), &mut Spoil(name, number)), why);
    }
}

/// Puts a number into one tensor.
struct Spoil(&'static str, f32);

impl ParamMapper for Spoil {
    fn map<const D: usize>(&mut self, name: &str, value: burn::tensor::Tensor<D>) -> burn::tensor::Tensor<D> {
        if name != self.0 {
            return value;
        }
        shuyuan_tensor::update(value, |numbers| numbers[3] = self.1)
    }
}

#[test]
fn an_export_opens_in_llama_cpp() {
    let Ok(python) = std::env::var("SHUYUAN_PYTHON") else {
        println!("skipped: SHUYUAN_PYTHON does not name a Python with transformers and llama_cpp");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/gguf/opens_in_llama_cpp.py");
    let tokenizer = tokenizer();
    for kind in [TIED, UNTIED, ODD] {
        let dir = tempfile::tempdir().unwrap();
        let prompt = tokenizer.encode("The cat sat on the mat. 我今天吃了狮子头。");
        // A model whose greedy path is clear and varied: or rounding could decide, and agreement would say nothing.
        let clear = (0..100).find_map(|seed| {
            let model = model(&tokenizer, kind, seed);
            let (ids, lead) = greedy(&model, &prompt, 32);
            let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
            (lead > 0.02 && distinct.len() >= 6).then_some((model, ids))
        });
        let (model, ids) = clear.unwrap();
        save(&model, dir.path()).unwrap();
        tokenizer.save(dir.path()).unwrap();
        for mix in Mix::ALL {
            let options = ExportOptions::new(mix, "tiny");
            write(&dir.path().join(format!("{mix}.gguf")), &model, &tokenizer, &options).unwrap();
        }
        let texts: Vec<_> = TEXTS
            .iter()
            .map(|text| serde_json::json!({ "text": text, "ids": tokenizer.encode(text) }))
            .collect();
        let eos = model.config().eos_token_id;
        let ours = serde_json::json!({ "prompt": prompt, "greedy": ids, "texts": texts, "eos": eos });
        std::fs::write(dir.path().join("ours.json"), ours.to_string()).unwrap();
        let output = Command::new(&python)
            .arg(&script)
            .arg(dir.path())
            .output()
            .unwrap_or_else(|error| panic!("cannot run {python}: {error}"));
        let told = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{kind:?}: {told}\n{complained}");
        println!("{kind:?}:\n{told}");
    }
}
