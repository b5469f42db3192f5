//! Tokens as people look at them: piece by piece, with their ids.

use serde::Serialize;

use crate::TokenId;
use crate::tokenizer::Tokenizer;

/// A token of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its id.
    pub id: TokenId,
    /// Its text; a byte that belongs to a character which the token holds only in part is `\x` and two hexadecimal digits.
    pub text: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Tokenizer {
    /// The tokens of a plain text, for the table Token | ID.
    pub fn show(&self, text: &str) -> Vec<Shown> {
        self.encode(text).into_iter().map(|id| self.show_token(id)).collect()
    }

    /// One token.
    pub fn show_token(&self, id: TokenId) -> Shown {
        let bytes = self.token_bytes(id).to_vec();
        let mut text = String::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|b| format!("\\x{b:02x}")));
        }
        Shown { id, text, bytes }
    }
}
