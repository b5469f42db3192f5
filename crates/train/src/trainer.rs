//! The loop: batch, loss, gradients, step; and everything around it that keeps work from being lost.

use crate::checkpoint::{self, State};
use crate::contrastive::vectors;
use crate::grads::Grads;
use crate::record::Recorder;
use crate::team::{Team, Whole};
use crate::tensorboard::EventFile;
use crate::trouble::{self, Spikes, Trouble, TroubleKind};
use crate::validation::look;
use crate::{
    Data, Metric, Optimizer, Recall, Recipe, TrainError, Validation, contrastive, curve, kept, schedule,
};
use burn::module::Module;
use burn::tensor::Device;
use shuyuan_corpus::{Batch, Cursor};
use shuyuan_model::Qwen3ForCausalLM;
use shuyuan_ranks::Ranks;
use shuyuan_store::{Lock, write_atomic};
use shuyuan_text::Tokenizer;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Who watches a run.
pub trait Observer {
    /// A step was taken.
    fn step(&mut self, metric: &Metric, progress: f64);
    /// Seconds between two moments.
    fn every_seconds(&self) -> f64 {
        20.0
    }
    /// The weights of this moment, on a device without gradients. Not counted as training time.
    fn moment(&mut self, model: &Qwen3ForCausalLM, metric: &Metric);
    /// The loss jumped; the batch is in `file`. The run goes on.
    fn spike(&mut self, trouble: &Trouble, file: &Path) {
        let _ = (trouble, file);
    }
}

/// What to run, and where.
pub struct Job<'a> {
    /// How.
    pub recipe: &'a Recipe,
    /// From which weights, on a device with gradients. Where the run is resumed, its own take their place.
    pub model: Qwen3ForCausalLM,
    /// What the ids mean: each checkpoint holds it, so that it can be used as a model.
    pub tokenizer: &'a Tokenizer,
    /// On what.
    pub data: Box<dyn Data>,
    /// Held-out text or pairs, if any.
    pub validation: Option<Validation>,
    /// What no model can pass, in nats per token, if known.
    pub floor: Option<f64>,
    /// The run's folder.
    pub output: &'a Path,
    /// Go on from the checkpoint that is there; without, one that is there is an error.
    pub resume: bool,
    /// Set from elsewhere to stop after the current step, with a checkpoint.
    pub stop: &'a AtomicBool,
    /// Who shares each step, if not this process alone: it is then the first of them, and each takes the recipe's rows.
    pub ranks: Option<&'a dyn Ranks>,
    /// More cards of this process, which share each step with the model's: each takes the recipe's rows. None where `ranks` do.
    pub cards: &'a [Device],
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The model, on a device without gradients.
    pub model: Qwen3ForCausalLM,
    /// Steps taken in all.
    pub steps: u64,
    /// Tokens seen in all.
    pub tokens: u64,
    /// Seconds of training in all.
    pub seconds: f64,
    /// Of those since the run was begun or resumed, seconds that it waited for data.
    pub waited: f64,
    /// Mean loss of the last steps.
    pub loss: f64,
    /// Of held-out text, at the end.
    pub bits_per_byte: Option<f64>,
    /// How held-out questions find their passages, at the end.
    pub recall: Option<Recall>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

