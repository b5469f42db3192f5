//! The library: a model that writes becomes one that finds, by pairs of a question and a passage.

use super::clock::Clock;
use super::finetune::fit;
use super::plan::{for_device, tell_plan, with_length, within_memory};
use super::pretrain::finish;
use super::watch::Watch;
use crate::{Academy, Lang, Level};
use anyhow::{Context, Result};
use shuyuan_corpus::{PairBatches, PairConfig, PairReport, PairSet, Sizes};
use shuyuan_text::{END_OF_TEXT, Tokenizer};
use shuyuan_train::{Job, Kind, Recipe, Summary, Validation};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What to teach, and on what.
#[derive(Clone, Debug)]
pub struct Options {
    /// The model's folder.
    pub model: PathBuf,
    /// Pairs (JSON lines with `query` and `passage`), and documents to make pairs of.
    pub data: Vec<PathBuf>,
    /// The run's folder; the finished model lies in its `model/`.
    pub output: PathBuf,
    /// How; its `[model]` is not read.
    pub recipe: Recipe,
    /// In place of the recipe's.
    pub steps: Option<u64>,
    /// In place of the recipe's.
    pub minutes: Option<f64>,
    /// Go on from the folder's checkpoint.
    pub resume: bool,
}

/// More held-out pairs than this only take time.
const HELD_OUT: usize = 500;

/// Contrastive learning: a question is to lie closer to its own passage than to the other passages of its batch.
///
/// # Errors
/// A model or data that is not usable, a loss that is not finite.
pub fn run(academy: &Academy, options: &Options, stop: &AtomicBool) -> Result<Summary> {
    let clock = Clock::start(
        academy,
        "embed",
        ["图书馆", "学着找书:让问题的向量靠近它的段落,离别的段落远一点。"],
        [
            "Library",
            "Learning to find: the vector of a question is drawn to its own passage and away from others.",
        ],
    );
    let whose = || format!("the tokenizer of {}", options.model.display());
    let tokenizer = Tokenizer::load(&options.model).with_context(whose)?;
    // The model says what it has read of a text at the token after it.
    let tokenizer = Arc::new(tokenizer.ending_with(END_OF_TEXT).with_context(whose)?);
    let model = shuyuan_model::load(&options.model, &academy.device.clone().autodiff())?;
    let (model, had_head) = model.without_head();
    if had_head {
        let text = academy.lang.pick(
            "做向量用不着输出层:它不参与训练,也不在结果里。",
            "Vectors need no output layer: it is not trained, and not in the result.",
        );
        academy.events.message(Level::Info, text);
    }
    let config = model.config().clone();
    let mut recipe = options.recipe.clone();
    recipe.kind = Some(Kind::Embed);
    for_device(academy, &mut recipe);
    fit(academy, &mut recipe, &config);
    let mut embed = recipe.embed.take().unwrap_or_default();
    embed.query_tokens = embed.query_tokens.min(recipe.train.tokens);
    embed.passage_tokens = embed.passage_tokens.min(recipe.train.tokens);
    recipe.embed = Some(embed.clone());
    with_length(&mut recipe, options.steps, options.minutes)?;
    let begun = options.resume.then(|| shuyuan_train::recipe_of(&options.output)).flatten();
    let plan = within_memory(academy, &mut recipe, &config, begun.as_ref())?;

    let sizes = Sizes { query: embed.query_tokens, passage: embed.passage_tokens };
    let mut taught = PairSet::read(&options.data, &tokenizer, sizes)?;
    let held_out = taught.hold_out(HELD_OUT);
    let train = &recipe.train;
    let batches = |set, seed, epochs, keep| {
        PairBatches::new(set, PairConfig { batch: train.batch, tokens: train.tokens, seed, epochs, keep })
    };
    tell_data(academy, &taught.report, sizes, held_out.as_ref().map_or(0, PairSet::len));
    let validation = match held_out {
        None => None,
        Some(held_out) => {
            // Harder than the lessons: the question is never in the passage.
            let all = batches(held_out, 0, Some(1), 0.0)?;
            let batches = all.take(train.validation_batches).collect::<Result<_, _>>()?;
            Some(Validation { batches, token_bytes: Vec::new() })
        }
    };
    let mut data = batches(taught, train.seed, None, embed.keep)?;
    let peak = tell_plan(academy, &recipe, &config, &plan, Some(&mut data))?;
    let steps = peak / plan.flops_per_step;
    let mut watch = Watch::new(academy, Kind::Embed, &options.output, tokenizer.clone(), &[], steps);
    let job = Job {
        recipe: &recipe,
        tokenizer: &tokenizer,
        model,
        data: Box::new(data),
        validation,
        floor: None,
        output: &options.output,
        resume: options.resume,
        stop,
        ranks: academy.ranks.as_deref(),
        cards: &academy.cards,
    };
    let summary = shuyuan_train::run(job, &mut watch)?;
    finish(academy, &summary, &tokenizer, Some(embed.sentence()), &options.output)?;
    if !summary.stopped {
        clock.done();
    }
    Ok(summary)
}

/// Tells what was read, and what of it is not read whole.
fn tell_data(academy: &Academy, report: &PairReport, sizes: Sizes, held_out: usize) {
    let events = &academy.events;
    let PairReport {
        pairs,
        documents,
        passages,
        too_short,
        cut_queries,
        cut_passages,
        long_sentences,
        skipped,
    } = report;
    events.message(
        Level::Info,
        match academy.lang {
            Lang::Zh => format!(
                "{pairs} 对问题与段落;{documents} 篇文档切成 {passages} 段,问题取自其中的句子和标题;留出 {held_out} 对检验"
            ),
            Lang::En => format!(
                "{pairs} pairs as given; {documents} documents in {passages} passages, whose sentences and headings become \
                 questions; {held_out} held out"
            ),
        },
    );
    for (count, zh, en) in [
        (
            cut_queries,
            format!("个问题超过 {} 词元,只读到这里", sizes.query),
            format!("questions are longer than {} tokens and are read that far", sizes.query),
        ),
        (
            cut_passages,
            format!("个段落超过 {} 词元,只读到这里", sizes.passage),
            format!("passages are longer than {} tokens and are read that far", sizes.passage),
        ),
        (
            long_sentences,
            format!("个句子超过 {} 词元,作问题时只读到这里", sizes.query),
            format!("sentences are longer than {} tokens: as questions they are read that far", sizes.query),
        ),
        (
            too_short,
            "段只有一句又没有标题,没有用".into(),
            "passages of one sentence without a heading are left out".into(),
        ),
        (
            &skipped.records.values().sum(),
            "行不是数据对也不是文本,没有用".into(),
            "lines are neither pairs nor text and are left out".into(),
        ),
    ] {
        if *count > 0 {
            events.message(Level::Warn, format!("{count} {}", academy.lang.pick(&zh, &en)));
        }
    }
    for line in skipped.files.iter().chain(&skipped.first) {
        events.message(Level::Warn, line.clone());
    }
}
