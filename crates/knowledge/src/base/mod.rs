//! The knowledge base: a store of tables, and a copy of its numbers in memory.

mod documents;
mod kept;
mod meta;
mod original;
mod points;
mod snapshot;
mod sources;
mod write;

pub use documents::{DocumentInfo, DocumentText, Failure, Piece};
pub(crate) use documents::{info_of, infos_of, list};
pub use original::Original;
pub use points::{Point, Points};
pub use sources::{Source, SourceState};
pub use write::{Item, Writer};

pub(crate) use kept::List;
pub(crate) use meta::{choose_embedder, chosen_embedder};
pub(crate) use snapshot::{Mask, Moment, Snapshot};

use crate::originals::Originals;
use crate::store::{Connection, Store};
use crate::{KnowledgeError, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections kept for readers.
const IDLE: usize = 8;

/// What an organisation knows. Cheap to share; many may read while one writes, in this process or another, on this machine
/// or another.
pub struct Base {
    dir: PathBuf,
    store: Store,
    idle: Mutex<Vec<Box<dyn Connection>>>,
    snapshot: Mutex<Arc<Snapshot>>,
    originals: Option<Arc<Originals>>,
}

impl Base {
    /// Opens the base in folder `dir`, in one file; both are made if they are missing.
    ///
    /// # Errors
    /// If the file there is not one, is of another version or cannot be written.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::with(dir, Store::file(dir))
    }

    /// Opens the base in the database at `address` (`postgres://user@host/database?schema=NAME`); its tables are made if
    /// they are missing. What only this machine needs is in folder `dir`.
    ///
    /// # Errors
    /// If the server is not there, is none, or its tables are of another version; if this was built without the feature
    /// `postgres`.
    pub fn open_at(dir: &Path, address: &str) -> Result<Self> {
        Self::with(dir, Store::at(address)?)
    }

    fn with(dir: &Path, store: Store) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(KnowledgeError::io("make the folder", dir))?;
        let connection = store.connect()?;
        Ok(Self {
            dir: dir.to_path_buf(),
            store,
            idle: Mutex::new(vec![connection]),
            snapshot: Mutex::default(),
            originals: None,
        })
    }

    /// From now on files are kept as they came in the bucket at `address` (`s3://bucket/prefix?endpoint=URL`), whose keys are
    /// in `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    ///
    /// # Errors
    /// If that is no address, or this was built without the feature `s3`.
    pub fn keep_originals(mut self, address: &str) -> Result<Self> {
        self.originals = Some(Arc::new(Originals::at(address)?));
        Ok(self)
    }

    pub(crate) fn originals(&self) -> Option<&Originals> {
        self.originals.as_deref()
    }

    /// Whether files are kept as they came.
    pub fn keeps_originals(&self) -> bool {
        self.originals.is_some()
    }

    /// Whether other machines may use the same store.
    pub fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    /// Whether there is one, in one file, in folder `dir`.
    pub fn is_at(dir: &Path) -> bool {
        dir.join(crate::store::FILE).is_file()
    }

    /// The folder of what only this machine needs.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Bytes on disk.
    ///
    /// # Errors
    /// If the store fails.
    pub fn bytes(&self) -> Result<u64> {
        self.read(|connection, _| connection.bytes())
    }

    /// Calls `f` with a connection on which nothing changes meanwhile, and the copy in memory of the same moment.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&dyn Connection, &Arc<Snapshot>) -> Result<T>) -> Result<T> {
        let connection = self.reading()?;
        let snapshot = self.snapshot(&*connection)?;
        let done = f(&*connection, &snapshot)?;
        connection.end();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(connection);
        }
        Ok(done)
    }

    /// A connection within a transaction that reads.
    fn reading(&self) -> Result<Box<dyn Connection>> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = idle {
            if connection.begin_read().is_ok() {
                return Ok(connection);
            }
            // The server was away: none of those that waited is any good.
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        let connection = self.store.connect()?;
        connection.begin_read()?;
        Ok(connection)
    }

    fn snapshot(&self, connection: &dyn Connection) -> Result<Arc<Snapshot>> {
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
        Ok(Writer::new(self.store.writer()?, self.originals.clone()))
    }

    /// Calls `f` within one short change of what is not indexed: sources and their states.
    fn change<T>(&self, f: impl FnOnce(&dyn Connection) -> Result<T>) -> Result<T> {
        let connection = self.store.connect()?;
        connection.begin_write()?;
        let done = f(&*connection)?;
        connection.commit()?;
        Ok(done)
    }

    /// Copies the base, as it is at one moment, to the SQLite file `to`, while others read and write.
    ///
    /// # Errors
    /// If `to` exists or cannot be written.
    pub fn backup(&self, to: &Path) -> Result<()> {
        self.store.backup(to)
    }

    /// Puts the backup `from` in the place of what is here, while others read.
    ///
    /// # Errors
    /// If `from` is no base or damaged, or someone is writing; what was here stays then.
    pub fn restore(&self, from: &Path) -> Result<()> {
        self.store.restore(from)
    }
}
