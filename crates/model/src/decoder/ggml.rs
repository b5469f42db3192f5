//! A decoder's configuration from GGUF's settings, and what llama.cpp knows beside them.

use super::config::{Biases, DecoderConfig, Family, LayerConfig, MlpConfig};
use super::rope::{RopeConfig, Scaling};
use crate::ModelError;
use crate::gguf::{Array, Gguf, GgufError, Metadata, Value};
use shuyuan_kernels::Activation;

fn config_error(error: GgufError) -> ModelError {
    ModelError::Config(error.to_string())
}

/// Which layers have a window where the file does not say.
pub(super) fn slides(family: Family, layer: usize) -> bool {
    match family {
        Family::Gemma2 => layer.is_multiple_of(2),
        Family::Gemma3 => !(layer + 1).is_multiple_of(6),
        // llama.cpp keeps the window of these, but does not use it unless all layers have one.
        Family::Qwen2 | Family::Qwen3 | Family::Qwen3Moe => false,
        _ => true,
    }
}

/// What scores are multiplied with, which no file says: Gemma's largest models have a number of their own.
pub(super) fn attention_scale(family: Family, layers: usize, c: usize, heads: usize, head_dim: usize) -> f32 {
    let scalar = match (family, layers) {
        (Family::Gemma2, 46) | (Family::Gemma3, 62) => c / heads.max(1),
        _ => head_dim,
    };
    (scalar as f32).powf(-0.5)
}

/// Which layers have a window.
enum Pattern {
    Layers(Vec<bool>),
    /// All but every nth.
    Every(usize),
}

/// A list of bools or integers, one a layer, or one integer.
fn pattern(all: &Metadata, key: &str) -> Result<Option<Pattern>, ModelError> {
    Ok(match all.get(key) {
        None => None,
        Some(Value::Array(Array::Bool(slide))) => Some(Pattern::Layers(slide.clone())),
        Some(Value::Array(_)) => {
            let slide = all.opt_i64s(key).map_err(config_error)?.unwrap_or_default();
            Some(Pattern::Layers(slide.into_iter().map(|x| x != 0).collect()))
        }
        Some(_) => {
            let n = all.opt_u64(key).map_err(config_error)?.unwrap_or(0);
            // No full layer at all.
            Some(Pattern::Every(if n == 0 { usize::MAX } else { usize::try_from(n).unwrap_or(usize::MAX) }))
        }
    })
}

