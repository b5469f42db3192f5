//! Sources to a corpus, in three stages: read (each part of a source cleaned, hashed, tokenised, put aside), compare (which
//! documents repeat earlier ones), write (shards). Text is read once.

mod config;
mod document;
mod plan;
mod publish;
mod unit;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use shuyuan_text::Tokenizer;
use xxhash_rust::xxh3::xxh3_64;

use crate::clean::Reason;
use crate::corpus::{MANIFEST, Manifest};
use crate::dedup::{BANDS, find_copies};
use crate::error::{Error, Result};
use crate::report::{Report, SourceReport};
use crate::shard::Vocabulary;
use crate::source::{Part, Reader, parse};
pub use config::{BuildConfig, Filters, Source};
use document::{Document, Maker};
use plan::Plan;
use unit::Unit;

/// Folder inside an unfinished corpus.
pub(crate) const WORK: &str = "work";
/// Bytes of records in a unit. Two of them are in memory, one read while the other is worked on.
const UNIT: usize = 8 << 20;

/// What a build is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading, cleaning and tokenising; counted in bytes of the files.
    Reading,
    /// Looking for duplicates; counted in columns of hashes.
    Comparing,
    /// Writing shards; counted in units.
    Writing,
}

/// How far a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is at.
    pub stage: Stage,
    /// Of `total`.
    pub done: u64,
    /// At the end of the stage.
    pub total: u64,
}

/// Builds a corpus, or goes on with an interrupted build of the same inputs, settings and tokenizer, or returns the
/// report of one that is finished. The result does not depend on interruptions or on the number of threads.
///
/// `stop` set to true ends the build after the unit in work (a second or so) with [`Error::Stopped`].
///
/// Errors: inputs that are not there, settings out of range, an output folder that another build writes to or that
/// holds another corpus, no text left. Bad records and files among good ones are skipped and reported.
pub fn build(
    config: &BuildConfig,
    tokenizer: &Tokenizer,
    progress: &dyn Fn(Progress),
    stop: &AtomicBool,
) -> Result<Report> {
    config.validate()?;
    let plan = Plan::new(config, tokenizer)?;
    let _lock = shuyuan_store::Lock::acquire(&config.output)?;
    if let Some(manifest) = plan.prepare(&config.output)? {
        return Ok(manifest.report);
    }
    let step = |p: Progress| {
        progress(p);
        if stop.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
    };
    let maker = Maker::new(config, tokenizer)?;
    let units = read(config, &plan, &maker, &step)?;
    drop(maker);

    let mut sources: Vec<SourceReport> = Vec::new();
    for (source, others) in config.inputs.iter().zip(&plan.others) {
        let name = source.path.display().to_string();
        let mut report = SourceReport { name, weight: source.weight, ..SourceReport::default() };
        report.skipped.files.extend(others.iter().cloned());
        sources.push(report);
    }
    units.iter().for_each(|u| sources[u.head.source].add(&u.head.report));

    let total = if config.near_duplicates { 1 + BANDS as u64 } else { 1 };
    let copies = find_copies(&units[..], config.near_duplicates, |done| {
        step(Progress { stage: Stage::Comparing, done: done as u64, total })
    })?;

    tokenizer.save(&config.output)?;
    let vocabulary = vocabulary(&config.output, tokenizer)?;
    let (shards, report) = publish::publish(config, tokenizer, vocabulary, &units, &copies, sources, &step)?;
    if report.tokens == 0 {
        return Err(nothing_left(&report));
    }
    let manifest = Manifest::new(vocabulary, config.clone(), plan.fingerprint, report, shards);
    let path = config.output.join(MANIFEST);
    let bytes = serde_json::to_vec_pretty(&manifest).map_err(|e| Error::io(&path)(e.into()))?;
    shuyuan_store::write_atomic(&path, &bytes)?;
    drop(units);
    plan::remove(&config.output.join(WORK))?;
    Ok(manifest.report)
}

/// Which ids shards hold, from the tokenizer as saved.
fn vocabulary(output: &Path, tokenizer: &Tokenizer) -> Result<Vocabulary> {
    let path = output.join(shuyuan_text::TOKENIZER_FILE);
    let hash = xxh3_64(&std::fs::read(&path).map_err(Error::io(&path))?);
    Ok(Vocabulary { size: tokenizer.vocab_size() as u32, hash })
}

