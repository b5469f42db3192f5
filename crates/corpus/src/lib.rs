//! Any pile of text to clean, deduplicated token shards and batches of ids. Knows nothing about tensors.
//!
//! `sources → Example → clean → dedup → mix → shards → Batch`

mod batch;
mod example;

pub use batch::Batch;
pub use example::Example;
