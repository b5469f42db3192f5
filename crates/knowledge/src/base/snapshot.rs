//! What searches need of all chunks, in memory: 6 bytes a chunk, and its vector.

use super::kept::KeptLists;
use crate::access::Reader;
use crate::index::lengths_and_owners;
use crate::store::{Connection, values};
use crate::vectors::Vectors;
use crate::{KnowledgeError, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Masks kept: readers and filters that come again.
const MASKS: usize = 16;

/// Which state of the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    epoch: i64,
    generation: i64,
}

impl Moment {
    pub fn of(connection: &dyn Connection) -> Result<Self> {
        let number = |key| Ok::<_, KnowledgeError>(connection.meta(key)?.unwrap_or(0));
        Ok(Self { epoch: number("epoch")?, generation: number("generation")? })
    }

    pub fn numbers(self) -> (i64, i64) {
        (self.epoch, self.generation)
    }
}

/// A document's numbers.
#[derive(Clone, Copy, Default)]
struct Doc {
    /// 0: it is gone, or never was.
    access: u32,
    first: u32,
    chunks: u32,
}

/// A range of slots with an inverted index.
pub(crate) struct Segment {
    pub id: i64,
    pub first: u32,
    pub slots: u32,
    lengths: Vec<u16>,
    owners: Vec<u32>,
}

/// The numbers of one moment.
#[derive(Default)]
pub(crate) struct Snapshot {
    moment: Option<Moment>,
    /// By id.
    documents: Vec<Doc>,
    /// Groups, by id.
    access: Vec<Arc<[String]>>,
    pub segments: Vec<Arc<Segment>>,
    /// Words of each chunk, by slot.
    pub lengths: Arc<Vec<u16>>,
    /// The document of each chunk, by slot; 0 where it is gone.
    pub owners: Arc<Vec<u32>>,
    pub vectors: Arc<Vectors>,
    masks: Mutex<Vec<Kept>>,
    /// Lists of words that were looked for in this moment.
    pub lists: KeptLists,
}

/// A reader, what stands for a filter, and what they may see through it.
type Kept = (Reader, Option<String>, Arc<Mask>);

/// Chunks that may be seen.
pub(crate) struct Mask {
    /// No other mask has it, ever.
    pub id: u64,
    bits: Vec<u64>,
    /// How many.
    pub chunks: u32,
    /// Words in all of them.
    pub words: u64,
}

impl Mask {
    fn number() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// Through which nothing is seen.
    #[cfg(test)]
    pub fn of_nothing() -> Self {
        Self { id: Self::number(), bits: Vec::new(), chunks: 0, words: 0 }
    }

    #[inline]
    pub fn has(&self, slot: u32) -> bool {
        self.bits.get(slot as usize / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }
}

impl Snapshot {
    pub fn moment(&self) -> Option<Moment> {
        self.moment
    }

    /// The numbers of a later moment; only what has changed is read.
    pub fn renewed(&self, connection: &dyn Connection, moment: Moment) -> Result<Self> {
        let same =
            self.moment.is_some_and(|held| held.epoch == moment.epoch && held.generation < moment.generation);
        let since = if same { self.moment.map_or(-1, |held| held.generation) } else { -1 };
        let mut new = Self { moment: Some(moment), ..Self::default() };
        if same {
            new.documents = self.documents.clone();
        }
        new.read_access(connection)?;
        new.read_documents(connection, since)?;
        new.read_segments(connection, if same { &self.segments } else { &[] })?;
        let held = if same { self.vectors.clone() } else { Arc::default() };
        new.vectors = Vectors::renewed(&held, connection)?;
        let unchanged = same
            && self.segments.len() == new.segments.len()
            && self.segments.iter().zip(&new.segments).all(|(a, b)| a.id == b.id);
        if unchanged {
            (new.lengths, new.owners) = (self.lengths.clone(), self.owners.clone());
        } else {
            new.flatten();
        }
        Ok(new)
    }

    fn read_access(&mut self, connection: &dyn Connection) -> Result<()> {
        connection.query("SELECT id, groups FROM access", &[], &mut |row| {
            let id: usize = row.get(0)?;
            let groups: Vec<String> = serde_json::from_str(row.get(1)?)
                .map_err(|_| KnowledgeError::Damaged(format!("the groups of access {id}")))?;
            if id >= self.access.len() {
                self.access.resize(id + 1, Arc::from(Vec::new()));
            }
            self.access[id] = groups.into();
            Ok(())
        })
    }

