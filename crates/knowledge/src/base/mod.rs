//! The knowledge base: one SQLite file, and a copy of its numbers in memory.

mod documents;
mod original;
mod points;
mod schema;
mod snapshot;
mod sources;
mod write;

pub(crate) use documents::info_of;
pub use documents::{DocumentInfo, DocumentText, Failure, Piece};
pub use original::Original;
pub use points::{Point, Points};
pub use sources::{Source, SourceState};
pub use write::{Item, Writer};

pub(crate) use schema::{choose_embedder, chosen_embedder};
pub(crate) use snapshot::{Mask, Moment, Snapshot};

use crate::{KnowledgeError, Result};
use rusqlite::Connection;
use shuyuan_store::Lock;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The file's name in the folder.
const FILE: &str = "knowledge.sqlite";
/// Connections kept for readers.
const IDLE: usize = 8;

/// What an organisation knows. Cheap to share; many may read while one writes, in this process or another.
pub struct Base {
    dir: PathBuf,
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    snapshot: Mutex<Arc<Snapshot>>,
}

impl Base {
    /// Opens the base in folder `dir`; both are made if they are missing.
    ///
    /// # Errors
    /// If the file there is not one, is of another version or cannot be written.
    pub fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(KnowledgeError::io("make the folder", dir))?;
        let path = dir.join(FILE);
        let connection = schema::open(&path)?;
        Ok(Self {
            dir: dir.to_path_buf(),
            path,
            idle: Mutex::new(vec![connection]),
            snapshot: Mutex::default(),
        })
    }

    /// Whether there is one in folder `dir`.
    pub fn is_at(dir: &Path) -> bool {
        dir.join(FILE).is_file()
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        let of = |ending: &str| {
            std::fs::metadata(self.dir.join(format!("{FILE}{ending}"))).map_or(0, |file| file.len())
        };
        of("") + of("-wal")
    }

    /// Calls `f` with a connection on which nothing changes meanwhile, and the copy in memory of the same moment.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&Connection, &Arc<Snapshot>) -> Result<T>) -> Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open(&self.path)?,
        };
        let transaction = connection.unchecked_transaction()?;
        let snapshot = self.snapshot(&transaction)?;
        let done = f(&transaction, &snapshot)?;
        drop(transaction);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(connection);
        }
        Ok(done)
    }

    fn snapshot(&self, connection: &Connection) -> Result<Arc<Snapshot>> {
        let moment = Moment::of(connection)?;
        let mut held = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        if held.moment() != Some(moment) {
            *held = Arc::new(held.renewed(connection, moment)?);
        }
        Ok(held.clone())
    }

    /// Takes the base for writing; others may read meanwhile.
    ///
    /// # Errors
    /// If someone else is writing.
    pub fn writer(&self) -> Result<Writer> {
        let lock = Lock::acquire(&self.dir)?;
        Writer::new(schema::open(&self.path)?, lock)
    }

    /// Calls `f` within one short change of what is not indexed: sources and their states.
    fn change<T>(&self, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let connection = schema::open(&self.path)?;
        let transaction =
            rusqlite::Transaction::new_unchecked(&connection, rusqlite::TransactionBehavior::Immediate)?;
        let done = f(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// Copies the base, as it is at one moment, to the file `to`, while others read and write.
    ///
    /// # Errors
    /// If `to` exists or cannot be written.
    pub fn backup(&self, to: &Path) -> Result<()> {
        if to.exists() {
            return Err(KnowledgeError::Asked(format!(
                "{} exists; choose another file for the backup",
                to.display()
            )));
        }
        let part = to.with_added_extension("part");
        let _ = std::fs::remove_file(&part);
        let source = schema::open(&self.path)?;
        // One statement, one moment; the copy has no holes.
        source.execute("VACUUM INTO ?1", [part.to_string_lossy()])?;
        std::fs::rename(&part, to).map_err(KnowledgeError::io("rename to", to))
    }

    /// Puts the backup `from` in the place of what is here, while others read.
    ///
    /// # Errors
    /// If `from` is no base or damaged, or someone is writing; what was here stays then.
    pub fn restore(&self, from: &Path) -> Result<()> {
        if !from.is_file() {
            return Err(KnowledgeError::Asked(format!(
                "{}: expected a backup of a knowledge base",
                from.display()
            )));
        }
        let _lock = Lock::acquire(&self.dir)?;
        let source = schema::open(from)?;
        let fine: String = source.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if fine != "ok" {
            let reason = format!("it is damaged: {fine}");
            return Err(KnowledgeError::NotABase { path: from.to_path_buf(), reason });
        }
        let mut target = schema::open(&self.path)?;
        let backup = rusqlite::backup::Backup::new(&source, &mut target)?;
        // All pages in one step: it is all there, or nothing is.
        backup.run_to_completion(i32::MAX, std::time::Duration::from_millis(50), None)?;
        drop(backup);
        schema::set_meta(&target, "epoch", Some(schema::epoch()))
    }
}
