//! One SQLite file.

use super::{BlockPlace, Connection, Row, Value, values};
use crate::packed::to_bytes;
use crate::{KnowledgeError, Result};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OpenFlags, Transaction, TransactionBehavior, params_from_iter};
use shuyuan_store::Lock;
use std::path::Path;
use std::time::Duration;

/// Of the file's layout; a file of another version is refused.
const VERSION: i64 = 1;
/// "SYKB", in the file's header.
const APPLICATION: i64 = 0x5359_4b42;
/// Rows to which small blocks of vectors are joined.
const BLOCK: usize = 4096;

/// - An *item* is what a source gives: a file, a row, an entry of a feed. It becomes documents, or reasons why not.
/// - A *slot* is a chunk's number, never used again. A *segment* is the inverted index of a range of slots; a later one has
///   a higher number.
/// - `generation` counts commits: who holds a copy in memory reads what has a higher one.
/// - `epoch` changes when a backup is put in its place.
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

/// One connection with the file.
pub(crate) struct Sqlite {
    connection: rusqlite::Connection,
    /// Of the one who writes.
    _lock: Option<Lock>,
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(number),
            Self::Real(number) => ValueRef::Real(number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
            #[cfg(feature = "postgres")]
            Self::Vector(_) => {
                return Err(rusqlite::Error::ToSqlConversionFailure("a vector as one value".into()));
            }
        }))
    }
}

/// The value in a column.
pub(super) fn value<'r>(row: &'r rusqlite::Row, at: usize) -> Result<Value<'r>> {
    Ok(match row.get_ref(at)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(
            std::str::from_utf8(text)
                .map_err(|_| KnowledgeError::Damaged(format!("column {at} of an answer is no UTF-8")))?,
        ),
        ValueRef::Blob(bytes) => Value::Bytes(bytes),
    })
}

impl Sqlite {
    /// Opens the file at `path`, which is made if it is missing.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { connection: open(path)?, _lock: None })
    }

    /// The one who may write.
    pub fn writer(path: &Path) -> Result<Self> {
        let lock = Lock::acquire(path.parent().unwrap_or(path))?;
        Ok(Self { connection: open(path)?, _lock: Some(lock) })
    }

    /// Whether the file at `path`, which this is, is whole.
    pub fn check(&self, path: &Path) -> Result<()> {
        let fine: String = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if fine == "ok" {
            return Ok(());
        }
        let reason = format!("it is damaged: {fine}");
        Err(KnowledgeError::NotABase { path: path.to_path_buf(), reason })
    }
}

impl Connection for Sqlite {
    fn execute(&self, sql: &str, values: &[Value]) -> Result<u64> {
        let changed = if values.is_empty() {
            self.connection.execute(sql, [])?
        } else {
            self.connection.prepare_cached(sql)?.execute(params_from_iter(values))?
        };
        Ok(changed as u64)
    }

