//! Joins pairs of symbols in all words at once and keeps count of the pairs.
//!
//! A pair's occurrences all come into being in one step, the one that makes the later of its two symbols; after that they
//! only get fewer. So counts need never be raised, and a pair that starts below a floor can be left out of the books
//! until nothing above the floor remains: then the floor is lowered and the books are made anew. On Chinese text this
//! leaves out most of the millions of pairs that occur a few times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::TokenId;
use crate::pair_table::pair_key;
use crate::word_counts::WordCounts;

/// Below so many places in words, a step runs on one thread: waking others costs more.
const FEW: usize = 4096;
/// By what the floor is lowered.
const LOWER: u64 = 8;

/// All words, as symbols, and the pairs in them.
pub(crate) struct Merger {
    shards: Vec<Shard>,
    counts: FxHashMap<u64, u64>,
    /// (count at some time, pair); an entry whose count has fallen since is put back with the present one.
    heap: BinaryHeap<(u64, Reverse<u64>)>,
    floor: u64,
    lowest: u64,
    forbidden: FxHashSet<u64>,
    words: u64,
}

impl Merger {
    /// Takes the words over. Ids stay below `vocab_size`; pairs below `lowest` occurrences are never offered.
    pub(crate) fn new(counts: WordCounts, vocab_size: usize, lowest: u64) -> Self {
        let threads = rayon::current_num_threads().max(1);
        let mut shards: Vec<Shard> = (0..threads).map(|_| Shard::new(vocab_size)).collect();
        let mut words = 0;
        for share in counts.into_shares() {
            for (word, count) in share {
                shards[words as usize % threads].add(&word, count);
                words += 1;
            }
        }
        let mut it = Self {
            shards,
            counts: FxHashMap::default(),
            heap: BinaryHeap::new(),
            floor: u64::MAX,
            lowest,
            forbidden: FxHashSet::default(),
            words,
        };
        it.rebuild(lowest);
        it
    }

    /// Different words.
    pub(crate) fn words(&self) -> u64 {
        self.words
    }

    /// The most frequent pair and its count; of equals the one of smallest ids. `None` when all are below `lowest`.
    pub(crate) fn most_frequent(&mut self) -> Option<(TokenId, TokenId, u64)> {
        loop {
            let Some((count, Reverse(pair))) = self.heap.pop() else {
                if self.floor <= self.lowest {
                    return None;
                }
                self.rebuild((self.floor / LOWER).max(self.lowest));
                continue;
            };
            let now = self.counts.get(&pair).copied().unwrap_or(0);
            // Something below the floor might be more frequent by now; it is not in the books.
            if now < self.floor {
                continue;
            }
            if now < count {
                self.heap.push((now, Reverse(pair)));
                continue;
            }
            return Some(((pair >> 32) as TokenId, pair as TokenId, now));
        }
    }

    /// Never offers this pair again.
    pub(crate) fn forbid(&mut self, left: TokenId, right: TokenId) {
        let pair = pair_key(left, right);
        self.forbidden.insert(pair);
        self.counts.remove(&pair);
        for shard in &mut self.shards {
            shard.places.remove(&pair);
        }
    }

    /// Replaces the pair by a new symbol everywhere.
    pub(crate) fn join(&mut self, left: TokenId, right: TokenId, id: TokenId) {
        let pair = pair_key(left, right);
        self.counts.remove(&pair);
        let places: usize = self.shards.iter().filter_map(|s| s.places.get(&pair)).map(Vec::len).sum();
        if places < FEW {
            self.shards.iter_mut().for_each(|s| s.join(left, right, id));
        } else {
            self.shards.par_iter_mut().for_each(|s| s.join(left, right, id));
        }
        let mut born: FxHashMap<u64, u64> = FxHashMap::default();
        for shard in &self.shards {
            for made in &shard.born.list {
                *born.entry(made.pair).or_default() += made.count;
            }
        }
        for shard in &mut self.shards {
            for gone in shard.gone.list.drain(..) {
                // (new symbol, left) in "abab": made and undone within this step.
                let count = born.get_mut(&gone.pair).or_else(|| self.counts.get_mut(&gone.pair));
                if let Some(count) = count {
                    *count -= gone.count;
                }
            }
        }
        born.retain(|_, count| *count >= self.floor);
        for shard in &mut self.shards {
            for made in shard.born.list.drain(..) {
                if born.contains_key(&made.pair) {
                    shard.places.insert(made.pair, made.places);
                }
            }
        }
        for (pair, count) in born {
            self.counts.insert(pair, count);
            self.heap.push((count, Reverse(pair)));
        }
    }

    /// Makes the books anew, of pairs that occur at least `floor` times, or fewer if that is what there is.
    fn rebuild(&mut self, floor: u64) {
        let parts: Vec<FxHashMap<u64, u64>> = self.shards.par_iter().map(Shard::count).collect();
        let mut counts: FxHashMap<u64, u64> = FxHashMap::default();
        for part in parts {
            if counts.is_empty() {
                counts = part;
                continue;
            }
            for (pair, n) in part {
                *counts.entry(pair).or_default() += n;
            }
        }
        counts.retain(|pair, n| *n >= self.lowest && !self.forbidden.contains(pair));
        // At first, a floor that the most frequent pairs are well above.
        let most = counts.values().copied().max().unwrap_or(0);
        self.floor = if self.floor == u64::MAX { (most / (LOWER * LOWER)).max(floor) } else { floor };
        self.floor = self.floor.min(most.max(self.lowest));
        counts.retain(|_, n| *n >= self.floor);
        counts.shrink_to_fit();
        self.shards.par_iter_mut().for_each(|s| s.find(&counts));
        self.heap = counts.iter().map(|(&pair, &n)| (n, Reverse(pair))).collect();
        self.counts = counts;
    }
}

