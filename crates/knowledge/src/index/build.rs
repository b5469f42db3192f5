//! A segment in the making.

use super::list::Growing;
use crate::store::{Connection, Value, values};
use crate::{KnowledgeError, Result};
use rustc_hash::FxHashMap;

/// Words that are written together.
pub(super) const TOGETHER: usize = 512;

/// The words of the chunks since the last commit.
pub(crate) struct Builder {
    first: u32,
    words: FxHashMap<Box<str>, u32>,
    lists: Vec<Growing>,
    lengths: Vec<u16>,
    owners: Vec<u32>,
}

impl Builder {
    /// A segment whose first slot is `first`.
    pub fn new(first: u32) -> Self {
        Self {
            first,
            words: FxHashMap::default(),
            lists: Vec::new(),
            lengths: Vec::new(),
            owners: Vec::new(),
        }
    }

    /// Chunks in it.
    pub fn pending(&self) -> usize {
        self.lengths.len()
    }

    /// The slot of the next chunk.
    pub fn next_slot(&self) -> u32 {
        self.first + self.lengths.len() as u32
    }

    /// The number of a word in this segment.
    pub fn word(&mut self, word: &str) -> u32 {
        if let Some(&id) = self.words.get(word) {
            return id;
        }
        let id = self.lists.len() as u32;
        self.words.insert(word.into(), id);
        self.lists.push(Growing::default());
        id
    }

    /// Adds a chunk of document `owner`, with the number and count of each of its words.
    pub fn chunk(&mut self, owner: u32, counts: impl Iterator<Item = (u32, u32)>) {
        let slot = self.lengths.len() as u32;
        let mut length = 0;
        for (word, count) in counts {
            length += count;
            self.lists[word as usize].push(slot, count);
        }
        self.lengths.push(length.min(u32::from(u16::MAX)) as u16);
        self.owners.push(owner);
    }

    /// Writes the segment, if it has chunks, and begins the next one.
    pub fn flush(&mut self, connection: &dyn Connection) -> Result<()> {
        let next = self.next_slot();
        let done = std::mem::replace(self, Self::new(next));
        if done.lengths.is_empty() {
            return Ok(());
        }
        let mut words: Vec<(&str, &[u8])> = done
            .words
            .iter()
            .map(|(word, &id)| (&**word, done.lists[id as usize].bytes.as_slice()))
            .collect();
        words.sort_unstable();
        let segment = put_segment(connection, done.first, &done.lengths, &done.owners)?;
        words.chunks(TOGETHER).try_for_each(|some| put_lists(connection, segment, some))
    }
}

/// Writes a segment without its lists; returns its number.
pub(super) fn put_segment(
    connection: &dyn Connection,
    first: u32,
    lengths: &[u16],
    owners: &[u32],
) -> Result<i64> {
    let lengths: Vec<u8> = lengths.iter().flat_map(|n| n.to_le_bytes()).collect();
    let bytes: Vec<u8> = owners.iter().flat_map(|n| n.to_le_bytes()).collect();
    let last = first + owners.len() as u32 - 1;
    let put = "INSERT INTO segments (first, last, lengths, owners) VALUES (?1, ?2, ?3, ?4) RETURNING id";
    let id = connection.number(put, values![first, last, &lengths, &bytes])?;
    id.ok_or_else(|| KnowledgeError::Damaged("the numbers of segments".into()))
}

/// Writes words of a segment with their lists; ascending over all calls.
pub(super) fn put_lists<W: AsRef<str>, L: AsRef<[u8]>>(
    connection: &dyn Connection,
    segment: i64,
    words: &[(W, L)],
) -> Result<()> {
    let rows: Vec<Value> = words
        .iter()
        .flat_map(|(word, list)| [segment.into(), word.as_ref().into(), list.as_ref().into()])
        .collect();
    connection.insert("postings (segment, word, list)", 3, &rows)
}

/// The lengths and owners of a segment's slots.
pub(crate) fn lengths_and_owners(
    connection: &dyn Connection,
    id: i64,
    slots: u32,
) -> Result<(Vec<u16>, Vec<u32>)> {
    let read = "SELECT lengths, owners FROM segments WHERE id = ?1";
    let found = connection.one(read, values![id], |row| {
        let (lengths, owners): (&[u8], &[u8]) = (row.get(0)?, row.get(1)?);
        let lengths = lengths.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect::<Vec<_>>();
        let owners = owners.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        Ok((lengths, owners.collect::<Vec<_>>()))
    })?;
    match found {
        Some(found) if found.0.len() == slots as usize && found.1.len() == slots as usize => Ok(found),
        _ => Err(KnowledgeError::Damaged(format!("segment {id} is not as long as it says"))),
    }
}
