//! Decodes ids one at a time, handing out whole characters only.

use crate::TokenId;
use crate::tokenizer::Tokenizer;

/// Turns a stream of ids into pieces of text that never split a character.
///
/// The pieces, and what [`StreamDecoder::finish`] gives, join to what [`Tokenizer::decode`] gives for all ids.
#[derive(Debug)]
pub struct StreamDecoder {
    tokenizer: Tokenizer,
    /// The beginning of a character, at most three bytes.
    open: Vec<u8>,
    /// No token with bytes has come yet.
    at_start: bool,
}

impl StreamDecoder {
    /// A decoder at the start of a stream.
    pub fn new(tokenizer: &Tokenizer) -> Self {
        Self { tokenizer: tokenizer.clone(), open: Vec::new(), at_start: true }
    }

    /// A decoder in the middle of a text: a space before the first word is kept, which at the start of a text is the
    /// tokenizer's own in some kinds.
    pub fn after_text(tokenizer: &Tokenizer) -> Self {
        Self { at_start: false, ..Self::new(tokenizer) }
    }

    /// Takes an id, gives the text that is complete now: often empty in the middle of a character. Bytes that can be no
    /// character's become U+FFFD.
    pub fn push(&mut self, id: TokenId) -> String {
        let bytes = self.tokenizer.token_bytes(id);
        if self.at_start && !bytes.is_empty() {
            self.at_start = false;
            self.open.extend_from_slice(self.tokenizer.opening_bytes(id));
        } else {
            self.open.extend_from_slice(bytes);
        }
        let mut text = String::new();
        let mut keep = 0;
        for chunk in self.open.utf8_chunks() {
            text.push_str(chunk.valid());
            keep += chunk.valid().len();
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            if keep + invalid.len() == self.open.len() && is_open(invalid) {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            keep += invalid.len();
        }
        self.open.drain(..keep);
        text
    }

    /// The end of the stream: what is left of a character that was never completed, as U+FFFD.
    pub fn finish(&mut self) -> String {
        let rest = String::from_utf8_lossy(&self.open).into_owned();
        self.open.clear();
        rest
    }
}

/// Whether the bytes, which are no character, are the beginning of one.
fn is_open(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|e| e.error_len().is_none())
}
