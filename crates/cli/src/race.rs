//! `race`: the most that a given time makes of raw text.

use crate::args::{Global, count, positive};
use crate::out::{self, say};
use crate::render::shown;
use crate::stop::{self, STOP};
use crate::style::{BOLD, RESET, duration, grouped};
use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;
use shuyuan_academy::stages::race;
use shuyuan_tensor::Hardware;
use shuyuan_train::Recipe;
use std::path::PathBuf;

/// The best model that a given time makes of raw text, in bits per byte
///
/// Reads DIR/train/*.jsonl, makes tokenizer, corpus and model until the time is over, then predicts DIR/heldout/*.jsonl:
/// every token of a document once, the first from nothing but the end of another. Prints what `train_race.py`, which
/// splits text into such folders and races PyTorch on them, prints.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan race --data /tmp/race --minutes 10 --json")]
pub(crate) struct Race {
    /// The folder with train/ and heldout/
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Time for everything but the measuring
    #[arg(long, value_name = "M", value_parser = positive)]
    minutes: f64,
    /// A recipe file [default: the one that makes the most of the time]
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Tokens in the vocabulary [default: as many as make the most of the time]
    #[arg(long, value_name = "N", value_parser = count)]
    vocab_size: Option<usize>,
    /// The share of each file in what is learned
    #[arg(long, default_value = "languages")]
    mix: Mix,
    /// Where tokenizer, corpus, run and race.json are made; those of an earlier race go [default: race in the home folder]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Where to train: as `pretrain --device`
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mix {
    /// By its bytes
    Bytes,
    /// The same for all
    Files,
    /// The same for each language, and for all files of a language (zh_….jsonl, en_….jsonl)
    Languages,
}

impl Race {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy_on(&self.device)?;
        let options = race::Options {
            data: self.data.clone(),
            minutes: self.minutes,
            output: self.output.clone().unwrap_or_else(|| academy.home.root().join("race")),
            recipe: self.recipe.as_deref().map(Recipe::load).transpose()?,
            vocab_size: self.vocab_size,
            mix: match self.mix {
                Mix::Bytes => race::Mix::Bytes,
                Mix::Files => race::Mix::Files,
                Mix::Languages => race::Mix::Languages,
            },
        };
        let outcome = shown(&academy, || race::run(&academy, &options, &STOP));
        // What was cut off reports that as a failure; it is none.
        stop::check()?;
        let outcome = outcome?;
        if global.json {
            let hardware = Hardware::detect();
            let also = json!({
                "bench": "train_race", "peer": "shuyuan", "minutes": self.minutes, "cpu": hardware.cpu,
                "threads": hardware.cores,
            });
            return out::json_with(&outcome, also);
        }
        for (name, bits) in &outcome.bpb {
            say!("  {bits:.4}  {name}")?;
        }
        if let (Some(mean), Some(zh), Some(en)) = (outcome.bpb_mean, outcome.bpb_zh, outcome.bpb_en) {
            say!("{BOLD}{mean:.4}{RESET} bits per byte: zh {zh:.4}, en {en:.4}")?;
        }
        let (params, tokens, rate) =
            (outcome.params as u64, grouped(outcome.tokens), grouped(outcome.tokens_per_s as u64));
        say!(
            "{} parameters, {tokens} tokens in {}, {rate} a second",
            grouped(params),
            duration(outcome.stopped_s)
        )
    }
}
