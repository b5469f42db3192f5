//! What text is worth reading: normal form, words, language, filters. Takes text, says yes or why not.

mod filter;
mod language;
mod ngrams;
mod normalise;
mod words;

pub(crate) use filter::{Reason, check};
pub(crate) use language::{Language, language};
pub(crate) use ngrams::{gram, grams};
pub(crate) use normalise::normalise;
pub(crate) use words::{Words, words};
