//! Vectors of all chunks, by whoever can make them.

use crate::base::{Base, Writer, choose_embedder, chosen_embedder};
use crate::store::{Connection, values};
use crate::{KnowledgeError, Result};

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

impl Base {
    /// Makes the vectors that are missing. Those of another model are searched until all are there; then the new ones are,
    /// and the old ones are dropped. Stopped at any time, it goes on from there.
    ///
    /// `progress` is told chunks done and to do, and says whether to go on.
    ///
    /// # Errors
    /// If the model or the store fails, or `progress` says no: [`KnowledgeError::Stopped`].
    pub fn embed(
        &self,
        writer: &mut Writer,
        embedder: &dyn Embed,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<()> {
        let id = writer.within(|connection| embedder_id(connection, embedder))?;
        writer.commit()?;
        let connection = writer.connection();
        let mut at = connection.vectors_end(id)?;
        let end = connection.meta("next_slot")?.unwrap_or(0);
        let total = "SELECT count(*) FROM chunks WHERE slot >= ?1";
        let total = connection.number(total, values![at])?.unwrap_or(0);
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
            let all: Vec<Option<&[f32]>> = (at..last).map(row).collect();
            writer.within(|connection| connection.put_vectors(id, at as u32, &all, embedder.dimensions()))?;
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
                connection.execute("DELETE FROM vectors WHERE embedder != ?1", values![id])?;
                connection.execute("DELETE FROM embedders WHERE id != ?1", values![id])?;
                choose_embedder(connection, id)?;
            }
            Ok(())
        })?;
        writer.commit()
    }
}

fn embedder_id(connection: &dyn Connection, embedder: &dyn Embed) -> Result<i64> {
    let (name, dimensions) = (embedder.name(), embedder.dimensions());
    let put = "INSERT INTO embedders (name, dimensions) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    connection.execute(put, values![name, dimensions])?;
    let find = "SELECT id, dimensions FROM embedders WHERE name = ?1";
    match connection.one(find, values![name], |row| Ok((row.get(0)?, row.get::<usize>(1)?)))? {
        Some((id, same)) if same == dimensions => Ok(id),
        _ => Err(KnowledgeError::Embed(format!(
            "the base has vectors of {name:?} of another length than {dimensions}"
        ))),
    }
}

/// The next chunks with what stands above them: title, headings, text.
fn texts(connection: &dyn Connection, from: i64) -> Result<Vec<(i64, String)>> {
    let read = "SELECT c.slot, d.title, c.context, c.text FROM chunks c JOIN documents d ON d.id = c.document
                WHERE c.slot >= ?1 ORDER BY c.slot LIMIT ?2";
    connection.all(read, values![from, TOGETHER], |row| {
        let (title, context, text): (&str, &str, &str) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let above: Vec<&str> =
            [title, context].into_iter().filter(|part| !part.is_empty() && !text.contains(part)).collect();
        let above = above.join(" › ");
        let text = text.trim();
        Ok((row.get(0)?, if above.is_empty() { text.to_string() } else { format!("{above}\n{text}") }))
    })
}
