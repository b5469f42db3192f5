//! What can go wrong between a file and a batch.

use std::path::{Path, PathBuf};

/// Any failure of this crate. Each message names the thing, what was expected, what was found, what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused to read or write.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file of ours that is cut short, damaged, from another program or for another tokenizer.
    #[error("{path}: expected {expected}, found {found}; {advice}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// An input that is not there or holds nothing to read.
    #[error("input {path}: {reason}")]
    Input {
        /// The path as given.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A setting out of its range.
    #[error("{name}: expected {expected}, found {found}")]
    Setting {
        /// The field's name.
        name: &'static str,
        /// Its range.
        expected: String,
        /// The value.
        found: String,
    },
    /// An output folder that something else is in, or writes to.
    #[error("{path}: {reason}")]
    Output {
        /// The folder.
        path: PathBuf,
        /// Why it cannot be written, and what to do.
        reason: String,
    },
    /// Stopped on request. What is finished is kept.
    #[error("stopped; run the same command again to go on from here")]
    Stopped,
    /// A file or folder could not be published or locked.
    #[error(transparent)]
    Store(#[from] shuyuan_store::StoreError),
    /// The tokenizer refused.
    #[error(transparent)]
    Tokenizer(#[from] shuyuan_text::Error),
    /// After cleaning, no document was left to train on.
    #[error(
        "no training text is left of {read} documents ({reasons}); look at the inputs, or loosen the filters"
    )]
    NothingLeft {
        /// Documents read.
        read: u64,
        /// What happened to them.
        reasons: String,
    },
}

/// [`std::result::Result`] with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// For `map_err`: an I/O error at `path`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.to_path_buf(), source }
    }

    pub(crate) fn setting(name: &'static str, expected: &str, found: impl ToString) -> Self {
        Self::Setting { name, expected: expected.into(), found: found.to_string() }
    }
}
