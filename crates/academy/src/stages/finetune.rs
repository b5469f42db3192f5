//! Career guidance: a model that has read learns to answer.

use super::clock::Clock;
use super::plan::{for_device, tell_plan, with_length, within_memory};
use super::pretrain::{finish, token_bytes};
use super::samples::Prompt;
use super::watch::Watch;
use crate::{Academy, Level};
use anyhow::{Context, Result};
use shuyuan_corpus::{BatchConfig, ChatBatches, Conversation, Conversations};
use shuyuan_model::Config;
use shuyuan_text::{IM_END, Tokenizer};
use shuyuan_train::{Job, Kind, ModelRecipe, Recipe, Summary, Validation};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What to tune, and on what.
#[derive(Clone, Debug)]
pub struct Options {
    /// The model's folder.
    pub model: PathBuf,
    /// Conversations: JSON lines with `messages`.
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
    /// Prompts to show answers to; empty for a few of our own.
    pub prompts: Vec<Prompt>,
    /// Finetune, or teach.
    pub kind: Kind,
}

/// One conversation in this many is held back for validation.
const HELD_OUT: usize = 200;

/// Supervised fine-tuning: loss on what the assistant says, and on nothing else.
///
/// # Errors
/// A model or data that is not usable, a loss that is not finite.
pub fn run(academy: &Academy, options: &Options, stop: &AtomicBool) -> Result<Summary> {
    let clock = if options.kind == Kind::Teach {
        Clock::start(
            academy,
            "teach",
            ["教它认识你", "把你写的几句话变成问答,调几十秒权重。"],
            [
                "Teach it about you",
                "Your lines become conversations, and the weights are tuned on them for some seconds.",
            ],
        )
    } else {
        Clock::start(
            academy,
            "finetune",
            ["就业指导", "学着回答:看问答,只在回答的部分改权重。"],
            [
                "Career guidance",
                "Learning to answer: it reads conversations and is corrected only in what the assistant says.",
            ],
        )
    };
    let tokenizer = Arc::new(
        Tokenizer::load(&options.model)
            .with_context(|| format!("the tokenizer of {}", options.model.display()))?,
    );
    let read = Conversations::read(&options.data, &tokenizer)?;
    for line in read.skipped.files.iter().chain(&read.skipped.first) {
        academy.events.message(Level::Warn, line.clone());
    }
    let mut model = shuyuan_model::load(&options.model, &academy.device.clone().autodiff())?;
    model.set_eos(tokenizer.special(IM_END));
    let mut recipe = options.recipe.clone();
    recipe.kind = Some(options.kind);
    for_device(academy, &mut recipe);
    let config = model.config();
    fit(academy, &mut recipe, config);
    with_length(&mut recipe, options.steps, options.minutes)?;
    let begun = options.resume.then(|| shuyuan_train::recipe_of(&options.output)).flatten();
    let plan = within_memory(academy, &mut recipe, config, begun.as_ref())?;

    let (held_out, taught) = split(read.conversations);
    let batch =
        |seed, epochs| BatchConfig { batch: recipe.train.batch, tokens: recipe.train.tokens, seed, epochs };
    let validation = if held_out.is_empty() {
        None
    } else {
        let batches = ChatBatches::new(held_out, batch(0, Some(1)))?;
        let batches = batches.take(recipe.train.validation_batches).collect::<Result<_, _>>()?;
        Some(Validation { batches, token_bytes: token_bytes(&tokenizer) })
    };
    let mut data = ChatBatches::new(taught, batch(recipe.train.seed, None))?;
    let peak = tell_plan(academy, &recipe, config, &plan, Some(&mut data))?;
    let mut watch = Watch::new(
        academy,
        options.kind,
        &options.output,
        tokenizer.clone(),
        &options.prompts,
        peak / plan.flops_per_step,
    );
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
    finish(academy, &summary, &tokenizer, None, &options.output)?;
    if !summary.stopped {
        clock.done();
    }
    Ok(summary)
}

/// Gives a recipe the model's shape, and rows that fit its context.
pub(super) fn fit(academy: &Academy, recipe: &mut Recipe, config: &Config) {
    recipe.model = ModelRecipe {
        hidden_size: config.hidden_size,
        intermediate_size: config.intermediate_size,
        num_hidden_layers: config.num_hidden_layers,
        num_attention_heads: config.num_attention_heads,
        num_key_value_heads: config.num_key_value_heads,
        head_dim: config.head_dim,
        max_position_embeddings: config.max_position_embeddings,
        rope_theta: config.rope_theta,
        tie_word_embeddings: config.tie_word_embeddings,
    };
    if recipe.train.tokens > config.max_position_embeddings {
        recipe.train.tokens = config.max_position_embeddings;
        let text = academy
            .lang
            .pick("每行的词元数按模型的上下文缩短。", "Rows are shortened to the model's context.");
        academy.events.message(Level::Info, text);
    }
}

/// (held out, taught): few conversations are all taught.
fn split(conversations: Vec<Conversation>) -> (Vec<Conversation>, Vec<Conversation>) {
    if conversations.len() < 2 * HELD_OUT {
        return (Vec::new(), conversations);
    }
    let (mut held_out, mut taught) = (Vec::new(), Vec::new());
    for (index, conversation) in conversations.into_iter().enumerate() {
        if index % HELD_OUT == 0 { &mut held_out } else { &mut taught }.push(conversation);
    }
    (held_out, taught)
}
