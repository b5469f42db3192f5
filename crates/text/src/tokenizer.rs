//! The tokenizer: a vocabulary and what encodes and decodes with it.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use crate::TokenId;
use crate::added::{Finder, Segment, Special};
use crate::byte_level::{ByteLevel, Merges};
use crate::error::Result;
use crate::foreign::Foreign;
use crate::gguf::GgufVocabulary;
use crate::roles::Roles;

/// Ends a document; also padding, and the end of a text in pretraining.
pub const END_OF_TEXT: &str = "<|endoftext|>";
/// Opens a turn of a conversation.
pub const IM_START: &str = "<|im_start|>";
/// Closes a turn of a conversation.
pub const IM_END: &str = "<|im_end|>";

/// What a tokenizer is made of; [`Tokenizer::new`] has checked nothing but what its types say.
pub(crate) struct Parts {
    /// The bytes that each id adds to a text; empty where an id is not taken.
    pub(crate) tokens: Vec<Vec<u8>>,
    /// By ascending id.
    pub(crate) specials: Vec<Special>,
    pub(crate) inside: Inside,
    pub(crate) opening: Opening,
    pub(crate) roles: Roles,
    /// Where [`Tokenizer::to_json`] could not write the same from what is here.
    pub(crate) source: Option<Source>,
}

/// What a tokenizer was read from.
pub(crate) enum Source {
    /// The text of a `tokenizer.json`.
    Json(Box<str>),
    /// A GGUF file's.
    Gguf(Box<GgufVocabulary>),
}

impl Source {
    /// The text of a `tokenizer.json`.
    pub(crate) fn json(&self) -> String {
        match self {
            Self::Json(text) => text.to_string(),
            Self::Gguf(vocabulary) => vocabulary.to_json(),
        }
    }
}

/// What turns text into ids.
pub(crate) enum Inside {
    /// Byte-level BPE of our own.
    Bytes(Box<ByteLevel>),
    /// Any other kind, by Hugging Face's crate.
    Foreign(Box<Foreign>),
}

/// What a decoded text loses at its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Opening {
    #[default]
    Nothing,
    /// One space: the one that encoding put there.
    Space,
    /// All spaces of the first token.
    Spaces,
}

/// A tokenizer: byte-level BPE, SentencePiece-like BPE, WordPiece or Unigram. Cheap to clone, shared between threads.
#[derive(Clone)]
pub struct Tokenizer {
    inner: Arc<Inner>,
}

struct Inner {
    /// All tokens' bytes in a row, and where each starts; one more than there are ids.
    bytes: Vec<u8>,
    starts: Vec<u32>,
    specials: Vec<Special>,
    special_ids: HashMap<String, TokenId>,
    finder: Finder,
    inside: Inside,
    opening: Opening,
    roles: Roles,
    source: Option<Source>,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer({} tokens, {} merges)", self.vocab_size(), self.merges().len())
    }
}

