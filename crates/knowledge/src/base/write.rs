//! Writing: items in, documents, chunks and index out, in transactions.

use crate::index::{Builder, merge};
use crate::originals::Originals;
use crate::parse::Unread;
use crate::prepare::{Prepared, Ready};
use crate::store::{Connection, Value, values};
use crate::{KnowledgeError, Result};
use std::collections::BTreeSet;
use std::sync::Arc;

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
    connection: Box<dyn Connection>,
    originals: Option<Arc<Originals>>,
    open: Option<Open>,
    /// Sources of which originals may be left that nobody needs.
    changed: BTreeSet<i64>,
}

/// A transaction under way.
struct Open {
    generation: i64,
    index: Builder,
}

impl Writer {
    pub(super) fn new(connection: Box<dyn Connection>, originals: Option<Arc<Originals>>) -> Self {
        Self { connection, originals, open: None, changed: BTreeSet::new() }
    }

    /// Where files are kept as they came.
    pub(crate) fn originals(&self) -> Option<Arc<Originals>> {
        self.originals.clone()
    }

    fn open(&mut self) -> Result<(&dyn Connection, &mut Open)> {
        if self.open.is_none() {
            self.connection.begin_write()?;
            let generation = self.connection.meta("generation")?.unwrap_or(0) + 1;
            let next = self.connection.meta("next_slot")?.unwrap_or(0);
            let next =
                u32::try_from(next).map_err(|_| KnowledgeError::Damaged("the number of chunks".into()))?;
            self.open = Some(Open { generation, index: Builder::new(next) });
        }
        match &mut self.open {
            Some(open) => Ok((&*self.connection, open)),
            None => Err(KnowledgeError::Damaged("no transaction".into())),
        }
    }

    /// Puts an item of a source, in the place of what it was before.
    ///
    /// # Errors
    /// If the store fails: the disk is full. Nothing since the last commit is kept then.
    pub fn put(&mut self, source: i64, item: &Item, prepared: &Prepared) -> Result<()> {
        self.changed.insert(source);
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
        let (hash, bytes, reasons) = (item.hash as i64, item.bytes as i64, json(&reasons));
        connection.insert(
            "items (source, key, stamp, hash, bytes, reasons)",
            6,
            values![source, &item.key, &item.stamp, hash, bytes, &reasons],
        )
    }

    /// Notes that an item is as it was but for its stamp.
    ///
    /// # Errors
    /// If the store fails.
    pub fn touch(&mut self, source: i64, key: &str, stamp: &str) -> Result<()> {
        let (connection, _) = self.open()?;
        let set = "UPDATE items SET stamp = ?3 WHERE source = ?1 AND key = ?2";
        connection.execute(set, values![source, key, stamp])?;
        Ok(())
    }

    /// Gives an item's documents to other groups.
    ///
    /// # Errors
    /// If the store fails.
    pub fn regroup(&mut self, source: i64, key: &str, groups: &[String]) -> Result<()> {
        let (connection, open) = self.open()?;
        let mut groups = groups.to_vec();
        groups.sort();
        groups.dedup();
        let access = access(connection, &groups)?;
        let set = "UPDATE documents SET access = ?3, generation = ?4 WHERE source = ?1 AND item = ?2 AND access != ?3";
        connection.execute(set, values![source, key, access, open.generation])?;
        Ok(())
    }

    /// Takes an item and its documents out.
    ///
    /// # Errors
    /// If the store fails.
    pub fn remove(&mut self, source: i64, key: &str) -> Result<()> {
        self.changed.insert(source);
        let (connection, open) = self.open()?;
        take(connection, source, key, open.generation)
    }

    /// Takes a source out with all that came from it.
    ///
    /// # Errors
    /// If the store fails.
    pub fn remove_source(&mut self, source: i64) -> Result<()> {
        let keys = keys(&*self.connection, source)?;
        for key in keys {
            self.remove(source, &key)?;
        }
        let (connection, _) = self.open()?;
        connection.execute("DELETE FROM sources WHERE id = ?1", values![source])?;
        Ok(())
    }

    /// Keeps the state of a source: where it goes on, and how it went.
    ///
    /// # Errors
    /// If the store fails.
    pub fn set_state(&mut self, source: i64, state: &super::SourceState) -> Result<()> {
        let (connection, _) = self.open()?;
        let set = "UPDATE sources SET state = ?2 WHERE id = ?1";
        connection.execute(set, values![source, &json(state)])?;
        Ok(())
    }

