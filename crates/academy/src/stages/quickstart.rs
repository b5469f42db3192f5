//! The whole path, from school to work, in minutes; run again, it goes on where it was cut off.

use super::report::Report;
use super::{Prompt, corpus, eval, finetune, pretrain, tokenizer, world};
use crate::{Academy, Event, Level, LiveModel, StageState};
use anyhow::{Context, Result, bail};
use shuyuan_corpus::world::{Split, World};
use shuyuan_eval::Plan;
use shuyuan_store::StagedDir;
use shuyuan_train::{Kind, Recipe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What to make.
#[derive(Clone, Debug)]
pub struct Options {
    /// Minutes of training, both kinds together.
    pub minutes: f64,
    /// One's own text; none for the built-in world.
    pub inputs: Vec<PathBuf>,
    /// Of everything random.
    pub seed: u64,
    /// Questions of each task.
    pub questions: usize,
}

/// The name of the model that is made.
pub const MODEL: &str = "academy";

const VOCAB_SIZE: usize = 4096;
/// Bytes that the tokenizer is trained on, of each input.
const TOKENIZER_BYTES: u64 = 16 << 20;
/// Documents of the world: more than minutes of training can read.
const DOCUMENTS: u64 = 200_000;
const LESSONS: u64 = 150_000;
/// Of the minutes; the rest is fine-tuning.
const PRETRAINING: f64 = 0.2;

/// Runs every stage that has not been done yet; the model is then `academy.live()` and lies in `HOME/models/academy`.
///
/// # Errors
/// What a stage says. A stop is not an error: the same command goes on.
pub fn run(academy: &Academy, options: &Options, stop: &AtomicBool) -> Result<()> {
    if !(options.minutes.is_finite() && options.minutes > 0.0) {
        bail!("--minutes must be a positive number, found {}", options.minutes);
    }
    let home = &academy.home;
    let built_in = options.inputs.is_empty();
    let mut report = Report::read(home)?;
    let stopped = || stop.load(Ordering::Relaxed);

    let source = home.root().join("source");
    let (all, chats) = (source.join("world.jsonl"), source.join("chats.jsonl"));
    if built_in && !(all.exists() && chats.exists()) {
        world::write_file(options.seed, DOCUMENTS, Split::Train, world::Kind::All, &all)?;
        world::write_file(options.seed + 1, LESSONS, Split::Train, world::Kind::Lessons, &chats)?;
    }
    let inputs = if built_in { vec![all] } else { options.inputs.clone() };

    stage(academy, &mut report, "tokenizer", home.tokenizer(MODEL).join("tokenizer.json").exists(), || {
        let options = tokenizer::Options {
            inputs: inputs.clone(),
            vocab_size: VOCAB_SIZE,
            limit: Some(TOKENIZER_BYTES),
            output: home.tokenizer(MODEL),
        };
        tokenizer::train(academy, &options, stop).map(drop)
    })?;
    // Asked even when it is there: the corpus checks that it is the same text.
    stage(academy, &mut report, "corpus", false, || {
        let options = corpus::Options {
            inputs: inputs.iter().map(|path| (path.clone(), 1.0)).collect(),
            tokenizer: home.tokenizer(MODEL),
            output: home.corpus(MODEL),
            decontaminate: Vec::new(),
            validation_share: 0.005,
            clean: built_in,
        };
        corpus::build(academy, &options, stop).map(drop)
    })?;

    let prompts = if built_in { prompts(options.seed) } else { Vec::new() };
    let tuned = built_in;
    let share = if tuned { PRETRAINING } else { 1.0 };
    let pretrained = home.run("pretrain").join("model");
    stage(academy, &mut report, "pretrain", pretrained.exists(), || {
        let floor = built_in.then(|| World::new(options.seed).floor(2_000).all.per_byte());
        let options = pretrain::Options {
            // Of the user's own text we know neither how much there is nor what it takes.
            recipe: built_in.then(|| seeded(Recipe::quickstart(), options.seed)),
            corpus: home.corpus(MODEL),
            output: home.run("pretrain"),
            steps: None,
            minutes: Some(options.minutes * share),
            resume: true,
            prompts: prompts.clone(),
            floor_per_byte: floor,
            hurried: false,
        };
        pretrain::run(academy, &options, stop).map(drop)
    })?;
    if stopped() {
        return Ok(());
    }
    let finished = if tuned { home.run("finetune").join("model") } else { pretrained.clone() };
    if tuned {
        stage(academy, &mut report, "finetune", finished.exists(), || {
            let options = finetune::Options {
                model: pretrained.clone(),
                data: vec![chats.clone()],
                output: home.run("finetune"),
                recipe: seeded(Recipe::finetune(), options.seed),
                steps: None,
                minutes: Some(options.minutes * (1.0 - share)),
                resume: true,
                prompts: prompts.clone(),
                kind: Kind::Finetune,
            };
            finetune::run(academy, &options, stop).map(drop)
        })?;
    } else {
        let text = academy.lang.pick(
            "没有微调:自己的文本里没有问答;有的话用 finetune --data。",
            "No fine-tuning: it needs conversations; give yours to finetune.",
        );
        academy.events.message(Level::Info, text);
    }
    if stopped() {
        return Ok(());
    }
    if !home.model(MODEL).join("config.json").exists() {
        copy(&finished, &home.model(MODEL))?;
    }
    let live = LiveModel::load(&home.model(MODEL))?;
    academy.set_live(live.clone());
    if built_in {
        let done = !report.scores.is_empty();
        let mut scores = report.scores.clone();
        stage(academy, &mut report, "eval", done, || {
            let plan = Plan { limit: options.questions, seed: options.seed, ..Plan::default() };
            scores = eval::run(academy, &live, &plan, stop)?;
            Ok(())
        })?;
        report.scores = scores;
    }
    let metrics = shuyuan_train::read_metrics(&home.run("pretrain"))?;
    report.bits_per_byte = metrics.iter().rev().find_map(|metric| metric.validation_bits_per_byte);
    report.write(home)
}

/// Runs one stage, or tells that its result is there already; notes its seconds.
fn stage(
    academy: &Academy,
    report: &mut Report,
    name: &str,
    done: bool,
    run: impl FnOnce() -> Result<()>,
) -> Result<()> {
    if done {
        academy.events.send(Event::Stage {
            name: name.into(),
            state: StageState::Skipped,
            title: title(academy, name).into(),
            sentence: academy.lang.pick("已经有了。", "Already there.").into(),
            seconds: 0.0,
        });
        return Ok(());
    }
    let started = Instant::now();
    run()?;
    // A stage that goes on after an interruption adds to what it took before.
    *report.seconds.entry(name.into()).or_default() += started.elapsed().as_secs_f64();
    report.write(&academy.home)
}

/// What a person calls a stage.
fn title<'a>(academy: &Academy, name: &'a str) -> &'a str {
    match name {
        "tokenizer" => academy.lang.pick("词元", "Tokens"),
        "corpus" => academy.lang.pick("课本", "Textbooks"),
        "pretrain" => academy.lang.pick("老师", "Teacher"),
        "finetune" => academy.lang.pick("就业指导", "Career guidance"),
        "eval" => academy.lang.pick("考试", "Examination"),
        other => other,
    }
}

fn seeded(mut recipe: Recipe, seed: u64) -> Recipe {
    recipe.train.seed = seed;
    recipe
}

/// One prompt of each kind, about what training never showed.
fn prompts(seed: u64) -> Vec<Prompt> {
    let world = World::new(seed);
    let mut prompts = vec![Prompt::GoOn("今天早上".into()), Prompt::GoOn("In the morning".into())];
    for (task, index) in [("one_fact", 0), ("translation", 1), ("sums", 2)] {
        if let Some(item) = world.items(task, index + 1).pop() {
            prompts.extend(item.messages.last().map(|message| Prompt::Ask(message.content.clone())));
        }
    }
    prompts
}

/// Copies the files of a model folder to another, which appears at once.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    let staged = StagedDir::new(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let path = entry?.path();
        if let Some(name) = path.file_name() {
            std::fs::copy(&path, staged.path().join(name))
                .with_context(|| format!("copying {}", path.display()))?;
        }
    }
    Ok(staged.publish()?)
}