impl Tokenizer {
    /// Errors only for more special tokens than can be looked for.
    pub(crate) fn new(parts: Parts) -> Result<Self> {
        let Parts { tokens, specials, inside, opening, mut roles, source } = parts;
        let mut starts = Vec::with_capacity(tokens.len() + 1);
        starts.push(0);
        let mut bytes = Vec::new();
        for token in &tokens {
            bytes.extend_from_slice(token);
            starts.push(bytes.len() as u32);
        }
        let special_ids = specials.iter().map(|s| (s.text.clone(), s.id)).collect();
        roles.find_ends(&specials);
        let finder = Finder::new(&specials)?;
        let inner = Inner { bytes, starts, specials, special_ids, finder, inside, opening, roles, source };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Ids run from 0 to below this; a model's embedding needs at least so many rows.
    pub fn vocab_size(&self) -> usize {
        self.inner.starts.len() - 1
    }

    /// The id of a special token by its text.
    pub fn special(&self, text: &str) -> Option<TokenId> {
        self.inner.special_ids.get(text).copied()
    }

    /// All special tokens, by ascending id.
    pub fn specials(&self) -> &[Special] {
        &self.inner.specials
    }

    /// Whether an id is a special token's.
    pub fn is_special(&self, id: TokenId) -> bool {
        self.specials().binary_search_by_key(&id, |s| s.id).is_ok()
    }

    /// The ids that the model expects before a text which begins a document: `<s>` of Llama, `[CLS]` of BERT. Often none.
    /// [`Tokenizer::encode`] does not add them; a chat template writes its own.
    pub fn prefix(&self) -> &[TokenId] {
        &self.inner.roles.prefix
    }

    /// The ids that the model expects after a text: `[SEP]` of BERT, `</s>` of T5. Mostly none.
    pub fn suffix(&self) -> &[TokenId] {
        &self.inner.roles.suffix
    }

    /// The ids on which generation ends, as far as the tokenizer knows: its end-of-text token and those that close a turn in
    /// known chat formats. Ascending.
    pub fn eos_ids(&self) -> &[TokenId] {
        &self.inner.roles.ends
    }

    /// What the files beside the vocabulary say: which token begins a text, which pads, the chat template.
    pub fn roles(&self) -> &Roles {
        &self.inner.roles
    }

    /// The pairs of ids that are joined, the earliest learned first. Empty for kinds other than our byte-level BPE.
    pub fn merges(&self) -> &[(TokenId, TokenId)] {
        self.rules().map_or(&[], |rules| &rules.merges)
    }

    /// Whether encoding changes text first (Unicode NFC, small letters), so that decoding may give another spelling of it.
    /// Never so for a tokenizer that was trained here.
    pub fn composes(&self) -> bool {
        match &self.inner.inside {
            Inside::Bytes(own) => own.rules.nfc,
            Inside::Foreign(foreign) => foreign.changes_text(),
        }
    }

    /// The byte-level rules, if it is of that kind.
    pub(crate) fn rules(&self) -> Option<&Merges> {
        match &self.inner.inside {
            Inside::Bytes(own) => Some(&own.rules),
            Inside::Foreign(_) => None,
        }
    }

    pub(crate) fn source(&self) -> Option<&Source> {
        self.inner.source.as_ref()
    }

    /// The bytes that a token adds to a text, which may be a part of a character; a special token's are its text (after a
    /// space in BERT's kind, as after all words). Empty for an id that is not in the vocabulary.
    pub fn token_bytes(&self, id: TokenId) -> &[u8] {
        let at = id as usize;
        match self.inner.starts.get(at..at.saturating_add(2)) {
            Some(&[start, end]) => &self.inner.bytes[start as usize..end as usize],
            _ => &[],
        }
    }

    /// The same for the first token of a text: SentencePiece-like tokenizers put a space there that was not in the text.
    pub(crate) fn opening_bytes(&self, id: TokenId) -> &[u8] {
        let bytes = self.token_bytes(id);
        match self.inner.opening {
            Opening::Nothing => bytes,
            Opening::Space => bytes.strip_prefix(b" ").unwrap_or(bytes),
            Opening::Spaces => &bytes[bytes.iter().take_while(|b| **b == b' ').count()..],
        }
    }

    /// The ids of plain text. Special tokens' texts in it are encoded letter by letter, like any other text, and no special
    /// token is added: see [`Tokenizer::prefix`].
    pub fn encode(&self, text: &str) -> Vec<TokenId> {
        let mut ids = Vec::with_capacity(text.len() / 3 + 1);
        self.encode_into(text, &mut ids);
        ids
    }

    /// Appends the ids of plain text.
    pub fn encode_into(&self, text: &str, ids: &mut Vec<TokenId>) {
        self.encode_part(text, true, ids);
    }

    /// Appends the ids of a part of a text; `first` if it is its beginning, where some tokenizers put a space.
    pub(crate) fn encode_part(&self, text: &str, first: bool, ids: &mut Vec<TokenId>) {
        match &self.inner.inside {
            Inside::Bytes(own) => own.encode_into(text, ids),
            Inside::Foreign(foreign) => foreign.encode_into(text, first, ids),
        }
    }

    /// The ids of many plain texts, on all of rayon's threads; a long text is cut up, with the same result.
    pub fn encode_batch<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Vec<Vec<TokenId>> {
        let encode = |text: &T| match &self.inner.inside {
            Inside::Bytes(own) => own.encode_long(text.as_ref()),
            Inside::Foreign(_) => self.encode(text.as_ref()),
        };
        texts.par_iter().map(encode).collect()
    }

    /// The ids of trusted text, in which special tokens' texts become their ids. Never for what a user typed.
    pub fn encode_with_specials(&self, text: &str) -> Vec<TokenId> {
        let mut ids = Vec::new();
        self.encode_around(text, &[], true, &mut ids);
        ids
    }

    /// Appends the ids of trusted text but for its `plain` parts, which stay text.
    pub(crate) fn encode_around(
        &self,
        text: &str,
        plain: &[std::ops::Range<usize>],
        mut first: bool,
        ids: &mut Vec<TokenId>,
    ) {
        for segment in self.inner.finder.segments(text, plain) {
            match segment {
                Segment::Text(text) => self.encode_part(text, first, ids),
                Segment::Special(id) => ids.push(id),
            }
            first = false;
        }
    }

    /// The parts of trusted text.
    pub(crate) fn segments<'t>(&self, text: &'t str) -> Vec<Segment<'t>> {
        self.inner.finder.segments(text, &[])
    }

    /// The text of ids. Bytes that are not UTF-8 become U+FFFD, ids that are not in the vocabulary nothing. The space that
    /// some tokenizers put before a text is taken away again.
    pub fn decode(&self, ids: &[TokenId]) -> String {
        // Ids without bytes are as good as not there.
        let first = ids.iter().position(|&id| !self.token_bytes(id).is_empty()).unwrap_or(ids.len());
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        for (at, &id) in ids.iter().enumerate() {
            bytes.extend_from_slice(if at == first { self.opening_bytes(id) } else { self.token_bytes(id) });
        }
        match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
        }
    }

    /// The bytes of ids, as they are: of a part of a text, whose first space is kept.
    pub fn decode_bytes(&self, ids: &[TokenId]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        for &id in ids {
            bytes.extend_from_slice(self.token_bytes(id));
        }
        bytes
    }

    #[cfg(test)]
    pub(crate) fn encode_by_merging(&self, text: &str) -> Vec<TokenId> {
        match &self.inner.inside {
            Inside::Bytes(own) => own.encode_by_merging(text),
            Inside::Foreign(_) => unreachable!("only for trained ones"),
        }
    }
}
