//! A decoder's configuration from Hugging Face's `config.json`, as transformers 4 and 5 write it.

use super::config::{Biases, DecoderConfig, Family, LayerConfig, MlpConfig};
use super::rope::{RopeConfig, Scaling};
use crate::ModelError;
use crate::fields::{Fields, activation};
use serde_json::Value;

impl DecoderConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// If it is not JSON, of an architecture that is not known here, lacks a size, or asks for what is not built here.
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| ModelError::Config(format!("not JSON: {error}")))?;
        let all = Fields(&value);
        let model_type = all.text("model_type").unwrap_or("none");
        let family =
            Family::ALL.into_iter().find(|family| family.model_type() == model_type).ok_or_else(|| {
                let known: Vec<&str> = Family::ALL.iter().map(|family| family.model_type()).collect();
                ModelError::Config(format!(
                    "model_type \"{model_type}\" is not known here; known are {}",
                    known.join(", ")
                ))
            })?;
        let config = if family == Family::Gpt2 { gpt2(all)? } else { llama_like(family, all)? };
        config.validate()?;
        Ok(config)
    }
}

fn gpt2(all: Fields) -> Result<DecoderConfig, ModelError> {
    let (c, heads) = (all.need("n_embd")?, all.need("n_head")?);
    for (key, wanted) in [
        ("scale_attn_weights", true),
        ("scale_attn_by_inverse_layer_idx", false),
        ("add_cross_attention", false),
    ] {
        if all.flag(key)?.is_some_and(|found| found != wanted) {
            return Err(ModelError::Config(format!("{key} must be {wanted}")));
        }
    }
    if heads == 0 || !c.is_multiple_of(heads) {
        return Err(ModelError::Config(format!("n_embd ({c}) must be a multiple of n_head ({heads})")));
    }
    let intermediate_size = all.size("n_inner")?.unwrap_or(4 * c);
    let layer = LayerConfig { sliding_window: None, rope: 0, mlp: MlpConfig::Dense { intermediate_size } };
    Ok(DecoderConfig {
        family: Family::Gpt2,
        vocab_size: all.need("vocab_size")?,
        hidden_size: c,
        num_attention_heads: heads,
        num_key_value_heads: heads,
        head_dim: c / heads,
        max_position_embeddings: all.size("n_positions")?.or(all.size("n_ctx")?).unwrap_or(1024),
        layers: vec![layer; all.need("n_layer")?.min(1 << 11)],
        ropes: Vec::new(),
        norm_eps: all.number("layer_norm_epsilon")?.unwrap_or(1e-5) as f32,
        attention_scale: ((c / heads) as f32).powf(-0.5),
        attn_logit_softcapping: None,
        final_logit_softcapping: None,
        hidden_act: activation(all.text("activation_function").unwrap_or("gelu_new"))?,
        embedding_scale: 1.0,
        biases: Biases { qkv: true, output: true, mlp: true },
        tie_word_embeddings: all.flag("tie_word_embeddings")?.unwrap_or(true),
        eos_token_ids: ids(all, "eos_token_id")?,
    })
}

