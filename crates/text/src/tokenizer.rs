//! The tokenizer: a vocabulary and what encodes and decodes with it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use crate::TokenId;
use crate::bpe::{Bpe, Work};
use crate::cache::{Key, WORD_BYTES, WordCache};
use crate::split::{pieces, word_end};

/// Ends a document; also padding, and the end of a text in pretraining.
pub const END_OF_TEXT: &str = "<|endoftext|>";
/// Opens a turn of a conversation.
pub const IM_START: &str = "<|im_start|>";
/// Closes a turn of a conversation.
pub const IM_END: &str = "<|im_end|>";

/// A token beside the merges, written only by trusted code and never read out of plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Special {
    /// Its text.
    pub text: String,
    /// Its id.
    pub id: TokenId,
    /// Whether it is control (`<|im_end|>`) rather than text that happens to be one token (`<think>`).
    pub control: bool,
}

/// What a tokenizer is made of; [`Tokenizer::new`] has checked nothing but what its types say.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    /// By id; empty where an id is not taken.
    pub(crate) tokens: Vec<Vec<u8>>,
    pub(crate) byte_ids: [TokenId; 256],
    pub(crate) merges: Vec<(TokenId, TokenId)>,
    /// The id that each merge gives.
    pub(crate) merged: Vec<TokenId>,
    pub(crate) specials: Vec<Special>,
    /// Text is composed (NFC) before it is cut; only in files from elsewhere, since it is not lossless.
    pub(crate) nfc: bool,
}

/// A byte-level BPE tokenizer. Cheap to clone, shared between threads.
#[derive(Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
}

struct Inner {
    vocabulary: Vocabulary,
    /// All tokens' bytes in a row, and where each starts; one more than there are ids.
    bytes: Vec<u8>,
    starts: Vec<u32>,
    bpe: Bpe,
    special_ids: HashMap<String, TokenId>,
    /// Caches of earlier calls, one for each call that ran at the same time.
    idle: Mutex<Vec<Scratch>>,
}

#[derive(Default)]
struct Scratch {
    words: WordCache,
    work: Work,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer({} tokens, {} merges)", self.vocab_size(), self.merges().len())
    }
}

impl Tokenizer {
    pub(crate) fn new(vocabulary: Vocabulary) -> Self {
        let size = vocabulary.tokens.len();
        let mut starts = Vec::with_capacity(size + 1);
        starts.push(0);
        let mut bytes = Vec::new();
        for token in &vocabulary.tokens {
            bytes.extend_from_slice(token);
            starts.push(bytes.len() as u32);
        }
        let bpe = Bpe::new(size, vocabulary.byte_ids, &vocabulary.merges, &vocabulary.merged);
        let special_ids = vocabulary.specials.iter().map(|s| (s.text.clone(), s.id)).collect();
        Self {
            inner: Arc::new(Inner { vocabulary, bytes, starts, bpe, special_ids, idle: Mutex::default() }),
        }
    }

    /// Ids run from 0 to below this; a model's embedding needs at least so many rows.
    pub fn vocab_size(&self) -> usize {
        self.inner.vocabulary.tokens.len()
    }

    /// The id of a special token by its text.
    pub fn special(&self, text: &str) -> Option<TokenId> {
        self.inner.special_ids.get(text).copied()
    }

    /// All special tokens, by ascending id.
    pub fn specials(&self) -> &[Special] {
        &self.inner.vocabulary.specials
    }

    /// Whether an id is a special token's.
    pub fn is_special(&self, id: TokenId) -> bool {
        self.specials().binary_search_by_key(&id, |s| s.id).is_ok()
    }

    /// The pairs of ids that are joined, the earliest learned first.
    pub fn merges(&self) -> &[(TokenId, TokenId)] {
        &self.inner.vocabulary.merges
    }

