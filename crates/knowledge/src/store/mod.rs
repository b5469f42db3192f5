//! Where a base's tables are: in one SQLite file, or in a schema of a PostgreSQL database.
//!
//! Both hold the same tables and are asked by the same statements, in the SQL that both know; what differs stands in
//! [`sqlite`] and [`postgres`] and nowhere else: tables, locks, moments, and how vectors lie. So both find the same.

#[cfg(feature = "postgres")]
mod copy;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;
mod value;

pub(crate) use value::{Row, Value};

use crate::{KnowledgeError, Result};
use std::path::{Path, PathBuf};

/// The file's name in the base's folder.
pub(crate) const FILE: &str = "knowledge.sqlite";

/// Where the tables are.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    /// In this file.
    File(PathBuf),
    /// In this database.
    #[cfg(feature = "postgres")]
    Server(Box<postgres::Address>),
}

/// Vectors of consecutive slots, as [`Connection::vector_block`] gives them: `id` is another one whenever they are others.
pub(crate) struct BlockPlace {
    pub id: i64,
    pub first: u32,
    pub count: usize,
}

/// Values for the places of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::Value::from($value)),*] };
}
pub(crate) use values;

/// One who speaks with the store. Statements have places `?1`, `?2`, …; one that is given values is prepared once and kept,
/// one without, with numbers written into it, is not.
pub(crate) trait Connection: Send {
    /// Runs a statement; returns how many rows it changed.
    fn execute(&self, sql: &str, values: &[Value]) -> Result<u64>;

    /// Calls `each` with each row; it must not use the connection meanwhile.
    fn query(&self, sql: &str, values: &[Value], each: &mut dyn FnMut(&Row) -> Result<()>) -> Result<()>;

    /// Puts rows, whose values follow each other, into `table` (`name (column, …)`).
    fn insert(&self, table: &str, columns: usize, values: &[Value]) -> Result<()>;

    /// From here on until [`Connection::end`] everything that is read is of one moment.
    fn begin_read(&self) -> Result<()>;

    /// From here on until [`Connection::commit`] or [`Connection::end`] what is written is written together.
    fn begin_write(&self) -> Result<()>;

    /// Keeps what was written since [`Connection::begin_write`].
    fn commit(&self) -> Result<()>;

    /// Ends what began; what was not committed is as if never done.
    fn end(&self);

    /// What was committed is on disk for good.
    fn settle(&self) -> Result<()>;

    /// Keeps the vectors of consecutive slots from `first` on; a slot without a chunk has none.
    fn put_vectors(
        &self,
        embedder: i64,
        first: u32,
        vectors: &[Option<&[f32]>],
        dimensions: usize,
    ) -> Result<()>;

    /// The first slot that this embedder has not seen.
    fn vectors_end(&self, embedder: i64) -> Result<i64>;

    /// Which vectors there are, by their first slot.
    fn vector_blocks(&self, embedder: i64) -> Result<Vec<BlockPlace>>;

    /// They themselves: all scales, then all numbers ([`crate::packed`]).
    fn vector_block(&self, embedder: i64, place: &BlockPlace, dimensions: usize) -> Result<Vec<u8>>;

    /// Bytes on disk.
    fn bytes(&self) -> Result<u64>;
}

impl dyn Connection + '_ {
    /// What `row` makes of the first row.
    pub fn one<T>(&self, sql: &str, values: &[Value], row: impl Fn(&Row) -> Result<T>) -> Result<Option<T>> {
        let mut first = None;
        self.query(sql, values, &mut |found| {
            if first.is_none() {
                first = Some(row(found)?);
            }
            Ok(())
        })?;
        Ok(first)
    }

    /// What `row` makes of each row.
    pub fn all<T>(&self, sql: &str, values: &[Value], row: impl Fn(&Row) -> Result<T>) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.query(sql, values, &mut |found| {
            all.push(row(found)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// A number of the base as a whole.
    pub fn meta(&self, key: &str) -> Result<Option<i64>> {
        self.number("SELECT CAST(value AS BIGINT) FROM meta WHERE key = ?1", values![key])
    }

    /// Sets it.
    pub fn set_meta(&self, key: &str, value: i64) -> Result<()> {
        let put = "INSERT INTO meta (key, value) VALUES (?1, CAST(?2 AS BIGINT))
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.execute(put, values![key, value])?;
        Ok(())
    }

    /// A whole number.
    pub fn number(&self, sql: &str, values: &[Value]) -> Result<Option<i64>> {
        Ok(self.one(sql, values, |row| row.get::<Option<i64>>(0))?.flatten())
    }
}

impl Store {
    /// The file in folder `dir`.
    pub fn file(dir: &Path) -> Self {
        Self::File(dir.join(FILE))
    }

    /// The store that an address names: `postgres://user@host/database?schema=NAME`.
    #[cfg(feature = "postgres")]
    pub fn at(address: &str) -> Result<Self> {
        postgres::Address::parse(address).map(|address| Self::Server(Box::new(address)))
    }

    #[cfg(not(feature = "postgres"))]
    pub fn at(_: &str) -> Result<Self> {
        Err(KnowledgeError::Asked(
            "this program was built without PostgreSQL; build it with --features postgres".into(),
        ))
    }

    /// Someone to speak with; tables are made where there are none.
    pub fn connect(&self) -> Result<Box<dyn Connection>> {
        Ok(match self {
            Self::File(path) => Box::new(sqlite::Sqlite::open(path)?),
            #[cfg(feature = "postgres")]
            Self::Server(address) => Box::new(postgres::Postgres::open(address)?),
        })
    }

    /// The one who may write; nobody else may, as long as they are there.
    pub fn writer(&self) -> Result<Box<dyn Connection>> {
        Ok(match self {
            Self::File(path) => Box::new(sqlite::Sqlite::writer(path)?),
            #[cfg(feature = "postgres")]
            Self::Server(address) => Box::new(postgres::Postgres::writer(address)?),
        })
    }

    /// Whether other machines may use it.
    pub fn is_shared(&self) -> bool {
        !matches!(self, Self::File(_))
    }

    /// Copies all tables, as they are at one moment, into the SQLite file `to`, which must not be there.
    pub fn backup(&self, to: &Path) -> Result<()> {
        if to.exists() {
            return Err(KnowledgeError::Asked(format!(
                "{} exists; choose another file for the backup",
                to.display()
            )));
        }
        let part = to.with_added_extension("part");
        let _ = std::fs::remove_file(&part);
        match self {
            Self::File(path) => sqlite::backup(path, &part)?,
            #[cfg(feature = "postgres")]
            Self::Server(_) => {
                copy::to_file(&*self.connect()?, &part)?;
            }
        }
        std::fs::rename(&part, to).map_err(KnowledgeError::io("rename to", to))
    }

    /// Puts what the SQLite file `from` holds in the place of what is here.
    pub fn restore(&self, from: &Path) -> Result<()> {
        if !from.is_file() {
            return Err(KnowledgeError::Asked(format!(
                "{}: expected a backup of a knowledge base",
                from.display()
            )));
        }
        match self {
            Self::File(path) => sqlite::restore(from, path),
            #[cfg(feature = "postgres")]
            Self::Server(address) => {
                let source = sqlite::Sqlite::open(from)?;
                source.check(from)?;
                copy::into_server(&source, &postgres::Postgres::writer(address)?)
            }
        }
    }
}

/// A number that was never there before.
pub(crate) fn epoch() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_nanos() as i64 & i64::MAX
}
