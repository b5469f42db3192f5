//! What a corpus is built from and how.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Everything that decides what a corpus holds, but for the tokenizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildConfig {
    /// Where text comes from. Of two equal documents the one of the earlier source stays.
    pub inputs: Vec<Source>,
    /// The folder to make. Not part of what the corpus is.
    #[serde(skip)]
    pub output: PathBuf,
    /// Evaluation sets: documents that share a passage with one of them are left out.
    #[serde(default)]
    pub decontaminate: Vec<PathBuf>,
    /// Part of the documents that is held back for validation, chosen by their hash.
    #[serde(default = "validation_share")]
    pub validation_share: f64,
    /// What counts as text worth reading.
    #[serde(default)]
    pub filters: Filters,
    /// Look for near-duplicates (MinHash, 20 bands of 8: from two thirds of five-grams shared on).
    #[serde(default = "yes")]
    pub near_duplicates: bool,
    /// Read about so many bytes of text from each source.
    #[serde(default)]
    pub limit: Option<u64>,
}

fn validation_share() -> f64 {
    0.005
}

fn yes() -> bool {
    true
}

/// A file or folder and how often its documents come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// txt, md, jsonl (also .gz, .zst), parquet, or a folder of them.
    pub path: PathBuf,
    /// Passes over this source in an epoch; 0.5 reads another half of it each time.
    #[serde(default = "one")]
    pub weight: f64,
}

fn one() -> f64 {
    1.0
}

impl Source {
    /// A source of weight 1.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), weight: 1.0 }
    }
}

/// Bounds outside of which a document is left out. Words are runs of letters and digits, or single CJK characters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filters {
    /// Fewest words.
    pub min_words: usize,
    /// Most words.
    pub max_words: usize,
    /// Smallest share of letters and digits among characters that are not white space.
    pub min_alphanumeric: f64,
    /// Look for repeated lines, paragraphs and n-grams, with Gopher's bounds (arXiv:2112.11446, table A1).
    pub repetition: bool,
    /// Gopher's rules on word length, symbols, bullets, ellipses and English stop words. Strict: made for web pages.
    pub quality: bool,
}

impl Default for Filters {
    /// Lenient: chats and poems pass.
    fn default() -> Self {
        Self { min_words: 5, max_words: 1_000_000, min_alphanumeric: 0.4, repetition: true, quality: false }
    }
}

impl Filters {
    /// As for web pages: 50 to 100,000 words and all of Gopher's rules.
    pub fn web() -> Self {
        Self { min_words: 50, max_words: 100_000, quality: true, ..Self::default() }
    }

    /// For text known to be clean: nothing but empty documents is left out.
    pub fn none() -> Self {
        Self { min_words: 0, max_words: usize::MAX, min_alphanumeric: 0.0, repetition: false, quality: false }
    }
}

impl BuildConfig {
    /// The defaults, from these inputs into this folder.
    pub fn new(inputs: Vec<Source>, output: impl Into<PathBuf>) -> Self {
        Self {
            inputs,
            output: output.into(),
            decontaminate: Vec::new(),
            validation_share: validation_share(),
            filters: Filters::default(),
            near_duplicates: true,
            limit: None,
        }
    }

    /// Checks every number.
    pub fn validate(&self) -> Result<()> {
        if self.inputs.is_empty() {
            return Err(Error::setting("inputs", "at least one file or folder", "none"));
        }
        for source in &self.inputs {
            if !(0.0..=1000.0).contains(&source.weight) {
                let found = format!("{} for {}", source.weight, source.path.display());
                return Err(Error::setting("weight", "0 to 1000", found));
            }
        }
        if !(0.0..=0.5).contains(&self.validation_share) {
            return Err(Error::setting("validation_share", "0 to 0.5", self.validation_share));
        }
        if self.filters.min_words > self.filters.max_words {
            return Err(Error::setting("filters.min_words", "at most max_words", self.filters.min_words));
        }
        if !(0.0..=1.0).contains(&self.filters.min_alphanumeric) {
            return Err(Error::setting("filters.min_alphanumeric", "0 to 1", self.filters.min_alphanumeric));
        }
        Ok(())
    }
}
