//! An organisation's own knowledge: documents and sources, parsed, cut into chunks, indexed, kept fresh, found again with
//! citations. Never sees a model: whoever has one gives vectors through [`Embed`].
//!
//! The way of one file: bytes → [`parse`](parse::parse) → [`Document`] → chunks → words and vectors → [`Base`] (one SQLite
//! file) → [`Base::search`] → passages with their place.

mod document;
pub mod parse;

pub use document::{Block, Document, Kind};
