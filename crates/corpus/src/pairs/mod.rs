//! Pairs of a question and a passage, for models that embed: given ones, and ones made from plain documents.
//!
//! From a document a pair is made as in the inverse cloze task (arXiv:1906.00300): a sentence is the question, the
//! passage around it the answer; or a heading is, and what stands below it. Another sentence every epoch.

mod batches;
mod passages;
mod sentences;

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde::Deserialize;
use serde::de::IgnoredAny;
use shuyuan_text::{TokenId, Tokenizer};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::report::Skipped;
use crate::rng::mix;
use crate::source::{Kind, Part, Reader, Record, discover};
pub use batches::{PairBatches, PairConfig};
use passages::{Cutter, Passage};

/// The longest texts that are read whole, in tokens, with those that begin and end every text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Of a question.
    pub query: usize,
    /// Of a passage.
    pub passage: usize,
}

/// The same without what begins and ends a text.
#[derive(Clone, Copy, Debug)]
struct Limits {
    query: usize,
    passage: usize,
}

/// What a pair is drawn from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    /// A pair as given, in ids.
    Pair { query: Vec<TokenId>, passage: Vec<TokenId>, negatives: Vec<Vec<TokenId>> },
    /// A piece of a document.
    Passage { passage: Passage, tokens: usize },
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairReport {
    /// Pairs as given.
    pub pairs: u64,
    /// Documents without a question.
    pub documents: u64,
    /// Passages that were made of them.
    pub passages: u64,
    /// Passages of one sentence without a heading: nothing can be made of them.
    pub too_short: u64,
    /// Given questions that are read to the limit only.
    pub cut_queries: u64,
    /// Passages that are read to the limit only, given negatives among them.
    pub cut_passages: u64,
    /// Sentences of documents that are read to the questions' limit only where they are the question.
    pub long_sentences: u64,
    /// Lines and files that are neither.
    pub skipped: Skipped,
}

/// Pairs, and documents to make pairs of.
#[derive(Clone, Debug)]
pub struct PairSet {
    items: Vec<Item>,
    tokenizer: Tokenizer,
    limits: Limits,
    /// What was read.
    pub report: PairReport,
}

#[derive(Deserialize)]
struct Line {
    query: Option<String>,
    passage: Option<String>,
    positive: Option<String>,
    text: Option<String>,
    title: Option<String>,
    #[serde(default)]
    negatives: Vec<String>,
    messages: Option<IgnoredAny>,
}

impl PairSet {
    /// Reads JSON lines with `query` and `passage` (or `positive`, or `text`; `negatives` may be a list), documents as JSON
    /// lines with `text` (and `title`), and text files; files or folders.
    ///
    /// Errors: a path that is not there, limits that leave no room, nothing to learn from.
    pub fn read<P: AsRef<Path>>(paths: &[P], tokenizer: &Tokenizer, sizes: Sizes) -> Result<Self> {
        let ends = tokenizer.prefix().len() + tokenizer.suffix().len();
        for (name, size) in [("query_tokens", sizes.query), ("passage_tokens", sizes.passage)] {
            if size < ends + 8 {
                return Err(Error::setting(name, &format!("at least {}", ends + 8), size));
            }
        }
        let limits = Limits { query: sizes.query - ends, passage: sizes.passage - ends };
        let mut set =
            Self { items: Vec::new(), tokenizer: tokenizer.clone(), limits, report: PairReport::default() };
        for path in paths {
            let files = Arc::from(discover(path.as_ref())?.0);
            let mut reader = Reader::new(Arc::clone(&files), None);
            loop {
                let part = reader.next_part(4 << 20);
                let read: Vec<_> = part.records().par_iter().map(|record| set.items(&part, record)).collect();
                set.report.skipped.add(&part.skipped);
                for (record, read) in part.records().iter().zip(read) {
                    match read {
                        Ok((items, report)) => {
                            set.items.extend(items);
                            set.report.add(&report);
                        }
                        Err((reason, detail)) => {
                            let file = &files[record.file as usize].path;
                            let place = || format!("{}:{} {detail}", file.display(), record.line);
                            set.report.skipped.record(reason, place);
                        }
                    }
                }
                if part.last {
                    break;
                }
            }
        }
        if set.items.is_empty() {
            let path = paths.first().map(|p| p.as_ref().to_path_buf()).unwrap_or_default();
            let skipped = &set.report.skipped;
            let why: Vec<&str> = skipped.files.iter().chain(&skipped.first).map(String::as_str).collect();
            let reason = format!(
                "holds nothing to make pairs of; expected lines like {{\"query\": …, \"passage\": …}}, or texts of more \
                 than a sentence; {}",
                why.join("; ")
            );
            return Err(Error::Input { path, reason });
        }
        Ok(set)
    }

