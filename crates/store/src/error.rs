//! What can go wrong with storage.

use std::path::{Path, PathBuf};

/// A failed storage operation: which, where, why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("could not {action} {path}: {source}{advice}", path = path.display(), advice = advice(source))]
    Io {
        /// What was tried, as in "could not … PATH".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Somebody else works in this folder.
    #[error("{path} is in use by another run (process {holder}); wait for it, stop it, or choose another folder", path = path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Its process id, or "unknown".
        holder: String,
    },
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

fn advice(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, StorageFull};
    match source.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => {
            "; free some space and run the same command again (training: with --resume): what was saved before is whole"
        }
        PermissionDenied => "; check who owns it, or choose another folder",
        _ => "",
    }
}
