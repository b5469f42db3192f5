//! What was found out before: the ids of short words, and which two tokens may stand side by side.
//!
//! Both are tables of fixed size in which a new entry pushes out an old one, so memory does not grow with the text.

use crate::TokenId;
use crate::pair_table::spread;

/// Longest word that is remembered, in bytes.
pub(crate) const WORD_BYTES: usize = 16;
/// Most ids of a word that is remembered.
const WORD_IDS: usize = 3;
const WORD_SLOTS: usize = 1 << 15;
const PAIR_SLOTS: usize = 1 << 16;

/// The ids of short words.
pub(crate) struct WordCache {
    slots: Vec<Slot>,
}

#[derive(Clone, Copy)]
#[repr(align(32))]
struct Slot {
    word: [u64; 2],
    len: u8,
    count: u8,
    ids: [TokenId; WORD_IDS],
}

const FREE: Slot = Slot { word: [0; 2], len: 0, count: 0, ids: [0; WORD_IDS] };

impl Default for WordCache {
    fn default() -> Self {
        Self { slots: vec![FREE; WORD_SLOTS] }
    }
}

/// A short word, zero-padded, and its length in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    word: [u64; 2],
    len: u8,
}

impl Key {
    /// Of `text[start..end]`, at most [`WORD_BYTES`] long.
    #[inline(always)]
    pub(crate) fn new(text: &[u8], start: usize, end: usize) -> Self {
        let len = end - start;
        let whole =
            match text.get(start..start + WORD_BYTES).and_then(|s| <[u8; WORD_BYTES]>::try_from(s).ok()) {
                Some(bytes) => u128::from_le_bytes(bytes),
                None => {
                    let mut bytes = [0; WORD_BYTES];
                    bytes[..len].copy_from_slice(&text[start..end]);
                    u128::from_le_bytes(bytes)
                }
            };
        let word = whole & (u128::MAX >> (8 * (WORD_BYTES - len)));
        Self { word: [word as u64, (word >> 64) as u64], len: len as u8 }
    }

    #[inline(always)]
    fn slot(self) -> usize {
        let x = spread(
            self.word[0] ^ self.word[1].wrapping_mul(0xd6e8_feb8_6659_fd93) ^ u64::from(self.len) << 59,
        );
        (x >> (64 - WORD_SLOTS.trailing_zeros())) as usize
    }
}

impl WordCache {
    /// Appends the word's ids if it is known.
    #[inline(always)]
    pub(crate) fn get(&self, key: Key, ids: &mut Vec<TokenId>) -> bool {
        let slot = &self.slots[key.slot() & (WORD_SLOTS - 1)];
        if slot.word != key.word || slot.len != key.len {
            return false;
        }
        if slot.count == 1 {
            ids.push(slot.ids[0]);
        } else {
            ids.extend_from_slice(&slot.ids[..(slot.count as usize).min(WORD_IDS)]);
        }
        true
    }

    /// Remembers a word's ids, if they are few.
    #[inline]
    pub(crate) fn put(&mut self, key: Key, ids: &[TokenId]) {
        if ids.len() <= WORD_IDS {
            let slot = &mut self.slots[key.slot() & (WORD_SLOTS - 1)];
            *slot = Slot { word: key.word, len: key.len, count: ids.len() as u8, ids: [0; WORD_IDS] };
            slot.ids[..ids.len()].copy_from_slice(ids);
        }
    }
}

/// Which pairs of tokens stand side by side.
pub(crate) struct PairCache {
    /// `left << 32 | right`, shifted up by one, and the answer in the lowest bit; all ones is free.
    slots: Vec<u64>,
}

impl Default for PairCache {
    fn default() -> Self {
        Self { slots: vec![u64::MAX; PAIR_SLOTS] }
    }
}

impl PairCache {
    /// The answer for a pair, found out by `ask` if it is not known. Ids are below 2³¹.
    #[inline(always)]
    pub(crate) fn get_or(&mut self, left: TokenId, right: TokenId, ask: impl FnOnce() -> bool) -> bool {
        let key = u64::from(left) << 32 | u64::from(right);
        let slot =
            &mut self.slots[(spread(key) >> (64 - PAIR_SLOTS.trailing_zeros())) as usize & (PAIR_SLOTS - 1)];
        if *slot >> 1 == key {
            return *slot & 1 == 1;
        }
        let answer = ask();
        *slot = key << 1 | u64::from(answer);
        answer
    }
}