    fn items(&self, part: &Part, record: &Record) -> Result<(Vec<Item>, PairReport), (&'static str, String)> {
        let bytes = part.bytes(record);
        let text = std::str::from_utf8(bytes)
            .map_err(|e| ("invalid UTF-8", format!("at byte {}", e.valid_up_to())))?;
        let mut report = PairReport::default();
        let cutter = Cutter { tokenizer: &self.tokenizer, limits: self.limits };
        if record.kind == Kind::Text {
            report.documents = 1;
            return Ok((cutter.cut(None, text, &mut report), report));
        }
        let line: Line =
            serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).map_err(|e| {
                let reason = if e.is_data() { "neither a pair nor a text" } else { "not JSON" };
                (reason, e.to_string())
            })?;
        let Line { query, passage, positive, text, title, negatives, messages } = line;
        match (query, passage.or(positive), text) {
            (Some(query), Some(passage), _) | (Some(query), None, Some(passage)) => {
                if query.trim().is_empty() || passage.trim().is_empty() {
                    return Err(("a pair with an empty text", String::new()));
                }
                report.pairs = 1;
                let (query, cut) = whole(&self.tokenizer, query.trim(), self.limits.query);
                report.cut_queries += u64::from(cut);
                let mut long = |text: &str| {
                    let (ids, cut) = whole(&self.tokenizer, text.trim(), self.limits.passage);
                    report.cut_passages += u64::from(cut);
                    ids
                };
                let passage = long(&passage);
                let filled = negatives.iter().filter(|text| !text.trim().is_empty());
                let negatives = filled.map(|text| long(text)).collect();
                Ok((vec![Item::Pair { query, passage, negatives }], report))
            }
            (None, None, Some(text)) => {
                report.documents = 1;
                Ok((cutter.cut(title.as_deref(), &text, &mut report), report))
            }
            (None, None, None) if messages.is_some() => Err(("a conversation, not a pair", String::new())),
            (Some(_), None, None) => Err(("a query without a passage", String::new())),
            (None, Some(_), _) => Err(("a passage without a query", String::new())),
            (None, None, None) => Err(("neither a pair nor a text", String::new())),
        }
    }

    /// How many pairs can be drawn at a time: given ones and passages.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes a twentieth of the passages out, with all that is asked about them, to be asked for later: `most` at most. None of
    /// fewer than 40.
    pub fn hold_out(&mut self, most: usize) -> Option<Self> {
        let mut all: Vec<u64> = self.items.iter().map(Item::passage).collect();
        all.sort_unstable();
        all.dedup();
        // By the text itself: more data leaves the same passages out.
        let chosen: Vec<u64> =
            all.iter().copied().filter(|text| mix(*text).is_multiple_of(20)).take(most).collect();
        if self.items.len() < 40 || chosen.is_empty() || chosen.len() == all.len() {
            return None;
        }
        let is_chosen = |item: &Item| chosen.binary_search(&item.passage()).is_ok();
        let (held, taught) = std::mem::take(&mut self.items).into_iter().partition(is_chosen);
        self.items = taught;
        let (tokenizer, report) = (self.tokenizer.clone(), self.report.clone());
        Some(Self { items: held, tokenizer, limits: self.limits, report })
    }
}

impl Item {
    /// A number for the passage's text.
    fn passage(&self) -> u64 {
        match self {
            Self::Pair { passage, .. } => identity(passage),
            Self::Passage { passage, .. } => xxh3_64(passage.text.as_bytes()),
        }
    }
}

impl PairReport {
    fn add(&mut self, other: &Self) {
        self.pairs += other.pairs;
        self.documents += other.documents;
        self.passages += other.passages;
        self.too_short += other.too_short;
        self.cut_queries += other.cut_queries;
        self.cut_passages += other.cut_passages;
        self.long_sentences += other.long_sentences;
        self.skipped.add(&other.skipped);
    }
}

/// The ids of a text as an embedder reads it, of its own `most` at most, and whether that cut it.
fn whole(tokenizer: &Tokenizer, text: &str, most: usize) -> (Vec<TokenId>, bool) {
    let mut ids = tokenizer.encode(text);
    let cut = ids.len() > most;
    ids.truncate(most);
    ([tokenizer.prefix(), &ids, tokenizer.suffix()].concat(), cut)
}

/// A number for a text: the same for the same ids.
fn identity(ids: &[TokenId]) -> u64 {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    xxh3_64(&bytes)
}
