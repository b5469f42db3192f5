//! From a pair of token ids to the rank of its merge: one multiplication and, nearly always, one cache line.

use crate::TokenId;

/// No rank: the pair never merges.
pub(crate) const NEVER: u32 = u32::MAX;

/// A fixed open-addressing table, at most half full.
#[derive(Debug)]
pub(crate) struct PairTable {
    slots: Vec<(u64, u32)>,
    shift: u32,
}

const FREE: u64 = u64::MAX;

/// Both ids in one word.
#[inline(always)]
pub(crate) fn pair_key(left: TokenId, right: TokenId) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// Spreads a key over 64 bits; the high ones are the good ones.
#[inline(always)]
pub(crate) fn spread(key: u64) -> u64 {
    let x = (key ^ key >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

impl PairTable {
    /// The rank of a pair is its place in `merges`; of a pair that is there twice, the first.
    pub(crate) fn new(merges: &[(TokenId, TokenId)]) -> Self {
        let size = (merges.len() * 2 + 1).next_power_of_two().max(16);
        let mut table = Self { slots: vec![(FREE, NEVER); size], shift: 64 - size.trailing_zeros() };
        for (rank, &(left, right)) in merges.iter().enumerate() {
            let key = pair_key(left, right);
            let mut at = (spread(key) >> table.shift) as usize;
            while table.slots[at].0 != FREE && table.slots[at].0 != key {
                at = (at + 1) & (size - 1);
            }
            if table.slots[at].0 == FREE {
                table.slots[at] = (key, rank as u32);
            }
        }
        table
    }

    /// The rank of the merge of this pair, or [`NEVER`].
    #[inline(always)]
    pub(crate) fn rank(&self, left: TokenId, right: TokenId) -> u32 {
        let key = pair_key(left, right);
        let mask = self.slots.len() - 1;
        let mut at = (spread(key) >> self.shift) as usize;
        loop {
            let (k, rank) = self.slots[at & mask];
            if k == key || k == FREE {
                return rank;
            }
            at += 1;
        }
    }
}
