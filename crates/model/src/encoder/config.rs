//! What an encoder is like, from Hugging Face's `config.json` or GGUF's settings.

use crate::ModelError;
use crate::fields::{Fields, activation};
use crate::gguf::{Gguf, GgufError};
use serde_json::Value;
use shuyuan_kernels::Activation;

/// Architectures by the name of their first model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "names")]
pub enum EncoderFamily {
    Bert,
    Roberta,
    XlmRoberta,
    DistilBert,
}

impl EncoderFamily {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Bert, Self::Roberta, Self::XlmRoberta, Self::DistilBert];

    /// `model_type` in Hugging Face's config.json.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::Roberta => "roberta",
            Self::XlmRoberta => "xlm-roberta",
            Self::DistilBert => "distilbert",
        }
    }

    /// The one that a `model_type` names.
    pub fn of(model_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.model_type() == model_type)
    }
}

/// What `general.architecture` says in a GGUF file with an encoder of these families.
pub(crate) const GGUF_ARCHITECTURE: &str = "bert";

/// An encoder's shape, with BERT's names in Hugging Face.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderConfig {
    /// Which architecture.
    pub family: EncoderFamily,
    /// V: tokens in the vocabulary.
    pub vocab_size: usize,
    /// C: numbers in the state of a token.
    pub hidden_size: usize,
    /// L: layers.
    pub num_hidden_layers: usize,
    /// H: heads; each has C / H numbers.
    pub num_attention_heads: usize,
    /// I: numbers between the halves of a feed-forward part.
    pub intermediate_size: usize,
    /// Learned positions.
    pub max_position_embeddings: usize,
    /// The position of a text's first token: RoBERTa counts from behind the id of its padding.
    pub first_position: usize,
    /// Kinds of token; all of a text are of the first. None in DistilBERT.
    pub type_vocab_size: usize,
    /// What a norm adds under the root.
    pub layer_norm_eps: f32,
    /// The curve of the feed-forward parts.
    pub hidden_act: Activation,
}

