//! Any pile of text to clean, deduplicated token shards and batches of ids. Knows nothing about tensors.
//!
//! `sources → Example → clean → dedup → mix → shards → Batch`

mod batch;
mod batches;
mod build;
mod chat;
mod clean;
mod corpus;
mod dedup;
mod error;
mod example;
mod overlap;
mod pack;
mod pairs;
mod report;
mod rng;
mod shard;
mod source;
#[cfg(test)]
mod testing;
pub mod world;

pub use batch::{Batch, Pairs};
pub use batches::Batches;
pub use build::{BuildConfig, Filters, Progress, Source, Stage, build};
pub use chat::{ChatBatches, Conversation, Conversations};
pub use corpus::{Corpus, Manifest, ShardEntry, Split, stats};
pub use error::{Error, Result};
pub use example::Example;
pub use pack::{BatchConfig, Cursor};
pub use pairs::{PairBatches, PairConfig, PairReport, PairSet, Sizes};
pub use report::{Dropped, ExampleText, Languages, Report, Skipped, SourceReport};
pub use shard::{Shard, ShardWriter, Vocabulary};
pub use source::{TextIter, texts};
