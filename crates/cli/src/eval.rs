//! `eval`: the examination.

use crate::args::{Global, count};
use crate::render::shown;
use crate::stop::{self, STOP};
use crate::{files, models, out, scorecard};
use anyhow::Result;
use clap::Args;
use shuyuan_academy::stages::eval;
use shuyuan_eval::Plan;
use std::path::PathBuf;

/// Examine a model: the trades, multiple choice, bits per byte, each with its standard error
///
/// Without --task, --choices or --text: all trades of the built-in world, about what training never showed.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan eval --model tuned/model\n  shuyuan eval --model tuned/model --task sums one_fact --limit 500 --json\n  shuyuan eval --choices piqa.jsonl.zst arc.jsonl --text held-out.txt"
)]
pub(crate) struct Eval {
    /// A model's folder, or its name in the home folder [default: academy, or the newest]
    #[arg(long, value_name = "DIR")]
    model: Option<String>,
    /// Trades of the built-in world: one_fact, two_facts, sums, translation, summary
    #[arg(long, num_args = 1.., value_name = "TASK")]
    task: Vec<String>,
    /// Multiple choice: files of questions, JSON lines (also .zst); the likeliest choice counts
    #[arg(long, num_args = 1.., value_name = "FILE")]
    choices: Vec<PathBuf>,
    /// Bits per byte: files or folders of text
    #[arg(long, num_args = 1.., value_name = "PATH")]
    text: Vec<PathBuf>,
    /// Questions of each task
    #[arg(long, default_value = "100", value_name = "N", value_parser = count)]
    limit: usize,
    /// Bytes of text to read at most
    #[arg(long, default_value = "1000000", value_name = "N", value_parser = count)]
    bytes: usize,
    /// Seed of the world that the model was trained on
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
}

impl Eval {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        files::exist(self.choices.iter().chain(&self.text).map(PathBuf::as_path))?;
        let academy = global.academy()?;
        let live = models::load(&academy, self.model.as_deref())?;
        let plan = Plan {
            trades: self.task.clone(),
            choices: self.choices.clone(),
            text: self.text.clone(),
            limit: self.limit,
            bytes: self.bytes,
            seed: self.seed,
        };
        let scores = shown(&academy, || eval::run(&academy, &live, &plan, &STOP));
        // A task that was cut off reports that as a failure; it is none.
        stop::check()?;
        let scores = scores?;
        if global.json { out::json(&scores) } else { scorecard::print(academy.lang, &scores) }
    }
}
