//! `pretrain` and `finetune`.

use crate::args::{Global, positive};
use crate::files;
use crate::out::{self, note, say};
use crate::ranks;
use crate::render::shown;
use crate::stop::{Interrupted, STOP};
use crate::style::{BOLD, DIM, RESET, duration, grouped};
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde_json::json;
use shuyuan_academy::stages::{embed, finetune, pretrain};
use shuyuan_academy::{Academy, Lang};
use shuyuan_train::{Kind, Recall, Recipe, Rewind, Summary};
use std::path::{Path, PathBuf};

/// Train a model from nothing
///
/// Without a recipe it takes the size of model that makes the most of the time, on this corpus and machine: it counts, measures
/// the two that seem best for a moment, and says what it expects of each. Says before the first step what memory it needs. Ctrl-C saves; --resume goes on. The output folder then holds the
/// model (model/), the resolved recipe, metrics.jsonl, samples.jsonl, loss.svg, the newest checkpoint (checkpoint/), the
/// last few (checkpoints/) and the one that reads held-out text best (best/). Each is a model folder: chat --model
/// run/best. Where a loss jumps or is no number, its batch is in trouble/.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan pretrain --corpus c --minutes 60 --output run\n  shuyuan pretrain --recipe recipes/26m.toml --corpus c --output run\n  shuyuan pretrain --recipe recipes/26m.toml --corpus c --output run --resume\n  shuyuan pretrain --recipe recipes/26m.toml --corpus c --output run --rewind"
)]
pub(crate) struct Pretrain {
    /// A recipe file: model, training, optimizer [default: the one of recipes/ that makes the most of --minutes]
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// The corpus's folder
    #[arg(long, value_name = "DIR")]
    corpus: PathBuf,
    #[command(flatten)]
    length: Length,
}

/// How long, and where to.
#[derive(Debug, Args)]
struct Length {
    /// The run's folder; the model lies in its model/
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// How many steps [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// How many minutes [default: the recipe's]
    #[arg(long, value_name = "M", value_parser = positive)]
    minutes: Option<f64>,
    /// Go on from the folder's checkpoint
    #[arg(long)]
    resume: bool,
    /// Where to train: cpu, or, where this program is built with the feature of the name, cuda, rocm, metal, vulkan or
    /// webgpu, with a number for one of several (cuda:1). Several cards share each step (cuda:0,cuda:1): each takes the
    /// recipe's rows, the first one does the rest
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// Share each step among the processes that mpirun or srun started (mpirun -n 2 shuyuan … --mpi …): each takes the
    /// recipe's rows, the first one does the rest (needs the feature mpi)
    #[arg(long)]
    mpi: bool,
    /// Go on from a kept checkpoint, without the batches that went wrong after it: a step, best, or nothing for the
    /// last one before the trouble
    #[arg(long, value_name = "STEP", num_args = 0..=1, default_missing_value = "trouble", value_parser = kept)]
    rewind: Option<Rewind>,
}

/// For clap: a kept checkpoint.
fn kept(text: &str) -> Result<Rewind, String> {
    match text {
        "trouble" => Ok(Rewind::BeforeTrouble),
        "best" => Ok(Rewind::Best),
        step => step.parse().map(Rewind::Step).map_err(|_| "expected a step, best, or nothing".into()),
    }
}

impl Length {
    /// The academy, training where that is asked for.
    fn academy(&self, global: &Global) -> Result<Academy> {
        let mut academy = global.academy_on(&self.device)?;
        if self.mpi && !academy.cards.is_empty() {
            bail!("--mpi and several devices: start a rank for each card, with --device of its own");
        }
        academy.ranks = ranks::join(self.mpi)?;
        Ok(academy)
    }

    /// Rewinds the run if that is asked for; returns whether to go on from its checkpoint.
    fn resume(&self, academy: &Academy) -> Result<bool> {
        let Some(to) = self.rewind else { return Ok(self.resume) };
        let rewound = shuyuan_train::rewind(&self.output, to)?;
        let (step, skipped) = (grouped(rewound.step), rewound.skipped);
        let text = match academy.lang {
            Lang::Zh => format!("回到第 {step} 步;之后出过问题的 {skipped} 批不再学。"),
            Lang::En => format!(
                "Back at step {step}; what went wrong after it ({skipped} steps' batches) is skipped."
            ),
        };
        note(format_args!("{DIM}{text}{RESET}"));
        Ok(true)
    }
}