/// A share of the words, which one thread works on.
struct Shard {
    symbols: Vec<TokenId>,
    words: Vec<Word>,
    /// The words that each pair occurs in, or did; ascending.
    places: FxHashMap<u64, Vec<u32>>,
    /// Of the last step: pairs with the new symbol, and pairs that it took away.
    born: Changes,
    gone: Changes,
}

struct Word {
    start: usize,
    len: u32,
    count: u64,
}

/// Changes of pairs that have one symbol fixed: found by the other in an array, not by hashing.
struct Changes {
    /// By the left neighbour, and by the right one: place in `list` plus one; 0 is none.
    by_left: Vec<u32>,
    by_right: Vec<u32>,
    list: Vec<Change>,
}

struct Change {
    pair: u64,
    count: u64,
    places: Vec<u32>,
}

impl Changes {
    fn new(vocab_size: usize) -> Self {
        Self { by_left: vec![0; vocab_size], by_right: vec![0; vocab_size], list: Vec::new() }
    }

    #[inline(always)]
    fn of(slot: &mut u32, list: &mut Vec<Change>, pair: u64) -> usize {
        if *slot == 0 {
            list.push(Change { pair, count: 0, places: Vec::new() });
            *slot = list.len() as u32;
        }
        *slot as usize - 1
    }

    #[inline(always)]
    fn with_left(&mut self, left: TokenId, right: TokenId) -> &mut Change {
        let at = Self::of(&mut self.by_left[left as usize], &mut self.list, pair_key(left, right));
        &mut self.list[at]
    }

    #[inline(always)]
    fn with_right(&mut self, left: TokenId, right: TokenId) -> &mut Change {
        let at = Self::of(&mut self.by_right[right as usize], &mut self.list, pair_key(left, right));
        &mut self.list[at]
    }

    /// Forgets where things are in `list`, which stays.
    fn close(&mut self) {
        for change in &self.list {
            self.by_left[(change.pair >> 32) as usize] = 0;
            self.by_right[change.pair as TokenId as usize] = 0;
        }
    }
}

impl Shard {
    fn new(vocab_size: usize) -> Self {
        Self {
            symbols: Vec::new(),
            words: Vec::new(),
            places: FxHashMap::default(),
            born: Changes::new(vocab_size),
            gone: Changes::new(vocab_size),
        }
    }

    fn add(&mut self, word: &[u8], count: u64) {
        self.words.push(Word { start: self.symbols.len(), len: word.len() as u32, count });
        self.symbols.extend(word.iter().map(|&b| TokenId::from(b)));
    }

    fn count(&self) -> FxHashMap<u64, u64> {
        let mut counts = FxHashMap::default();
        for word in &self.words {
            for pair in self.symbols[word.start..word.start + word.len as usize].windows(2) {
                *counts.entry(pair_key(pair[0], pair[1])).or_default() += word.count;
            }
        }
        counts
    }

    fn find(&mut self, wanted: &FxHashMap<u64, u64>) {
        self.places.clear();
        for (at, word) in (0u32..).zip(&self.words) {
            for pair in self.symbols[word.start..word.start + word.len as usize].windows(2) {
                let pair = pair_key(pair[0], pair[1]);
                if wanted.contains_key(&pair) {
                    let places = self.places.entry(pair).or_default();
                    if places.last() != Some(&at) {
                        places.push(at);
                    }
                }
            }
        }
    }

    fn join(&mut self, left: TokenId, right: TokenId, id: TokenId) {
        let Some(places) = self.places.remove(&pair_key(left, right)) else { return };
        for at in places {
            let word = &mut self.words[at as usize];
            let symbols = &mut self.symbols[word.start..word.start + word.len as usize];
            let (mut read, mut write) = (0, 0);
            while read < symbols.len() {
                if symbols[read] != left || symbols.get(read + 1) != Some(&right) {
                    symbols[write] = symbols[read];
                    read += 1;
                    write += 1;
                    continue;
                }
                if write > 0 {
                    let before = symbols[write - 1];
                    self.gone.with_left(before, left).count += word.count;
                    born(self.born.with_left(before, id), word.count, at);
                }
                if let Some(&after) = symbols.get(read + 2) {
                    self.gone.with_right(right, after).count += word.count;
                    born(self.born.with_right(id, after), word.count, at);
                }
                symbols[write] = id;
                read += 2;
                write += 1;
            }
            word.len = write as u32;
        }
        self.born.close();
        self.gone.close();
    }
}

#[inline(always)]
fn born(change: &mut Change, count: u64, at: u32) {
    change.count += count;
    if change.places.last() != Some(&at) {
        change.places.push(at);
    }
}
