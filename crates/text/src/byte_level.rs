//! Our own byte-level BPE: cuts text into words by a split pattern, then each word into tokens, with a cache.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::TokenId;
use crate::bpe::{Bpe, Work};
use crate::cache::{Key, WORD_BYTES, WordCache};
use crate::split::{Split, word_end};
use crate::split_gpt2::word_end_gpt2;

/// What a byte-level vocabulary says; nothing is checked but what its types say.
#[derive(Debug, Default)]
pub(crate) struct Merges {
    /// For a byte that the vocabulary lacks an id beyond it, which is never given out.
    pub(crate) byte_ids: Vec<TokenId>,
    /// The bytes that the vocabulary lacks: they are left out of the text, as Hugging Face does (SmolLM has no `\x04`).
    pub(crate) missing: Vec<u8>,
    pub(crate) merges: Vec<(TokenId, TokenId)>,
    /// The id that each merge gives.
    pub(crate) merged: Vec<TokenId>,
    /// Text is composed (NFC) before it is cut; only in files from elsewhere, since it is not lossless.
    pub(crate) nfc: bool,
    pub(crate) split: Split,
    /// A word that is a token is that token, even if merging would not give it (Llama 3).
    pub(crate) ignore_merges: bool,
}

/// The tables of a vocabulary, and caches.
pub(crate) struct ByteLevel {
    pub(crate) rules: Merges,
    bpe: Bpe,
    /// The words that are tokens although merging gives something else; empty without `ignore_merges`.
    whole: FxHashMap<Box<[u8]>, TokenId>,
    /// Caches of earlier calls, one for each call that ran at the same time.
    idle: Mutex<Vec<Scratch>>,
}

#[derive(Default)]
struct Scratch {
    words: WordCache,
    work: Work,
}

impl ByteLevel {
    /// Of the tokens' bytes by id, special ones left out, and the merges.
    pub(crate) fn new(tokens: &[Vec<u8>], is_special: impl Fn(TokenId) -> bool, rules: Merges) -> Self {
        let byte_ids = std::array::from_fn(|b| rules.byte_ids.get(b).copied().unwrap_or_default());
        let size = tokens.len() + rules.missing.len();
        let bpe = Bpe::new(size, byte_ids, &rules.merges, &rules.merged);
        let mut whole = FxHashMap::default();
        if rules.ignore_merges {
            let (mut work, mut ids) = (Work::default(), Vec::new());
            for (id, token) in (0..).zip(tokens) {
                ids.clear();
                if token.is_empty() || is_special(id) {
                    continue;
                }
                bpe.encode_word(token, &mut work, &mut ids);
                if ids != [id] {
                    whole.insert(token.clone().into_boxed_slice(), id);
                }
            }
        }
        Self { rules, bpe, whole, idle: Mutex::default() }
    }

    pub(crate) fn encode_into(&self, text: &str, ids: &mut Vec<TokenId>) {
        let text = self.composed(text);
        self.with_scratch(|scratch| self.encode_bytes(text.as_bytes(), scratch, ids));
    }

    /// As [`ByteLevel::encode_into`]; a long text is cut up and done on all of rayon's threads, with the same result.
    pub(crate) fn encode_long(&self, text: &str) -> Vec<TokenId> {
        const LONG: usize = 1 << 18;
        let text = self.composed(text);
        let encode = |part: &str| {
            let mut ids = Vec::with_capacity(part.len() / 3 + 1);
            self.with_scratch(|scratch| self.encode_bytes(part.as_bytes(), scratch, &mut ids));
            ids
        };
        if text.len() < 2 * LONG {
            return encode(&text);
        }
        let parts = self.rules.split.pieces(&text, LONG);
        let parts: Vec<Vec<TokenId>> = parts.par_iter().map(|part| encode(part)).collect();
        parts.concat()
    }

    fn composed<'t>(&self, text: &'t str) -> Cow<'t, str> {
        use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
        if !self.rules.nfc || text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
            return Cow::Borrowed(text);
        }
        Cow::Owned(text.nfc().collect())
    }

    fn with_scratch<T>(&self, f: impl FnOnce(&mut Scratch) -> T) -> T {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = idle().pop().unwrap_or_default();
        let result = f(&mut scratch);
        idle().push(scratch);
        result
    }

    fn encode_bytes(&self, text: &[u8], scratch: &mut Scratch, ids: &mut Vec<TokenId>) {
        if !self.rules.missing.is_empty() && text.iter().any(|byte| self.rules.missing.contains(byte)) {
            return self.encode_lossy(text, scratch, ids);
        }
        // One loop for each pattern, so that none pays for the others.
        match self.rules.split {
            Split::Qwen2 => self.encode_words(text, word_end::<1>, scratch, ids),
            Split::Llama3 => self.encode_words(text, word_end::<3>, scratch, ids),
            Split::Gpt2 => self.encode_words(text, word_end_gpt2::<false>, scratch, ids),
            Split::Digits => self.encode_words(text, word_end_gpt2::<true>, scratch, ids),
        }
    }

    #[inline(always)]
    fn encode_words(
        &self,
        text: &[u8],
        word_end: impl Fn(&[u8], usize) -> usize,
        scratch: &mut Scratch,
        ids: &mut Vec<TokenId>,
    ) {
        let mut at = 0;
        while at < text.len() {
            let end = word_end(text, at);
            if end - at == 1 {
                ids.push(self.bpe.byte_id(text[at]));
            } else if end - at <= WORD_BYTES {
                let key = Key::new(text, at, end);
                if !scratch.words.get(key, ids) {
                    let before = ids.len();
                    self.encode_word(&text[at..end], &mut scratch.work, ids);
                    scratch.words.put(key, &ids[before..]);
                }
            } else {
                self.encode_word(&text[at..end], &mut scratch.work, ids);
            }
            at = end;
        }
    }

    /// Words are cut out of the whole text, and only then lose what the vocabulary lacks.
    fn encode_lossy(&self, text: &[u8], scratch: &mut Scratch, ids: &mut Vec<TokenId>) {
        let mut at = 0;
        while at < text.len() {
            let end = match self.rules.split {
                Split::Qwen2 => word_end::<1>(text, at),
                Split::Llama3 => word_end::<3>(text, at),
                Split::Gpt2 => word_end_gpt2::<false>(text, at),
                Split::Digits => word_end_gpt2::<true>(text, at),
            };
            let known = |byte: &&u8| !self.rules.missing.contains(byte);
            let word: Vec<u8> = text[at..end].iter().filter(known).copied().collect();
            self.encode_word(&word, &mut scratch.work, ids);
            at = end;
        }
    }

    #[inline]
    fn encode_word(&self, word: &[u8], work: &mut Work, ids: &mut Vec<TokenId>) {
        if !self.whole.is_empty()
            && let Some(&id) = self.whole.get(word)
        {
            return ids.push(id);
        }
        self.bpe.encode_word(word, work, ids);
    }

    #[cfg(test)]
    pub(crate) fn encode_by_merging(&self, text: &str) -> Vec<TokenId> {
        let mut ids = Vec::new();
        let mut work = Work::default();
        for word in crate::split::words(&self.composed(text)) {
            self.bpe.merge(word.as_bytes(), &mut work, &mut ids);
        }
        ids
    }
}
