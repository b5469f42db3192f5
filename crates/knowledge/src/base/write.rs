//! Writing: items in, documents, chunks and index out, in transactions.

use super::schema;
use crate::index::{Builder, merge};
use crate::parse::Unread;
use crate::prepare::{Prepared, Ready};
use crate::{KnowledgeError, Result};
use rusqlite::Connection;
use shuyuan_store::Lock;

/// What a source gives, but for its text.
#[derive(Clone, Debug, Default)]
pub struct Item {
    /// What the source calls it: a path, an address, a row's key.
    pub key: String,
    /// What tells that it has changed: time and size, an ETag.
    pub stamp: String,
    /// Of its bytes.
    pub hash: u64,
    /// How large it is.
    pub bytes: u64,
    /// Who may read it; empty: everyone.
    pub groups: Vec<String>,
    /// Words to filter by.
    pub tags: Vec<String>,
    /// `YYYY-MM-DD`; what the document says of itself comes first.
    pub date: Option<String>,
    /// Where people find it.
    pub url: Option<String>,
}

/// The one who writes. What is put is there after [`Writer::commit`]; what was not committed is as if never done.
pub struct Writer {
    connection: Connection,
    open: Option<Open>,
    _lock: Lock,
}

/// A transaction under way.
struct Open {
    generation: i64,
    index: Builder,
}

impl Writer {
    pub(super) fn new(connection: Connection, lock: Lock) -> Result<Self> {
        Ok(Self { connection, open: None, _lock: lock })
    }

    fn open(&mut self) -> Result<(&Connection, &mut Open)> {
        if self.open.is_none() {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            let generation = schema::meta(&self.connection, "generation")?.unwrap_or(0) + 1;
            let next = schema::meta(&self.connection, "next_slot")?.unwrap_or(0);
            let next =
                u32::try_from(next).map_err(|_| KnowledgeError::Damaged("the number of chunks".into()))?;
            self.open = Some(Open { generation, index: Builder::new(next) });
        }
        match &mut self.open {
            Some(open) => Ok((&self.connection, open)),
            None => Err(KnowledgeError::Damaged("no transaction".into())),
        }
    }

    /// Puts an item of a source, in the place of what it was before.
    ///
    /// # Errors
    /// If SQLite fails: the disk is full. Nothing since the last commit is kept then.
    pub fn put(&mut self, source: i64, item: &Item, prepared: &Prepared) -> Result<()> {
        let (connection, open) = self.open()?;
        take(connection, source, &item.key, open.generation)?;
        let mut groups = item.groups.clone();
        groups.sort();
        groups.dedup();
        let access = access(connection, &groups)?;
        for ready in &prepared.documents {
            put_document(connection, open, source, item, access, ready)?;
        }
        let reasons: Vec<[&str; 2]> = prepared
            .unread
            .iter()
            .map(|Unread { inner, reason }| [inner.as_str(), reason.as_str()])
            .collect();
        connection.prepare_cached("INSERT INTO items VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute((
            source,
            &item.key,
            &item.stamp,
            item.hash as i64,
            item.bytes as i64,
            json(&reasons),
        ))?;
        Ok(())
    }

    /// Notes that an item is as it was but for its stamp.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn touch(&mut self, source: i64, key: &str, stamp: &str) -> Result<()> {
        let (connection, _) = self.open()?;
        let set = "UPDATE items SET stamp = ?3 WHERE source = ?1 AND key = ?2";
        connection.prepare_cached(set)?.execute((source, key, stamp))?;
        Ok(())
    }

    /// Gives an item's documents to other groups.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn regroup(&mut self, source: i64, key: &str, groups: &[String]) -> Result<()> {
        let (connection, open) = self.open()?;
        let mut groups = groups.to_vec();
        groups.sort();
        groups.dedup();
        let access = access(connection, &groups)?;
        let set = "UPDATE documents SET access = ?3, generation = ?4 WHERE source = ?1 AND item = ?2 AND access != ?3";
        connection.prepare_cached(set)?.execute((source, key, access, open.generation))?;
        Ok(())
    }

    /// Takes an item and its documents out.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn remove(&mut self, source: i64, key: &str) -> Result<()> {
        let (connection, open) = self.open()?;
        take(connection, source, key, open.generation)
    }

    /// Takes a source out with all that came from it.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn remove_source(&mut self, source: i64) -> Result<()> {
        let keys = keys(&self.connection, source)?;
        for key in keys {
            self.remove(source, &key)?;
        }
        let (connection, _) = self.open()?;
        connection.execute("DELETE FROM sources WHERE id = ?1", [source])?;
        Ok(())
    }

    /// Keeps the state of a source: where it goes on, and how it went.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn set_state(&mut self, source: i64, state: &super::SourceState) -> Result<()> {
        let (connection, _) = self.open()?;
        connection.execute("UPDATE sources SET state = ?2 WHERE id = ?1", (source, json(state)))?;
        Ok(())
    }

    /// Chunks put since the last commit.
    pub fn pending(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.index.pending())
    }

    /// Keeps all that was put.
    ///
    /// # Errors
    /// If SQLite fails; nothing since the last commit is kept then.
    pub fn commit(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let connection = &self.connection;
        let done = (|| {
            open.index.flush(connection)?;
            merge(connection, &|document| {
                let there = "SELECT 1 FROM documents WHERE id = ?1";
                Ok(connection.prepare_cached(there)?.exists([document])?)
            })?;
            schema::set_meta(connection, "next_slot", Some(i64::from(open.index.next_slot())))?;
            schema::set_meta(connection, "generation", Some(open.generation))?;
            connection.execute_batch("COMMIT")?;
            Ok(())
        })();
        if done.is_err() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        done
    }

    /// The write-ahead log into the file, which is then on disk for good.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn finish(mut self) -> Result<()> {
        self.commit()?;
        self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// Keeps vectors of the chunks in consecutive slots from `first`.
    pub(crate) fn put_vectors(&mut self, embedder: i64, first: u32, count: u32, data: &[u8]) -> Result<()> {
        let (connection, _) = self.open()?;
        let put = "INSERT INTO vectors (embedder, first, count, data) VALUES (?1, ?2, ?3, ?4)";
        connection.prepare_cached(put)?.execute((embedder, first, count, data))?;
        Ok(())
    }

    /// For what else is written in the same transaction.
    pub(crate) fn within<T>(&mut self, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let (connection, _) = self.open()?;
        f(connection)
    }

    /// For what is only read.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.open.is_some() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn access(connection: &Connection, groups: &[String]) -> Result<i64> {
    let groups = json(&groups);
    connection.prepare_cached("INSERT OR IGNORE INTO access (groups) VALUES (?1)")?.execute([&groups])?;
    let id = connection
        .prepare_cached("SELECT id FROM access WHERE groups = ?1")?
        .query_row([&groups], |row| row.get(0));
    Ok(id?)
}

