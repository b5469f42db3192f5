//! What can go wrong with a tokenizer: its files, its training text, its settings.

use std::path::PathBuf;

/// An error of this crate. Every message names the thing, what was found and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}; check that the path exists and may be {action}")]
    Io {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// The system's word.
        source: std::io::Error,
    },
    /// A file could not be published.
    #[error(transparent)]
    Store(#[from] shuyuan_store::StoreError),
    /// The training text could not be read.
    #[error("the training text could not be read: {0}")]
    Input(#[source] std::io::Error),
    /// A file is there, but is not a whole tokenizer.
    #[error("{path} is not a valid tokenizer file: {reason}; restore it or train a new tokenizer")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file is a tokenizer of a kind that this crate does not read.
    #[error(
        "{path} is a tokenizer that is not supported: {what}; supported are BPE (byte-level or SentencePiece-like), WordPiece \
         and Unigram tokenizers, as Llama, Mistral, Qwen, Gemma, Phi, GPT-2, SmolLM, BERT and T5 have"
    )]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it uses that is not supported.
        what: String,
    },
    /// A tokenizer that the vocabulary of a GGUF file cannot hold.
    #[error("this tokenizer cannot go into a GGUF file: {what}; a folder with safetensors keeps it as it is")]
    NotGguf {
        /// What GGUF has no place for.
        what: String,
    },
    /// The wanted vocabulary has no room for the bytes and the special tokens.
    #[error(
        "vocabulary size {found} is too small: 256 bytes and {specials} special tokens need at least {least}; \
         choose a larger one, 6400 is usual for a small model"
    )]
    VocabularyTooSmall {
        /// What was asked for.
        found: usize,
        /// Special tokens that must fit in.
        specials: usize,
        /// The least that works.
        least: usize,
    },
    /// The wanted vocabulary is larger than any that makes sense.
    #[error("vocabulary size {found} is too large: the most is {most}; 6400 is usual for a small model")]
    VocabularyTooLarge {
        /// What was asked for.
        found: usize,
        /// The most that works.
        most: usize,
    },
    /// A list of special tokens with an empty or repeated one.
    #[error("special token {0:?} is empty or given twice; each must be a text of its own")]
    BadSpecial(String),
    /// There is nothing to train on.
    #[error("the training text is empty: no words were found; give at least one file with text")]
    NoText,
    /// The caller's progress function asked to stop.
    #[error("training was stopped before it was done; nothing was written")]
    Stopped,
    /// A chat template that cannot be used at all.
    #[error("the chat template cannot be used: {0}; give a conversation as text, or correct the template")]
    BadTemplate(String),
    /// A chat template that fails for this conversation.
    #[error("the chat template fails for this conversation: {0}")]
    Rendering(String),
    /// A chat template that does not want this conversation, in its own words.
    #[error("the model's chat template refuses this conversation: {0}")]
    Refused(String),
    /// The tokenizer lacks a special token that is needed.
    #[error(
        "the tokenizer has no special token {0} and no chat template; use one that was trained here or that of a chat model"
    )]
    NoSuchSpecial(String),
}

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
