//! Text to token ids and back, chat messages and their template. Bytes in, bytes out.
//!
//! ```
//! use std::ops::ControlFlow;
//! use shuyuan_text::{TrainConfig, train};
//!
//! let text = "the cat sat on the mat, the cat sat on the hat".to_string();
//! let trained = train([Ok(text)], &TrainConfig::new(270), |_| ControlFlow::Continue(()))?;
//! let ids = trained.tokenizer.encode("the cat");
//! assert_eq!(trained.tokenizer.decode(&ids), "the cat");
//! # Ok::<(), shuyuan_text::Error>(())
//! ```

mod added;
mod bpe;
mod byte_chars;
mod byte_level;
mod cache;
mod calls;
mod chat;
mod clock;
mod context;
mod error;
mod foreign;
mod gguf;
mod gguf_pre;
mod gguf_save;
mod hub_decode;
mod hub_ends;
mod hub_foreign;
mod hub_load;
mod hub_save;
mod json;
mod marks;
mod merger;
mod message;
mod pair_table;
mod python;
mod roles;
mod show;
mod split;
mod split_gpt2;
mod stream;
mod template;
#[cfg(test)]
mod tests;
mod tokenizer;
mod train;
mod trie;
mod unicode;
mod unicode_table;
mod word_counts;

pub use added::Special;
pub use calls::{Answer, CallFormat};
pub use chat::{CHAT_TEMPLATE, ChatTemplate};
pub use clock::{now, strftime};
pub use context::Rendering;
pub use error::{Error, Result};
pub use gguf::GgufVocabulary;
pub use hub_load::TOKENIZER_FILE;
pub use hub_save::CONFIG_FILE;
pub use json::Json;
pub use message::{FunctionCall, Message, Role, ToolCall, ToolKind};
pub use roles::Roles;
pub use show::Shown;
pub use split::{SPLIT_PATTERN, words};
pub use stream::StreamDecoder;
pub use tokenizer::{END_OF_TEXT, IM_END, IM_START, Tokenizer};
pub use train::{TrainConfig, TrainProgress, TrainReport, Trained, train};

/// An index into a tokenizer's vocabulary.
pub type TokenId = u32;
