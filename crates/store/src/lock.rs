//! One writer for each folder.

use crate::StoreError;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Holds a folder for one process; released when dropped, or by the kernel when the process dies.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the folder `dir`, which is made if it is missing.
    ///
    /// # Errors
    /// [`StoreError::Locked`] names the process that has it.
    pub fn acquire(dir: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(StoreError::io("create folder", dir))?;
        let path = dir.join(".lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The name of the holder is a courtesy; a lock that cannot be read is still a lock.
                let read = file.read_to_string(&mut holder);
                if read.is_err() || holder.trim().is_empty() {
                    holder = "unknown".into();
                }
                return Err(StoreError::Locked { path: dir.to_path_buf(), holder: holder.trim().into() });
            }
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::Io { action: "lock", path, source });
            }
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(StoreError::io("write", &path))?;
        Ok(Self { file, path })
    }

    /// Whether the folder is still the one that was taken: false once it was moved, removed or replaced.
    pub fn holds(&self) -> bool {
        let (Ok(taken), Ok(there)) = (self.file.metadata(), std::fs::metadata(&self.path)) else {
            return false;
        };
        same_file(&taken, &there)
    }
}

#[cfg(unix)]
fn same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn same_file(_: &Metadata, _: &Metadata) -> bool {
    true // A file that is open cannot be moved away there.
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_lock_names_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::acquire(dir.path()).unwrap();
        let error = Lock::acquire(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        Lock::acquire(dir.path()).unwrap();
    }

    #[test]
    fn a_folder_that_went_away_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("run");
        let lock = Lock::acquire(&dir).unwrap();
        assert!(lock.holds());
        std::fs::rename(&dir, root.path().join("moved")).unwrap();
        assert!(!lock.holds());
        // Another folder in its place is not the one that was taken.
        let other = Lock::acquire(&dir).unwrap();
        assert!(!lock.holds() && other.holds());
    }
}
