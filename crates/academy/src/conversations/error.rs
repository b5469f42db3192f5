//! What can go wrong with kept conversations.

use std::path::PathBuf;

/// An error of the kept conversations.
#[derive(Debug, thiserror::Error)]
pub enum ConversationError {
    /// The file is not ours, or of another version.
    #[error("{path}: {reason}")]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What was expected, what was found, what to do.
        reason: String,
    },
    /// No conversation of that number, for whoever asks: who may not see one is not told that it is there.
    #[error("there is no conversation {id}; it may have been deleted")]
    Missing {
        /// The number.
        id: i64,
    },
    /// Someone else has saved it meanwhile.
    #[error(
        "conversation {id} was changed elsewhere: expected version {expected}, found version {found}; read it again, or \
         save yours as a new one"
    )]
    Changed {
        /// Its number.
        id: i64,
        /// The version that the saver had read.
        expected: i64,
        /// The version that is there.
        found: i64,
    },
    /// It is larger than one may be.
    #[error("the conversation takes {bytes} bytes, at most {most} are kept: begin a new one")]
    TooLarge {
        /// Of this one.
        bytes: usize,
        /// Of any.
        most: usize,
    },
    /// There are as many as one owner may have.
    #[error("there are {most} conversations, which is the most that are kept: delete some")]
    TooMany {
        /// How many that is.
        most: i64,
    },
    /// All together are larger than they may be.
    #[error("all conversations together take {bytes} bytes, at most {most} are kept: delete some")]
    Full {
        /// What they take now.
        bytes: i64,
        /// What they may.
        most: i64,
    },
    /// A row is not what was written.
    #[error("{path}: conversation {id} is damaged: {why}; delete it, or restore the file from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The number.
        id: i64,
        /// What is wrong.
        why: String,
    },
    /// It cannot be put in words of JSON.
    #[error("the conversation as JSON: {0}")]
    Unwritable(serde_json::Error),
    /// The file cannot be made.
    #[error("cannot make {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// SQLite says no.
    #[error("the kept conversations: {}", explained(.0))]
    Sqlite(#[from] rusqlite::Error),
}

pub(super) type Result<T> = std::result::Result<T, ConversationError>;

fn explained(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => {
            "the disk is full; free some space, nothing that was kept is lost".into()
        }
        Some(rusqlite::ErrorCode::DatabaseBusy) => {
            "another program has been writing to them for some seconds; try again when it is done".into()
        }
        _ => error.to_string(),
    }
}