    /// Whether encoding composes characters (Unicode NFC) first, so that decoding may give another spelling of the same text.
    /// Never so for a tokenizer that was trained here.
    pub fn composes(&self) -> bool {
        self.inner.vocabulary.nfc
    }

    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        &self.inner.vocabulary
    }

    /// The bytes of a token, which may be a part of a character; a special token's are its text. Empty for an id that is not
    /// in the vocabulary.
    pub fn token_bytes(&self, id: TokenId) -> &[u8] {
        let at = id as usize;
        match self.inner.starts.get(at..at.saturating_add(2)) {
            Some(&[start, end]) => &self.inner.bytes[start as usize..end as usize],
            _ => &[],
        }
    }

    /// The ids of plain text. Special tokens' texts in it are encoded letter by letter, like any other text.
    pub fn encode(&self, text: &str) -> Vec<TokenId> {
        let mut ids = Vec::with_capacity(text.len() / 3 + 1);
        self.encode_into(text, &mut ids);
        ids
    }

    /// Appends the ids of plain text.
    pub fn encode_into(&self, text: &str, ids: &mut Vec<TokenId>) {
        let text = self.composed(text);
        self.with_scratch(|scratch| self.encode_bytes(text.as_bytes(), scratch, ids));
    }

    /// The ids of many plain texts, on all of rayon's threads; a long text is cut up, with the same result.
    pub fn encode_batch<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Vec<Vec<TokenId>> {
        const LONG: usize = 1 << 18;
        let encode = |text: &T| {
            let text = self.composed(text.as_ref());
            if text.len() < 2 * LONG {
                let mut ids = Vec::with_capacity(text.len() / 3 + 1);
                self.with_scratch(|scratch| self.encode_bytes(text.as_bytes(), scratch, &mut ids));
                return ids;
            }
            let parts: Vec<&str> = pieces(&text, LONG).collect();
            let parts: Vec<Vec<TokenId>> = parts
                .par_iter()
                .map(|part| {
                    let mut ids = Vec::with_capacity(part.len() / 3 + 1);
                    self.with_scratch(|scratch| self.encode_bytes(part.as_bytes(), scratch, &mut ids));
                    ids
                })
                .collect();
            parts.concat()
        };
        texts.par_iter().map(encode).collect()
    }

    /// The ids of trusted text, in which special tokens' texts become their ids. Never for what a user typed.
    pub fn encode_with_specials(&self, text: &str) -> Vec<TokenId> {
        let mut ids = Vec::new();
        let mut rest = text;
        loop {
            // The leftmost one; of those that start at the same place, the longest.
            let found = self
                .specials()
                .iter()
                .filter_map(|s| rest.find(&s.text).map(|at| (at, s)))
                .min_by_key(|(at, s)| (*at, std::cmp::Reverse(s.text.len())));
            let Some((at, special)) = found else { break };
            self.encode_into(&rest[..at], &mut ids);
            ids.push(special.id);
            rest = &rest[at + special.text.len()..];
        }
        self.encode_into(rest, &mut ids);
        ids
    }

    /// The text of ids. Bytes that are not UTF-8 become U+FFFD, ids that are not in the vocabulary nothing.
    pub fn decode(&self, ids: &[TokenId]) -> String {
        match String::from_utf8(self.decode_bytes(ids)) {
            Ok(text) => text,
            Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
        }
    }

    /// The bytes of ids, as they are.
    pub fn decode_bytes(&self, ids: &[TokenId]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        for &id in ids {
            bytes.extend_from_slice(self.token_bytes(id));
        }
        bytes
    }

    fn composed<'t>(&self, text: &'t str) -> Cow<'t, str> {
        use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
        if !self.composes() || text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
            return Cow::Borrowed(text);
        }
        Cow::Owned(text.nfc().collect())
    }

    fn with_scratch<T>(&self, f: impl FnOnce(&mut Scratch) -> T) -> T {
        let idle = || self.inner.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = idle().pop().unwrap_or_default();
        let result = f(&mut scratch);
        idle().push(scratch);
        result
    }

    fn encode_bytes(&self, text: &[u8], scratch: &mut Scratch, ids: &mut Vec<TokenId>) {
        let bpe = &self.inner.bpe;
        let mut at = 0;
        while at < text.len() {
            let end = word_end(text, at);
            if end - at == 1 {
                ids.push(bpe.byte_id(text[at]));
            } else if end - at <= WORD_BYTES {
                let key = Key::new(text, at, end);
                if !scratch.words.get(key, ids) {
                    let before = ids.len();
                    bpe.encode_word(&text[at..end], &mut scratch.work, ids);
                    scratch.words.put(key, &ids[before..]);
                }
            } else {
                bpe.encode_word(&text[at..end], &mut scratch.work, ids);
            }
            at = end;
        }
    }

    #[cfg(test)]
    pub(crate) fn encode_by_merging(&self, text: &str) -> Vec<TokenId> {
        let mut ids = Vec::new();
        let mut work = Work::default();
        for word in crate::split::words(&self.composed(text)) {
            self.inner.bpe.merge(word.as_bytes(), &mut work, &mut ids);
        }
        ids
    }
}