/// Runs a job to its end, or until it is stopped.
///
/// The folder then holds recipe.json, metrics.jsonl, TensorBoard's events, loss.svg, checkpoint/ (the newest),
/// checkpoints/ (the last few), best/ (by held-out data), and trouble/ where something went wrong. With `steps` the
/// result depends on recipe, data and thread count alone; with `minutes` the schedule follows the clock.
///
/// # Errors
/// Whatever stops it; the last checkpoint stays.
pub fn run(job: Job, observer: &mut dyn Observer) -> Result<Summary, TrainError> {
    let Job { recipe, mut model, tokenizer, mut data, validation, floor, output, resume, stop, ranks, cards } =
        job;
    recipe.validate().map_err(|what| TrainError::Recipe { path: output.join("recipe.json"), what })?;
    let lock = Lock::acquire(output)?;
    let there = || match lock.holds() {
        true => Ok(()),
        false => Err(TrainError::Vanished { path: output.to_path_buf() }),
    };
    let dir = checkpoint::dir(output);
    let mut optimizer = Optimizer::new(recipe.optimizer.clone());
    let mut state = State::at_start(data.cursor());
    let mut best = f64::INFINITY;
    if let Some(saved) = saved(output, recipe, resume)? {
        let (loaded, memory) = checkpoint::load(&dir, recipe, &saved, &model.device())?;
        if loaded.config() != model.config() {
            let what = "its model has another shape than this recipe and tokenizer describe".into();
            return Err(TrainError::Resume { path: dir, what });
        }
        (model, optimizer) = (loaded, memory);
        resume_data(&mut *data, recipe, &saved)?;
        state = saved;
        best = kept::best_error(output).unwrap_or(best);
    }
    model.set_recompute(recipe.train.recompute);
    let json =
        serde_json::to_vec_pretty(recipe).unwrap_or_else(|error| unreachable!("a recipe is JSON: {error}"));
    write_atomic(&output.join("recipe.json"), &json)?;
    let (mut recorder, mut metrics) = Recorder::open(output, state.step)?;
    let mut events = EventFile::new(output);
    let mut spikes = Spikes::new(recipe.optimizer.warmup_steps, &metrics);

    let mut lost = None;
    let device = model.valid().device();
    let mut team = Team::begin(device.clone(), cards, ranks, recipe, model.config())?;
    let mut rows = state.rows.unwrap_or((recipe.train.batch, recipe.train.tokens));
    let per_epoch = data.tokens_per_epoch();
    let mut grads = Grads::default();
    let mut waited = 0.0;
    let mut last_moment = state.seconds;
    let mut saved = (state.step, state.finished);
    while !state.finished && !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        let step = state.step + 1;
        let progress = progress(recipe, &state, per_epoch);
        let factor = schedule::factor(&recipe.optimizer, step, progress);
        if recipe.rows(progress) != rows {
            rows = recipe.rows(progress);
            data.shape(rows.0, rows.1)?;
        }
        let asked = Instant::now();
        let (batches, cursors) =
            next_batches(&mut *data, recipe.train.accumulation * team.size(), &state.skip)?;
        waited += asked.elapsed().as_secs_f64();
        if batches.is_empty() {
            state.finished = true;
            break;
        }
        let loss = match team.teach(&model, recipe, &batches, &mut grads) {
            Err(TrainError::Ranks { lost: what, .. }) => {
                lost = Some(what);
                break;
            }
            taught => taught?,
        };
        let lr = recipe.optimizer.matrix_lr * factor;
        let grad_norm = grads.norm();
        there()?;
        let finite = |x: f64| x.is_finite().then_some(x);
        let trouble = |what, usual| Trouble {
            what,
            step,
            loss: finite(loss),
            usual,
            lr,
            grad_norm: finite(grad_norm),
            cursors,
            rows: trouble::rows(&batches, tokenizer),
        };
        if !loss.is_finite() || !grad_norm.is_finite() {
            let (what, value) = if loss.is_finite() { ("gradient norm", grad_norm) } else { ("loss", loss) };
            let batch = trouble::write(output, &trouble(TroubleKind::NotFinite, None))?;
            let remedy = kept::ways_back(output);
            return Err(TrainError::Diverged { what, step, value, lr, batch, remedy });
        }
        let spike = spikes.look(step, loss);
        if spike.is_some() && !metrics.last().is_some_and(|before| before.spike) {
            let trouble = trouble(TroubleKind::Spike, spike);
            observer.spike(&trouble, &trouble::write(output, &trouble)?);
        }
        model = rayon::scope(|_| {
            let model = optimizer.step(model, &grads, grad_norm, step, factor);
            shuyuan_tensor::settle(&device).map(|()| model)
        })
        .map_err(TrainError::Device)?;

        let fed: usize = batches.iter().map(Batch::taught).sum();
        let seconds = started.elapsed().as_secs_f64();
        state.step = step;
        state.tokens += fed as u64;
        state.seconds += seconds;
        state.cursor = data.cursor();
        state.rows = recipe.train.first.map(|_| rows);
        state.finished = self::progress(recipe, &state, per_epoch) >= 1.0;
        let mut metric = Metric {
            step,
            tokens: state.tokens,
            seconds: state.seconds,
            loss,
            lr,
            grad_norm,
            tokens_per_s: fed as f64 / seconds,
            floor,
            validation_bits_per_byte: None,
            validation_recall: None,
            spike: spike.is_some(),
        };
        let every = recipe.train.validate_every;
        if let Some(validation) = &validation
            && (state.finished || (every > 0 && step.is_multiple_of(every)))
        {
            (metric.validation_bits_per_byte, metric.validation_recall) =
                rayon::scope(|_| look(&model.valid(), validation, recipe.precision()))?;
        }
        state.validation_bits_per_byte = metric.validation_bits_per_byte;
        state.validation_mrr = metric.validation_recall.map(|recall| recall.mrr);
        recorder.write(&metric)?;
        events.write(&metric)?;
        observer.step(&metric, self::progress(recipe, &state, per_epoch));
        if state.seconds - last_moment >= observer.every_seconds() || step == 1 {
            last_moment = state.seconds;
            observer.moment(&model.valid(), &metric);
        }
        let improved = state.error().filter(|error| *error < best);
        metrics.push(metric);
        let due = state.finished || step - saved.0 >= recipe.train.checkpoint_every.max(1);
        if due {
            checkpoint::save(&dir, recipe, &model, tokenizer, &optimizer, &state)?;
            kept::keep(output, step, recipe.train.keep_checkpoints)?;
            saved = (step, state.finished);
        }
        if let Some(error) = improved {
            best = error;
            if due {
                kept::keep_best(output)?;
            } else {
                checkpoint::save(&kept::best(output), recipe, &model, tokenizer, &optimizer, &state)?;
            }
        }
    }
    there()?;
    if (state.step, state.finished) != saved {
        checkpoint::save(&dir, recipe, &model, tokenizer, &optimizer, &state)?;
        kept::keep(output, state.step, recipe.train.keep_checkpoints)?;
    }
    if let Some(lost) = lost {
        return Err(TrainError::Ranks { lost, saved: (state.step > 0).then_some(state.step) });
    }
    write_atomic(&output.join("loss.svg"), curve::svg(&metrics).as_bytes())?;
    shuyuan_kernels::release_buffers();
    let tail = &metrics[metrics.len().saturating_sub(20)..];
    let model = model.valid();
    if let Some(metric) = metrics.last() {
        observer.moment(&model, metric);
    }
    Ok(Summary {
        model,
        steps: state.step,
        tokens: state.tokens,
        seconds: state.seconds,
        waited,
        loss: tail.iter().map(|metric| metric.loss).sum::<f64>() / tail.len().max(1) as f64,
        bits_per_byte: metrics.iter().rev().find_map(|metric| metric.validation_bits_per_byte),
        recall: metrics.iter().rev().find_map(|metric| metric.validation_recall),
        stopped: !state.finished,
    })
}

