//! An organisation's own knowledge: documents and sources, parsed, cut into chunks, indexed, kept fresh, found again with
//! citations. Never sees a model: whoever has one gives vectors through [`Embed`].
//!
//! The way of one file: bytes → [`parse`](parse::parse) → [`Document`] → chunks → words and vectors → [`Base`] (one SQLite
//! file, or PostgreSQL) → [`Base::search`] → passages with their place.

mod access;
mod base;
mod bucket;
mod chunk;
mod document;
mod embed;
mod error;
mod index;
mod judge;
mod originals;
mod packed;
pub mod parse;
mod prepare;
mod search;
mod sentence;
mod source;
mod store;
mod trust;
mod vectors;
mod words;

pub use access::Reader;
pub use base::{
    Base, DocumentInfo, DocumentText, Failure, Item, Original, Piece, Point, Points, Source, SourceState,
    Writer,
};
pub use chunk::{Chunk, Size, chunks, estimate};
pub use document::{Block, Document, Kind};
pub use embed::{Embed, Role};
pub use error::{KnowledgeError, Result};
pub use judge::{Question, Scores};
pub use parse::{Limits, Parsed, Unread};
pub use prepare::Prepared;
pub use search::{Filter, Found, Mode, Passage, Place, Query, Why};
pub use sentence::sentences;
pub use source::{Definition, Folder, Preview, PreviewItem, Progress, Report, Rule, Watch, due, live, test};
pub use words::words;
