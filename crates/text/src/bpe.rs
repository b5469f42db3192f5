//! From the bytes of one word to token ids, exactly as byte pair encoding merges them.
//!
//! Two ways, same ids. **Merging** does what BPE is defined by: join the adjacent pair of lowest rank, leftmost first, until
//! none is left. **Matching** finds the same tokens from left to right without merging: a sequence of tokens is the
//! encoding of its bytes if and only if each adjacent two are the encoding of theirs, so the longest token is tried first,
//! then shorter ones, and a position from which nothing goes on is left for good. Matching takes time linear in the word,
//! even for a word of 10 MB, and needs a vocabulary in which each token comes from one merge, as here and in Qwen and GPT-2;
//! for others merging serves. Idea: GitHub's `bpe` crate (2024); written anew over merge ranks.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::TokenId;
use crate::cache::PairCache;
use crate::pair_table::{NEVER, PairTable};
use crate::trie::{NO_TOKEN, Trie};

/// The tables of a vocabulary that encode words.
#[derive(Debug)]
pub(crate) struct Bpe {
    byte_ids: [TokenId; 256],
    ranks: PairTable,
    /// By rank: the id that the merge gives.
    merged: Vec<TokenId>,
    matcher: Option<Matcher>,
}

#[derive(Debug)]
struct Matcher {
    trie: Trie,
    /// By id, as the next.
    extents: Vec<Extent>,
    made: Vec<Made>,
}

#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Bytes; 0 if the token is never reached.
    len: u32,
    /// The longest reachable token that is a proper prefix of this one.
    prefix: TokenId,
}

/// How a token came to be, and how soon it could be joined to others.
#[derive(Clone, Copy, Debug)]
struct Made {
    /// 1 + the rank of its merge; 0 for a single byte.
    time: u32,
    left: TokenId,
    right: TokenId,
    /// The lowest rank of a merge whose left part is this token, and over what it ends with: its right part, that one's, ….
    as_left: u32,
    end_as_left: u32,
    /// The same, with the sides exchanged.
    as_right: u32,
    start_as_right: u32,
}

impl Made {
    fn set_merge(&mut self, made: &[Made], rank: u32, (left, right): (TokenId, TokenId)) {
        *self = Self {
            time: rank + 1,
            left,
            right,
            end_as_left: self.as_left.min(made[right as usize].end_as_left),
            start_as_right: self.as_right.min(made[left as usize].start_as_right),
            ..*self
        };
    }
}

const NOT_MADE: Made = Made {
    time: 0,
    left: NO_TOKEN,
    right: NO_TOKEN,
    as_left: NEVER,
    end_as_left: NEVER,
    as_right: NEVER,
    start_as_right: NEVER,
};

/// What encoding needs beside the tables; kept between words so that nothing is allocated.
#[derive(Default)]
pub(crate) struct Work {
    pairs: PairCache,
    stack: Vec<TokenId>,
    dead: Vec<usize>,
    symbols: Vec<TokenId>,
}

impl Bpe {
    /// Of a vocabulary of `size` ids: the id of each byte, the merges by rank, and the id that each gives.
    pub(crate) fn new(
        size: usize,
        byte_ids: [TokenId; 256],
        merges: &[(TokenId, TokenId)],
        merged: &[TokenId],
    ) -> Self {
        let mut it = Self { byte_ids, ranks: PairTable::new(merges), merged: merged.to_vec(), matcher: None };
        it.matcher = it.matcher(size, merges);
        it
    }

