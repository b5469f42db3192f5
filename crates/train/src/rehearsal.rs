//! Steps that are taken to be timed: with weights of their own, which are thrown away.

use crate::grads::Grads;
use crate::team::Whole;
use crate::trainer::{next_batches, teach};
use crate::{Data, Optimizer, Recipe, TrainError};
use burn::tensor::Device;
use shuyuan_corpus::Batch;
use shuyuan_model::{Config, Qwen3ForCausalLM};
use std::time::Instant;

/// A model that is taught for the time it takes.
pub(crate) struct Rehearsal<'a> {
    recipe: &'a Recipe,
    model: Option<Qwen3ForCausalLM>,
    optimizer: Optimizer,
    grads: Grads,
    step: u64,
}

/// One step.
pub(crate) struct Taken {
    /// Before the step.
    pub(crate) loss: f64,
    /// Of the gradients.
    pub(crate) norm: f64,
    /// Seconds for loss and gradients.
    pub(crate) teaching: f64,
    /// Seconds in all.
    pub(crate) all: f64,
}

impl<'a> Rehearsal<'a> {
    /// With the weights of `seed`, on `device`.
    pub(crate) fn new(
        recipe: &'a Recipe,
        config: &Config,
        seed: u64,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let mut model = Qwen3ForCausalLM::init(config, seed, &device.clone().autodiff())?;
        model.set_recompute(recipe.train.recompute);
        let optimizer = Optimizer::new(recipe.optimizer.clone());
        Ok(Self { recipe, model: Some(model), optimizer, grads: Grads::default(), step: 0 })
    }

    /// The trainer's own step, with `factor` on every rate.
    pub(crate) fn step(&mut self, batches: &[Batch], factor: f64) -> Result<Taken, TrainError> {
        // The model is handed on, as the trainer does: a second holder would have its weights copied at every step.
        let Some(model) = self.model.take() else { unreachable!("each step gives the model back") };
        self.step += 1;
        let started = Instant::now();
        let loss =
            rayon::scope(|_| teach(&model, self.recipe, batches, Whole::of(batches), &mut self.grads))?;
        let norm = self.grads.norm();
        let teaching = started.elapsed().as_secs_f64();
        let model = rayon::scope(|_| self.optimizer.step(model, &self.grads, norm, self.step, factor));
        self.model = Some(model);
        Ok(Taken { loss, norm, teaching, all: started.elapsed().as_secs_f64() })
    }
}

/// Steps of a rehearsal, of which the first warms up.
pub const REHEARSED: u64 = 3;

/// Seconds that a step of this run takes on `device`, on average over its parts: the fastest of [`REHEARSED`] on its first
/// batches; none without data. `data` then stands where it stood.
///
/// # Errors
/// Data that cannot be read, a shape that cannot exist.
pub fn rehearse(
    recipe: &Recipe,
    config: &Config,
    data: &mut dyn Data,
    device: &Device,
) -> Result<Option<f64>, TrainError> {
    let cursor = data.cursor();
    let mut seconds = [None; 2];
    let (first, after) = (recipe.rows(0.0), (recipe.train.batch, recipe.train.tokens));
    if first != after {
        data.shape(first.0, first.1)?;
        seconds[0] = fastest(recipe, config, data, device)?;
        data.shape(after.0, after.1)?;
        data.resume(cursor)?;
    }
    seconds[1] = fastest(recipe, config, data, device)?;
    data.resume(cursor)?;
    let part = recipe.train.first.map_or(0.0, |first| first.part);
    Ok(match seconds {
        // The clock gives each part its share of the time, the number of steps its share of those.
        [Some(first), Some(after)] if recipe.train.minutes.is_some() => {
            Some(1.0 / (part / first + (1.0 - part) / after))
        }
        [Some(first), Some(after)] => Some(part * first + (1.0 - part) * after),
        [_, after] => after,
    })
}

/// Seconds of a step on the next batches.
fn fastest(
    recipe: &Recipe,
    config: &Config,
    data: &mut dyn Data,
    device: &Device,
) -> Result<Option<f64>, TrainError> {
    let (batches, _) = next_batches(data, recipe.train.accumulation, &[])?;
    if batches.is_empty() {
        return Ok(None);
    }
    let mut rehearsal = Rehearsal::new(recipe, config, recipe.train.seed, device)?;
    // At no rate: whether the run will go well is not asked here.
    rehearsal.step(&batches, 0.0)?;
    let mut best = f64::INFINITY;
    for _ in 1..REHEARSED {
        best = best.min(rehearsal.step(&batches, 0.0)?.all);
    }
    Ok(Some(best))
}
