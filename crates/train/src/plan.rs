//! What a run will need, before it starts.

use crate::optimizer::matrices;
use crate::{OptimizerKind, Recipe, TrainError};
use shuyuan_model::Config;
use shuyuan_tensor::Precision;

/// Memory and arithmetic of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Numbers in the model.
    pub params: usize,
    /// Peak memory in MiB: weights, gradients, the optimizer's memory, activations of one micro-batch.
    pub memory_mib: u64,
    /// Arithmetic of one step, on each rank.
    pub flops_per_step: f64,
    /// Tokens of one step.
    pub tokens_per_step: usize,
}

impl Plan {
    /// Counts what training `config` by `recipe` needs.
    pub fn new(recipe: &Recipe, config: &Config) -> Self {
        let params = config.num_params();
        let train = &recipe.train;
        let n = train.batch * train.tokens;
        let d = config.head_dim;
        let (q, k) = (config.num_attention_heads * d, config.num_key_value_heads * d);
        let (c, i, v) = (config.hidden_size, config.intermediate_size, config.vocab_size);
        // What is kept of products in bf16 takes half a number.
        let half = |numbers: usize| if recipe.precision() == Precision::Bf16 { numbers / 2 } else { numbers };
        // Kept from forward to backward, for each token and layer: state before attention and before the feed-forward
        // part, projections, attention's output and the sums of its exponentials, gate and up.
        let kept = 2 * c + (q + 2 * k) + q + config.num_attention_heads + half(2 * i);
        // Alive at once on the way back through a feed-forward part: the gradient before and after it, and the factors of
        // the weights' gradients.
        let passing = 2 * c + half(3 * i + 2 * c);
        // Alive at once in the loss, on top of what is kept: the norm, its gradient, packed gradients of logits.
        // A model that embeds has no logits.
        let embeds = recipe.embed.is_some();
        let loss = n * 3 * c + if embeds { 0 } else { half((1 << 24).min(n * v)) + v * c };
        let logits = if embeds { 6.0 * (v * c) as f64 } else { 0.0 };
        // What the allocator holds beside them grows with them, by .45 in all shapes tried (2026-11-27: 2m, 8m, 26m, both
        // optimizers: within 9 % of what was found).
        let activations = n * config.num_hidden_layers * kept * 29 / 20 + (n * passing).max(loss);
        let matrices: usize = matrices(config).values().map(|shape| shape.iter().product::<usize>()).sum();
        // First and second moments; Muon's directions, all at once.
        let (moments, directions) = match recipe.optimizer.kind {
            OptimizerKind::Muon => (2 * params - matrices, matrices),
            OptimizerKind::AdamW => (2 * params, 0),
        };
        // When gradients are there, activations are gone. Freed pages are kept for the next step (a twelfth more, 2026-11-28).
        let numbers = params + moments + activations.max(params + directions);
        Self {
            params,
            memory_mib: (numbers * 4 / 12 * 13) as u64 / (1 << 20) + 95,
            flops_per_step: (config.flops_per_token(train.tokens) - logits) * (n * train.accumulation) as f64,
            tokens_per_step: n * train.accumulation,
        }
    }

    /// The same on each of `ranks` ranks: a step has the tokens of all, and what goes between them is held once more.
    #[must_use]
    pub fn shared(mut self, ranks: usize) -> Self {
        if ranks > 1 {
            self.tokens_per_step *= ranks;
            self.memory_mib += ((4 * self.params) >> 20) as u64 + 16;
        }
        self
    }

    /// Halves the micro-batch, and doubles how many make a step, until the run fits into the memory that is free now.
    ///
    /// # Errors
    /// If not even one row at a time fits: both figures.
    pub fn fitting(recipe: &mut Recipe, config: &Config) -> Result<Self, TrainError> {
        let mut plan = Self::new(recipe, config);
        while plan.check(recipe).is_err() && recipe.halve() {
            plan = Self::new(recipe, config);
        }
        plan.check(recipe)?;
        Ok(plan)
    }

    /// Refuses what does not fit into the memory that is free now.
    ///
    /// # Errors
    /// Both figures, and what to lower.
    pub fn check(&self, recipe: &Recipe) -> Result<(), TrainError> {
        let Some(free) = shuyuan_tensor::free_memory() else {
            return Ok(()); // Not Linux: nothing to compare with.
        };
        let have_mib = free >> 20;
        if self.memory_mib > have_mib {
            return Err(TrainError::Memory {
                need_mib: self.memory_mib,
                have_mib,
                batch: recipe.train.batch,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_learned_in_parts() {
        let Some(free) = shuyuan_tensor::free_memory() else { return };
        let mut recipe = Recipe::quickstart();
        let config = recipe.config(6400);
        recipe.train.batch = 1 << 16;
        let rows = recipe.train.batch;
        let all = Plan::new(&recipe, &config);
        let plan = Plan::fitting(&mut recipe, &config).unwrap();
        assert!(plan.memory_mib <= free >> 20 || all.memory_mib <= free >> 20);
        assert_eq!(
            (recipe.train.batch * recipe.train.accumulation, plan.tokens_per_step),
            (rows, all.tokens_per_step)
        );
        // A row that no machine holds.
        (recipe.train.batch, recipe.train.tokens, recipe.model.hidden_size) = (2, 1 << 24, 1 << 14);
        let config = recipe.config(1 << 20);
        let error = Plan::fitting(&mut recipe, &config).unwrap_err();
        assert!(matches!(error, TrainError::Memory { batch: 1, .. }), "{error}");
    }
}