    fn matcher(&self, size: usize, merges: &[(TokenId, TokenId)]) -> Option<Matcher> {
        let mut made = vec![NOT_MADE; size];
        for (rank, &(left, right)) in (0u32..).zip(merges) {
            let low = &mut made[left as usize].as_left;
            *low = rank.min(*low);
            let low = &mut made[right as usize].as_right;
            *low = rank.min(*low);
        }
        let mut extents = vec![Extent { len: 0, prefix: NO_TOKEN }; size];
        let mut bytes: Vec<Vec<u8>> = vec![Vec::new(); size];
        for (b, &id) in (0u8..=255).zip(&self.byte_ids) {
            extents[id as usize].len = 1;
            bytes[id as usize] = vec![b];
            let made = &mut made[id as usize];
            made.end_as_left = made.as_left;
            made.start_as_right = made.as_right;
        }
        for (rank, (&(left, right), &id)) in (0u32..).zip(merges.iter().zip(&self.merged)) {
            // A merge whose parts come later, a second merge to the same token, or one that is there twice.
            if bytes[left as usize].is_empty()
                || bytes[right as usize].is_empty()
                || !bytes[id as usize].is_empty()
                || self.ranks.rank(left, right) != rank
            {
                return None;
            }
            bytes[id as usize] = [bytes[left as usize].as_slice(), &bytes[right as usize]].concat();
            // Reachable if its parts are, and no merge of lower rank comes between them.
            let (l, r) = (extents[left as usize].len, extents[right as usize].len);
            if l > 0 && r > 0 && stands(&made, &self.ranks, left, right, rank) {
                extents[id as usize].len = l + r;
            }
            let mut token = made[id as usize];
            token.set_merge(&made, rank, (left, right));
            made[id as usize] = token;
        }
        let mut sorted: Vec<(&[u8], TokenId)> = (0..size)
            .filter(|&id| extents[id].len > 0)
            .map(|id| (bytes[id].as_slice(), id as TokenId))
            .collect();
        sorted.sort_unstable();
        if sorted.windows(2).any(|w| w[0].0 == w[1].0) {
            return None;
        }
        let trie = Trie::new(&sorted);
        for &(bytes, id) in &sorted {
            extents[id as usize].prefix = trie.longest(&bytes[..bytes.len() - 1]);
        }
        Some(Matcher { trie, extents, made })
    }

    /// The id of a single byte.
    #[inline(always)]
    pub(crate) fn byte_id(&self, byte: u8) -> TokenId {
        self.byte_ids[byte as usize]
    }

    /// Appends the ids of one word.
    #[inline]
    pub(crate) fn encode_word(&self, word: &[u8], work: &mut Work, ids: &mut Vec<TokenId>) {
        match &self.matcher {
            Some(matcher) => matcher.encode(&self.ranks, word, work, ids),
            None => self.merge(word, work, ids),
        }
    }

    /// Appends the ids of one word by merging: the definition, and the oracle of the tests.
    pub(crate) fn merge(&self, word: &[u8], work: &mut Work, ids: &mut Vec<TokenId>) {
        let symbols = &mut work.symbols;
        symbols.clear();
        symbols.extend(word.iter().map(|&b| self.byte_ids[b as usize]));
        // Below, looking at every pair again is faster than keeping a heap (and never 10 MB long).
        if word.len() > 64 {
            return self.merge_by_heap(symbols, ids);
        }
        loop {
            let ranks = symbols.windows(2).map(|w| self.ranks.rank(w[0], w[1]));
            let Some((rank, at)) = ranks.zip(0usize..).filter(|&(rank, _)| rank != NEVER).min() else {
                break;
            };
            symbols[at] = self.merged[rank as usize];
            symbols.remove(at + 1);
        }
        ids.extend_from_slice(symbols);
    }