    /// Chunks put since the last commit.
    pub fn pending(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.index.pending())
    }

    /// Keeps all that was put.
    ///
    /// # Errors
    /// If the store fails; nothing since the last commit is kept then.
    pub fn commit(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let connection = &*self.connection;
        let done = (|| {
            open.index.flush(connection)?;
            merge(connection)?;
            connection.set_meta("next_slot", open.index.next_slot().into())?;
            connection.set_meta("generation", open.generation)?;
            connection.commit()
        })();
        connection.end();
        done
    }

    /// Keeps all that was put, on disk for good, and no original that nobody needs.
    ///
    /// # Errors
    /// If the store fails.
    pub fn finish(mut self) -> Result<()> {
        self.commit()?;
        self.connection.settle()?;
        if let Some(originals) = &self.originals {
            for &source in &self.changed {
                let read = "SELECT key, hash FROM items WHERE source = ?1";
                let items = self.connection.all(read, values![source], |row| {
                    Ok((row.get::<String>(0)?, row.get::<i64>(1)? as u64))
                })?;
                originals.sweep(source, &items)?;
            }
        }
        Ok(())
    }

    /// For what else is written in the same transaction.
    pub(crate) fn within<T>(&mut self, f: impl FnOnce(&dyn Connection) -> Result<T>) -> Result<T> {
        let (connection, _) = self.open()?;
        f(connection)
    }

    /// For what is only read.
    pub(crate) fn connection(&self) -> &dyn Connection {
        &*self.connection
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.open.is_some() {
            self.connection.end();
        }
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn access(connection: &dyn Connection, groups: &[String]) -> Result<i64> {
    let groups = json(&groups);
    let find = "SELECT id FROM access WHERE groups = ?1";
    if let Some(id) = connection.number(find, values![&groups])? {
        return Ok(id);
    }
    connection.insert("access (groups)", 1, values![&groups])?;
    let id = connection.number(find, values![&groups])?;
    id.ok_or_else(|| KnowledgeError::Damaged("the groups".into()))
}

fn keys(connection: &dyn Connection, source: i64) -> Result<Vec<String>> {
    connection.all("SELECT key FROM items WHERE source = ?1", values![source], |row| row.get(0))
}

/// Takes out an item with its documents and chunks. Lists keep their entries until a merge; searches pass over them.
fn take(connection: &dyn Connection, source: i64, key: &str, generation: i64) -> Result<()> {
    let read = "SELECT id, first, chunks FROM documents WHERE source = ?1 AND item = ?2";
    let old = connection.all(read, values![source, key], |row| {
        Ok((row.get::<i64>(0)?, row.get::<i64>(1)?, row.get::<i64>(2)?))
    })?;
    for (id, first, chunks) in old {
        let delete = "DELETE FROM chunks WHERE slot >= ?1 AND slot < ?2";
        connection.execute(delete, values![first, first + chunks])?;
        connection.execute("DELETE FROM documents WHERE id = ?1", values![id])?;
        // Numbers of documents never come again.
        connection.insert("gone (document, generation)", 2, values![id, generation])?;
    }
    connection.execute("DELETE FROM items WHERE source = ?1 AND key = ?2", values![source, key])?;
    Ok(())
}

fn put_document(
    connection: &dyn Connection,
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
    let put = "INSERT INTO documents (source, item, inside, title, format, date, tags, url, notes, access, first, chunks,
               pages, characters, generation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
               RETURNING id";
    let (tags, notes, pages) = (json(&item.tags), json(&document.notes), json(&pages));
    let values = values![
        source,
        &item.key,
        &document.inner,
        &title,
        document.format,
        document.date.as_ref().or(item.date.as_ref()),
        &tags,
        item.url.as_ref(),
        &notes,
        access,
        first,
        ready.chunks.len(),
        &pages,
        characters,
        open.generation,
    ];
    let id = connection.number(put, values)?.unwrap_or(0);
    let owner = u32::try_from(id).map_err(|_| KnowledgeError::Damaged("too many documents".into()))?;
    let words: Vec<u32> = ready.words.iter().map(|word| open.index.word(word)).collect();
    let mut places = Places::new(&document.text);
    let mut rows: Vec<Value> = Vec::with_capacity(7 * ready.chunks.len());
    for part in &ready.chunks {
        let chunk = &part.chunk;
        rows.extend_from_slice(values![
            open.index.next_slot(),
            id,
            places.characters(chunk.span.start),
            chunk.page,
            &chunk.context,
            chunk.tokens,
            &document.text[chunk.span.clone()],
        ]);
        open.index.chunk(owner, part.counts.iter().map(|&(word, count)| (words[word as usize], count)));
    }
    connection.insert("chunks (slot, document, start, page, context, tokens, text)", 7, &rows)
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
