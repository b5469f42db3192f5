//! Words into numbers: a tokenizer from text files.

use super::clock::Clock;
use crate::Academy;
use anyhow::{Context, Result, bail};
use shuyuan_store::StagedDir;
use shuyuan_text::{TrainConfig, TrainProgress, TrainReport};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// What to train it on.
#[derive(Clone, Debug)]
pub struct Options {
    /// Text files or folders.
    pub inputs: Vec<PathBuf>,
    /// Size of the vocabulary.
    pub vocab_size: usize,
    /// Bytes to read from each input at most.
    pub limit: Option<u64>,
    /// The folder to make.
    pub output: PathBuf,
}

/// Trains a tokenizer and writes tokenizer.json and tokenizer_config.json.
///
/// # Errors
/// Inputs that are not there or hold no text, a vocabulary smaller than the bytes, a stop.
pub fn train(academy: &Academy, options: &Options, stop: &AtomicBool) -> Result<TrainReport> {
    let clock = Clock::start(
        academy,
        "tokenizer",
        ["词元", "把文字变成数字:从课本里找出常在一起的字节,合成词元,每个词元有一个编号。"],
        [
            "Tokens",
            "Words into numbers: bytes that often stand together are joined into tokens, each with a number.",
        ],
    );
    let texts = shuyuan_corpus::texts(&options.inputs, options.limit)?;
    let trained = shuyuan_text::train(texts, &TrainConfig::new(options.vocab_size), |progress| {
        match progress {
            TrainProgress::Counting { bytes } => clock.progress(bytes, 0, academy.lang.pick("字节", "bytes")),
            TrainProgress::Merging { done, total } => {
                clock.progress(done as u64, total as u64, academy.lang.pick("次合并", "merges"));
            }
        }
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let trained = trained.context("training the tokenizer")?;
    if trained.report.bytes == 0 {
        bail!("no text in {:?}: nothing to train a tokenizer on", options.inputs);
    }
    let staged = StagedDir::new(&options.output)?;
    trained.tokenizer.save(staged.path())?;
    staged.publish()?;
    clock.done();
    Ok(trained.report)
}
