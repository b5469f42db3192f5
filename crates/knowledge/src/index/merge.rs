//! Several small segments to one, without the chunks of documents that are gone.

use super::build::write;
use super::list::{Growing, each};
use crate::{KnowledgeError, Result};
use rusqlite::{Connection, Rows, Statement};
use std::collections::BTreeMap;

/// So many segments of one size become one: a chunk is written again at each of log₈ n levels.
const TOGETHER: usize = 8;

struct Old {
    id: i64,
    first: u32,
    last: u32,
}

/// Merges where there are many segments of about one size. `alive` says whether a document is still there.
pub(crate) fn merge(connection: &Connection, alive: &dyn Fn(u32) -> Result<bool>) -> Result<()> {
    while let Some(run) = crowded(&segments(connection)?) {
        join(connection, &run, alive)?;
    }
    Ok(())
}

fn segments(connection: &Connection) -> Result<Vec<Old>> {
    let mut read = connection.prepare_cached("SELECT id, first, last FROM segments ORDER BY first")?;
    let rows =
        read.query_map([], |row| Ok(Old { id: row.get(0)?, first: row.get(1)?, last: row.get(2)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The last segments, if there are [`TOGETHER`] of them within a factor of [`TOGETHER`] in size.
fn crowded(segments: &[Old]) -> Option<Vec<(i64, u32, u32)>> {
    let size = |old: &Old| (old.last - old.first + 1) as usize;
    let mut run = Vec::new();
    let mut largest = 1;
    for old in segments.iter().rev() {
        // Smaller ones in front are taken along; a much larger one ends the run.
        if run.len() >= 2 && size(old) >= largest * TOGETHER {
            break;
        }
        largest = largest.max(size(old));
        run.push((old.id, old.first, old.last));
    }
    run.reverse();
    (run.len() >= TOGETHER).then_some(run)
}

fn join(connection: &Connection, run: &[(i64, u32, u32)], alive: &dyn Fn(u32) -> Result<bool>) -> Result<()> {
    let first = run[0].1;
    let slots = run[run.len() - 1].2 - first + 1;
    let mut lengths = vec![0u16; slots as usize];
    let mut owners = vec![0u32; slots as usize];
    let mut read = connection.prepare_cached("SELECT lengths, owners FROM segments WHERE id = ?1")?;
    for &(id, from, to) in run {
        let (old_lengths, old_owners) =
            read.query_row([id], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        let at = (from - first) as usize;
        let n = (to - from + 1) as usize;
        if old_lengths.len() != 2 * n || old_owners.len() != 4 * n {
            return Err(KnowledgeError::Damaged(format!("segment {id} has not the length that it says")));
        }
        for (slot, bytes) in old_lengths.chunks_exact(2).enumerate() {
            lengths[at + slot] = u16::from_le_bytes([bytes[0], bytes[1]]);
        }
        for (slot, bytes) in old_owners.chunks_exact(4).enumerate() {
            owners[at + slot] = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
    }
    // Owner 0 is nobody: a slot that is gone.
    let mut known: BTreeMap<u32, bool> = BTreeMap::from([(0, false)]);
    for owner in &mut owners {
        let lives = match known.get(owner) {
            Some(&lives) => lives,
            None => *known.entry(*owner).or_insert(alive(*owner)?),
        };
        if !lives {
            *owner = 0;
        }
    }
    {
        let mut statements: Vec<Statement> = run
            .iter()
            .map(|_| connection.prepare("SELECT word, list FROM postings WHERE segment = ?1 ORDER BY word"))
            .collect::<rusqlite::Result<_>>()?;
        let mut inputs = Vec::new();
        for (statement, &(id, from, to)) in statements.iter_mut().zip(run) {
            inputs.push(Reading::new(statement.query([id])?, from - first, to - from + 1)?);
        }
        let words = Merging { inputs, owners: &owners };
        write(connection, first, &lengths, &owners, words)?;
    }
    for &(id, _, _) in run {
        connection.prepare_cached("DELETE FROM postings WHERE segment = ?1")?.execute([id])?;
        connection.prepare_cached("DELETE FROM segments WHERE id = ?1")?.execute([id])?;
    }
    Ok(())
}

/// One segment's words, in order.
struct Reading<'s> {
    rows: Rows<'s>,
    offset: u32,
    slots: u32,
    word: Option<(String, Vec<u8>)>,
}

impl<'s> Reading<'s> {
    fn new(rows: Rows<'s>, offset: u32, slots: u32) -> Result<Self> {
        let mut reading = Self { rows, offset, slots, word: None };
        reading.step()?;
        Ok(reading)
    }

    fn step(&mut self) -> Result<()> {
        self.word = match self.rows.next()? {
            Some(row) => Some((row.get(0)?, row.get(1)?)),
            None => None,
        };
        Ok(())
    }
}

struct Merging<'s> {
    inputs: Vec<Reading<'s>>,
    owners: &'s [u32],
}

impl Merging<'_> {
    fn word(&mut self) -> Result<Option<(String, Vec<u8>)>> {
        loop {
            let Some(word) =
                self.inputs.iter().filter_map(|input| Some(&input.word.as_ref()?.0)).min().cloned()
            else {
                return Ok(None);
            };
            let mut list = Growing::default();
            for input in &mut self.inputs {
                if input.word.as_ref().is_none_or(|(found, _)| *found != word) {
                    continue;
                }
                if let Some((_, bytes)) = &input.word {
                    let whole = each(bytes, input.slots, |slot, count| {
                        if self.owners[(input.offset + slot) as usize] != 0 {
                            list.push(input.offset + slot, count);
                        }
                    });
                    if !whole {
                        return Err(KnowledgeError::Damaged(format!("the list of {word:?}")));
                    }
                }
                input.step()?;
            }
            if !list.bytes.is_empty() {
                return Ok(Some((word, list.bytes)));
            }
        }
    }
}

impl Iterator for Merging<'_> {
    type Item = Result<(String, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.word().transpose()
    }
}