/// Where the run in `output` stands, if there is one, and it may go on.
fn saved(output: &Path, recipe: &Recipe, resume: bool) -> Result<Option<State>, TrainError> {
    let dir = checkpoint::dir(output);
    let Some(saved) = checkpoint::state(&dir)? else {
        let kept = kept::steps(output);
        if kept.is_empty() && !kept::best(output).is_dir() {
            return Ok(None);
        }
        // Beginning anew would write over them.
        let what = format!(
            "it is gone, but checkpoints (steps {kept:?}) or the best are kept beside it: go on with --rewind STEP or \
             --rewind best, or choose another --output"
        );
        return Err(TrainError::Resume { path: dir, what });
    };
    if !resume {
        return Err(TrainError::Exists { path: output.to_path_buf(), step: saved.step });
    }
    if checkpoint::recipe(output).is_some_and(|old| !same_run(&old, recipe)) {
        let what =
            "the recipe differs from the one it was started with: give that one, or another --output".into();
        return Err(TrainError::Resume { path: dir, what });
    }
    Ok(Some(saved))
}

/// Goes to where a run's data stood: in its first part or after it.
fn resume_data(data: &mut dyn Data, recipe: &Recipe, saved: &State) -> Result<(), TrainError> {
    if recipe.train.first.is_some() {
        let (batch, tokens) = saved.rows.unwrap_or((recipe.train.batch, recipe.train.tokens));
        data.shape(batch, tokens)?;
    }
    Ok(data.resume(saved.cursor)?)
}

