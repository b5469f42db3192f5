//! What can keep a model from being examined.

use std::path::PathBuf;

/// A task that gave no score.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// There is no such task.
    #[error("unknown task {found:?}; there are {}", known.join(", "))]
    UnknownTask {
        /// What was asked for.
        found: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Two results would be called the same.
    #[error("two tasks are called {name}: rename one file, or examine them one after the other")]
    SameName {
        /// Their name.
        name: String,
    },
    /// A file is missing or cannot be read.
    #[error("cannot read {path}: {source}; give a .jsonl or .jsonl.zst file", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A file holds nothing to ask.
    #[error(
        "{path} has no usable question: {why}; a line is like {{\"query\": …, \"choices\": [\"…\", \"…\"], \"gold\": 0}}",
        path = path.display()
    )]
    NoItems {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        why: String,
    },
    /// No text is long enough to predict.
    #[error(
        "bits_per_byte needs a text with something in it, found {texts} texts without a token to predict"
    )]
    NoText {
        /// How many there were.
        texts: usize,
    },
    /// A task was asked for no questions.
    #[error("{task}: the number of questions must be at least 1, found 0")]
    NoQuestions {
        /// The task.
        task: String,
    },
    /// The progress function asked to stop.
    #[error("{task} was stopped after {done} of {total}; the same command takes it again")]
    Stopped {
        /// The task.
        task: String,
        /// Parts done.
        done: usize,
        /// Parts in all.
        total: usize,
    },
    /// Texts could not be read.
    #[error(transparent)]
    Corpus(#[from] shuyuan_corpus::Error),
    /// The engine refuses.
    #[error(transparent)]
    Engine(#[from] shuyuan_engine::EngineError),
    /// The generator refuses.
    #[error(transparent)]
    Chain(#[from] shuyuan_chain::ChainError),
}