impl EncoderConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// If it is not JSON, of an architecture that is not known here, lacks a size, or asks for what is not built here.
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| ModelError::Config(format!("not JSON: {error}")))?;
        let all = Fields(&value);
        let model_type = all.text("model_type").unwrap_or("none");
        let Some(family) = EncoderFamily::of(model_type) else {
            let known: Vec<&str> = EncoderFamily::ALL.iter().map(|family| family.model_type()).collect();
            return Err(ModelError::Config(format!(
                "model_type \"{model_type}\" is no encoder that is known here; known are {}",
                known.join(", ")
            )));
        };
        if all.flag("is_decoder")?.unwrap_or(false) {
            return Err(ModelError::Config("is_decoder must be false".into()));
        }
        if let Some(other) = all.text("position_embedding_type").filter(|kind| *kind != "absolute") {
            return Err(ModelError::Config(format!(
                "position_embedding_type must be \"absolute\", found \"{other}\""
            )));
        }
        let distil = family == EncoderFamily::DistilBert;
        let name = |bert: &'static str, distilbert: &'static str| if distil { distilbert } else { bert };
        let first_position = match family {
            EncoderFamily::Roberta | EncoderFamily::XlmRoberta => all.size("pad_token_id")?.unwrap_or(1) + 1,
            EncoderFamily::Bert | EncoderFamily::DistilBert => 0,
        };
        let config = Self {
            family,
            vocab_size: all.need("vocab_size")?,
            hidden_size: all.need(name("hidden_size", "dim"))?,
            num_hidden_layers: all.need(name("num_hidden_layers", "n_layers"))?,
            num_attention_heads: all.need(name("num_attention_heads", "n_heads"))?,
            intermediate_size: all.need(name("intermediate_size", "hidden_dim"))?,
            max_position_embeddings: all.size("max_position_embeddings")?.unwrap_or(512),
            first_position,
            type_vocab_size: if distil { 0 } else { all.size("type_vocab_size")?.unwrap_or(2) },
            layer_norm_eps: all.number("layer_norm_eps")?.filter(|_| !distil).unwrap_or(1e-12) as f32,
            hidden_act: activation(all.text(name("hidden_act", "activation")).unwrap_or("gelu"))?,
        };
        config.validate()?;
        Ok(config)
    }

    /// Reads the settings of a GGUF file.
    ///
    /// # Errors
    /// If the architecture is another, a setting is missing, or one asks for what is not built here.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self, ModelError> {
        let config_error = |error: GgufError| ModelError::Config(error.to_string());
        let all = gguf.metadata();
        let name = all.str("general.architecture").map_err(config_error)?;
        if name != GGUF_ARCHITECTURE {
            return Err(ModelError::Config(format!(
                "general.architecture \"{name}\" is no encoder that is known here; known is {GGUF_ARCHITECTURE}"
            )));
        }
        let need = |key: &str| -> Result<usize, ModelError> {
            let found = all.u64(&format!("{name}.{key}")).map_err(config_error)?;
            Ok(usize::try_from(found).unwrap_or(usize::MAX))
        };
        if all.opt_bool(&format!("{name}.attention.causal")).map_err(config_error)?.unwrap_or(false) {
            return Err(ModelError::Config(format!("{name}.attention.causal must be false")));
        }
        let rows = |name: &str| gguf.opt_tensor(name).and_then(|tensor| tensor.shape().first().copied());
        let eps = all.opt_f32(&format!("{name}.attention.layer_norm_epsilon")).map_err(config_error)?;
        let config = Self {
            family: EncoderFamily::Bert,
            vocab_size: rows("token_embd.weight").unwrap_or(0),
            hidden_size: need("embedding_length")?,
            num_hidden_layers: need("block_count")?,
            num_attention_heads: need("attention.head_count")?,
            intermediate_size: need("feed_forward_length")?,
            max_position_embeddings: need("context_length")?,
            // llama.cpp's converter leaves out the positions before RoBERTa's first.
            first_position: 0,
            type_vocab_size: rows("token_types.weight").unwrap_or(0),
            layer_norm_eps: eps.unwrap_or(1e-12),
            // The file does not say; all these models have it, and llama.cpp takes its approximation.
            hidden_act: Activation::Gelu,
        };
        config.validate()?;
        Ok(config)
    }

    /// D: numbers in a head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// The longest text in tokens, those that begin and end it included.
    pub fn max_tokens(&self) -> usize {
        self.max_position_embeddings - self.first_position
    }

    /// Checks that a model of this shape can exist.
    ///
    /// # Errors
    /// Names the field, its value and what it must be.
    pub fn validate(&self) -> Result<(), ModelError> {
        for (name, value, most) in [
            ("vocab_size", self.vocab_size, 1 << 22),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 10),
            ("num_attention_heads", self.num_attention_heads, 1 << 10),
            ("intermediate_size", self.intermediate_size, 1 << 18),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 24),
        ] {
            if value == 0 || value > most {
                return Err(ModelError::Config(format!("{name} must be 1 to {most}, found {value}")));
            }
        }
        let (c, heads) = (self.hidden_size, self.num_attention_heads);
        if !c.is_multiple_of(heads) {
            return Err(ModelError::Config(format!(
                "hidden_size ({c}) must be a multiple of num_attention_heads ({heads})"
            )));
        }
        if self.first_position >= self.max_position_embeddings {
            return Err(ModelError::Config(format!(
                "max_position_embeddings ({}) must be more than pad_token_id + 1 ({})",
                self.max_position_embeddings, self.first_position
            )));
        }
        if self.type_vocab_size > 1 << 16 {
            return Err(ModelError::Config(format!(
                "type_vocab_size must be at most 65536, found {}",
                self.type_vocab_size
            )));
        }
        if !(self.layer_norm_eps.is_finite() && self.layer_norm_eps >= 0.0) {
            return Err(ModelError::Config(format!(
                "layer_norm_eps must not be negative, found {}",
                self.layer_norm_eps
            )));
        }
        Ok(())
    }
}