    fn read_documents(&mut self, connection: &dyn Connection, since: i64) -> Result<()> {
        let gone = "SELECT document FROM gone WHERE generation > ?1";
        connection.query(gone, values![since], &mut |row| {
            if let Some(doc) = self.documents.get_mut(row.get::<usize>(0)?) {
                *doc = Doc::default();
            }
            Ok(())
        })?;
        let read = "SELECT id, access, first, chunks FROM documents WHERE generation > ?1";
        connection.query(read, values![since], &mut |row| {
            let id: usize = row.get(0)?;
            if id >= self.documents.len() {
                self.documents.resize((id + 1).max(self.documents.len() * 5 / 4), Doc::default());
            }
            self.documents[id] = Doc { access: row.get(1)?, first: row.get(2)?, chunks: row.get(3)? };
            Ok(())
        })
    }

    fn read_segments(&mut self, connection: &dyn Connection, held: &[Arc<Segment>]) -> Result<()> {
        let places = connection.all("SELECT id, first, last FROM segments ORDER BY id", &[], |row| {
            Ok((row.get::<i64>(0)?, row.get::<u32>(1)?, row.get::<u32>(2)?))
        })?;
        let mut next = 0;
        for (id, first, last) in places {
            let damaged = || KnowledgeError::Damaged(format!("segment {id} is not as long as it says"));
            if first < next || last < first {
                return Err(damaged());
            }
            next = last.checked_add(1).ok_or_else(damaged)?;
            if let Some(segment) = held.iter().find(|segment| segment.id == id) {
                self.segments.push(segment.clone());
                continue;
            }
            let slots = last - first + 1;
            let (lengths, owners) = lengths_and_owners(connection, id, slots)?;
            self.segments.push(Arc::new(Segment { id, first, slots, lengths, owners }));
        }
        Ok(())
    }

    fn flatten(&mut self) {
        let slots = self.segments.last().map_or(0, |segment| (segment.first + segment.slots) as usize);
        let (mut lengths, mut owners) = (vec![0; slots], vec![0; slots]);
        for segment in &self.segments {
            let place = segment.first as usize..(segment.first + segment.slots) as usize;
            lengths[place.clone()].copy_from_slice(&segment.lengths);
            owners[place].copy_from_slice(&segment.owners);
        }
        (self.lengths, self.owners) = (Arc::new(lengths), Arc::new(owners));
    }

    /// Slots, those of what is gone included.
    pub fn slots(&self) -> u32 {
        self.lengths.len() as u32
    }

    /// The first slot of a document and how many it has; `None` if the reader may not see it.
    pub fn document(&self, id: u32, reader: &Reader) -> Option<(u32, u32)> {
        let doc = self.documents.get(id as usize)?;
        let groups = self.access.get(doc.access as usize)?;
        (doc.access > 0 && reader.may_read(groups)).then_some((doc.first, doc.chunks))
    }

    /// Documents that the reader may see.
    pub fn visible<'s>(&'s self, reader: &'s Reader) -> impl Iterator<Item = u32> + 's {
        let seen: Vec<bool> = self.access.iter().map(|groups| reader.may_read(groups)).collect();
        let ids = self.documents.iter().enumerate();
        ids.filter(move |(_, doc)| doc.access > 0 && seen.get(doc.access as usize) == Some(&true))
            .map(|(id, _)| id as u32)
    }

    /// The chunks that the reader may see, of the documents that `only` names. `key` stands for `only`.
    pub fn mask(
        &self,
        reader: &Reader,
        key: Option<&str>,
        only: impl FnOnce() -> Result<Option<Vec<u32>>>,
    ) -> Result<Arc<Mask>> {
        let kept = self.masks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., mask)) = kept.iter().find(|(r, k, _)| r == reader && k.as_deref() == key) {
            return Ok(mask.clone());
        }
        drop(kept);
        let mask = Arc::new(match only()? {
            Some(ids) => self.mask_of(ids.into_iter().filter(|&id| self.document(id, reader).is_some())),
            None => self.mask_of(self.visible(reader)),
        });
        let mut kept = self.masks.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == MASKS {
            kept.remove(0);
        }
        kept.push((reader.clone(), key.map(Into::into), mask.clone()));
        Ok(mask)
    }

    fn mask_of(&self, documents: impl Iterator<Item = u32>) -> Mask {
        let mut bits = vec![0u64; self.lengths.len().div_ceil(64)];
        let (mut chunks, mut words) = (0, 0);
        for doc in documents.map(|id| self.documents[id as usize]) {
            for slot in doc.first..(doc.first + doc.chunks).min(self.slots()) {
                bits[slot as usize / 64] |= 1 << (slot % 64);
                chunks += 1;
                words += u64::from(self.lengths[slot as usize]);
            }
        }
        Mask { id: Mask::number(), bits, chunks, words }
    }
}
