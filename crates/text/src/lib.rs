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

mod bpe;
mod byte_chars;
mod cache;
mod chat;
mod error;
mod hub_load;
mod hub_save;
mod merger;
mod message;
mod pair_table;
mod show;
mod split;
mod stream;
#[cfg(test)]
mod tests;
mod tokenizer;
mod train;
mod trie;
mod unicode;
mod unicode_table;
mod word_counts;

pub use chat::{CHAT_TEMPLATE, ChatTemplate};
pub use error::{Error, Result};
pub use hub_load::TOKENIZER_FILE;
pub use hub_save::CONFIG_FILE;
pub use message::{Message, Role};
pub use show::Shown;
pub use split::{SPLIT_PATTERN, words};
pub use stream::StreamDecoder;
pub use tokenizer::{END_OF_TEXT, IM_END, IM_START, Special, Tokenizer};
pub use train::{TrainConfig, TrainProgress, TrainReport, Trained, train};

/// An index into a tokenizer's vocabulary.
pub type TokenId = u32;
