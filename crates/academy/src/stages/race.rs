//! The race: raw text in, a given time on the clock, then bits per byte of text that was held back.

use super::{corpus, plan, pretrain, tokenizer};
use crate::{Academy, Level};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use shuyuan_corpus::Corpus;
use shuyuan_engine::Engine;
use shuyuan_eval::{Scorer, bits_per_byte, texts_of};
use shuyuan_model::Decoder;
use shuyuan_store::write_atomic;
use shuyuan_text::Tokenizer;
use shuyuan_train::{Recipe, read_metrics};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What to race on, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// A folder with train/*.jsonl and heldout/*.jsonl: lines with `text`.
    pub data: PathBuf,
    /// Time from raw text to the last step.
    pub minutes: f64,
    /// Where tokenizer, corpus, run and race.json are made; those of an earlier race go.
    pub output: PathBuf,
    /// How the model is trained, but for its length; none for the recipe that makes the most of the time.
    pub recipe: Option<Recipe>,
    /// Size of the vocabulary; none for the one that makes the most of the time.
    pub vocab_size: Option<usize>,
    /// How often each file is read.
    pub mix: Mix,
}

/// The share of each file in what is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mix {
    /// By its bytes.
    Bytes,
    /// The same for all.
    Files,
    /// The same for each language, and for all files of a language: what stands before the first `_` of their names.
    Languages,
}

/// How it ended. As `train_race.py` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Bits per byte by held-out file.
    pub bpb: BTreeMap<String, f64>,
    /// The mean of files named `zh_…`.
    pub bpb_zh: Option<f64>,
    /// The mean of files named `en_…`.
    pub bpb_en: Option<f64>,
    /// The mean of both languages.
    pub bpb_mean: Option<f64>,
    /// Numbers in the model.
    pub params: usize,
    /// Tokens of the vocabulary.
    pub vocab: usize,
    /// Tokens learned from.
    pub tokens: u64,
    /// Steps taken.
    pub steps: u64,
    /// Of training alone.
    pub tokens_per_s: f64,
    /// When the last step ended.
    pub stopped_s: f64,
    /// By stage; all but "evaluate" are inside the time.
    pub seconds: BTreeMap<&'static str, f64>,
    /// Bytes of held-out text.
    pub heldout_bytes: u64,
    /// Bytes of held-out text for each of its tokens.
    pub heldout_bytes_per_token: f64,
    /// (seconds, tokens, loss): sixty points along the way.
    pub curve: Vec<(f64, u64, f64)>,
    /// How it was trained.
    pub recipe: Recipe,
    /// The share of each file.
    pub mix: Mix,
}

/// The folders of a race.
const MADE: [&str; 3] = ["tokenizer", "corpus", "run"];
/// Bytes that the tokenizer is trained on, of all files together.
const SAMPLE: u64 = 36_000_000;
/// Seconds between the last step and the end of the time: a step more would not fit, and the weights are written.
const SPARE: f64 = 2.0;

/// Trains from raw text until the time is over, then measures.
///
/// # Errors
/// A folder without the files, what the stages say, a stop.
pub fn run(academy: &Academy, options: &Options, stop: &AtomicBool) -> Result<Outcome> {
    let started = Instant::now();
    let mut seconds = BTreeMap::new();
    let mut before = 0.0;
    let mut lap = |name| {
        let now = started.elapsed().as_secs_f64();
        seconds.insert(name, now - before);
        before = now;
        now
    };
    let train = files(&options.data.join("train"))?;
    let heldout = files(&options.data.join("heldout"))?;
    let output = &options.output;
    let report = output.join("race.json");
    let made = |name: &&&str| output.join(name).exists();
    if !report.is_file()
        && let Some(name) = MADE.iter().find(made)
    {
        bail!(
            "{} holds a {name} that no race made (there is no race.json): choose another --output, it would be removed",
            output.display()
        );
    }
    write_atomic(&report, b"{}\n")?;
    for dir in MADE.map(|name| output.join(name)) {
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", dir.display()));
            }
            _ => {}
        }
    }
    let vocab_size = match options.vocab_size {
        Some(size) => size,
        None => plan::vocabulary(academy, train.iter().map(|(_, bytes)| bytes).sum(), options.minutes)?,
    };
    let tokenizer = tokenizer::Options {
        inputs: train.iter().map(|(path, _)| path.clone()).collect(),
        vocab_size,
        limit: Some(SAMPLE / train.len() as u64),
        output: output.join("tokenizer"),
    };
    tokenizer::train(academy, &tokenizer, stop)?;
    lap("tokenizer");
    let corpus = corpus::Options {
        inputs: weighted(&train, options.mix),
        tokenizer: tokenizer.output,
        output: output.join("corpus"),
        decontaminate: Vec::new(),
        validation_share: 0.0,
        clean: true,
    };
    corpus::build(academy, &corpus, stop)?;
    let left = 60.0 * options.minutes - SPARE - lap("corpus");
    if left <= 0.0 {
        bail!("the time was over after {:.0} s of reading: give the race more --minutes", before);
    }
    let mut recipe = match &options.recipe {
        Some(recipe) => recipe.clone(),
        None => plan::choose(academy, &Corpus::open(&corpus.output)?, vocab_size, left / 60.0)?,
    };
    let left = 60.0 * options.minutes - SPARE - lap("choice");
    (recipe.train.validate_every, recipe.train.checkpoint_every) = (0, u64::MAX);
    recipe.train.keep_checkpoints = 0;
    let pretrain = pretrain::Options {
        recipe: Some(recipe.clone()),
        corpus: corpus.output,
        output: output.join("run"),
        steps: None,
        minutes: Some(left / 60.0),
        resume: false,
        prompts: Vec::new(),
        floor_per_byte: None,
        hurried: true,
    };
    let summary = pretrain::run(academy, &pretrain, stop)?;
    if summary.stopped {
        bail!("stopped after {} steps: a race counts when it is run to its end", summary.steps);
    }
    let stopped_s = lap("train");

    let tokenizer = Arc::new(Tokenizer::load(&pretrain.corpus)?);
    let params = summary.model.config().num_params();
    let scorer = Scorer::new(Engine::new(Arc::new(Decoder::of(&summary.model))), tokenizer.clone());
    let (mut bpb, mut bytes, mut tokens) = (BTreeMap::new(), 0, 0);
    for (path, _) in &heldout {
        let texts = texts_of(&[path], usize::MAX)?;
        let result = bits_per_byte(&scorer, &texts, &mut |_, _| {
            if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let name = pretrain::name_of(&path.with_extension(""));
        let unit = academy.lang.pick("比特每字节", "bits per byte");
        academy.events.message(Level::Info, format!("{name}: {:.4} {unit}", result.score));
        bpb.insert(name, result.score);
        bytes += result.bytes.unwrap_or_default();
        tokens += result.tokens.unwrap_or_default();
    }
    lap("evaluate");
    let mean = |prefix: &str| {
        let of: Vec<f64> = bpb.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, b)| *b).collect();
        (!of.is_empty()).then(|| of.iter().sum::<f64>() / of.len() as f64)
    };
    let (bpb_zh, bpb_en) = (mean("zh_"), mean("en_"));
    let outcome = Outcome {
        bpb_mean: bpb_zh.zip(bpb_en).map(|(zh, en)| (zh + en) / 2.0),
        bpb_zh,
        bpb_en,
        bpb,
        params,
        vocab: tokenizer.vocab_size(),
        tokens: summary.tokens,
        steps: summary.steps,
        tokens_per_s: summary.tokens as f64 / summary.seconds,
        stopped_s,
        seconds,
        heldout_bytes: bytes,
        heldout_bytes_per_token: bytes as f64 / tokens.max(1) as f64,
        curve: curve(&pretrain.output, stopped_s - summary.seconds)?,
        recipe,
        mix: options.mix,
    };
    write_atomic(&report, &serde_json::to_vec_pretty(&outcome)?)?;
    Ok(outcome)
}

