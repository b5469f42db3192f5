//! The textbooks: files into shards of tokens.

use super::clock::Clock;
use crate::Academy;
use anyhow::{Context, Result};
use shuyuan_corpus::{BuildConfig, Filters, Report, Source, Stage};
use shuyuan_text::Tokenizer;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// What to build it from.
#[derive(Clone, Debug)]
pub struct Options {
    /// Files or folders, and how often their documents come.
    pub inputs: Vec<(PathBuf, f64)>,
    /// The tokenizer's folder.
    pub tokenizer: PathBuf,
    /// The folder to make.
    pub output: PathBuf,
    /// Evaluation sets whose passages must not occur.
    pub decontaminate: Vec<PathBuf>,
    /// Part of the documents that is held back for validation.
    pub validation_share: f64,
    /// The text is known to be clean and distinct: leave out nothing but copies.
    pub clean: bool,
}

/// Cleans, deduplicates and tokenises the inputs; an interrupted build goes on.
///
/// # Errors
/// Inputs that are not there, no text left, a folder that is in use, a stop.
pub fn build(academy: &Academy, options: &Options, stop: &AtomicBool) -> Result<Report> {
    let clock = Clock::start(
        academy,
        "corpus",
        ["课本", "选课本:清洗文字,去掉重复,切成词元,装订成册。"],
        [
            "Textbooks",
            "Choosing the textbooks: text is cleaned, copies are removed, the rest is bound as tokens.",
        ],
    );
    let tokenizer = Tokenizer::load(&options.tokenizer)
        .with_context(|| format!("the tokenizer in {}", options.tokenizer.display()))?;
    let inputs =
        options.inputs.iter().map(|(path, weight)| Source { path: path.clone(), weight: *weight }).collect();
    let mut config = BuildConfig::new(inputs, &options.output);
    config.decontaminate = options.decontaminate.clone();
    config.validation_share = options.validation_share;
    if options.clean {
        config.filters = Filters::none();
        config.near_duplicates = false;
    }
    let progress = |p: shuyuan_corpus::Progress| {
        let unit = match p.stage {
            Stage::Reading => academy.lang.pick("字节", "bytes"),
            Stage::Comparing => academy.lang.pick("轮比对", "rounds of comparing"),
            Stage::Writing => academy.lang.pick("块写入", "blocks written"),
        };
        clock.progress(p.done, p.total, unit);
    };
    let report = shuyuan_corpus::build(&config, &tokenizer, &progress, stop)?;
    clock.done();
    Ok(report)
}
