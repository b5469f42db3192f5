//! Documents as they are: lists, texts, and what could not be read.

use super::Base;
use crate::access::Reader;
use crate::search::Filter;
use crate::store::{Connection, Row, values};
use crate::{KnowledgeError, Result};
use rustc_hash::FxHashMap;
use serde::Serialize;

/// A document, but for its text. Places are in characters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DocumentInfo {
    /// Its number; a changed document gets another one.
    pub id: u32,
    /// The source's name.
    pub source: String,
    /// What the source calls the item: a path, an address.
    pub item: String,
    /// Path within an archive or mail; empty for the item itself.
    pub inner: String,
    /// What it is called.
    pub title: String,
    /// Its format.
    pub format: String,
    /// `YYYY-MM-DD`.
    pub date: Option<String>,
    /// Words to filter by.
    pub tags: Vec<String>,
    /// Where people find it.
    pub url: Option<String>,
    /// What could not be read of it.
    pub notes: Vec<String>,
    /// Who may read it; empty: everyone.
    pub groups: Vec<String>,
    /// Chunks.
    pub chunks: u32,
    /// Characters.
    pub characters: u64,
    /// Where each page begins.
    pub pages: Vec<u64>,
}

/// A document with its text and how it was cut.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DocumentText {
    /// What it is.
    #[serde(flatten)]
    pub info: DocumentInfo,
    /// All of it.
    pub text: String,
    /// In order; together they are the text.
    pub pieces: Vec<Piece>,
}

/// A chunk as it is. Places are in characters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Piece {
    /// Its number.
    pub slot: u32,
    /// Where it begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// The page on which it begins.
    pub page: Option<u64>,
    /// The headings above it.
    pub context: String,
    /// Its size in tokens.
    pub tokens: u64,
}

/// Why an item, or a part of it, is not in the base.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failure {
    /// The source's name.
    pub source: String,
    /// The item.
    pub item: String,
    /// Path within it.
    pub inner: String,
    /// What was expected, what was found, what to do.
    pub reason: String,
}

const COLUMNS: &str = "d.id, s.name, d.item, d.inside, d.title, d.format, d.date, d.tags, d.url, d.notes, a.groups,
    d.chunks, d.characters, d.pages FROM documents d JOIN sources s ON s.id = d.source JOIN access a ON a.id = d.access";

fn info(row: &Row) -> Result<DocumentInfo> {
    let list =
        |at: usize| -> Result<Vec<String>> { Ok(serde_json::from_str(row.get(at)?).unwrap_or_default()) };
    Ok(DocumentInfo {
        id: row.get(0)?,
        source: row.get(1)?,
        item: row.get(2)?,
        inner: row.get(3)?,
        title: row.get(4)?,
        format: row.get(5)?,
        date: row.get(6)?,
        tags: list(7)?,
        url: row.get(8)?,
        notes: list(9)?,
        groups: list(10)?,
        chunks: row.get(11)?,
        characters: row.get(12)?,
        pages: serde_json::from_str(row.get(13)?).unwrap_or_default(),
    })
}

/// The document of that number, whoever may read it.
pub(crate) fn info_of(connection: &dyn Connection, id: u32) -> Result<Option<DocumentInfo>> {
    connection.one(&format!("SELECT {COLUMNS} WHERE d.id = ?1"), values![id], info)
}

/// Documents by their numbers, whoever may read them; in no order.
pub(crate) fn infos_of(connection: &dyn Connection, ids: &[u32]) -> Result<Vec<DocumentInfo>> {
    let mut all = Vec::new();
    for some in ids.chunks(500) {
        all.extend(connection.all(&format!("SELECT {COLUMNS} WHERE d.id IN ({})", list(some)), &[], info)?);
    }
    Ok(all)
}

/// Numbers as a statement has them between brackets.
pub(crate) fn list(numbers: &[u32]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    numbers.join(", ")
}

