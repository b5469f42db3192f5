//! What can go wrong with a model's files and inputs.

use std::path::PathBuf;

/// A model that cannot be loaded, saved or run as asked.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file is missing or cannot be read.
    #[error("cannot read {path}: {source}; a model folder holds config.json, model.safetensors and tokenizer.json", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is there but is not what it should be.
    #[error("{path} is not usable: {what}", path = path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What was expected, what was found, what to do.
        what: String,
    },
    /// The weights do not fit the configuration.
    #[error("{path} does not hold the weights that config.json describes:\n{}\nGet both files from one export.", problems.join("\n"), path = path.display())]
    Tensors {
        /// The weights file.
        path: PathBuf,
        /// One line for each tensor that is missing, unknown or misshapen.
        problems: Vec<String>,
    },
    /// A configuration that cannot be built.
    #[error("model configuration: {0}")]
    Config(String),
    /// More tokens than the model can attend to.
    #[error(
        "the text has {tokens} tokens, the model's context holds {context}: shorten it, or choose a model with a longer context"
    )]
    TooLong {
        /// What was given.
        tokens: usize,
        /// What fits.
        context: usize,
    },
    /// An id that the vocabulary does not have.
    #[error(
        "token id {id} is outside the vocabulary of {vocab} tokens: was this text encoded with the model's own tokenizer?"
    )]
    UnknownToken {
        /// The id.
        id: u32,
        /// The size of the vocabulary.
        vocab: usize,
    },
    /// The text grew beyond the context that the model was first trained on, where this model turns all keys otherwise.
    #[error(
        "the text grew beyond the model's original context: call KvCache::restart_long and read it anew from its beginning"
    )]
    Reread,
    /// A GGUF file cannot be used.
    #[error(transparent)]
    Gguf(#[from] crate::gguf::GgufError),
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] shuyuan_store::StoreError),
}

/// The ids are in a vocabulary of `vocab` and `tokens` fit a context of `context`.
pub(crate) fn check(ids: &[u32], tokens: usize, vocab: usize, context: usize) -> Result<(), ModelError> {
    if tokens > context {
        return Err(ModelError::TooLong { tokens, context });
    }
    match ids.iter().find(|id| **id as usize >= vocab) {
        Some(&id) => Err(ModelError::UnknownToken { id, vocab }),
        None => Ok(()),
    }
}
