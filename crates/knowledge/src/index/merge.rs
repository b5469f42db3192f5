//! Several small segments to one, without the chunks of documents that are gone.

use super::build::{TOGETHER, lengths_and_owners, put_lists, put_segment};
use super::list::{Growing, each};
use crate::store::{Connection, values};
use crate::{KnowledgeError, Result};
use rustc_hash::FxHashSet;
use std::collections::VecDeque;

/// So many segments of one size become one: a chunk is written again at each of log₈ n levels.
const CROWD: usize = 8;

/// A segment's number, its first slot and its last.
#[derive(Clone, Copy)]
struct Old {
    id: i64,
    first: u32,
    last: u32,
}

impl Old {
    fn slots(self) -> u32 {
        self.last - self.first + 1
    }
}

/// Merges where there are many segments of about one size.
pub(crate) fn merge(connection: &dyn Connection) -> Result<()> {
    while let Some(run) = crowded(&segments(connection)?) {
        join(connection, run)?;
    }
    Ok(())
}

fn segments(connection: &dyn Connection) -> Result<Vec<Old>> {
    connection.all("SELECT id, first, last FROM segments ORDER BY first", &[], |row| {
        Ok(Old { id: row.get(0)?, first: row.get(1)?, last: row.get(2)? })
    })
}

/// The last segments, if there are [`CROWD`] of them within a factor of [`CROWD`] in size.
fn crowded(segments: &[Old]) -> Option<&[Old]> {
    let mut largest = 1;
    let mut run = 0;
    for old in segments.iter().rev() {
        let size = old.slots() as usize;
        // Smaller ones in front are taken along; a much larger one ends the run.
        if run >= 2 && size >= largest * CROWD {
            break;
        }
        largest = largest.max(size);
        run += 1;
    }
    (run >= CROWD).then(|| &segments[segments.len() - run..])
}

fn join(connection: &dyn Connection, run: &[Old]) -> Result<()> {
    let first = run[0].first;
    let slots = (run[run.len() - 1].last - first + 1) as usize;
    let (mut lengths, mut owners) = (vec![0u16; slots], vec![0u32; slots]);
    for &old in run {
        let place = (old.first - first) as usize..(old.last - first + 1) as usize;
        let (old_lengths, old_owners) = lengths_and_owners(connection, old.id, old.slots())?;
        lengths[place.clone()].copy_from_slice(&old_lengths);
        owners[place].copy_from_slice(&old_owners);
    }
    let some = owners.iter().copied().filter(|&owner| owner > 0);
    let (least, most) = (some.clone().min().unwrap_or(0), some.max().unwrap_or(0));
    let mut alive = FxHashSet::default();
    connection.query(
        "SELECT id FROM documents WHERE id >= ?1 AND id <= ?2",
        values![least, most],
        &mut |row| {
            alive.insert(row.get::<u32>(0)?);
            Ok(())
        },
    )?;
    // Owner 0 is nobody: a slot that is gone.
    owners.iter_mut().filter(|owner| !alive.contains(owner)).for_each(|owner| *owner = 0);
    let segment = put_segment(connection, first, &lengths, &owners)?;
    let mut merging = Merging {
        connection,
        inputs: run.iter().map(|&old| Input::new(old, old.first - first)).collect(),
        owners: &owners,
    };
    let mut together = Vec::new();
    while let Some(word) = merging.next()? {
        together.push(word);
        if together.len() == TOGETHER {
            put_lists(connection, segment, &together)?;
            together.clear();
        }
    }
    put_lists(connection, segment, &together)?;
    for old in run {
        connection.execute("DELETE FROM postings WHERE segment = ?1", values![old.id])?;
        connection.execute("DELETE FROM segments WHERE id = ?1", values![old.id])?;
    }
    Ok(())
}

/// One segment's words with their lists, in order, some at a time.
struct Input {
    old: Old,
    /// Its first slot, in the new segment.
    offset: u32,
    words: VecDeque<(String, Vec<u8>)>,
    /// The last word that was read; none is shorter.
    last: String,
    done: bool,
}

impl Input {
    fn new(old: Old, offset: u32) -> Self {
        Self { old, offset, words: VecDeque::new(), last: String::new(), done: false }
    }

    fn first(&mut self, connection: &dyn Connection) -> Result<Option<&str>> {
        if self.words.is_empty() && !self.done {
            let read =
                "SELECT word, list FROM postings WHERE segment = ?1 AND word > ?2 ORDER BY word LIMIT ?3";
            connection.query(read, values![self.old.id, &self.last, TOGETHER], &mut |row| {
                self.words.push_back((row.get(0)?, row.get::<&[u8]>(1)?.to_vec()));
                Ok(())
            })?;
            self.done = self.words.len() < TOGETHER;
            if let Some((word, _)) = self.words.back() {
                self.last.clone_from(word);
            }
        }
        Ok(self.words.front().map(|(word, _)| word.as_str()))
    }
}

/// All segments' words in order, each once.
struct Merging<'m> {
    connection: &'m dyn Connection,
    inputs: Vec<Input>,
    owners: &'m [u32],
}

impl Merging<'_> {
    fn next(&mut self) -> Result<Option<(String, Vec<u8>)>> {
        loop {
            let mut least: Option<String> = None;
            for input in &mut self.inputs {
                if let Some(word) = input.first(self.connection)?
                    && least.as_deref().is_none_or(|least| word < least)
                {
                    least = Some(word.into());
                }
            }
            let Some(word) = least else { return Ok(None) };
            let mut list = Growing::default();
            for input in &mut self.inputs {
                let Some((_, bytes)) = input.words.pop_front_if(|(found, _)| *found == word) else {
                    continue;
                };
                let whole = each(&bytes, input.old.slots(), |slot, count| {
                    if self.owners[(input.offset + slot) as usize] != 0 {
                        list.push(input.offset + slot, count);
                    }
                });
                if !whole {
                    return Err(KnowledgeError::Damaged(format!("the list of {word:?}")));
                }
            }
            if !list.bytes.is_empty() {
                return Ok(Some((word, list.bytes)));
            }
        }
    }
}