/// The batches of a step and where each begins, without those that begin where `skip` says.
pub(crate) fn next_batches(
    data: &mut dyn Data,
    count: usize,
    skip: &[Cursor],
) -> Result<(Vec<Batch>, Vec<Cursor>), TrainError> {
    let (mut batches, mut cursors) = (Vec::new(), Vec::new());
    while batches.len() < count {
        let cursor = data.cursor();
        let Some(batch) = data.next_batch()? else { break };
        if !skip.contains(&cursor) {
            batches.push(batch);
            cursors.push(cursor);
        }
    }
    Ok((batches, cursors))
}

/// What batches add to loss and gradients of a step of `whole`, as if that were one batch.
pub(crate) fn teach(
    model: &Qwen3ForCausalLM,
    recipe: &Recipe,
    batches: &[Batch],
    whole: Whole,
    grads: &mut Grads,
) -> Result<f64, TrainError> {
    let mut total = 0.0;
    grads.clear();
    for batch in batches {
        model.check(&batch.inputs, batch.tokens)?;
        let arc = |ids: &[u32]| -> Arc<[u32]> { ids.into() };
        let loss = match &batch.pairs {
            None => model.loss(
                arc(&batch.inputs),
                arc(&batch.starts),
                arc(&batch.targets),
                batch.batch,
                whole.tokens.max(1) as f32,
                recipe.precision(),
            ),
            // Pairs compete within a micro-batch alone.
            Some(pairs) => {
                let [queries, passages] = vectors(model, batch, pairs, recipe.precision());
                let temperature = recipe.embed.clone().unwrap_or_default().temperature as f32;
                contrastive(queries, passages, pairs, temperature) / whole.batches as f32
            }
        };
        grads.add(model, loss.backward())?;
        // Read last: a device that works beside this thread is waited for here.
        total += shuyuan_tensor::read(&loss, |loss| f64::from(loss[0]));
    }
    Ok(total)
}

/// How much of the run is done, 0 to 1: by steps, by the clock or by passes over the data, whichever is furthest.
fn progress(recipe: &Recipe, state: &State, tokens_per_epoch: u64) -> f64 {
    let steps = recipe.train.steps.map_or(0.0, |steps| state.step as f64 / steps as f64);
    let clock = recipe.train.minutes.map_or(0.0, |minutes| state.seconds / (60.0 * minutes));
    let passes =
        recipe.train.passes.map_or(0.0, |most| state.tokens as f64 / (most * tokens_per_epoch as f64));
    steps.max(clock).max(passes).min(1.0)
}

/// Whether a run may go on under another recipe: only its length, its records and its memory may change.
fn same_run(old: &Recipe, new: &Recipe) -> bool {
    let mut old = old.clone();
    old.kind = old.kind.or(new.kind);
    old.train.steps = new.train.steps;
    old.train.minutes = new.train.minutes;
    old.train.passes = new.train.passes;
    old.train.recompute = new.train.recompute;
    old.train.checkpoint_every = new.train.checkpoint_every;
    old.train.keep_checkpoints = new.train.keep_checkpoints;
    old.train.validate_every = new.train.validate_every;
    old.train.validation_batches = new.train.validation_batches;
    old == *new
}
