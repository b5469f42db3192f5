//! The side of all ranks but the first.

use super::order::Order;
use crate::grads::Grads;
use crate::trainer::teach;
use crate::{Recipe, TrainError};
use burn::tensor::{Device, Tensor};
use shuyuan_model::{ParamMapper, Qwen3ForCausalLM, count_params, map_params};
use shuyuan_ranks::Ranks;
use std::time::Duration;

/// Computes gradients on `device` for rank 0, until it says that there are no more runs.
///
/// # Errors
/// If rank 0 is lost, a shape cannot exist, or a parameter gets no gradient.
pub fn serve(ranks: &dyn Ranks, device: &Device) -> Result<(), TrainError> {
    let mut current: Option<Run> = None;
    let mut numbers = Vec::new();
    loop {
        match Order::of(&ranks.hear()?)? {
            Order::Begin { config, recipe } => {
                // Rank 0's weights take the place of these at each step.
                let mut model = Qwen3ForCausalLM::init(&config, 0, &device.clone().autodiff())?;
                model.set_recompute(recipe.train.recompute);
                let params = count_params(&model);
                current = Some(Run { model, recipe: *recipe, params, grads: Grads::default() });
            }
            Order::Step { batches, whole } => {
                let mut run = current.take().ok_or_else(|| TrainError::Order("a step of no run".into()))?;
                numbers.resize(run.params, 0.0);
                numbers = ranks.broadcast(numbers)?;
                run.model = map_params(run.model, &mut Weights { numbers: &numbers, given: 0 });
                let loss = rayon::scope(|_| teach(&run.model, &run.recipe, &batches, whole, &mut run.grads))?;
                numbers.fill(0.0);
                run.grads.write(&mut numbers);
                numbers.push(loss as f32);
                numbers = ranks.sum(numbers, Duration::MAX)?;
                current = Some(run);
            }
            Order::Exchange { params } => {
                numbers.resize(params, 0.0);
                numbers = ranks.broadcast(numbers)?;
                numbers = ranks.sum(numbers, Duration::MAX)?;
            }
            Order::End => return Ok(()),
        }
    }
}

struct Run {
    model: Qwen3ForCausalLM,
    recipe: Recipe,
    params: usize,
    grads: Grads,
}

/// Gives each parameter its numbers out of all of them, in the order of the module's fields.
struct Weights<'a> {
    numbers: &'a [f32],
    given: usize,
}

impl ParamMapper for Weights<'_> {
    fn map<const D: usize>(&mut self, _: &str, value: Tensor<D>) -> Tensor<D> {
        let from = self.given;
        self.given += value.shape().num_elements();
        shuyuan_tensor::update(value, |own| own.copy_from_slice(&self.numbers[from..self.given]))
    }
}