fn keys(connection: &Connection, source: i64) -> Result<Vec<String>> {
    let mut read = connection.prepare("SELECT key FROM items WHERE source = ?1")?;
    let keys = read.query_map([source], |row| row.get(0))?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

/// Takes out an item with its documents and chunks. Lists keep their entries until a merge; searches pass over them.
fn take(connection: &Connection, source: i64, key: &str, generation: i64) -> Result<()> {
    let mut read = connection
        .prepare_cached("SELECT id, first, chunks FROM documents WHERE source = ?1 AND item = ?2")?;
    let old: Vec<(i64, i64, i64)> = read
        .query_map((source, key), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (id, first, chunks) in old {
        connection
            .prepare_cached("DELETE FROM chunks WHERE slot >= ?1 AND slot < ?2")?
            .execute((first, first + chunks))?;
        connection.prepare_cached("DELETE FROM documents WHERE id = ?1")?.execute([id])?;
        connection
            .prepare_cached("INSERT OR REPLACE INTO gone VALUES (?1, ?2)")?
            .execute((id, generation))?;
    }
    connection.prepare_cached("DELETE FROM items WHERE source = ?1 AND key = ?2")?.execute((source, key))?;
    Ok(())
}

fn put_document(
    connection: &Connection,
    open: &mut Open,
    source: i64,
    item: &Item,
    access: i64,
    ready: &Ready,
) -> Result<()> {
    let document = &ready.document;
    let name = if document.inner.is_empty() { &item.key } else { &document.inner };
    let title = document.title.clone().unwrap_or_else(|| stem(name).to_string());
    let first = open.index.next_slot();
    // Pages by characters, as all places that leave the base.
    let mut places = Places::new(&document.text);
    let pages: Vec<usize> = document.pages.iter().map(|&at| places.characters(at)).collect();
    let characters = document.text.chars().count();
    connection
        .prepare_cached(
            "INSERT INTO documents (source, item, inside, title, format, date, tags, url, notes, access, first, chunks,
             pages, characters, generation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(rusqlite::params![
            source,
            item.key,
            document.inner,
            title,
            document.format,
            document.date.as_ref().or(item.date.as_ref()),
            json(&item.tags),
            item.url,
            json(&document.notes),
            access,
            first,
            ready.chunks.len() as i64,
            json(&pages),
            characters as i64,
            open.generation,
        ])?;
    let id = connection.last_insert_rowid();
    let owner = u32::try_from(id).map_err(|_| KnowledgeError::Damaged("too many documents".into()))?;
    let words: Vec<u32> = ready.words.iter().map(|word| open.index.word(word)).collect();
    let mut insert = connection.prepare_cached("INSERT INTO chunks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    let mut places = Places::new(&document.text);
    for part in &ready.chunks {
        let chunk = &part.chunk;
        insert.execute(rusqlite::params![
            open.index.next_slot(),
            id,
            places.characters(chunk.span.start) as i64,
            chunk.page.map(|page| page as i64),
            chunk.context,
            chunk.tokens as i64,
            &document.text[chunk.span.clone()],
        ])?;
        open.index.chunk(owner, part.counts.iter().map(|&(word, count)| (words[word as usize], count)));
    }
    Ok(())
}

/// Characters before ascending places in a text.
struct Places<'t> {
    text: &'t str,
    at: usize,
    characters: usize,
}

impl<'t> Places<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, at: 0, characters: 0 }
    }

    fn characters(&mut self, byte: usize) -> usize {
        let byte = byte.clamp(self.at, self.text.len());
        self.characters += self.text[self.at..byte].chars().count();
        self.at = byte;
        self.characters
    }
}

/// A path's last part without its ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}
