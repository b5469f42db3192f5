//! Units to shards: what is kept of each, by source and split, and the description that makes the folder a corpus.

use std::path::Path;

use shuyuan_text::{TokenId, Tokenizer};

use super::unit::Unit;
use super::{BuildConfig, Progress, Stage};
use crate::clean::Language;
use crate::corpus::{ShardEntry, Split};
use crate::dedup::{Columns, Repeat};
use crate::error::Result;
use crate::report::{ExampleText, Report, SourceReport};
use crate::shard::{ShardWriter, Vocabulary};

/// Tokens after which a shard is closed: 16 MiB of 2-byte ids.
const SHARD: usize = 8 << 20;
/// Examples of each source in the report, and tokens of each.
const EXAMPLES: usize = 3;
const EXAMPLE_TOKENS: usize = 256;

/// The shards of one split.
struct Shards {
    split: Split,
    writer: ShardWriter,
    entries: Vec<ShardEntry>,
}

impl Shards {
    fn new(split: Split, vocabulary: Vocabulary) -> Self {
        Self { split, writer: ShardWriter::new(vocabulary), entries: Vec::new() }
    }

    /// Writes what is collected, which is of one source.
    fn close(&mut self, output: &Path, source: usize, weight: f64) -> Result<()> {
        if self.writer.documents() == 0 {
            return Ok(());
        }
        let name = match self.split {
            Split::Train => "train",
            Split::Validation => "validation",
        };
        let file = format!("{name}-{:05}.tok", self.entries.len());
        let (documents, tokens) = (self.writer.documents() as u64, self.writer.tokens() as u64);
        self.writer.finish(&output.join(&file))?;
        self.entries.push(ShardEntry { file, split: self.split, source, weight, documents, tokens });
        Ok(())
    }
}

/// Writes all shards; returns them and the report.
pub(super) fn publish(
    config: &BuildConfig,
    tokenizer: &Tokenizer,
    vocabulary: Vocabulary,
    units: &[Unit],
    copies: &[Repeat],
    mut sources: Vec<SourceReport>,
    step: &dyn Fn(Progress) -> Result<()>,
) -> Result<(Vec<ShardEntry>, Report)> {
    let mut train = Shards::new(Split::Train, vocabulary);
    let mut validation = Shards::new(Split::Validation, vocabulary);
    let mut report = Report::default();
    // The documents of smallest hash: as good as drawn at random, and the same every time.
    let mut examples: Vec<(u128, Vec<TokenId>)> = Vec::new();
    let bound = validation_bound(config.validation_share, units, copies)?;
    let mut next = 0;
    for (done, unit) in units.iter().enumerate() {
        let index = unit.head.source;
        let (source, weight) = (&mut sources[index], config.inputs[index].weight);
        let documents = unit.documents()?;
        for (i, ids) in documents.ids().enumerate() {
            let copy = copies[next];
            next += 1;
            match copy {
                Repeat::Exact => source.dropped.exact_duplicate += 1,
                Repeat::Near => source.dropped.near_duplicate += 1,
                Repeat::No => {}
            }
            if copy != Repeat::No {
                source.kept -= 1;
                source.bytes_kept -= u64::from(documents.bytes[i]);
                continue;
            }
            match documents.languages[i] {
                Language::Zh => source.languages.zh += 1,
                Language::En => source.languages.en += 1,
                Language::Other => source.languages.other += 1,
            }
            source.tokens += ids.len() as u64;
            let hash = documents.hashes[i];
            let held_back = ((hash >> 64) as u64) < bound;
            let (shards, tokens) = if held_back {
                (&mut validation, &mut report.validation_tokens)
            } else {
                (&mut train, &mut report.tokens)
            };
            *tokens += ids.len() as u64;
            shards.writer.push(ids);
            if shards.writer.tokens() >= SHARD {
                shards.close(&config.output, index, weight)?;
            }
            if examples.len() < EXAMPLES || examples.last().is_some_and(|last| hash < last.0) {
                let place = examples.partition_point(|e| e.0 < hash);
                examples.insert(place, (hash, ids[..ids.len().min(EXAMPLE_TOKENS)].to_vec()));
                examples.truncate(EXAMPLES);
            }
        }
        if unit.head.last {
            train.close(&config.output, index, weight)?;
            validation.close(&config.output, index, weight)?;
            report
                .examples
                .extend(examples.drain(..).map(|(_, ids)| ExampleText { text: decode(tokenizer, &ids) }));
        }
        step(Progress { stage: Stage::Writing, done: done as u64 + 1, total: units.len() as u64 })?;
    }
    report.sources = sources;
    Ok(([train.entries, validation.entries].concat(), report))
}

/// A document is held back if the upper half of its hash is below this: the share of all 64-bit numbers, or as much more
/// as holds one document back, if any is to be and there are two.
fn validation_bound(share: f64, units: &[Unit], copies: &[Repeat]) -> Result<u64> {
    let (mut least, mut kept) = (u64::MAX, 0);
    units.texts(&mut |document, hash| {
        if copies[document as usize] == Repeat::No {
            least = least.min((hash >> 64) as u64);
            kept += 1;
        }
    })?;
    let bound = (share * u64::MAX as f64) as u64;
    Ok(if share > 0.0 && kept > 1 { bound.max(least.saturating_add(1)) } else { bound })
}

/// The text of a document's beginning, without its end of text and half a character where it was cut.
fn decode(tokenizer: &Tokenizer, ids: &[TokenId]) -> String {
    let end = tokenizer.special(shuyuan_text::END_OF_TEXT);
    let ids = if ids.last().copied() == end { &ids[..ids.len() - 1] } else { ids };
    tokenizer.decode(ids).trim_end_matches(char::REPLACEMENT_CHARACTER).to_owned()
}
