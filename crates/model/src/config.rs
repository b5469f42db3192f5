//! What a model is made of, with the names of Hugging Face's `config.json`.

use crate::ModelError;
use serde::{Deserialize, Serialize};

/// The shape of a Qwen3 decoder. Fields that we do not know are kept out of the way when reading: a `config.json`
/// from elsewhere holds many that do not concern the forward pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// V: tokens in the vocabulary.
    pub vocab_size: usize,
    /// C: numbers in the state of a token.
    pub hidden_size: usize,
    /// Numbers between the two halves of the feed-forward part.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// H: query heads.
    pub num_attention_heads: usize,
    /// K: key and value heads.
    pub num_key_value_heads: usize,
    /// D: numbers in a head.
    pub head_dim: usize,
    /// The longest text in tokens.
    pub max_position_embeddings: usize,
    /// The base of RoPE's angles.
    #[serde(default = "default_rope_theta")]
    pub rope_theta: f64,
    /// What RMSNorm adds under the root.
    #[serde(default = "default_rms_norm_eps")]
    pub rms_norm_eps: f64,
    /// Whether the output layer is the embedding.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// The id after which generation ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eos_token_id: Option<u32>,
}

fn default_rope_theta() -> f64 {
    10_000.0
}

fn default_rms_norm_eps() -> f64 {
    1e-6
}

