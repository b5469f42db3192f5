//! The tables of the one file that is the truth, and how it is opened.

use crate::{KnowledgeError, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::path::Path;
use std::time::Duration;

/// Of the file's layout; a file of another version is refused.
const VERSION: i64 = 1;
/// "SYKB", in the file's header.
const APPLICATION: i64 = 0x5359_4b42;

/// - An *item* is what a source gives: a file, a row, an entry of a feed. It becomes documents, or reasons why not.
/// - A *slot* is a chunk's number, never used again. A *segment* is the inverted index of a range of slots.
/// - `generation` counts commits: who holds a copy in memory reads what has a higher one.
/// `epoch` changes when a backup is put in its place.
const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO meta VALUES ('generation', 0), ('next_slot', 0), ('embedder', NULL), ('epoch', abs(random()));
CREATE TABLE access (id INTEGER PRIMARY KEY, groups TEXT NOT NULL UNIQUE);
INSERT INTO access VALUES (1, '[]');
CREATE TABLE sources (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, definition TEXT NOT NULL, state TEXT NOT NULL
);
CREATE TABLE items (
    source INTEGER NOT NULL, key TEXT NOT NULL, stamp TEXT NOT NULL, hash INTEGER NOT NULL, bytes INTEGER NOT NULL,
    reasons TEXT NOT NULL, PRIMARY KEY (source, key)
) WITHOUT ROWID;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL, item TEXT NOT NULL, inside TEXT NOT NULL,
    title TEXT NOT NULL, format TEXT NOT NULL, date TEXT, tags TEXT NOT NULL, url TEXT, notes TEXT NOT NULL,
    access INTEGER NOT NULL, first INTEGER NOT NULL, chunks INTEGER NOT NULL, pages TEXT NOT NULL,
    characters INTEGER NOT NULL, generation INTEGER NOT NULL, UNIQUE (source, item, inside)
);
CREATE INDEX documents_generation ON documents (generation);
CREATE TABLE gone (document INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
CREATE INDEX gone_generation ON gone (generation);
CREATE TABLE chunks (
    slot INTEGER PRIMARY KEY, document INTEGER NOT NULL, start INTEGER NOT NULL, page INTEGER, context TEXT NOT NULL,
    tokens INTEGER NOT NULL, text TEXT NOT NULL
);
CREATE TABLE segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, first INTEGER NOT NULL, last INTEGER NOT NULL,
    lengths BLOB NOT NULL, owners BLOB NOT NULL
);
CREATE TABLE postings (segment INTEGER, word TEXT, list BLOB, PRIMARY KEY (segment, word)) WITHOUT ROWID;
CREATE TABLE embedders (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, dimensions INTEGER NOT NULL,
    trust_han REAL NOT NULL DEFAULT 0, trust_other REAL NOT NULL DEFAULT 0, tried INTEGER
);
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY AUTOINCREMENT, embedder INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE UNIQUE INDEX vectors_place ON vectors (embedder, first);
";

/// Opens the file at `path`, which is made if it is missing.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let refused = |reason: String| KnowledgeError::NotABase { path: path.to_path_buf(), reason };
    let connection = connect(path)?;
    // An empty file gets its tables in one transaction, so that two programs may start at once.
    let transaction =
        rusqlite::Transaction::new_unchecked(&connection, rusqlite::TransactionBehavior::Deferred)?;
    let version = |connection: &Connection| -> rusqlite::Result<(i64, i64)> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        Ok((pragma("application_id")?, pragma("user_version")?))
    };
    let tables =
        |c: &Connection| c.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let found = version(&transaction).and_then(|found| Ok((found, tables(&transaction)?)));
    let found = found.map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            refused("expected a knowledge base, found another file".into())
        }
        _ => error.into(),
    })?;
    match found {
        ((APPLICATION, VERSION), _) => {}
        ((0, 0), 0) => {
            drop(transaction);
            let transaction =
                rusqlite::Transaction::new_unchecked(&connection, rusqlite::TransactionBehavior::Immediate)?;
            if tables(&transaction)? == 0 {
                transaction.execute_batch(TABLES)?;
                transaction.pragma_update(None, "application_id", APPLICATION)?;
                transaction.pragma_update(None, "user_version", VERSION)?;
            }
            transaction.commit()?;
            return Ok(connection);
        }
        ((APPLICATION, other), _) => {
            return Err(refused(format!(
                "a knowledge base of version {other}; this program reads version {VERSION}: use the program that \
                 wrote it, or add the folders again into a new home"
            )));
        }
        _ => return Err(refused("expected a knowledge base, found another SQLite file".into())),
    }
    drop(transaction);
    Ok(connection)
}

fn connect(path: &Path) -> Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(60))?;
    // Postings are read as they lie in the page cache. Without a full synchronisation a power cut may take the last
    // commits, never the file; a sync does them again.
    let set = "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
               PRAGMA mmap_size = 68719476736; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;
               PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;";
    connection.execute_batch(set).map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => KnowledgeError::NotABase {
            path: path.to_path_buf(),
            reason: "expected a knowledge base, found another file".into(),
        },
        _ => error.into(),
    })?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// A number of `meta`.
pub(super) fn meta(connection: &Connection, key: &str) -> Result<Option<i64>> {
    let value = connection
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get::<_, Option<i64>>(0))
        .optional()?;
    Ok(value.flatten())
}

pub(super) fn set_meta(connection: &Connection, key: &str, value: Option<i64>) -> Result<()> {
    connection.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?.execute((key, value))?;
    Ok(())
}

/// A number that was never there before.
pub(super) fn epoch() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_nanos() as i64 & i64::MAX
}

/// The embedder whose vectors are searched.
pub(crate) fn chosen_embedder(connection: &Connection) -> Result<Option<i64>> {
    meta(connection, "embedder")
}

/// Has the vectors of this embedder searched from now on.
pub(crate) fn choose_embedder(connection: &Connection, id: i64) -> Result<()> {
    set_meta(connection, "embedder", Some(id))
}

impl super::Base {
    /// A setting that was kept with the base.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn setting(&self, name: &str) -> Result<Option<String>> {
        self.read(|connection, _| {
            let read = "SELECT value FROM meta WHERE key = ?1";
            Ok(connection
                .prepare_cached(read)?
                .query_row([format!("setting {name}")], |row| row.get(0))
                .optional()?)
        })
    }

    /// Keeps a setting with the base.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn set_setting(&self, name: &str, value: &str) -> Result<()> {
        self.change(|connection| {
            connection
                .execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", (format!("setting {name}"), value))?;
            Ok(())
        })
    }
}
