//! What became of the input, source by source.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The whole of a build, as `corpus stats` and the web app show it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// One entry a source, in the order given.
    pub sources: Vec<SourceReport>,
    /// Tokens in training shards.
    pub tokens: u64,
    /// Tokens in validation shards.
    pub validation_tokens: u64,
    /// A few documents as they were kept, cut after some hundred characters.
    pub examples: Vec<ExampleText>,
}

/// What became of one source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceReport {
    /// Its path as given.
    pub name: String,
    /// How often its documents come in an epoch.
    pub weight: f64,
    /// Files read.
    pub files: u64,
    /// Documents read.
    pub documents_in: u64,
    /// Documents in the shards.
    pub kept: u64,
    /// Bytes of text read.
    pub bytes_in: u64,
    /// Bytes of text in the shards.
    pub bytes_kept: u64,
    /// Tokens in the shards, both splits.
    pub tokens: u64,
    /// Documents left out, by reason.
    pub dropped: Dropped,
    /// Documents kept, by language.
    pub languages: Languages,
    /// Records that could not be read as documents, by reason, and whole files that are no text.
    pub skipped: Skipped,
}

/// One document of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExampleText {
    /// Its beginning.
    pub text: String,
}

/// Documents left out, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Nothing but white space.
    pub empty: u64,
    /// Hardly a letter: tables of numbers, markup, binary.
    pub not_text: u64,
    /// Too short or too long.
    pub short: u64,
    /// Lines, paragraphs or phrases again and again.
    pub repetition: u64,
    /// The same text as an earlier document.
    pub exact_duplicate: u64,
    /// Nearly the same text as an earlier document.
    pub near_duplicate: u64,
    /// Shares a passage with an evaluation set.
    pub overlap: u64,
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Self { empty, not_text, short, repetition, exact_duplicate, near_duplicate, overlap } = self;
        empty + not_text + short + repetition + exact_duplicate + near_duplicate + overlap
    }
}

/// Documents by script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Languages {
    /// Mostly Han characters.
    pub zh: u64,
    /// Mostly Latin letters.
    pub en: u64,
    /// Neither.
    pub other: u64,
}

/// Input that is no document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Number of records, by reason.
    pub records: BTreeMap<String, u64>,
    /// The first few of them: file, line, reason.
    pub first: Vec<String>,
    /// Files of which nothing, or not everything, was read, with the reason.
    pub files: Vec<String>,
}

impl Skipped {
    /// How many are named in `first`.
    pub(crate) const NAMED: usize = 10;

    pub(crate) fn record(&mut self, reason: &str, place: impl FnOnce() -> String) {
        *self.records.entry(reason.to_owned()).or_default() += 1;
        if self.first.len() < Self::NAMED {
            self.first.push(format!("{}: {reason}", place()));
        }
    }

    pub(crate) fn add(&mut self, part: &Self) {
        for (reason, n) in &part.records {
            *self.records.entry(reason.clone()).or_default() += n;
        }
        let room = Self::NAMED.saturating_sub(self.first.len());
        self.first.extend(part.first.iter().take(room).cloned());
        self.files.extend(part.files.iter().cloned());
    }
}

impl SourceReport {
    /// Adds another part of the same source.
    pub(crate) fn add(&mut self, part: &Self) {
        self.files += part.files;
        self.documents_in += part.documents_in;
        self.kept += part.kept;
        self.bytes_in += part.bytes_in;
        self.bytes_kept += part.bytes_kept;
        self.tokens += part.tokens;
        let (a, b) = (&mut self.dropped, &part.dropped);
        a.empty += b.empty;
        a.not_text += b.not_text;
        a.short += b.short;
        a.repetition += b.repetition;
        a.exact_duplicate += b.exact_duplicate;
        a.near_duplicate += b.near_duplicate;
        a.overlap += b.overlap;
        self.languages.zh += part.languages.zh;
        self.languages.en += part.languages.en;
        self.languages.other += part.languages.other;
        self.skipped.add(&part.skipped);
    }
}
