//! Sources to a corpus.

mod config;

pub use config::{BuildConfig, Filters, Source};

/// Folder inside an unfinished corpus.
pub(crate) const WORK: &str = "work";
