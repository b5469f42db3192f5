//! Vectors of all chunks, by whoever can make them.

use crate::base::{Base, Writer, choose_embedder, chosen_embedder};
use crate::vectors::to_bytes;
use crate::{KnowledgeError, Result};
use rusqlite::{Connection, OptionalExtension};

/// What a text is for: some models read questions and passages differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Someone asks it.
    Query,
    /// It is searched.
    Passage,
}

/// A model that turns texts into vectors.
pub trait Embed: Send + Sync {
    /// Its name, which changes with its weights: vectors of one name can be compared.
    fn name(&self) -> &str;

    /// Numbers in a vector.
    fn dimensions(&self) -> usize;

    /// Tokens that it reads of one text.
    fn max_tokens(&self) -> usize;

    /// Tokens of a text.
    fn count(&self, text: &str) -> usize;

    /// The vectors of texts, each of length 1. What is longer than [`Embed::max_tokens`] is read in parts, never cut off.
    ///
    /// # Errors
    /// In its own words.
    fn embed(&self, texts: &[&str], role: Role) -> std::result::Result<Vec<Vec<f32>>, String>;
}

/// Texts that are embedded together.
const TOGETHER: usize = 64;
/// Rows to which small blocks of vectors are joined.
const BLOCK: u32 = 4096;

impl Base {
    /// Makes the vectors that are missing. Those of another model are searched until all are there; then the new ones are,
    /// and the old ones are dropped. Stopped at any time, it goes on from there.
    ///
    /// `progress` is told chunks done and to do, and says whether to go on.
    ///
    /// # Errors
    /// If the model or SQLite fails, or `progress` says no: [`KnowledgeError::Stopped`].
    pub fn embed(
        &self,
        writer: &mut Writer,
        embedder: &dyn Embed,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<()> {
        let id = writer.within(|connection| embedder_id(connection, embedder))?;
        writer.commit()?;
        let mut at = next(writer.connection(), id)?;
        let end = number(writer.connection(), "SELECT value FROM meta WHERE key = 'next_slot'")?;
        let total = number(writer.connection(), &format!("SELECT count(*) FROM chunks WHERE slot >= {at}"))?;
        let mut done = 0;
        while at < end {
            let rows = texts(writer.connection(), at)?;
            // Slots without a chunk are passed over at the end.
            let last = rows.last().map_or(end, |(slot, _)| slot + 1);
            let texts: Vec<&str> = rows.iter().map(|(_, text)| text.as_str()).collect();
            let vectors = if texts.is_empty() {
                Vec::new()
            } else {
                embedder.embed(&texts, Role::Passage).map_err(KnowledgeError::Embed)?
            };
            if vectors.len() != texts.len() || vectors.iter().any(|v| v.len() != embedder.dimensions()) {
                return Err(KnowledgeError::Embed(
                    "it gave vectors of another number or length than asked for".into(),
                ));
            }
            let mut of = rows.iter().map(|(slot, _)| *slot).zip(&vectors).peekable();
            let row = |slot| of.next_if(|&(next, _)| next == slot).map(|(_, vector)| vector.as_slice());
            let data = to_bytes((at..last).map(row), embedder.dimensions());
            append(writer, id, at as u32, (last - at) as u32, data, embedder.dimensions())?;
            writer.commit()?;
            at = last;
            done += rows.len() as u64;
            if !progress(done, total as u64) {
                return Err(KnowledgeError::Stopped);
            }
        }
        writer.within(|connection| {
            crate::trust::measure(connection, id, embedder)?;
            let chosen = chosen_embedder(connection)?;
            if chosen != Some(id) {
                connection.execute("DELETE FROM vectors WHERE embedder != ?1", [id])?;
                connection.execute("DELETE FROM embedders WHERE id != ?1", [id])?;
                choose_embedder(connection, id)?;
            }
            Ok(())
        })?;
        writer.commit()
    }
}

fn embedder_id(connection: &Connection, embedder: &dyn Embed) -> Result<i64> {
    let dimensions = embedder.dimensions();
    let put = "INSERT OR IGNORE INTO embedders (name, dimensions) VALUES (?1, ?2)";
    connection.execute(put, (embedder.name(), dimensions))?;
    let found: Option<(i64, usize)> = connection
        .query_row("SELECT id, dimensions FROM embedders WHERE name = ?1", [embedder.name()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    match found {
        Some((id, same)) if same == dimensions => Ok(id),
        _ => Err(KnowledgeError::Embed(format!(
            "the base has vectors of {:?} of another length than {dimensions}",
            embedder.name()
        ))),
    }
}

fn number(connection: &Connection, select: &str) -> Result<i64> {
    Ok(connection.query_row(select, [], |row| row.get(0))?)
}

/// The first slot that this embedder has not seen.
fn next(connection: &Connection, embedder: i64) -> Result<i64> {
    number(
        connection,
        &format!("SELECT coalesce(max(first + count), 0) FROM vectors WHERE embedder = {embedder}"),
    )
}

/// The next chunks with what stands above them: title, headings, text.
fn texts(connection: &Connection, from: i64) -> Result<Vec<(i64, String)>> {
    let mut read = connection.prepare_cached(
        "SELECT c.slot, d.title, c.context, c.text FROM chunks c JOIN documents d ON d.id = c.document
         WHERE c.slot >= ?1 ORDER BY c.slot LIMIT ?2",
    )?;
    let rows = read.query_map((from, TOGETHER as i64), |row| {
        let (title, context, text): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let above: Vec<&str> = [title.as_str(), &context]
            .into_iter()
            .filter(|part| !part.is_empty() && !text.contains(part))
            .collect();
        let above = above.join(" › ");
        let text = text.trim();
        Ok((row.get(0)?, if above.is_empty() { text.to_string() } else { format!("{above}\n{text}") }))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Adds vectors, joined to the last block while that is small.
fn append(
    writer: &mut Writer,
    embedder: i64,
    first: u32,
    count: u32,
    data: Vec<u8>,
    dimensions: usize,
) -> Result<()> {
    let last = writer.within(|connection| {
        let last =
            "SELECT id, first, count, data FROM vectors WHERE embedder = ?1 ORDER BY first DESC LIMIT 1";
        let found: Option<(i64, u32, u32, Vec<u8>)> = connection
            .prepare_cached(last)?
            .query_row([embedder], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .optional()?;
        let Some((id, begin, rows, old)) = found else { return Ok(None) };
        if rows + count > BLOCK || begin + rows != first || old.len() != rows as usize * (4 + dimensions) {
            return Ok(None);
        }
        connection.execute("DELETE FROM vectors WHERE id = ?1", [id])?;
        Ok(Some((begin, rows, old)))
    })?;
    let Some((begin, rows, old)) = last else { return writer.put_vectors(embedder, first, count, &data) };
    let (old_scales, old_codes) = old.split_at(4 * rows as usize);
    let (scales, codes) = data.split_at(4 * count as usize);
    writer.put_vectors(embedder, begin, rows + count, &[old_scales, scales, old_codes, codes].concat())
}
