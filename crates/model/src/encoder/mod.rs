//! The encoder that makes vectors of texts: BERT and its kin, over weights of any format.
//!
//! Every token sees the whole text, each layer's norms come last, and positions are learned. It generates nothing: see
//! [`crate::Decoder`].

mod config;
mod forward;
mod sentence;
mod weights;

pub use config::{EncoderConfig, EncoderFamily};
pub use sentence::{Pooling, SentenceConfig};

use crate::ModelError;
use crate::gguf::Gguf;
use crate::tensors::Tensors;
use config::GGUF_ARCHITECTURE;
use std::path::Path;
use weights::Weights;

/// A model ready to read. Holds its weights, or the files that they are mapped from.
#[derive(Debug)]
pub struct Encoder {
    config: EncoderConfig,
    sentence: SentenceConfig,
    weights: Weights,
}

impl Encoder {
    /// Opens a folder of Hugging Face's layout (config.json, safetensors, sentence-transformers' files), or a GGUF file.
    ///
    /// # Errors
    /// Names the file and what is wrong with it: every tensor that is missing, unknown or misshapen, an architecture or a
    /// setting that is not known here.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        if !path.is_dir() {
            return Self::of_gguf(path, &Gguf::open(path)?);
        }
        let file = path.join("config.json");
        let text = std::fs::read_to_string(&file)
            .map_err(|source| ModelError::Read { path: file.clone(), source })?;
        let invalid = |error: ModelError| ModelError::Invalid { path: file, what: error.to_string() };
        let config = EncoderConfig::from_json(&text).map_err(invalid)?;
        let sentence = SentenceConfig::of_folder(path)?.unwrap_or_default();
        let weights = weights::gather(&config, Tensors::of_folder(path)?, &config.family.names())?;
        Ok(Self { config, sentence, weights })
    }

    /// The model in a GGUF file that is open; `path` is what errors name.
    ///
    /// # Errors
    /// As [`Encoder::load`].
    pub fn of_gguf(path: &Path, gguf: &Gguf) -> Result<Self, ModelError> {
        let invalid =
            |error: ModelError| ModelError::Invalid { path: path.to_path_buf(), what: error.to_string() };
        let config = EncoderConfig::from_gguf(gguf).map_err(invalid)?;
        let sentence = SentenceConfig::of_gguf(gguf).map_err(invalid)?.unwrap_or_default();
        let weights = weights::gather(&config, Tensors::of_gguf(path, gguf), &weights::GGUF)?;
        Ok(Self { config, sentence, weights })
    }

    /// Whether a GGUF file holds an encoder of these families.
    pub fn is_in(gguf: &Gguf) -> bool {
        gguf.metadata().str("general.architecture").is_ok_and(|name| name == GGUF_ARCHITECTURE)
    }

    /// Its shape.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// How states become a vector.
    pub fn sentence(&self) -> &SentenceConfig {
        &self.sentence
    }

    /// There are ids, all in the vocabulary, no more than there are positions.
    ///
    /// # Errors
    /// Names the id, or both lengths.
    pub fn check(&self, ids: &[u32]) -> Result<(), ModelError> {
        let (vocab, context) = (self.config.vocab_size, self.config.max_tokens());
        if ids.is_empty() {
            return Err(ModelError::Config("nothing to read: give at least one token".into()));
        }
        if ids.len() > context {
            return Err(ModelError::TooLong { tokens: ids.len(), context });
        }
        match ids.iter().find(|id| **id as usize >= vocab) {
            Some(&id) => Err(ModelError::UnknownToken { id, vocab }),
            None => Ok(()),
        }
    }
}
