//! What can go wrong.

use shuyuan_store::StoreError;
use std::path::{Path, PathBuf};

/// An error of the knowledge base.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// The file is no knowledge base, or of another version.
    #[error("{path}: {reason}")]
    NotABase {
        /// The file.
        path: PathBuf,
        /// What was expected, what was found, what to do.
        reason: String,
    },
    /// SQLite says no.
    #[error("the knowledge base: {}", explained(.0))]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL says no.
    #[error("the knowledge base's database: {0}")]
    Database(String),
    /// Another server writes to the same store.
    #[error("another program is writing to the knowledge base (from {0}); try again when it is done")]
    Locked(String),
    /// A file or folder.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Files, locks.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is in the base is not as it was written.
    #[error("the knowledge base is damaged: {0}; restore a backup, or delete it and add the folders again")]
    Damaged(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Asked(String),
    /// A source cannot be read.
    #[error("{0}")]
    Source(String),
    /// The embedding model failed.
    #[error("the embedding model: {0}")]
    Embed(String),
    /// Someone asked to stop.
    #[error("stopped: what was read is kept, and the same command goes on from there")]
    Stopped,
}

/// Of what this crate does.
pub type Result<T> = std::result::Result<T, KnowledgeError>;

impl KnowledgeError {
    pub(crate) fn io<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(std::io::Error) -> Self + 'p {
        move |source| Self::Io { action, path: path.to_path_buf(), source }
    }

    /// Whether someone else is writing.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Locked(_) | Self::Store(StoreError::Locked { .. }))
    }
}

fn explained(error: &rusqlite::Error) -> String {
    use rusqlite::ffi::{
        SQLITE_IOERR_FSYNC, SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_TRUNCATE,
        SQLITE_IOERR_WRITE,
    };
    // A limit on the size of files, or no room for the index of the log, is not told as a full disk.
    const WRITING: [i32; 5] = [
        SQLITE_IOERR_FSYNC,
        SQLITE_IOERR_SHMOPEN,
        SQLITE_IOERR_SHMSIZE,
        SQLITE_IOERR_TRUNCATE,
        SQLITE_IOERR_WRITE,
    ];
    if error.sqlite_error().is_some_and(|error| WRITING.contains(&error.extended_code)) {
        return format!(
            "it cannot be written ({error}): if the disk is full, free some space; nothing that was kept is lost"
        );
    }
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => {
            "the disk is full; free some space, nothing that was kept is lost".into()
        }
        Some(rusqlite::ErrorCode::DatabaseBusy) => {
            "another program has been writing to it for a minute; try again when it is done".into()
        }
        _ => error.to_string(),
    }
}
