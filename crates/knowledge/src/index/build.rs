//! A segment in the making.

use super::list::Growing;
use crate::Result;
use rusqlite::Connection;
use rustc_hash::FxHashMap;

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
    pub fn flush(&mut self, connection: &Connection) -> Result<()> {
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
        write(connection, done.first, &done.lengths, &done.owners, words.into_iter().map(Ok))
    }
}

/// Writes a segment with its words in ascending order.
pub(super) fn write<'w, W: AsRef<str>, L: AsRef<[u8]>>(
    connection: &Connection,
    first: u32,
    lengths: &[u16],
    owners: &[u32],
    words: impl Iterator<Item = Result<(W, L)>> + 'w,
) -> Result<()> {
    let lengths: Vec<u8> = lengths.iter().flat_map(|n| n.to_le_bytes()).collect();
    let bytes: Vec<u8> = owners.iter().flat_map(|n| n.to_le_bytes()).collect();
    let last = first + owners.len() as u32 - 1;
    connection
        .prepare_cached("INSERT INTO segments (first, last, lengths, owners) VALUES (?1, ?2, ?3, ?4)")?
        .execute((first, last, lengths, bytes))?;
    let segment = connection.last_insert_rowid();
    let mut insert = connection.prepare_cached("INSERT INTO postings VALUES (?1, ?2, ?3)")?;
    for word in words {
        let (word, list) = word?;
        insert.execute((segment, word.as_ref(), list.as_ref()))?;
    }
    Ok(())
}
