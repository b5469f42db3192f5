//! BM25 over the chunks that the reader may see.
//!
//! Source: Robertson and Zaragoza, *The Probabilistic Relevance Framework*, 2009, with Lucene's idf, which is never below
//! 0. How many chunks there are, how long they are and how many have a word is counted among what may be seen alone.

use crate::base::{List, Mask, Snapshot};
use crate::index::each;
use crate::search::{best, better};
use crate::store::{Connection, values};
use crate::words::words;
use crate::{KnowledgeError, Result};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

const K1: f32 = 1.2;
const B: f32 = 0.75;
/// Slots whose scores are added up at once: they fit the second-level cache.
const RANGE: usize = 1 << 16;
/// Words of a query that are looked for; of a longer one the rarest.
const WORDS: usize = 64;

/// A query's words and where they stand.
pub(crate) struct Keywords {
    words: Vec<Word>,
    bm25: Bm25,
}

/// A word of the query.
struct Word {
    text: String,
    /// Its idf, times how often it stands in the query.
    weight: f32,
    /// Of what may be seen.
    list: List,
}

/// A word's lists as they lie in the store.
#[derive(Default)]
struct Lists {
    /// One after the other.
    bytes: Vec<u8>,
    /// Each one's segment, by its place in the snapshot, and its bytes; ascending.
    parts: Vec<(usize, Range<usize>)>,
}

impl Lists {
    fn read(connection: &dyn Connection, snapshot: &Snapshot, word: &str) -> Result<Self> {
        let (mut bytes, mut parts) = (Vec::new(), Vec::new());
        // CROSS: SQLite goes through the segments, of which there are few, and looks into each.
        let read = "SELECT s.id, p.list FROM segments s CROSS JOIN postings p
                    WHERE p.segment = s.id AND p.word = ?1";
        connection.query(read, values![word], &mut |row| {
            let id: i64 = row.get(0)?;
            let segment = snapshot.segments.iter().position(|segment| segment.id == id);
            let segment = segment.ok_or_else(|| KnowledgeError::Damaged(format!("the list of {word:?}")))?;
            let begin = bytes.len();
            bytes.extend_from_slice(row.get(1)?);
            parts.push((segment, begin..bytes.len()));
            Ok(())
        })?;
        parts.sort_unstable_by_key(|(segment, _)| *segment);
        Ok(Self { bytes, parts })
    }

    /// Slot and count, ascending, of what may be seen; `None` if a list is damaged.
    fn visible(&self, snapshot: &Snapshot, mask: &Mask) -> Option<Vec<(u32, u32)>> {
        // A slot takes a byte at least.
        let mut list: Vec<(u32, u32)> = Vec::with_capacity(self.bytes.len());
        let whole = self.parts.iter().all(|(segment, place)| {
            let segment = &snapshot.segments[*segment];
            each(&self.bytes[place.clone()], segment.slots, |slot, count| {
                let slot = segment.first + slot;
                if mask.has(slot) {
                    list.push((slot, count));
                }
            })
        });
        list.shrink_to_fit();
        whole.then_some(list)
    }
}

/// The formula.
pub(crate) struct Bm25 {
    average: f32,
    /// [`Bm25::computed`] of what is usual: by count, from 1, and length.
    usual: Vec<f32>,
}

/// Counts and lengths that are usual.
const COUNTS: u32 = 4;
const LENGTHS: u16 = 1024;

impl Bm25 {
    /// Of chunks of this many words on average.
    pub fn new(average: f32) -> Self {
        let mut new = Self { average: average.max(1.0), usual: Vec::new() };
        new.usual = (1..=COUNTS)
            .flat_map(|count| (0..LENGTHS).map(move |length| (count, length)))
            .map(|(count, length)| new.computed(count, length))
            .collect();
        new
    }

    /// A word's weight if `with` of `n` chunks have it.
    pub fn idf(n: f64, with: f64) -> f32 {
        (1.0 + (n - with + 0.5) / (with + 0.5)).ln() as f32
    }

    /// What `count` of a word in a chunk of `length` words are worth, from 0 to 1.
    #[inline]
    pub fn part(&self, count: u32, length: u16) -> f32 {
        if count <= COUNTS && length < LENGTHS && count > 0 {
            return self.usual[(count - 1) as usize * usize::from(LENGTHS) + usize::from(length)];
        }
        self.computed(count, length)
    }