impl DecoderConfig {
    /// Reads the settings of a GGUF file.
    ///
    /// # Errors
    /// If the architecture is not known here, a setting is missing, or one asks for what is not built here.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self, ModelError> {
        let all = gguf.metadata();
        let name = all.str("general.architecture").map_err(config_error)?;
        let size = |key: &str| -> Result<Option<usize>, ModelError> {
            let key = format!("{name}.{key}");
            Ok(all.opt_u64(&key).map_err(config_error)?.map(|x| usize::try_from(x).unwrap_or(usize::MAX)))
        };
        let need = |key: &str| -> Result<usize, ModelError> {
            size(key)?.ok_or_else(|| ModelError::Config(format!("{name}.{key} is missing")))
        };
        let number = |key: &str| -> Result<Option<f64>, ModelError> {
            Ok(all.opt_f32(&format!("{name}.{key}")).map_err(config_error)?.map(f64::from))
        };
        let experts = size("expert_count")?.filter(|experts| *experts > 0);
        let family = match (name, experts) {
            ("llama", Some(_)) => Family::Mixtral,
            ("llama", None) => Family::Llama,
            ("mistral", _) => Family::Mistral,
            ("qwen2", _) => Family::Qwen2,
            ("qwen3", _) => Family::Qwen3,
            ("qwen3moe", _) => Family::Qwen3Moe,
            ("gemma2", _) => Family::Gemma2,
            ("gemma3", _) => Family::Gemma3,
            ("phi3", _) => Family::Phi3,
            ("gpt2", _) => Family::Gpt2,
            _ => {
                return Err(ModelError::Config(format!(
                    "general.architecture \"{name}\" is not known here; known are llama, mistral, qwen2, qwen3, qwen3moe, \
                     gemma2, gemma3, phi3, gpt2"
                )));
            }
        };
        let (c, heads) = (need("embedding_length")?, need("attention.head_count")?);
        let block_count = need("block_count")?.min(1 << 11);
        let head_dim = size("attention.key_length")?.unwrap_or(c / heads.max(1));
        if size("attention.value_length")?.is_some_and(|values| values != head_dim) {
            return Err(ModelError::Config("keys and values of different lengths are not built here".into()));
        }
        let token_embd = gguf.tensor("token_embd.weight").map_err(config_error)?;
        let context = need("context_length")?;
        let window = size("attention.sliding_window")?.filter(|window| *window > 0);
        let gemma3 = family == Family::Gemma3;
        let pattern = pattern(all, &format!("{name}.attention.sliding_window_pattern"))?;
        let slides = |index: usize| match &pattern {
            Some(Pattern::Layers(slide)) => slide.get(index).copied().unwrap_or(false),
            Some(Pattern::Every(n)) => !(index + 1).is_multiple_of(*n),
            None => slides(family, index),
        };
        let dense = need("feed_forward_length")
            .or_else(|error| if experts.is_some() { Ok(0) } else { Err(error) })?;
        let mlp = match experts {
            None => MlpConfig::Dense { intermediate_size: dense },
            Some(experts) => MlpConfig::Experts {
                intermediate_size: size("expert_feed_forward_length")?.unwrap_or(dense),
                experts,
                per_token: need("expert_used_count")?,
                norm_topk_prob: true,
            },
        };
        let layer = |index: usize| {
            let sliding_window = window.filter(|_| slides(index));
            // Qwen3-MoE says nowhere which of its layers are dense, but their tensors do.
            let is_dense = gguf.opt_tensor(&format!("blk.{index}.ffn_gate_inp.weight")).is_none();
            let mlp = if is_dense { MlpConfig::Dense { intermediate_size: dense } } else { mlp.clone() };
            LayerConfig { sliding_window, rope: usize::from(gemma3 && sliding_window.is_some()), mlp }
        };
        let layers: Vec<LayerConfig> = (0..block_count).map(layer).collect();
        let theta = number("rope.freq_base")?.unwrap_or(1e4);
        let rotary_dim = size("rope.dimension_count")?.unwrap_or(head_dim);
        let factors = |name: &str| {
            gguf.opt_tensor(name)
                .map(|factors| factors.to_f32().into_iter().map(f64::from).collect::<Vec<_>>())
        };
        let kind = all.opt_str(&format!("{name}.rope.scaling.type")).map_err(config_error)?;
        let factor = number("rope.scaling.factor")?;
        let original = size("rope.scaling.original_context_length")?.unwrap_or(context);
        let scaling = match (factors("rope_freqs.weight"), factors("rope_factors_short.weight")) {
            (Some(factors), _) => Scaling::Factors(factors),
            (None, Some(short)) => Scaling::Longrope {
                long: factors("rope_factors_long.weight").unwrap_or_else(|| short.clone()),
                short,
                original,
                attention_factor: number("rope.scaling.attn_factor")?.unwrap_or(1.0),
            },
            (None, None) => match (kind, factor) {
                (None | Some("none"), _) | (_, None) => Scaling::None,
                (Some("linear"), Some(factor)) => Scaling::Linear { factor },
                (Some("yarn"), Some(factor)) => Scaling::Yarn {
                    factor,
                    beta_fast: number("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0),
                    beta_slow: number("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0),
                    original: original as f64,
                    attention_factor: 0.1 * factor.max(1.0).ln() + 1.0,
                },
                (Some(other), _) => {
                    return Err(ModelError::Config(format!("RoPE scaling \"{other}\" is not known here")));
                }
            },
        };
        let gpt2 = family == Family::Gpt2;
        let mut ropes = if gpt2 { Vec::new() } else { vec![RopeConfig { theta, rotary_dim, scaling }] };
        if gemma3 {
            let theta = number("rope.freq_base_swa")?.unwrap_or(1e4);
            ropes.push(RopeConfig { theta, rotary_dim, scaling: Scaling::None });
        }
        // Gemma 2 has caps, said or not.
        let cap = |key: &str, usual: f64| -> Result<Option<f32>, ModelError> {
            let usual = (family == Family::Gemma2).then_some(usual);
            Ok(number(key)?.or(usual).map(|cap| cap as f32))
        };
        let eps = number("attention.layer_norm_rms_epsilon")?.or(number("attention.layer_norm_epsilon")?);
        let qkv_bias = gguf.opt_tensor("blk.0.attn_q.bias").is_some()
            || gguf.opt_tensor("blk.0.attn_qkv.bias").is_some();
        let mut eos_token_ids = Vec::new();
        for key in ["eos_token_id", "eot_token_id", "eom_token_id"] {
            let id = all.opt_u64(&format!("tokenizer.ggml.{key}")).map_err(config_error)?;
            eos_token_ids.extend(id.and_then(|id| u32::try_from(id).ok()));
        }
        eos_token_ids.dedup();
        let config = Self {
            family,
            vocab_size: token_embd.shape()[0],
            hidden_size: c,
            num_attention_heads: heads,
            num_key_value_heads: size("attention.head_count_kv")?.unwrap_or(heads),
            head_dim,
            max_position_embeddings: context,
            layers,
            ropes,
            norm_eps: eps.unwrap_or(1e-5) as f32,
            attention_scale: attention_scale(family, block_count, c, heads, head_dim),
            attn_logit_softcapping: cap("attn_logit_softcapping", 50.0)?,
            final_logit_softcapping: cap("final_logit_softcapping", 30.0)?,
            hidden_act: if gpt2 || family.gemma() { Activation::GeluTanh } else { Activation::Silu },
            embedding_scale: if family.gemma() { (c as f32).sqrt() } else { 1.0 },
            biases: Biases {
                qkv: qkv_bias,
                output: gguf.opt_tensor("blk.0.attn_output.bias").is_some(),
                mlp: gguf.opt_tensor("blk.0.ffn_up.bias").is_some(),
            },
            tie_word_embeddings: gguf.opt_tensor("output.weight").is_none(),
            eos_token_ids,
        };
        config.validate()?;
        Ok(config)
    }
}
