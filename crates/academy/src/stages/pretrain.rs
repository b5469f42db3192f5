//! The teacher: a model from token shards.

use super::clock::Clock;
use super::plan::{bytes_per_token, choose, for_device, tell_plan, with_length, within_memory};
use super::samples::Prompt;
use super::watch::Watch;
use crate::{Academy, Lang, Level};
use anyhow::{Context, Result, bail};
use shuyuan_corpus::{BatchConfig, Batches, Corpus, Split};
use shuyuan_model::{Qwen3ForCausalLM, SentenceConfig};
use shuyuan_store::StagedDir;
use shuyuan_text::{END_OF_TEXT, Tokenizer};
use shuyuan_train::{Data, Job, Kind, Recipe, Summary, Validation};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What to train.
#[derive(Clone, Debug)]
pub struct Options {
    /// How; none for the shipped one that makes the most of the time on this corpus and machine.
    pub recipe: Option<Recipe>,
    /// The corpus's folder.
    pub corpus: PathBuf,
    /// The run's folder; the finished model lies in its `model/`.
    pub output: PathBuf,
    /// In place of the recipe's.
    pub steps: Option<u64>,
    /// In place of the recipe's.
    pub minutes: Option<f64>,
    /// Go on from the folder's checkpoint.
    pub resume: bool,
    /// Prompts to show answers to; empty for a few of our own.
    pub prompts: Vec<Prompt>,
    /// What no model can pass, in nats per byte, where the text's maker knows it.
    pub floor_per_byte: Option<f64>,
    /// Neither a rehearsal nor samples: all time goes into steps.
    pub hurried: bool,
}

/// Trains a model from nothing.
///
/// # Errors
/// A corpus or recipe that is not usable, too little memory, a loss that is not finite; what was learned until the
/// last checkpoint stays.
pub fn run(academy: &Academy, options: &Options, stop: &AtomicBool) -> Result<Summary> {
    let clock = Clock::start(
        academy,
        "pretrain",
        ["老师", "上课:读课本,猜下一个词元,猜错了就把权重改一点点,几千次之后就会写了。"],
        [
            "Teacher",
            "Class: read, guess the next token, correct the weights a little where the guess was wrong, thousands of times.",
        ],
    );
    let corpus = Corpus::open(&options.corpus)?;
    let tokenizer = Arc::new(Tokenizer::load(&options.corpus).context("the corpus's tokenizer")?);
    // A run that goes on does so by its own recipe: the machine may look otherwise today.
    let begun = options.resume.then(|| shuyuan_train::recipe_of(&options.output)).flatten();
    let mut recipe = match (&options.recipe, &begun) {
        (Some(recipe), _) | (None, Some(recipe)) => recipe.clone(),
        (None, None) => match options.minutes {
            Some(minutes) => choose(academy, &corpus, tokenizer.vocab_size(), minutes)?,
            None => bail!(
                "which model? Give --minutes, and one is chosen that makes the most of them, or a --recipe"
            ),
        },
    };
    recipe.kind = Some(Kind::Pretrain);
    for_device(academy, &mut recipe);
    with_length(&mut recipe, options.steps, options.minutes)?;
    let mut config = recipe.config(tokenizer.vocab_size());
    config.eos_token_id = tokenizer.special(END_OF_TEXT);
    let plan = within_memory(academy, &mut recipe, &config, begun.as_ref())?;

    let batch =
        |seed, epochs| BatchConfig { batch: recipe.train.batch, tokens: recipe.train.tokens, seed, epochs };
    let mut data = Batches::new(&corpus, Split::Train, batch(recipe.train.seed, None))?;
    let peak = tell_plan(
        academy,
        &recipe,
        &config,
        &plan,
        (!options.hurried).then_some(&mut data as &mut dyn Data),
    )?;
    let validation = if corpus.documents(Split::Validation) > 0 {
        let held_out = Batches::new(&corpus, Split::Validation, batch(0, Some(1)))?;
        let batches = held_out.take(recipe.train.validation_batches).collect::<Result<_, _>>()?;
        Some(Validation { batches, token_bytes: token_bytes(&tokenizer) })
    } else {
        None
    };
    let floor = options.floor_per_byte.map(|floor| floor * bytes_per_token(&corpus));

    let mut watch = Watch::new(
        academy,
        Kind::Pretrain,
        &options.output,
        tokenizer.clone(),
        &options.prompts,
        peak / plan.flops_per_step,
    );
    if options.hurried {
        watch.every_seconds = f64::INFINITY;
    }
    let job = Job {
        recipe: &recipe,
        tokenizer: &tokenizer,
        model: Qwen3ForCausalLM::init(&config, recipe.train.seed, &academy.device.clone().autodiff())?,
        data: Box::new(data),
        validation,
        floor,
        output: &options.output,
        resume: options.resume,
        stop,
        ranks: academy.ranks.as_deref(),
        cards: &academy.cards,
    };
    let summary = shuyuan_train::run(job, &mut watch)?;
    finish(academy, &summary, &tokenizer, None, &options.output)?;
    if !summary.stopped {
        clock.done();
    }
    Ok(summary)
}

/// Publishes the model of a run that reached its end, or says how to go on.
pub(super) fn finish(
    academy: &Academy,
    summary: &Summary,
    tokenizer: &Tokenizer,
    sentence: Option<SentenceConfig>,
    run: &Path,
) -> Result<()> {
    if summary.stopped {
        let text = match academy.lang {
            Lang::Zh => format!(
                "已停在第 {} 步并保存;再次运行同一命令继续(pretrain、finetune 加 --resume)。",
                summary.steps
            ),
            Lang::En => format!(
                "Stopped and saved at step {}; the same command goes on (pretrain and finetune: with --resume).",
                summary.steps
            ),
        };
        academy.events.message(Level::Warn, text);
        return Ok(());
    }
    publish(summary, tokenizer, sentence, &run.join("model"))
}

/// Writes a model folder that appears at once; `sentence` says how it makes vectors, if it does.
pub(super) fn publish(
    summary: &Summary,
    tokenizer: &Tokenizer,
    sentence: Option<SentenceConfig>,
    dir: &Path,
) -> Result<()> {
    let staged = StagedDir::new(dir)?;
    shuyuan_model::save(&summary.model, staged.path())?;
    if let Some(sentence) = sentence {
        sentence.save(staged.path(), summary.model.config().hidden_size)?;
    }
    tokenizer.save(staged.path())?;
    Ok(staged.publish()?)
}

/// The length of each token in bytes, 0 for special ones.
pub(super) fn token_bytes(tokenizer: &Tokenizer) -> Vec<u32> {
    let length = |id| if tokenizer.is_special(id) { 0 } else { tokenizer.token_bytes(id).len() as u32 };
    (0..tokenizer.vocab_size() as u32).map(length).collect()
}

pub(super) fn name_of(run: &Path) -> String {
    run.file_name().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned())
}