    fn query(&self, sql: &str, values: &[Value], each: &mut dyn FnMut(&Row) -> Result<()>) -> Result<()> {
        let mut read = |statement: &mut rusqlite::Statement| {
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                each(&Row::Sqlite(row))?;
            }
            Ok(())
        };
        if values.is_empty() {
            read(&mut self.connection.prepare(sql)?)
        } else {
            read(&mut *self.connection.prepare_cached(sql)?)
        }
    }

    fn insert(&self, table: &str, columns: usize, values: &[Value]) -> Result<()> {
        let places: Vec<String> = (1..=columns).map(|place| format!("?{place}")).collect();
        let sql = format!("INSERT INTO {table} VALUES ({})", places.join(", "));
        let mut put = self.connection.prepare_cached(&sql)?;
        for row in values.chunks_exact(columns) {
            put.execute(params_from_iter(row))?;
        }
        Ok(())
    }

    fn begin_read(&self) -> Result<()> {
        Ok(self.connection.execute_batch("BEGIN DEFERRED")?)
    }

    fn begin_write(&self) -> Result<()> {
        Ok(self.connection.execute_batch("BEGIN IMMEDIATE")?)
    }

    fn commit(&self) -> Result<()> {
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    fn end(&self) {
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    fn settle(&self) -> Result<()> {
        // The write-ahead log into the file.
        Ok(self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)
    }

    fn put_vectors(
        &self,
        embedder: i64,
        first: u32,
        vectors: &[Option<&[f32]>],
        dimensions: usize,
    ) -> Result<()> {
        let data = to_bytes(vectors.iter().copied(), dimensions);
        // Joined to the last block while that is small.
        let last =
            "SELECT id, first, count, data FROM vectors WHERE embedder = ?1 ORDER BY first DESC LIMIT 1";
        let last = (self as &dyn Connection).one(last, values![embedder], |row| {
            Ok((row.get::<i64>(0)?, row.get::<u32>(1)?, row.get::<usize>(2)?, row.get::<&[u8]>(3)?.to_vec()))
        })?;
        let joins = |begin: u32, rows: usize, old: &[u8]| {
            rows + vectors.len() <= BLOCK
                && begin as usize + rows == first as usize
                && old.len() == rows * (4 + dimensions)
        };
        let (first, count, data) = match last {
            Some((id, begin, rows, old)) if joins(begin, rows, &old) => {
                self.execute("DELETE FROM vectors WHERE id = ?1", values![id])?;
                let (old_scales, old_codes) = old.split_at(4 * rows);
                let (scales, codes) = data.split_at(4 * vectors.len());
                (begin, rows + vectors.len(), [old_scales, scales, old_codes, codes].concat())
            }
            _ => (first, vectors.len(), data),
        };
        self.insert("vectors (embedder, first, count, data)", 4, values![embedder, first, count, &data])
    }

    fn vectors_end(&self, embedder: i64) -> Result<i64> {
        let end = "SELECT max(first + count) FROM vectors WHERE embedder = ?1";
        Ok((self as &dyn Connection).number(end, values![embedder])?.unwrap_or(0))
    }

    fn vector_blocks(&self, embedder: i64) -> Result<Vec<BlockPlace>> {
        let read = "SELECT id, first, count FROM vectors WHERE embedder = ?1 ORDER BY first";
        (self as &dyn Connection).all(read, values![embedder], |row| {
            Ok(BlockPlace { id: row.get(0)?, first: row.get(1)?, count: row.get(2)? })
        })
    }

    fn vector_block(&self, _: i64, place: &BlockPlace, _: usize) -> Result<Vec<u8>> {
        let read = "SELECT data FROM vectors WHERE id = ?1";
        let data = (self as &dyn Connection)
            .one(read, values![place.id], |row| Ok(row.get::<&[u8]>(0)?.to_vec()))?;
        data.ok_or_else(|| KnowledgeError::Damaged(format!("vectors {} are gone", place.id)))
    }

    fn bytes(&self) -> Result<u64> {
        let Some(path) = self.connection.path() else { return Ok(0) };
        let of = |ending: &str| std::fs::metadata(format!("{path}{ending}")).map_or(0, |file| file.len());
        Ok(of("") + of("-wal"))
    }
}

/// A copy as it is at one moment, without holes.
pub(super) fn backup(path: &Path, to: &Path) -> Result<()> {
    open(path)?.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
    Ok(())
}

/// All pages of `from` in the place of those at `path`, in one step: it is all there, or nothing is.
pub(super) fn restore(from: &Path, path: &Path) -> Result<()> {
    let mut target = Sqlite::writer(path)?;
    let source = Sqlite::open(from)?;
    source.check(from)?;
    let backup = rusqlite::backup::Backup::new(&source.connection, &mut target.connection)?;
    backup.run_to_completion(i32::MAX, Duration::from_millis(50), None)?;
    drop(backup);
    (&target as &dyn Connection).set_meta("epoch", super::epoch())
}

fn open(path: &Path) -> Result<rusqlite::Connection> {
    let refused = |reason: String| KnowledgeError::NotABase { path: path.to_path_buf(), reason };
    let connection = connect(path)?;
    // An empty file gets its tables in one transaction, so that two programs may start at once.
    let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Deferred)?;
    let version = |connection: &rusqlite::Connection| -> rusqlite::Result<(i64, i64)> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        Ok((pragma("application_id")?, pragma("user_version")?))
    };
    let tables = |c: &rusqlite::Connection| {
        c.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
    };
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
            let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate)?;
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

fn connect(path: &Path) -> Result<rusqlite::Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
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
