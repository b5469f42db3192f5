//! A decoder's configuration as Hugging Face's `config.json`: the way back of `hub.rs`, in the form that transformers 4 writes
//! and both it and its successor read.

use super::config::{DecoderConfig, Family, MlpConfig};
use super::rope::{RopeConfig, Scaling};
use crate::ModelError;
use serde_json::{Map, Value, json};
use shuyuan_kernels::Activation;
use std::f64::consts::PI;

impl DecoderConfig {
    /// The text of a `config.json`; `dtype` is what its weights are stored as.
    ///
    /// # Errors
    /// If the family's `config.json` cannot say what this model is like; names the thing.
    pub fn to_json(&self, dtype: &str) -> Result<String, ModelError> {
        let mut all = Map::new();
        // Llama with a window is Mistral.
        let family = match self.family {
            Family::Llama if self.layers.iter().any(|layer| layer.sliding_window.is_some()) => {
                Family::Mistral
            }
            other => other,
        };
        all.insert("architectures".into(), json!([family.architecture()]));
        all.insert("model_type".into(), json!(family.model_type()));
        all.insert("torch_dtype".into(), json!(dtype));
        all.insert("vocab_size".into(), json!(self.vocab_size));
        all.insert("tie_word_embeddings".into(), json!(self.tie_word_embeddings));
        let eos = match self.eos_token_ids.as_slice() {
            [] => Value::Null,
            [id] => json!(id),
            ids => json!(ids),
        };
        all.insert("eos_token_id".into(), eos);
        // Absent, they would be those of the family's first model.
        all.insert("bos_token_id".into(), Value::Null);
        all.insert("pad_token_id".into(), Value::Null);
        let rest = if family == Family::Gpt2 { self.gpt2() } else { self.llama_like(family)? };
        all.extend(rest);
        let text = format!("{:#}\n", Value::Object(all));
        self.check_json(&text)?;
        Ok(text)
    }

    /// # Errors
    /// If `text`, a `config.json`, describes another model.
    pub(crate) fn check_json(&self, text: &str) -> Result<(), ModelError> {
        match self.difference(&Self::from_json(text)?) {
            None => Ok(()),
            Some((what, is, would_be)) => Err(ModelError::Config(format!(
                "config.json of {} cannot say that {what} is {is}: it would be read as {would_be}. Export it as a GGUF file",
                self.family.architecture()
            ))),
        }
    }

    fn gpt2(&self) -> Map<String, Value> {
        object(json!({
            "n_embd": self.hidden_size,
            "n_layer": self.layers.len(),
            "n_head": self.num_attention_heads,
            "n_inner": self.intermediate_size(),
            "n_positions": self.max_position_embeddings,
            "n_ctx": self.max_position_embeddings,
            "layer_norm_epsilon": number(self.norm_eps),
            "activation_function": activation(self.hidden_act),
        }))
    }

    fn llama_like(&self, family: Family) -> Result<Map<String, Value>, ModelError> {
        let mut all = object(json!({
            "hidden_size": self.hidden_size,
            "num_hidden_layers": self.layers.len(),
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "intermediate_size": self.dense_size(),
            "max_position_embeddings": self.max_position_embeddings,
            "rms_norm_eps": number(self.norm_eps),
        }));
        let mut add = |key: &str, value: Value| all.insert(key.into(), value);
        add(
            if family.gemma() { "hidden_activation" } else { "hidden_act" },
            activation(self.hidden_act).into(),
        );
        if family != Family::Qwen2 {
            add("attention_bias", json!(self.biases.output));
        }
        if family == Family::Llama {
            add("mlp_bias", json!(self.biases.mlp));
        }
        if family.gemma() {
            let scalar = f64::from(self.attention_scale).powi(-2);
            // A whole number in all models there are; f32 has it a hair off.
            let whole = scalar.round();
            let scalar = if (scalar - whole).abs() < 1e-3 { json!(whole as u64) } else { json!(scalar) };
            add("query_pre_attn_scalar", scalar);
            add("attn_logit_softcapping", json!(self.attn_logit_softcapping));
            add("final_logit_softcapping", json!(self.final_logit_softcapping));
        }
        self.experts_to_json(family, &mut add);
        self.windows_to_json(family, &mut add);
        if let Some(rope) = self.ropes.first() {
            add("rope_theta", json!(rope.theta));
            add("rope_scaling", self.scaling(rope)?);
            if let Scaling::Longrope { original, .. } = rope.scaling {
                add("original_max_position_embeddings", json!(original));
            } else if family == Family::Phi3 {
                add("original_max_position_embeddings", json!(self.max_position_embeddings));
            }
            if rope.rotary_dim != self.head_dim {
                add("partial_rotary_factor", json!(rope.rotary_dim as f64 / self.head_dim as f64));
            }
        }
        if let Some(local) = self.ropes.get(1) {
            add("rope_local_base_freq", json!(local.theta));
        }
        Ok(all)
    }