/// The folder's files of JSON lines that hold something, by name, and their bytes.
fn files(dir: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let entries = std::fs::read_dir(dir).with_context(|| {
        format!("{}: expected a folder of .jsonl files, as `train_race.py split` writes it", dir.display())
    })?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let (path, bytes) = (entry.path(), entry.metadata()?.len());
        if path.extension().is_some_and(|extension| extension == "jsonl") && bytes > 0 {
            files.push((path, bytes));
        }
    }
    if files.is_empty() {
        bail!("{}: expected files named *.jsonl with text in them, found none", dir.display());
    }
    files.sort();
    Ok(files)
}

/// How often each file comes in a pass over as much text as there is.
fn weighted(files: &[(PathBuf, u64)], mix: Mix) -> Vec<(PathBuf, f64)> {
    let language = |path: &Path| {
        let name = pretrain::name_of(path);
        name.split_once('_').map_or_else(String::new, |(language, _)| language.to_string())
    };
    let mut by_language: BTreeMap<String, usize> = BTreeMap::new();
    for (path, _) in files {
        *by_language.entry(language(path)).or_default() += 1;
    }
    let total = files.iter().map(|(_, bytes)| *bytes as f64).sum::<f64>();
    let weight = |(path, bytes): &(PathBuf, u64)| {
        let share = match mix {
            Mix::Bytes => return (path.clone(), 1.0),
            Mix::Files => 1.0 / files.len() as f64,
            Mix::Languages => 1.0 / (by_language.len() * by_language[&language(path)]) as f64,
        };
        (path.clone(), share * total / *bytes as f64)
    };
    files.iter().map(weight).collect()
}

/// Sixty points of a run's metrics, each the mean of the steps since the one before.
fn curve(run: &Path, started: f64) -> Result<Vec<(f64, u64, f64)>> {
    let metrics = read_metrics(run)?;
    let points = metrics.chunks(metrics.len().div_ceil(60).max(1)).filter_map(|part| {
        let last = part.last()?;
        let loss = part.iter().map(|metric| metric.loss).sum::<f64>() / part.len() as f64;
        Some((started + last.seconds, last.tokens, loss))
    });
    Ok(points.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_share_alike_or_by_their_bytes() {
        let files = [("zh_a.jsonl", 100), ("zh_b.jsonl", 300), ("en_c.jsonl", 200)];
        let files = files.map(|(name, bytes)| (PathBuf::from(name), bytes));
        let shares = |mix| {
            let weights = weighted(&files, mix);
            let shares: Vec<f64> =
                weights.iter().zip(&files).map(|((_, w), (_, n))| w * *n as f64 / 600.0).collect();
            shares.iter().map(|share| (share * 100.0).round()).collect::<Vec<_>>()
        };
        assert_eq!(shares(Mix::Bytes), [17.0, 50.0, 33.0]);
        assert_eq!(shares(Mix::Files), [33.0, 33.0, 33.0]);
        assert_eq!(shares(Mix::Languages), [25.0, 25.0, 50.0]);
    }
}