impl Base {
    /// Documents that the reader may see and `filter` lets through, by source and path: how many, and those from `skip` on.
    ///
    /// # Errors
    /// If the store fails.
    pub fn documents(
        &self,
        reader: &Reader,
        filter: &Filter,
        skip: usize,
        limit: usize,
    ) -> Result<(usize, Vec<DocumentInfo>)> {
        self.read(|connection, snapshot| {
            let ids: Vec<u32> = match filter.documents(connection)? {
                Some(ids) => ids.into_iter().filter(|&id| snapshot.document(id, reader).is_some()).collect(),
                None => {
                    let read = "SELECT id FROM documents ORDER BY source, item, inside";
                    let ids = connection.all(read, &[], |row| row.get::<u32>(0))?;
                    ids.into_iter().filter(|&id| snapshot.document(id, reader).is_some()).collect()
                }
            };
            let some = &ids[skip.min(ids.len())..];
            let some = &some[..limit.min(some.len())];
            let mut infos = infos_of(connection, some)?;
            let place: FxHashMap<u32, usize> = some.iter().enumerate().map(|(at, &id)| (id, at)).collect();
            infos.sort_by_key(|info| place[&info.id]);
            Ok((ids.len(), infos))
        })
    }

    /// A document with its text; `None` if there is none of that number, or the reader may not see it.
    ///
    /// # Errors
    /// If the store fails.
    pub fn document(&self, reader: &Reader, id: u32) -> Result<Option<DocumentText>> {
        self.read(|connection, snapshot| {
            let Some((first, chunks)) = snapshot.document(id, reader) else { return Ok(None) };
            let Some(info) = info_of(connection, id)? else { return Ok(None) };
            let read = "SELECT slot, start, page, context, tokens, text FROM chunks
                        WHERE slot >= ?1 AND slot < ?2 ORDER BY slot";
            let (mut text, mut pieces) = (String::new(), Vec::new());
            connection.query(read, values![first, first + chunks], &mut |row| {
                let part: &str = row.get(5)?;
                let start: u64 = row.get(1)?;
                pieces.push(Piece {
                    slot: row.get(0)?,
                    start,
                    end: start + part.chars().count() as u64,
                    page: row.get(2)?,
                    context: row.get(3)?,
                    tokens: row.get(4)?,
                });
                text += part;
                Ok(())
            })?;
            Ok(Some(DocumentText { info, text, pieces }))
        })
    }

    /// The number of the document that came from an item, or from a path within it.
    ///
    /// # Errors
    /// If the store fails.
    pub fn find(&self, reader: &Reader, name: &str) -> Result<Option<u32>> {
        self.read(|connection, snapshot| {
            let select = "SELECT id FROM documents WHERE item = ?1 OR inside = ?1 OR title = ?1
                          OR (length(item) > length(?1) AND substr(item, length(item) - length(?1)) = '/' || ?1)
                          ORDER BY id";
            let ids = connection.all(select, values![name], |row| row.get::<u32>(0))?;
            let number = name.parse().ok();
            Ok(ids.into_iter().chain(number).find(|&id| snapshot.document(id, reader).is_some()))
        })
    }

    /// What could not be read, and why. For owners: it names files.
    ///
    /// # Errors
    /// If the store fails.
    pub fn failures(&self) -> Result<Vec<Failure>> {
        self.read(|connection, _| {
            let select = "SELECT s.name, i.key, i.reasons FROM items i JOIN sources s ON s.id = i.source
                          WHERE i.reasons != '[]' ORDER BY s.name, i.key";
            let mut all = Vec::new();
            connection.query(select, &[], &mut |row| {
                let reasons: Vec<[String; 2]> = serde_json::from_str(row.get(2)?)
                    .map_err(|_| KnowledgeError::Damaged("the reasons of an item".into()))?;
                for [inner, reason] in reasons {
                    all.push(Failure { source: row.get(0)?, item: row.get(1)?, inner, reason });
                }
                Ok(())
            })?;
            Ok(all)
        })
    }
}
