//! How often each word occurs in a stream of texts, in bounded memory, on all threads.

use std::hash::BuildHasher;

use rayon::prelude::*;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::split::{pieces, word_end};
use crate::unicode::{Class, class_at};

/// Texts are counted in batches of about this many bytes. Fixed, because what is forgotten depends on it.
const BATCH: usize = 16 << 20;
/// What one task counts.
const PIECE: usize = 1 << 18;
/// Longer words are cut, or a text without any break would be one word that each merge has to walk through.
const LONGEST: usize = 256;
/// Shares of the words, by hash, that are added up independently.
const SHARDS: usize = 64;

type Share<K> = FxHashMap<K, u64>;

/// Counts of words, as text comes in.
pub(crate) struct WordCounts {
    shards: Vec<Share<Box<[u8]>>>,
    batch: Vec<String>,
    batch_bytes: usize,
    limit: usize,
    bytes: u64,
    words: u64,
    forgotten: u64,
}

impl WordCounts {
    /// Keeps words of about `limit` bytes in all.
    pub(crate) fn new(limit: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Share::default()).collect();
        Self { shards, batch: Vec::new(), batch_bytes: 0, limit, bytes: 0, words: 0, forgotten: 0 }
    }

    /// Takes in a text; true when a batch has been counted.
    pub(crate) fn add(&mut self, text: String) -> bool {
        self.batch_bytes += text.len();
        self.batch.push(text);
        let full = self.batch_bytes >= BATCH;
        if full {
            self.flush();
        }
        full
    }

    /// Counts what has come in.
    pub(crate) fn flush(&mut self) {
        let mut parts: Vec<&str> = Vec::new();
        let mut tasks: Vec<std::ops::Range<usize>> = Vec::new();
        let (mut start, mut size) = (0, 0);
        for piece in self.batch.iter().flat_map(|text| pieces(text, PIECE)) {
            parts.push(piece);
            size += piece.len();
            if size >= PIECE * 4 {
                tasks.push(start..parts.len());
                (start, size) = (parts.len(), 0);
            }
        }
        tasks.push(start..parts.len());
        let counted: Vec<(Vec<Share<&[u8]>>, u64)> =
            tasks.into_par_iter().map(|task| count(&parts[task])).collect();
        self.shards.par_iter_mut().enumerate().for_each(|(i, shard)| {
            for (shares, _) in &counted {
                for (&word, &n) in &shares[i] {
                    match shard.get_mut(word) {
                        Some(sum) => *sum += n,
                        None => {
                            shard.insert(word.into(), n);
                        }
                    }
                }
            }
        });
        self.words += counted.iter().map(|c| c.1).sum::<u64>();
        drop(counted);
        self.bytes += self.batch_bytes as u64;
        self.batch.clear();
        self.batch_bytes = 0;
        self.forget();
    }

    /// Drops the rarest words when there are too many: those that occur once, then twice, …, until half the room is free.
    fn forget(&mut self) {
        let size = |shards: &[Share<Box<[u8]>>]| -> usize {
            shards.par_iter().map(|s| s.keys().map(|w| w.len()).sum::<usize>()).sum()
        };
        if size(&self.shards) <= self.limit {
            return;
        }
        let mut rare = 1;
        while size(&self.shards) > self.limit / 2 {
            let dropped = |shard: &mut Share<Box<[u8]>>| {
                let before: u64 = shard.values().sum();
                shard.retain(|_, n| *n > rare);
                before - shard.values().sum::<u64>()
            };
            self.forgotten += self.shards.par_iter_mut().map(dropped).sum::<u64>();
            rare += 1;
        }
        self.shards.par_iter_mut().for_each(Share::shrink_to_fit);
    }

    /// Bytes counted.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Words counted.
    pub(crate) fn words(&self) -> u64 {
        self.words
    }

    /// Occurrences of words that are not in the counts any more.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The words and their counts, in no particular order, a share at a time.
    pub(crate) fn into_shares(self) -> impl Iterator<Item = impl Iterator<Item = (Box<[u8]>, u64)>> {
        self.shards.into_iter().map(IntoIterator::into_iter)
    }
}

fn count<'t>(parts: &[&'t str]) -> (Vec<Share<&'t [u8]>>, u64) {
    let mut shares: Vec<Share<&[u8]>> = (0..SHARDS).map(|_| Share::default()).collect();
    let mut words = 0;
    for part in parts {
        let bytes = part.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let mut end = mark_end(bytes, at).unwrap_or_else(|| word_end::<1>(bytes, at));
            if end - at > LONGEST {
                end = at + LONGEST;
                while !part.is_char_boundary(end) {
                    end -= 1;
                }
            }
            // A single byte has no pairs.
            if end - at > 1 {
                let word = &bytes[at..end];
                *shares[shard_of(word)].entry(word).or_default() += 1;
            }
            words += 1;
            at = end;
        }
    }
    (shares, words)
}

/// The end of a mark that stands before Chinese, as in 。他: the split pattern leaves it on the word, but they are counted
/// apart, so that no token joins them and 他 is the same at the start of a sentence and within.
fn mark_end(bytes: &[u8], at: usize) -> Option<usize> {
    let (class, len) = class_at(bytes, at);
    // The first bytes of U+4000 to U+9FFF.
    (class == Class::Other && matches!(bytes.get(at + len), Some(0xe4..=0xe9))).then_some(at + len)
}

fn shard_of(word: &[u8]) -> usize {
    // Not the bits that the maps themselves go by.
    (FxBuildHasher.hash_one(word) >> 20) as usize % SHARDS
}