/// The first stage: every part of every source to a unit, those that are there already passed over.
fn read(
    config: &BuildConfig,
    plan: &Plan,
    maker: &Maker,
    step: &dyn Fn(Progress) -> Result<()>,
) -> Result<Vec<Unit>> {
    let total = plan.files.iter().flat_map(|files| files.iter()).map(|f| f.size).sum();
    let (mut units, mut before) = (Vec::new(), 0);
    for (source, files) in plan.files.iter().enumerate() {
        let mut reader = Reader::new(Arc::clone(files), config.limit);
        let path = |n: usize| config.output.join(WORK).join(format!("{source:03}-{n:06}.unit"));
        let mut done = Vec::new();
        while done.last().is_none_or(|u: &Unit| !u.head.last) {
            let Some(unit) = Unit::open(&path(done.len()))? else { break };
            done.push(unit);
        }
        let mut part = None;
        if done.last().is_none_or(|u| !u.head.last) {
            for _ in 0..done.len() {
                reader.next_part(UNIT);
                let at = before + reader.consumed.load(Ordering::Relaxed);
                step(Progress { stage: Stage::Reading, done: at, total })?;
            }
            part = Some(reader.next_part(UNIT));
        }
        while let Some(now) = part.take() {
            let last = now.last;
            let consumed = Arc::clone(&reader.consumed);
            let read_on = || (!last).then(|| reader.next_part(UNIT));
            // One part is worked on while the next is read.
            let files = Arc::clone(files);
            let ((report, documents), next) = rayon::join(|| work(now, &files, maker), read_on);
            let path = path(done.len());
            unit::write(&path, source, report, last, &documents)?;
            drop(documents);
            done.extend(Unit::open(&path)?);
            part = next;
            let at = before + consumed.load(Ordering::Relaxed);
            step(Progress { stage: Stage::Reading, done: at, total })?;
        }
        before += files.iter().map(|f| f.size).sum::<u64>();
        units.extend(done);
    }
    Ok(units)
}

/// What became of one record: bytes of text, and the document or why there is none.
enum Outcome {
    Skipped(&'static str, String),
    Judged(u64, Result<Document, Reason>),
}

/// Makes a part's documents, in order, on all threads.
fn work(part: Part, files: &[crate::source::InputFile], maker: &Maker) -> (SourceReport, Vec<Document>) {
    let outcomes: Vec<Outcome> = part
        .records()
        .par_iter()
        .map(|record| match parse(part.bytes(record), record.kind) {
            Ok(example) => Outcome::Judged(example.bytes() as u64, maker.make(example)),
            Err((reason, detail)) => Outcome::Skipped(reason, detail),
        })
        .collect();
    let mut report = SourceReport { files: part.files, ..SourceReport::default() };
    report.skipped = part.skipped.clone();
    let mut documents = Vec::new();
    for (record, outcome) in part.records().iter().zip(outcomes) {
        let (bytes, document) = match outcome {
            Outcome::Skipped(reason, detail) => {
                let place =
                    || format!("{}:{} {detail}", files[record.file as usize].path.display(), record.line);
                report.skipped.record(reason, place);
                continue;
            }
            Outcome::Judged(bytes, document) => (bytes, document),
        };
        report.documents_in += 1;
        report.bytes_in += bytes;
        match document {
            Ok(document) => {
                report.kept += 1;
                report.bytes_kept += u64::from(document.bytes);
                documents.push(document);
            }
            Err(Reason::Empty) => report.dropped.empty += 1,
            Err(Reason::NotText) => report.dropped.not_text += 1,
            Err(Reason::Short) => report.dropped.short += 1,
            Err(Reason::Repetition) => report.dropped.repetition += 1,
            Err(Reason::Overlap) => report.dropped.overlap += 1,
        }
    }
    (report, documents)
}

fn nothing_left(report: &Report) -> Error {
    let mut all = SourceReport::default();
    report.sources.iter().for_each(|s| all.add(s));
    let mut reasons: Vec<String> = all.skipped.files.iter().take(3).cloned().collect();
    reasons.extend(all.skipped.records.iter().map(|(reason, n)| format!("{n} lines: {reason}")));
    if let Ok(serde_json::Value::Object(dropped)) = serde_json::to_value(all.dropped) {
        reasons.extend(dropped.iter().filter(|(_, n)| **n != 0).map(|(reason, n)| format!("{n} {reason}")));
    }
    if report.validation_tokens > 0 {
        reasons.push("the rest held back for validation".into());
    }
    Error::NothingLeft { read: all.documents_in, reasons: reasons.join(", ") }
}