impl Config {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// If it is not JSON, not Qwen3, or asks for what Qwen3's dense decoder as built here does not have.
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        let mut value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| ModelError::Config(format!("not JSON: {error}")))?;
        let found = value.get("model_type").and_then(|v| v.as_str()).unwrap_or("none").to_string();
        if found != "qwen3" {
            return Err(ModelError::Config(format!("expected model_type \"qwen3\", found \"{found}\"")));
        }
        // Newer versions of transformers nest RoPE's base.
        if let Some(rope) = value.get("rope_parameters").cloned() {
            let kind = rope.get("rope_type").and_then(|v| v.as_str()).unwrap_or("default");
            if kind != "default" {
                return Err(ModelError::Config(format!("expected rope_type \"default\", found \"{kind}\"")));
            }
            if let (Some(theta), Some(object)) = (rope.get("rope_theta"), value.as_object_mut()) {
                object.insert("rope_theta".into(), theta.clone());
            }
        }
        for (key, wanted) in [
            ("attention_bias", serde_json::Value::Bool(false)),
            ("use_sliding_window", serde_json::Value::Bool(false)),
            ("hidden_act", "silu".into()),
            ("rope_scaling", serde_json::Value::Null),
        ] {
            if let Some(found) = value.get(key).filter(|found| !found.is_null() && **found != wanted) {
                return Err(ModelError::Config(format!("{key} must be {wanted}, found {found}")));
            }
        }
        if value.get("eos_token_id").is_some_and(|eos| eos.is_array()) {
            let first = value["eos_token_id"][0].clone();
            value["eos_token_id"] = first;
        }
        let config: Self =
            serde_json::from_value(value).map_err(|error| ModelError::Config(error.to_string()))?;
        config.validate()?;
        Ok(config)
    }

    /// Reads the shape alone from the `config.json` of any decoder of this kind, with Qwen3's parts in it: for planning
    /// and timing, not for weights.
    ///
    /// # Errors
    /// If it is not JSON, a size is missing, or no model of the shape can exist.
    pub fn shape(text: &str) -> Result<Self, ModelError> {
        let mut value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| ModelError::Config(format!("not JSON: {error}")))?;
        let number = |key: &str| value.get(key).and_then(serde_json::Value::as_u64);
        let heads = number("num_attention_heads");
        let head_dim = number("hidden_size").zip(heads).map(|(hidden, heads)| hidden / heads.max(1));
        let missing: Vec<_> =
            [("head_dim", head_dim), ("num_key_value_heads", heads), ("max_position_embeddings", Some(2048))]
                .into_iter()
                .filter(|(key, _)| number(key).is_none())
                .collect();
        for (key, default) in missing {
            if let Some(default) = default {
                value[key] = default.into();
            }
        }
        let config: Self =
            serde_json::from_value(value).map_err(|error| ModelError::Config(error.to_string()))?;
        config.validate()?;
        Ok(config)
    }

    /// The `config.json` that transformers opens as `Qwen3ForCausalLM`.
    pub fn to_json(&self) -> String {
        let mut value = serde_json::json!({
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "attention_bias": false,
            "attention_dropout": 0.0,
            "hidden_act": "silu",
            "initializer_range": 0.02,
            "torch_dtype": "float32",
            "use_cache": true,
            "use_sliding_window": false,
            "rope_scaling": null,
        });
        let Ok(serde_json::Value::Object(own)) = serde_json::to_value(self) else {
            unreachable!("a struct of numbers is a JSON object")
        };
        for (key, field) in own {
            value[key] = field;
        }
        format!("{value:#}\n")
    }

    /// Checks that a model of this shape can exist.
    ///
    /// # Errors
    /// Names the field, its value and what it must be.
    pub fn validate(&self) -> Result<(), ModelError> {
        let sizes = [
            ("vocab_size", self.vocab_size, 1 << 22),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("intermediate_size", self.intermediate_size, 1 << 18),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 10),
            ("num_attention_heads", self.num_attention_heads, 1 << 10),
            ("num_key_value_heads", self.num_key_value_heads, 1 << 10),
            ("head_dim", self.head_dim, 1 << 10),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 24),
        ];
        for (name, value, most) in sizes {
            if value == 0 || value > most {
                return Err(ModelError::Config(format!("{name} must be 1 to {most}, found {value}")));
            }
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return Err(ModelError::Config(format!(
                "num_attention_heads ({}) must be a multiple of num_key_value_heads ({})",
                self.num_attention_heads, self.num_key_value_heads
            )));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(ModelError::Config(format!("head_dim must be even, found {}", self.head_dim)));
        }
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if !positive(self.rope_theta) || !positive(self.rms_norm_eps) {
            return Err(ModelError::Config("rope_theta and rms_norm_eps must be positive numbers".into()));
        }
        Ok(())
    }

    /// Name and shape of every tensor, in the order of the forward pass.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (c, d, i, v) = (self.hidden_size, self.head_dim, self.intermediate_size, self.vocab_size);
        let (q, k) = (self.num_attention_heads * d, self.num_key_value_heads * d);
        let mut tensors = vec![("model.embed_tokens.weight".to_string(), vec![v, c])];
        for layer in 0..self.num_hidden_layers {
            for (name, shape) in [
                ("input_layernorm.weight", vec![c]),
                ("self_attn.q_proj.weight", vec![q, c]),
                ("self_attn.k_proj.weight", vec![k, c]),
                ("self_attn.v_proj.weight", vec![k, c]),
                ("self_attn.o_proj.weight", vec![c, q]),
                ("self_attn.q_norm.weight", vec![d]),
                ("self_attn.k_norm.weight", vec![d]),
                ("post_attention_layernorm.weight", vec![c]),
                ("mlp.gate_proj.weight", vec![i, c]),
                ("mlp.up_proj.weight", vec![i, c]),
                ("mlp.down_proj.weight", vec![c, i]),
            ] {
                tensors.push((format!("model.layers.{layer}.{name}"), shape));
            }
        }
        tensors.push(("model.norm.weight".into(), vec![c]));
        if !self.tie_word_embeddings {
            tensors.push(("lm_head.weight".into(), vec![v, c]));
        }
        tensors
    }

    /// Numbers in the model.
    pub fn num_params(&self) -> usize {
        self.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// Arithmetic of training on one token: 6 for each weight that it is multiplied with, and causal attention over
    /// `tokens` at half its square. Counted as in PyTorch benchmarks.
    pub fn flops_per_token(&self, tokens: usize) -> f64 {
        let (c, d, i) = (self.hidden_size, self.head_dim, self.intermediate_size);
        let (q, k) = (self.num_attention_heads * d, self.num_key_value_heads * d);
        let weights = self.num_hidden_layers * (2 * c * q + 2 * c * k + 3 * c * i) + c * self.vocab_size;
        6.0 * weights as f64 + 6.0 * (self.num_hidden_layers * q * tokens) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            vocab_size: 100,
            hidden_size: 16,
            intermediate_size: 32,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            head_dim: 8,
            max_position_embeddings: 64,
            rope_theta: 10_000.0,
            rms_norm_eps: 1e-6,
            tie_word_embeddings: true,
            eos_token_id: Some(3),
        }
    }

    #[test]
    fn json_goes_there_and_back() {
        assert_eq!(Config::from_json(&config().to_json()).unwrap(), config());
    }

    #[test]
    fn what_cannot_be_built_is_named() {
        let cases = [
            ("\"qwen3\"", "\"llama\"", "llama"),
            ("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", "num_key_value_heads (3)"),
            ("\"hidden_size\": 16", "\"hidden_size\": 0", "hidden_size"),
            ("\"hidden_size\": 16", "\"hidden_size\": -1", "-1"),
            ("\"attention_bias\": false", "\"attention_bias\": true", "attention_bias"),
        ];
        for (from, to, named) in cases {
            let json = config().to_json();
            assert!(json.contains(from), "{json}");
            let error = Config::from_json(&json.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