impl Pretrain {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = self.length.academy(global)?;
        ranks::lead(&academy, || self.train(global, &academy))
    }

    fn train(&self, global: &Global, academy: &Academy) -> Result<()> {
        let length = &self.length;
        let options = pretrain::Options {
            recipe: self.recipe.as_deref().map(Recipe::load).transpose()?,
            corpus: self.corpus.clone(),
            output: length.output.clone(),
            steps: length.steps,
            minutes: length.minutes,
            resume: length.resume(academy)?,
            prompts: Vec::new(),
            floor_per_byte: None,
            hurried: false,
        };
        let summary = shown(academy, || pretrain::run(academy, &options, &STOP))?;
        print(global, &summary, &length.output)
    }
}

/// Teach a model to answer, or to find
///
/// Method sft reads conversations (JSON lines with OpenAI's `messages`) and corrects the model in what the assistant says only.
/// Method embed makes a model whose vectors find passages (embed, /v1/embeddings), of pairs of a question and a passage, or of
/// plain documents, whose sentences and headings then become the questions. A twentieth is held out: recall says which part of
/// its questions finds the right passage.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan finetune --model run/model --data chats.jsonl --output tuned\n  shuyuan finetune --method embed --model run/model --data docs --output finder"
)]
pub(crate) struct Finetune {
    /// The method
    #[arg(long, default_value = "sft")]
    method: Method,
    /// The model's folder
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Conversations: JSON lines with `messages`. For embed: JSON lines with `query` and `passage` (and `negatives`), texts
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    data: Vec<PathBuf>,
    /// A recipe file [default: the method's own]
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    #[command(flatten)]
    length: Length,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Method {
    /// Supervised: loss on what the assistant says
    Sft,
    /// Contrastive: a question lies closer to its passage than to others
    Embed,
}

impl Finetune {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = self.length.academy(global)?;
        ranks::lead(&academy, || self.train(global, &academy))
    }

    fn train(&self, global: &Global, academy: &Academy) -> Result<()> {
        files::exist(self.data.iter().map(PathBuf::as_path))?;
        let length = &self.length;
        let recipe = |own: fn() -> Recipe| self.recipe.as_deref().map_or_else(|| Ok(own()), Recipe::load);
        if let Method::Embed = self.method {
            let options = embed::Options {
                model: self.model.clone(),
                data: self.data.clone(),
                output: length.output.clone(),
                recipe: recipe(Recipe::embed)?,
                steps: length.steps,
                minutes: length.minutes,
                resume: length.resume(academy)?,
            };
            let summary = shown(academy, || embed::run(academy, &options, &STOP))?;
            return print(global, &summary, &length.output);
        }
        let options = finetune::Options {
            model: self.model.clone(),
            data: self.data.clone(),
            output: length.output.clone(),
            recipe: recipe(Recipe::finetune)?,
            steps: length.steps,
            minutes: length.minutes,
            resume: length.resume(academy)?,
            prompts: Vec::new(),
            kind: Kind::Finetune,
        };
        let summary = shown(academy, || finetune::run(academy, &options, &STOP))?;
        print(global, &summary, &length.output)
    }
}

fn print(global: &Global, summary: &Summary, output: &Path) -> Result<()> {
    if global.json {
        let model = (!summary.stopped).then(|| output.join("model"));
        out::json(&json!({
            "steps": summary.steps, "tokens": summary.tokens, "seconds": summary.seconds, "waited_for_data": summary.waited, "loss": summary.loss,
            "bits_per_byte": summary.bits_per_byte, "recall": summary.recall, "stopped": summary.stopped, "model": model,
        }))?;
    } else {
        let bits =
            summary.bits_per_byte.map_or(String::new(), |bits| format!(", {bits:.3} bits per byte held out"));
        let recall = summary.recall.map_or(String::new(), |Recall { at_1, at_5, mrr, queries, passages }| {
            let (queries, passages) = (grouped(queries as u64), grouped(passages as u64));
            format!(
                ", recall@1 {at_1:.3} @5 {at_5:.3} MRR {mrr:.3} of {queries} questions among {passages} passages held out"
            )
        });
        let (steps, tokens) = (grouped(summary.steps), grouped(summary.tokens));
        say!(
            "{steps} steps, {tokens} tokens, {}, loss {:.3}{bits}{recall}",
            duration(summary.seconds),
            summary.loss
        )?;
        if !summary.stopped {
            say!("{BOLD}{}{RESET}", output.join("model").display())?;
        }
    }
    if summary.stopped { Err(Interrupted.into()) } else { Ok(()) }
}