fn llama_like(family: Family, all: Fields) -> Result<DecoderConfig, ModelError> {
    let (c, heads) = (all.need("hidden_size")?, all.need("num_attention_heads")?);
    let layers = all.need("num_hidden_layers")?;
    let default_dim = match family {
        Family::Gemma2 | Family::Gemma3 => 256,
        Family::Qwen3 => 128,
        _ => c / heads.max(1),
    };
    let head_dim = all.size("head_dim")?.unwrap_or(default_dim);
    let kv_heads = all.size("num_key_value_heads")?.unwrap_or(heads);
    let act = all.text("hidden_activation").or(all.text("hidden_act"));
    let default_act = if family.gemma() { "gelu_pytorch_tanh" } else { "silu" };
    let scalar =
        all.number("query_pre_attn_scalar")?.unwrap_or(if family.gemma() { 256.0 } else { head_dim as f64 });
    let softcap = |key: &str, default: f64| -> Result<Option<f32>, ModelError> {
        if family != Family::Gemma2 && all.get(key).is_none() {
            return Ok(None);
        }
        // Gemma 2 has caps unless they are null.
        let found = if all.0.get(key).is_some_and(Value::is_null) {
            None
        } else {
            Some(all.number(key)?.unwrap_or(default))
        };
        Ok(found.map(|cap| cap as f32))
    };
    let attention_bias = all.flag("attention_bias")?.unwrap_or(false);
    let biases = Biases {
        qkv: family == Family::Qwen2 || attention_bias,
        output: attention_bias && family != Family::Qwen2,
        mlp: all.flag("mlp_bias")?.unwrap_or(false),
    };
    let (ropes, local) = ropes(family, all, head_dim)?;
    let windows = windows(family, all, layers)?;
    let mut layer_configs = Vec::new();
    for (index, sliding_window) in windows.into_iter().enumerate() {
        let rope = if sliding_window.is_some() { local } else { 0 };
        layer_configs.push(LayerConfig { sliding_window, rope, mlp: mlp(family, all, index)? });
    }
    Ok(DecoderConfig {
        family,
        vocab_size: all.need("vocab_size")?,
        hidden_size: c,
        num_attention_heads: heads,
        num_key_value_heads: kv_heads,
        head_dim,
        max_position_embeddings: all.size("max_position_embeddings")?.unwrap_or(2048),
        layers: layer_configs,
        ropes,
        norm_eps: all.number("rms_norm_eps")?.unwrap_or(1e-6) as f32,
        attention_scale: scalar.powf(-0.5) as f32,
        attn_logit_softcapping: softcap("attn_logit_softcapping", 50.0)?,
        final_logit_softcapping: softcap("final_logit_softcapping", 30.0)?,
        hidden_act: activation(act.unwrap_or(default_act))?,
        embedding_scale: if family.gemma() { (c as f32).sqrt() } else { 1.0 },
        biases,
        tie_word_embeddings: all.flag("tie_word_embeddings")?.unwrap_or(family.gemma()),
        eos_token_ids: ids(all, "eos_token_id")?,
    })
}

fn mlp(family: Family, all: Fields, index: usize) -> Result<MlpConfig, ModelError> {
    let dense = MlpConfig::Dense { intermediate_size: all.need("intermediate_size")? };
    match family {
        Family::Mixtral => Ok(MlpConfig::Experts {
            intermediate_size: all.need("intermediate_size")?,
            experts: all.need("num_local_experts")?,
            per_token: all.need("num_experts_per_tok")?,
            norm_topk_prob: true,
        }),
        Family::Qwen3Moe => {
            let step = all.size("decoder_sparse_step")?.unwrap_or(1).max(1);
            let listed = all.get("mlp_only_layers").and_then(Value::as_array);
            let listed =
                listed.is_some_and(|layers| layers.iter().any(|layer| layer.as_u64() == Some(index as u64)));
            if listed || !(index + 1).is_multiple_of(step) {
                return Ok(dense);
            }
            let experts = match all.size("num_experts")? {
                Some(experts) => experts,
                None => all.need("num_local_experts")?,
            };
            Ok(MlpConfig::Experts {
                intermediate_size: all.need("moe_intermediate_size")?,
                experts,
                per_token: all.need("num_experts_per_tok")?,
                norm_topk_prob: all.flag("norm_topk_prob")?.unwrap_or(false),
            })
        }
        _ => Ok(dense),
    }
}

/// How far each layer looks back.
fn windows(family: Family, all: Fields, layers: usize) -> Result<Vec<Option<usize>>, ModelError> {
    let layers = layers.min(1 << 11);
    let window = all.size("sliding_window")?;
    let window = match family {
        Family::Gemma2 | Family::Gemma3 => Some(window.unwrap_or(4096)),
        // Absent, it has transformers' default; null, it is off.
        Family::Mistral if all.0.get("sliding_window").is_none() => Some(4096),
        Family::Qwen2 | Family::Qwen3 | Family::Qwen3Moe
            if !all.flag("use_sliding_window")?.unwrap_or(false) =>
        {
            None
        }
        _ => window,
    };
    if let Some(kinds) = all.get("layer_types").and_then(Value::as_array) {
        if kinds.len() != layers {
            return Err(ModelError::Config(format!(
                "layer_types has {} entries for {layers} layers",
                kinds.len()
            )));
        }
        let of = |kind: &Value| match kind.as_str() {
            Some("full_attention") => Ok(None),
            Some("sliding_attention") if window.is_some() => Ok(window),
            _ => Err(Fields::wrong(
                "layer_types",
                "full_attention or sliding_attention (with sliding_window)",
                kind,
            )),
        };
        return kinds.iter().map(of).collect();
    }
    let pattern =
        all.size("sliding_window_pattern")?.or(all.size("_sliding_window_pattern")?).unwrap_or(6).max(1);
    let first = all.size("max_window_layers")?.unwrap_or(0);
    let slides = |index: usize| match family {
        Family::Gemma2 => index.is_multiple_of(2),
        Family::Gemma3 => !(index + 1).is_multiple_of(pattern),
        Family::Qwen2 | Family::Qwen3 | Family::Qwen3Moe => index >= first,
        _ => true,
    };
    Ok((0..layers).map(|index| window.filter(|_| slides(index))).collect())
}