    fn computed(&self, count: u32, length: u16) -> f32 {
        let count = count as f32;
        count / (count + K1 * (1.0 - B + B * f32::from(length) / self.average))
    }
}

impl Keywords {
    /// Reads the lists of the words of `query`.
    pub fn read(connection: &dyn Connection, snapshot: &Snapshot, mask: &Mask, query: &str) -> Result<Self> {
        let mut asked: Vec<(String, u32)> = Vec::new();
        words(query, |word, _| match asked.iter_mut().find(|(text, _)| text == word) {
            Some((_, times)) => *times += 1,
            None => asked.push((word.into(), 1)),
        });
        // This thread reads the lists, all threads take them apart.
        let mut read = Vec::with_capacity(asked.len());
        for (text, times) in asked {
            let kept = snapshot.lists.get(mask, &text);
            let lists = match &kept {
                Some(_) => Lists::default(),
                None => Lists::read(connection, snapshot, &text)?,
            };
            read.push((kept, lists, text, times));
        }
        let word = |(kept, lists, text, times): (Option<List>, Lists, String, u32)| {
            let list = match kept {
                Some(list) => list,
                None => {
                    let list = lists.visible(snapshot, mask);
                    let list =
                        list.ok_or_else(|| KnowledgeError::Damaged(format!("the list of {text:?}")))?;
                    let list = Arc::new(list);
                    snapshot.lists.put(mask, &text, &list, snapshot.slots());
                    list
                }
            };
            let idf = Bm25::idf(f64::from(mask.chunks), list.len() as f64);
            Ok(Word { text, weight: idf * times as f32, list })
        };
        let mut all = read.into_par_iter().map(word).collect::<Result<Vec<Word>>>()?;
        if all.len() > WORDS {
            all.sort_by(|a, b| b.weight.total_cmp(&a.weight));
            all.truncate(WORDS);
        }
        let average = mask.words as f32 / mask.chunks.max(1) as f32;
        Ok(Self { words: all, bm25: Bm25::new(average) })
    }

    /// The best `depth` chunks: slot and score, best first; at the same score, the older chunk.
    pub fn best(&self, snapshot: &Snapshot, depth: usize) -> Vec<(u32, f32)> {
        let lengths = &snapshot.lengths;
        let ranges: Vec<u32> = (0..snapshot.slots()).step_by(RANGE).collect();
        let found = ranges
            .into_par_iter()
            .flat_map_iter(|begin| {
                let end = (begin + RANGE as u32).min(snapshot.slots());
                let mut scores: Vec<f32> = Vec::new();
                for word in &self.words {
                    let from = word.list.partition_point(|&(slot, _)| slot < begin);
                    let to = from + word.list[from..].partition_point(|&(slot, _)| slot < end);
                    if from < to && scores.is_empty() {
                        scores.resize((end - begin) as usize, 0.0);
                    }
                    for &(slot, count) in &word.list[from..to] {
                        scores[(slot - begin) as usize] +=
                            word.weight * self.bm25.part(count, lengths[slot as usize]);
                    }
                }
                top(&scores, begin, depth)
            })
            .collect();
        best(found, depth)
    }

    /// What a chunk's score consists of: each word of the query that it has, with its share.
    pub fn explain(&self, snapshot: &Snapshot, slot: u32) -> Vec<(String, f32)> {
        let length = snapshot.lengths.get(slot as usize).copied().unwrap_or(0);
        let share = |word: &Word| {
            let at = word.list.binary_search_by_key(&slot, |&(slot, _)| slot).ok()?;
            Some((word.text.clone(), word.weight * self.bm25.part(word.list[at].1, length)))
        };
        self.words.iter().filter_map(share).collect()
    }
}

/// The best `depth` of the scores above 0, in no order; `begin` is the first one's slot.
fn top(scores: &[f32], begin: u32, depth: usize) -> Vec<(u32, f32)> {
    let mut best: Vec<(u32, f32)> = Vec::with_capacity(2 * depth);
    let mut least = 0.0;
    for (index, &score) in scores.iter().enumerate() {
        if score > least {
            best.push((begin + index as u32, score));
            if best.len() == 2 * depth {
                best.select_nth_unstable_by(depth - 1, better);
                best.truncate(depth);
                // Equal scores that come later lose.
                least = best[depth - 1].1;
            }
        }
    }
    best
}
