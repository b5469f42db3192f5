//! The inverted index: for each word, the chunks that have it and how often.
//!
//! An index is a row of segments, each over a range of slots, written once. Lists are read whole and weighed by what the
//! reader may see, so that no count of what is hidden enters a score.

mod build;
mod list;
mod merge;

pub(crate) use build::{Builder, lengths_and_owners};
pub(crate) use list::each;
pub(crate) use merge::merge;
