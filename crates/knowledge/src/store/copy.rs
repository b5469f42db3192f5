//! All tables of one store into another: backups of a server, and the way from one kind of store to the other.

use super::{Connection, Row, Value, values};
use crate::Result;

/// Each table with its columns. What vectors are, stands elsewhere: they lie differently.
const TABLES: &[(&str, &str)] = &[
    ("access", "id, groups"),
    ("sources", "id, name, kind, definition, state"),
    ("items", "source, key, stamp, hash, bytes, reasons"),
    (
        "documents",
        "id, source, item, inside, title, format, date, tags, url, notes, access, first, chunks, pages, characters, \
         generation",
    ),
    ("gone", "document, generation"),
    ("chunks", "slot, document, start, page, context, tokens, text"),
    ("segments", "id, first, last, lengths, owners"),
    ("postings", "segment, word, list"),
    ("embedders", "id, name, dimensions, trust_han, trust_other, tried"),
];
/// Rows that go together.
const TOGETHER: usize = 512;

/// A value that outlives its row.
enum Kept {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Kept {
    fn of(value: Value) -> Self {
        match value {
            Value::Int(number) => Self::Int(number),
            Value::Real(number) => Self::Real(number),
            Value::Text(text) => Self::Text(text.into()),
            Value::Bytes(bytes) => Self::Bytes(bytes.into()),
            _ => Self::Null,
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Int(number) => Value::Int(*number),
            Self::Real(number) => Value::Real(*number),
            Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
        }
    }
}

/// What a server holds, as it is at one moment, into a new SQLite file.
pub(super) fn to_file(from: &dyn Connection, path: &std::path::Path) -> Result<()> {
    let to = super::sqlite::Sqlite::open(path)?;
    from.begin_read()?;
    to.begin_write()?;
    let done = tables(from, &to).and_then(|()| to.commit());
    from.end();
    done
}

/// What `from` holds in the place of what is on the server: all of it, or nothing.
pub(super) fn into_server(from: &dyn Connection, to: &super::postgres::Postgres) -> Result<()> {
    from.begin_read()?;
    to.begin_write()?;
    let done = (|| {
        tables(from, to)?;
        to.number_on()?;
        (to as &dyn Connection).set_meta("epoch", super::epoch())?;
        to.commit()
    })();
    from.end();
    to.end();
    done
}

fn tables(from: &dyn Connection, to: &dyn Connection) -> Result<()> {
    to.execute("DELETE FROM vectors", &[])?;
    for (table, _) in TABLES.iter().rev() {
        to.execute(&format!("DELETE FROM {table}"), &[])?;
    }
    // The version is the store's own.
    to.execute("DELETE FROM meta WHERE key != 'version'", &[])?;
    rows(from, to, "meta", "key, value", "SELECT key, CAST(value AS TEXT) FROM meta WHERE key != 'version'")?;
    for (table, columns) in TABLES {
        rows(from, to, table, columns, &format!("SELECT {columns} FROM {table}"))?;
    }
    let embedders = from.all("SELECT id, dimensions FROM embedders ORDER BY id", &[], |row| {
        Ok((row.get::<i64>(0)?, row.get::<usize>(1)?))
    })?;
    embedders.into_iter().try_for_each(|(embedder, dimensions)| vectors(from, to, embedder, dimensions))
}

fn rows(from: &dyn Connection, to: &dyn Connection, table: &str, columns: &str, select: &str) -> Result<()> {
    let width = columns.split(',').count();
    let table = format!("{table} ({columns})");
    let mut kept: Vec<Kept> = Vec::new();
    let put = |kept: &mut Vec<Kept>| {
        let values: Vec<Value> = kept.iter().map(Kept::value).collect();
        to.insert(&table, width, &values)?;
        kept.clear();
        Ok(())
    };
    from.query(select, &[], &mut |row: &Row| {
        for at in 0..width {
            kept.push(Kept::of(row.value(at)?));
        }
        if kept.len() >= TOGETHER * width { put(&mut kept) } else { Ok(()) }
    })?;
    put(&mut kept)
}

/// Vectors as a file holds them, in 8 bits a number.
fn vectors(from: &dyn Connection, to: &dyn Connection, embedder: i64, dimensions: usize) -> Result<()> {
    for place in from.vector_blocks(embedder)? {
        let data = from.vector_block(embedder, &place, dimensions)?;
        // A file keeps vectors of chunks that are gone.
        let end = i64::from(place.first) + place.count as i64;
        let there = from.all(
            "SELECT slot FROM chunks WHERE slot >= ?1 AND slot < ?2 ORDER BY slot",
            values![place.first, end],
            |row| row.get::<u32>(0),
        )?;
        let mut decoded = crate::packed::from_bytes(&data, dimensions)?;
        let mut there = there.into_iter().peekable();
        for (slot, vector) in (place.first..).zip(&mut decoded) {
            if there.next_if_eq(&slot).is_none() {
                *vector = None;
            }
        }
        let decoded: Vec<Option<&[f32]>> = decoded.iter().map(Option::as_deref).collect();
        to.put_vectors(embedder, place.first, &decoded, dimensions)?;
    }
    Ok(())
}