    fn merge_by_heap(&self, symbols: &mut [TokenId], ids: &mut Vec<TokenId>) {
        const GONE: TokenId = TokenId::MAX;
        let len = symbols.len();
        // The living neighbours of each place; `len` is beyond the end.
        let mut next: Vec<usize> = (1..=len).collect();
        let mut before: Vec<usize> = (0..len).map(|i| i.wrapping_sub(1)).collect();
        let mut heap: BinaryHeap<Reverse<(u32, usize, TokenId)>> = symbols
            .windows(2)
            .enumerate()
            .map(|(at, w)| Reverse((self.ranks.rank(w[0], w[1]), at, w[1])))
            .filter(|r| r.0.0 != NEVER)
            .collect();
        while let Some(Reverse((rank, at, right))) = heap.pop() {
            let other = next[at];
            // Stale: one of the two has been merged since.
            if other >= len || symbols[other] != right || self.ranks.rank(symbols[at], right) != rank {
                continue;
            }
            symbols[at] = self.merged[rank as usize];
            symbols[other] = GONE;
            next[at] = next[other];
            let mut push = |left: usize, right: usize| {
                let rank = self.ranks.rank(symbols[left], symbols[right]);
                if rank != NEVER {
                    heap.push(Reverse((rank, left, symbols[right])));
                }
            };
            if next[at] < len {
                before[next[at]] = at;
                push(at, next[at]);
            }
            if before[at] < len {
                push(before[at], at);
            }
        }
        ids.extend(symbols.iter().filter(|&&s| s != GONE));
    }
}

impl Matcher {
    #[inline]
    fn encode(&self, ranks: &PairTable, word: &[u8], work: &mut Work, ids: &mut Vec<TokenId>) {
        let Some(&_) = word.first() else { return };
        let first = self.trie.longest(word);
        if self.extents[first as usize].len as usize == word.len() {
            ids.push(first);
            return;
        }
        let stack = &mut work.stack;
        stack.clear();
        work.dead.clear();
        let (mut at, mut token) = (0usize, first);
        let mut last = NO_TOKEN;
        loop {
            let end = at + self.extents[token as usize].len as usize;
            let alive = work.dead.is_empty() || !is_dead(&work.dead, end);
            if alive && (last == NO_TOKEN || self.stands_cached(ranks, &mut work.pairs, last, token)) {
                stack.push(token);
                if end == word.len() {
                    break;
                }
                last = token;
                at = end;
                token = self.trie.longest(&word[at..]);
                continue;
            }
            token = self.extents[token as usize].prefix;
            if token != NO_TOKEN {
                continue;
            }
            // Nothing goes on from here: one token back, and a shorter one there.
            mark_dead(&mut work.dead, at, word.len());
            let Some(popped) = stack.pop() else {
                unreachable!("the bytes' own merges always lead to the end")
            };
            at -= self.extents[popped as usize].len as usize;
            token = popped;
            last = stack.last().copied().unwrap_or(NO_TOKEN);
        }
        ids.extend_from_slice(stack);
    }

    #[inline(always)]
    fn stands_cached(&self, ranks: &PairTable, pairs: &mut PairCache, left: TokenId, right: TokenId) -> bool {
        pairs.get_or(left, right, || stands(&self.made, ranks, left, right, NEVER))
    }
}

fn is_dead(dead: &[usize], at: usize) -> bool {
    dead[at / usize::BITS as usize] >> (at % usize::BITS as usize) & 1 == 1
}

fn mark_dead(dead: &mut Vec<usize>, at: usize, len: usize) {
    if dead.is_empty() {
        dead.resize(len / usize::BITS as usize + 1, 0);
    }
    dead[at / usize::BITS as usize] |= 1 << (at % usize::BITS as usize);
}

/// Whether BPE, up to merges of rank `limit`, leaves the boundary between two tokens alone.
///
/// Undoes both tokens' merges, the latest first, and looks at each state whether the two symbols at the boundary would have
/// merged before what was undone. Of equal ranks the leftmost pair goes first.
fn stands(made: &[Made], ranks: &PairTable, mut left: TokenId, mut right: TokenId, mut limit: u32) -> bool {
    loop {
        let (l, r) = (&made[left as usize], &made[right as usize]);
        // No symbol that the left one ends with, or the right one starts with, is joined to anything before the limit.
        if l.end_as_left.max(r.start_as_right) >= limit {
            return true;
        }
        if l.as_left.max(r.as_right) < limit && ranks.rank(left, right) < limit {
            return false;
        }
        if l.time > r.time {
            limit = l.time - 1;
            left = l.right;
        } else if r.time > 0 {
            // Were the boundary's pair this very merge, it would lie further left and go first.
            limit = r.time;
            right = r.left;
        } else {
            return true;
        }
    }
}
