//! The file that a document came from.

use super::{Base, info_of};
use crate::access::Reader;
use crate::source::Folder;
use crate::store::values;
use crate::{KnowledgeError, Result};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// What became of a document's file.
#[derive(Debug)]
pub enum Original {
    /// It is as it was when it was read.
    Bytes {
        /// Its name, without folders.
        name: String,
        /// All of it.
        bytes: Vec<u8>,
    },
    /// It is another by now, or gone: sync first.
    Changed,
    /// There is none that could be given, and why.
    None(&'static str),
}

impl Base {
    /// The file that a document came from; `None` if there is no such document, or the reader may not see it.
    ///
    /// # Errors
    /// If the store fails.
    pub fn original(&self, reader: &Reader, id: u32) -> Result<Option<Original>> {
        let known = self.read(|connection, snapshot| {
            if snapshot.document(id, reader).is_none() {
                return Ok(None);
            }
            let Some(info) = info_of(connection, id)? else { return Ok(None) };
            let select =
                "SELECT i.hash, s.kind, s.definition, s.id FROM documents d JOIN sources s ON s.id = d.source
                          JOIN items i ON i.source = d.source AND i.key = d.item WHERE d.id = ?1";
            let row = connection.one(select, values![id], |row| {
                Ok((
                    row.get::<i64>(0)? as u64,
                    row.get::<String>(1)?,
                    row.get::<String>(2)?,
                    row.get::<i64>(3)?,
                ))
            })?;
            Ok(row.map(|row| (info, row)))
        })?;
        let Some((info, (hash, kind, definition, source))) = known else { return Ok(None) };
        if !info.inner.is_empty() {
            return Ok(Some(Original::None("it lies within another file; open that one")));
        }
        let name = info.item.rsplit('/').next().unwrap_or_default().to_string();
        if let Some(originals) = &self.originals
            && let Some(bytes) = originals.get(source, &info.item, hash)?
        {
            return Ok(Some(Original::Bytes { name, bytes }));
        }
        if kind != "folder" {
            return Ok(Some(Original::None("only files of folders can be given as they are")));
        }
        let folder: Folder = serde_json::from_str(&definition).map_err(|error| {
            KnowledgeError::Damaged(format!("the definition of {:?}: {error}", info.source))
        })?;
        let Some(path) = within(&self.dir.join(&folder.path), &info.item) else {
            return Ok(Some(Original::Changed));
        };
        let Ok(bytes) = std::fs::read(&path) else { return Ok(Some(Original::Changed)) };
        if xxh3_64(&bytes) != hash {
            return Ok(Some(Original::Changed));
        }
        Ok(Some(Original::Bytes { name, bytes }))
    }
}

/// An item's file, which must lie in its folder whatever links there are.
fn within(folder: &Path, item: &str) -> Option<PathBuf> {
    let root = folder.canonicalize().ok()?;
    if root.is_file() {
        return (root.file_name()?.to_string_lossy() == item).then_some(root);
    }
    let path = root.join(item).canonicalize().ok()?;
    (path.starts_with(&root) && path.is_file()).then_some(path)
}