    fn experts_to_json(&self, family: Family, add: &mut impl FnMut(&str, Value) -> Option<Value>) {
        let found = self.layers.iter().find_map(|layer| match layer.mlp {
            MlpConfig::Dense { .. } => None,
            MlpConfig::Experts { intermediate_size, experts, per_token, norm_topk_prob } => {
                Some((intermediate_size, experts, per_token, norm_topk_prob))
            }
        });
        let Some((size, experts, per_token, norm_topk_prob)) = found else { return };
        add("num_experts_per_tok", json!(per_token));
        if family == Family::Mixtral {
            add("num_local_experts", json!(experts));
            return;
        }
        let dense = |(_, layer): &(usize, &super::LayerConfig)| matches!(layer.mlp, MlpConfig::Dense { .. });
        let dense: Vec<usize> =
            self.layers.iter().enumerate().filter(dense).map(|(index, _)| index).collect();
        add("num_experts", json!(experts));
        add("moe_intermediate_size", json!(size));
        add("norm_topk_prob", json!(norm_topk_prob));
        add("mlp_only_layers", json!(dense));
        add("decoder_sparse_step", json!(1));
    }

    fn windows_to_json(&self, family: Family, add: &mut impl FnMut(&str, Value) -> Option<Value>) {
        let window = self.layers.iter().find_map(|layer| layer.sliding_window);
        add("sliding_window", json!(window));
        let some_slide = matches!(family, Family::Qwen2 | Family::Qwen3 | Family::Qwen3Moe);
        if some_slide {
            add("use_sliding_window", json!(window.is_some()));
        }
        if family.gemma() || (some_slide && window.is_some()) {
            let kind = |layer: &super::LayerConfig| match layer.sliding_window {
                Some(_) => "sliding_attention",
                None => "full_attention",
            };
            add("layer_types", self.layers.iter().map(kind).collect());
        }
    }

    fn scaling(&self, rope: &RopeConfig) -> Result<Value, ModelError> {
        Ok(match &rope.scaling {
            Scaling::None => Value::Null,
            Scaling::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
            Scaling::Llama3 { factor, low_freq_factor, high_freq_factor, original } => json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low_freq_factor,
                "high_freq_factor": high_freq_factor,
                "original_max_position_embeddings": *original as u64,
            }),
            Scaling::Yarn { factor, beta_fast, beta_slow, original, attention_factor } => json!({
                "rope_type": "yarn",
                "factor": factor,
                "beta_fast": beta_fast,
                "beta_slow": beta_slow,
                "original_max_position_embeddings": *original as u64,
                "attention_factor": attention_factor,
            }),
            Scaling::Longrope { short, long, attention_factor, .. } => json!({
                "rope_type": "longrope",
                "short_factor": short,
                "long_factor": long,
                "attention_factor": attention_factor,
            }),
            Scaling::Factors(factors) => match llama3(rope, factors) {
                Some(found) => self.scaling(&RopeConfig { scaling: found, ..rope.clone() })?,
                None => {
                    return Err(ModelError::Config(
                        "the factors of RoPE's angles are not those of Llama 3, and config.json has no other way to say \
                         them: export it as a GGUF file"
                            .into(),
                    ));
                }
            },
        })
    }
}

/// Llama 3's way to stretch angles, if it gives these factors. All its models have the same bounds, 1 and 4.
fn llama3(rope: &RopeConfig, factors: &[f64]) -> Option<Scaling> {
    let (low, high) = (1.0, 4.0);
    let factor = factors.iter().copied().fold(1.0, f64::max);
    let plain = RopeConfig { scaling: Scaling::None, ..rope.clone() }.frequencies(false).0;
    // Between the bounds, 1 / factor is a mean whose weights tell how often the angle turns in the original context.
    let of = |(f, by): (&f32, &f64)| -> Option<f64> {
        let smooth = (1.0 / by - 1.0 / factor) / (1.0 - 1.0 / factor);
        let between = (0.01..0.99).contains(&smooth);
        between.then(|| (smooth * (high - low) + low) * 2.0 * PI / f64::from(*f))
    };
    let original = plain.iter().zip(factors).find_map(of)?.round();
    let scaling = Scaling::Llama3 { factor, low_freq_factor: low, high_freq_factor: high, original };
    let scaled = RopeConfig { scaling: scaling.clone(), ..rope.clone() }.frequencies(false).0;
    let same =
        |((f, scaled), by): ((&f32, f32), &f64)| (f64::from(*f) / f64::from(scaled) - by).abs() < 1e-5 * by;
    plain.iter().zip(scaled).zip(factors).all(same).then_some(scaling)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// An f32 with the digits that it needs, no more.
fn number(x: f32) -> Value {
    x.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

fn activation(act: Activation) -> &'static str {
    match act {
        Activation::Silu => "silu",
        Activation::Gelu => "gelu",
        Activation::GeluTanh => "gelu_pytorch_tanh",
        Activation::Relu => "relu",
    }
}
