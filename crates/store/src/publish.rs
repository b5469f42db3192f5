//! Files and folders that appear whole or not at all.

use crate::StoreError;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path`: to a temporary file beside it, flushed to the disk, then renamed over it.
///
/// # Errors
/// What the operating system says; the old file, if any, is then untouched.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let dir = parent(path);
    std::fs::create_dir_all(dir).map_err(StoreError::io("create folder", dir))?;
    let temp = sibling(path, "tmp");
    let written = (|| {
        let mut file = File::create(&temp)?;
        file.write_all(bytes)?;
        file.sync_all()
    })();
    if let Err(source) = written {
        // Best effort: the error worth reporting is the first one.
        let _ = std::fs::remove_file(&temp);
        return Err(StoreError::Io { action: "write", path: path.to_path_buf(), source });
    }
    std::fs::rename(&temp, path).map_err(StoreError::io("replace", path))?;
    sync_dir(dir)
}

/// A folder in the making: files are written into [`StagedDir::path`], then all appear at once.
#[derive(Debug)]
pub struct StagedDir {
    target: PathBuf,
    temp: PathBuf,
    published: bool,
}

impl StagedDir {
    /// Starts the folder that will be `target`.
    ///
    /// # Errors
    /// If the temporary folder beside it cannot be made.
    pub fn new(target: &Path) -> Result<Self, StoreError> {
        let temp = sibling(target, "staged");
        if temp.exists() {
            std::fs::remove_dir_all(&temp).map_err(StoreError::io("clear", &temp))?;
        }
        std::fs::create_dir_all(&temp).map_err(StoreError::io("create folder", &temp))?;
        Ok(Self { target: target.to_path_buf(), temp, published: false })
    }

    /// Where to write the files.
    pub fn path(&self) -> &Path {
        &self.temp
    }

    /// Writes a file of the folder; publishing flushes it to the disk.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.temp.join(name);
        std::fs::write(&path, bytes).map_err(StoreError::io("write", &path))
    }

    /// Makes the folder appear as `target`; one that was there is replaced.
    ///
    /// A crash between the two renames leaves the old folder as `.NAME.old`, which [`StagedDir::recover`] puts back.
    ///
    /// # Errors
    /// What the operating system says; the old folder is then still there.
    pub fn publish(self) -> Result<(), StoreError> {
        for entry in std::fs::read_dir(&self.temp).map_err(StoreError::io("list", &self.temp))? {
            let path = entry.map_err(StoreError::io("list", &self.temp))?.path();
            // A folder's files were flushed by whoever wrote them.
            if path.is_dir() {
                continue;
            }
            let sync = || File::open(&path)?.sync_all();
            sync().map_err(StoreError::io("flush", &path))?;
        }
        self.appear()
    }

    /// [`StagedDir::publish`], of files that are on the disk already.
    fn appear(mut self) -> Result<(), StoreError> {
        let old = sibling(&self.target, "old");
        if self.target.exists() {
            if old.exists() {
                std::fs::remove_dir_all(&old).map_err(StoreError::io("remove", &old))?;
            }
            std::fs::rename(&self.target, &old).map_err(StoreError::io("move", &self.target))?;
        }
        if let Err(source) = std::fs::rename(&self.temp, &self.target) {
            // Best effort: what cannot be put back now, `recover` will.
            let _ = std::fs::rename(&old, &self.target);
            return Err(StoreError::io("publish", &self.target)(source));
        }
        self.published = true;
        sync_dir(parent(&self.target))?;
        if old.exists() {
            std::fs::remove_dir_all(&old).map_err(StoreError::io("remove", &old))?;
        }
        Ok(())
    }

    /// Puts back the folder that a crash inside [`StagedDir::publish`] left aside. Call before reading `target`.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn recover(target: &Path) -> Result<(), StoreError> {
        let old = sibling(target, "old");
        if !target.exists() && old.exists() {
            std::fs::rename(&old, target).map_err(StoreError::io("restore", target))?;
        }
        Ok(())
    }
}

impl Drop for StagedDir {
    fn drop(&mut self) {
        if !self.published {
            // Best effort: the next `new` clears what is left.
            let _ = std::fs::remove_dir_all(&self.temp);
        }
    }
}

/// Makes the folder `to` of the files in `from`, all at once; where the file system has hard links it takes no room.
///
/// Only for files that are replaced and never changed in place, as [`write_atomic`] replaces them.
///
/// # Errors
/// What the operating system says; the old `to`, if any, is then untouched.
pub fn link_dir(from: &Path, to: &Path) -> Result<(), StoreError> {
    let staged = StagedDir::new(to)?;
    link_files(from, staged.path())?;
    staged.appear()
}

/// Puts the files of the folder `from` into the folder `to`, which is there: by hard links, or else by copies.
///
/// # Errors
/// What the operating system says.
pub fn link_files(from: &Path, to: &Path) -> Result<(), StoreError> {
    for entry in std::fs::read_dir(from).map_err(StoreError::io("list", from))? {
        let entry = entry.map_err(StoreError::io("list", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            std::fs::create_dir(&target).map_err(StoreError::io("make", &target))?;
            link_files(&source, &target)?;
            continue;
        }
        if std::fs::hard_link(&source, &target).is_err() {
            let copy = || File::open(std::fs::copy(&source, &target).map(|_| &target)?)?.sync_all();
            copy().map_err(StoreError::io("copy", &source))?;
        }
    }
    Ok(())
}

/// Removes a folder that others may read: it is gone at once, never in part.
///
/// # Errors
/// What the operating system says.
pub fn remove_dir(dir: &Path) -> Result<(), StoreError> {
    let old = sibling(dir, "old");
    if old.exists() {
        std::fs::remove_dir_all(&old).map_err(StoreError::io("remove", &old))?;
    }
    std::fs::rename(dir, &old).map_err(StoreError::io("move", dir))?;
    std::fs::remove_dir_all(&old).map_err(StoreError::io("remove", &old))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

fn sibling(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    parent(path).join(format!(".{name}.{ending}"))
}

pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    let sync = || File::open(dir)?.sync_all();
    sync().map_err(StoreError::io("flush folder", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.json");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn folder_appears_at_once_and_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("model");
        for text in ["one", "two"] {
            let staged = StagedDir::new(&target).unwrap();
            std::fs::write(staged.path().join("f"), text).unwrap();
            staged.publish().unwrap();
        }
        assert_eq!(std::fs::read_to_string(target.join("f")).unwrap(), "two");
        let staged = StagedDir::new(&target).unwrap();
        std::fs::write(staged.path().join("f"), "three").unwrap();
        drop(staged);
        assert_eq!(std::fs::read_to_string(target.join("f")).unwrap(), "two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_linked_folder_keeps_what_it_had() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        write_atomic(&one.join("f"), b"first").unwrap();
        link_dir(&one, &two).unwrap();
        write_atomic(&one.join("f"), b"second").unwrap();
        assert_eq!(std::fs::read(two.join("f")).unwrap(), b"first");
        link_dir(&one, &two).unwrap();
        assert_eq!(std::fs::read(two.join("f")).unwrap(), b"second");
        remove_dir(&one).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(std::fs::read(two.join("f")).unwrap(), b"second");
    }

    #[test]
    fn crash_between_renames_is_recovered() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("model");
        std::fs::create_dir(dir.path().join(".model.old")).unwrap();
        StagedDir::recover(&target).unwrap();
        assert!(target.exists());
    }
}
