//! What can go wrong with a GGUF file.

use std::path::PathBuf;

/// A GGUF file that cannot be read, or does not hold what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// The file is missing or cannot be opened.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is there but is not what a GGUF file should be.
    #[error("{path} is not a usable GGUF file: {what}", path = path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What was expected, what was found, what to do.
        what: String,
    },
    /// The metadata lack a key.
    #[error(
        "the GGUF file has no metadata key {key:?} ({expected}): was it converted for another architecture?"
    )]
    NoKey {
        /// The key.
        key: String,
        /// What its value would be.
        expected: &'static str,
    },
    /// A value is not of the type that its key asks for.
    #[error("GGUF metadata key {key:?}: expected {expected}, found {found}")]
    WrongType {
        /// The key.
        key: String,
        /// What it should hold.
        expected: &'static str,
        /// What it holds.
        found: String,
    },
    /// A key that cannot be added.
    #[error("GGUF metadata key {key:?}: {what}")]
    Key {
        /// The key.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// There is no tensor of that name.
    #[error("the GGUF file has no tensor {name:?}: was it converted for another architecture?")]
    NoTensor {
        /// The name.
        name: String,
    },
    /// A tensor that cannot be written.
    #[error("tensor {name:?}: {what}")]
    Tensor {
        /// Its name.
        name: String,
        /// What was expected, and what was found.
        what: String,
    },
    /// A vocabulary that does not fit the model.
    #[error(
        "the tokenizer has {tokens} tokens, the model's embedding {rows} rows: take the tokenizer that the model was trained with"
    )]
    Vocabulary {
        /// Entries of the tokenizer.
        tokens: usize,
        /// Rows of the embedding.
        rows: usize,
    },
    /// A tokenizer that the format cannot hold.
    #[error(transparent)]
    Tokenizer(Box<shuyuan_text::Error>),
    /// A configuration that the format cannot hold.
    #[error("{0}")]
    Config(String),
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] shuyuan_store::StoreError),
}