/// The RoPEs, and which of them layers with a window use.
fn ropes(family: Family, all: Fields, head_dim: usize) -> Result<(Vec<RopeConfig>, usize), ModelError> {
    let nested = all.get("rope_parameters").map(Fields);
    let default_theta = if family == Family::Gemma3 { 1e6 } else { 1e4 };
    let theta = all.number("rope_theta")?.unwrap_or(default_theta);
    let partial = all.number("partial_rotary_factor")?;
    let rope = |fields: Option<Fields>, theta: f64| rope(fields, theta, partial, all, head_dim);
    if let Some(global) = nested.and_then(|nested| nested.get("full_attention")).map(Fields) {
        let local = nested.and_then(|nested| nested.get("sliding_attention")).map(Fields);
        return Ok((vec![rope(Some(global), theta)?, rope(local, 1e4)?], 1));
    }
    let scaling = nested.or(all.get("rope_scaling").map(Fields));
    let global = rope(scaling, theta)?;
    if family == Family::Gemma3 {
        let local = all.number("rope_local_base_freq")?.unwrap_or(1e4);
        return Ok((vec![global, rope(None, local)?], 1));
    }
    Ok((vec![global], 0))
}

fn rope(
    fields: Option<Fields>,
    theta: f64,
    partial: Option<f64>,
    all: Fields,
    head_dim: usize,
) -> Result<RopeConfig, ModelError> {
    let none = Value::Null;
    let fields = fields.unwrap_or(Fields(&none));
    let theta = fields.number("rope_theta")?.unwrap_or(theta);
    let share = fields.number("partial_rotary_factor")?.or(partial).unwrap_or(1.0);
    let rotary_dim = (head_dim as f64 * share) as usize;
    let kind = fields.text("rope_type").or(fields.text("type")).unwrap_or("default");
    let need = |key: &str| -> Result<f64, ModelError> {
        fields.number(key)?.ok_or_else(|| ModelError::Config(format!("{key} of RoPE is missing")))
    };
    let context = all.size("max_position_embeddings")?.unwrap_or(2048);
    let original = || -> Result<usize, ModelError> {
        let key = "original_max_position_embeddings";
        Ok(fields.size(key)?.or(all.size(key)?).unwrap_or(context))
    };
    let scaling = match kind {
        // Dynamic scaling begins beyond max_position_embeddings, which no text passes here.
        "default" | "dynamic" => Scaling::None,
        "linear" => Scaling::Linear { factor: need("factor")? },
        "llama3" => Scaling::Llama3 {
            factor: need("factor")?,
            low_freq_factor: need("low_freq_factor")?,
            high_freq_factor: need("high_freq_factor")?,
            original: original()? as f64,
        },
        "yarn" => {
            let factor = need("factor")?;
            Scaling::Yarn {
                factor,
                beta_fast: fields.number("beta_fast")?.unwrap_or(32.0),
                beta_slow: fields.number("beta_slow")?.unwrap_or(1.0),
                original: original()? as f64,
                attention_factor: match fields.number("attention_factor")? {
                    Some(factor) => factor,
                    None if factor <= 1.0 => 1.0,
                    None => 0.1 * factor.ln() + 1.0,
                },
            }
        }
        "longrope" | "su" => {
            let original = original()?;
            let factor = context as f64 / original.max(1) as f64;
            let stretched = (1.0 + factor.ln() / (original as f64).ln()).sqrt();
            Scaling::Longrope {
                short: fields.numbers("short_factor")?,
                long: fields.numbers("long_factor")?,
                original,
                attention_factor: match fields.number("attention_factor")? {
                    Some(factor) => factor,
                    None if factor <= 1.0 => 1.0,
                    None => stretched,
                },
            }
        }
        other => return Err(ModelError::Config(format!("rope_type \"{other}\" is not known here"))),
    };
    Ok(RopeConfig { theta, rotary_dim, scaling })
}

/// One id or a list of them.
fn ids(all: Fields, key: &str) -> Result<Vec<u32>, ModelError> {
    let Some(value) = all.get(key) else { return Ok(Vec::new()) };
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    let found = match value.as_array() {
        Some(values) => values.iter().map(id).collect(),
        None => id(value).map(|id| vec![id]),
    };
    found.ok_or_else(|| Fields::wrong(key, "an id or a list of ids", value))
}
