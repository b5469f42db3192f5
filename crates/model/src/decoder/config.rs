//! What a decoder is like: everything in which the families differ, as data.

use super::rope::RopeConfig;
use crate::ModelError;
use shuyuan_kernels::Activation;

/// Architectures by the name of their first model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "names")]
pub enum Family {
    Llama,
    Mistral,
    Mixtral,
    Qwen2,
    Qwen3,
    Qwen3Moe,
    Gemma2,
    Gemma3,
    Phi3,
    Gpt2,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Llama,
        Self::Mistral,
        Self::Mixtral,
        Self::Qwen2,
        Self::Qwen3,
        Self::Qwen3Moe,
        Self::Gemma2,
        Self::Gemma3,
        Self::Phi3,
        Self::Gpt2,
    ];

    /// `model_type` in Hugging Face's config.json.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Mixtral => "mixtral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Qwen3Moe => "qwen3_moe",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3_text",
            Self::Phi3 => "phi3",
            Self::Gpt2 => "gpt2",
        }
    }

    /// The class in transformers.
    pub fn architecture(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Mistral => "MistralForCausalLM",
            Self::Mixtral => "MixtralForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
            Self::Qwen3Moe => "Qwen3MoeForCausalLM",
            Self::Gemma2 => "Gemma2ForCausalLM",
            Self::Gemma3 => "Gemma3ForCausalLM",
            Self::Phi3 => "Phi3ForCausalLM",
            Self::Gpt2 => "GPT2LMHeadModel",
        }
    }

    pub(super) fn gemma(self) -> bool {
        matches!(self, Self::Gemma2 | Self::Gemma3)
    }

    pub(super) fn qk_norm(self) -> bool {
        matches!(self, Self::Qwen3 | Self::Qwen3Moe | Self::Gemma3)
    }
}

/// A decoder's shape and habits, with Hugging Face's names where it has any.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderConfig {
    /// Which architecture.
    pub family: Family,
    /// V: tokens in the vocabulary.
    pub vocab_size: usize,
    /// C: numbers in the state of a token.
    pub hidden_size: usize,
    /// H: query heads.
    pub num_attention_heads: usize,
    /// K: key and value heads.
    pub num_key_value_heads: usize,
    /// D: numbers in a head.
    pub head_dim: usize,
    /// The longest text in tokens.
    pub max_position_embeddings: usize,
    /// Layer by layer.
    pub layers: Vec<LayerConfig>,
    /// How positions turn heads; none where positions are learned vectors.
    pub ropes: Vec<RopeConfig>,
    /// What a norm adds under the root.
    pub norm_eps: f32,
    /// Scores are multiplied by this.
    pub attention_scale: f32,
    /// Scores are bent to ± this.
    pub attn_logit_softcapping: Option<f32>,
    /// Logits are bent to ± this.
    pub final_logit_softcapping: Option<f32>,
    /// The curve of the feed-forward parts.
    pub hidden_act: Activation,
    /// Embeddings are multiplied by this.
    pub embedding_scale: f32,
    /// Where there are biases.
    pub biases: Biases,
    /// Whether the output layer is the embedding.
    pub tie_word_embeddings: bool,
    /// Ids after which generation ends.
    pub eos_token_ids: Vec<u32>,
}

/// In what one layer may differ from others.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerConfig {
    /// A position sees this many, itself included; all before it where there is none.
    pub sliding_window: Option<usize>,
    /// Which of [`DecoderConfig::ropes`].
    pub rope: usize,
    /// Its feed-forward part.
    pub mlp: MlpConfig,
}

/// A feed-forward part.
#[derive(Clone, Debug, PartialEq)]
pub enum MlpConfig {
    /// One for all tokens.
    Dense {
        /// I: numbers between its two halves.
        intermediate_size: usize,
    },
    /// Some of many for each token.
    Experts {
        /// I of each expert.
        intermediate_size: usize,
        /// How many there are.
        experts: usize,
        /// How many see a token.
        per_token: usize,
        /// Whether the shares of the chosen are made to sum to 1.
        norm_topk_prob: bool,
    },
}

/// Which projections add a bias.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Biases {
    /// To queries, keys and values.
    pub qkv: bool,
    /// From heads back to the state.
    pub output: bool,
    /// In the feed-forward part.
    pub mlp: bool,
}

impl DecoderConfig {
    /// L: layers.
    pub fn num_hidden_layers(&self) -> usize {
        self.layers.len()
    }

    /// Numbers between the halves of the widest feed-forward part.
    pub fn intermediate_size(&self) -> usize {
        let size = |layer: &LayerConfig| match layer.mlp {
            MlpConfig::Dense { intermediate_size } | MlpConfig::Experts { intermediate_size, .. } => intermediate_size,
        };
        self.layers.iter().map(size).max().unwrap_or(0)
    }

    /// The id after which generation ends, where there is one.
    pub fn eos_token_id(&self) -> Option<u32> {
        self.eos_token_ids.first().copied()
    }

    /// Checks that a model of this shape can exist.
    ///
    /// # Errors
    /// Names the field, its value and what it must be.
    pub fn validate(&self) -> Result<(), ModelError> {
        let error = |text: String| Err(ModelError::Config(text));
        let mut sizes = vec![
            ("vocab_size", self.vocab_size, 1 << 22),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("num_hidden_layers", self.layers.len(), 1 << 10),
            ("num_attention_heads", self.num_attention_heads, 1 << 10),
            ("num_key_value_heads", self.num_key_value_heads, 1 << 10),
            ("head_dim", self.head_dim, 1 << 10),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 24),
        ];
        for layer in &self.layers {
            match layer.mlp {
                MlpConfig::Dense { intermediate_size } => sizes.push(("intermediate_size", intermediate_size, 1 << 18)),
                MlpConfig::Experts { intermediate_size, experts, per_token, .. } => {
                    sizes.push(("moe_intermediate_size", intermediate_size, 1 << 18));
                    sizes.push(("num_experts", experts, 1 << 12));
                    sizes.push(("num_experts_per_tok", per_token, experts));
                }
            }
            if layer.sliding_window == Some(0) {
                return error("sliding_window must be at least 1, found 0".into());
            }
            if layer.rope >= self.ropes.len().max(1) {
                return error(format!("a layer asks for RoPE {}, there are {}", layer.rope, self.ropes.len()));
            }
        }
        for (name, value, most) in sizes {
            if value == 0 || value > most {
                return error(format!("{name} must be 1 to {most}, found {value}"));
            }
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return error(format!(
                "num_attention_heads ({}) must be a multiple of num_key_value_heads ({})",
                self.num_attention_heads, self.num_key_value_heads
            ));
        }
        for rope in &self.ropes {
            rope.validate(self.head_dim)?;
        }
        let positive = |x: f32| x.is_finite() && x > 0.0;
        for (name, value) in [
            ("the norm's eps", Some(self.norm_eps)),
            ("the scale of attention", Some(self.attention_scale)),
            ("the scale of embeddings", Some(self.embedding_scale)),
            ("attn_logit_softcapping", self.attn_logit_softcapping),
            ("final_logit_softcapping", self.final_logit_softcapping),
        ] {
            if let Some(value) = value.filter(|value| !positive(*value)) {
                return error(format!("{name} must be a positive number, found {value}"));
            }
        }
        Ok(())
    }
}
