//! Text to token ids and back, chat messages and their template. Bytes in, bytes out.

mod message;

pub use message::{Message, Role};

/// An index into a tokenizer's vocabulary.
pub type TokenId = u32;
