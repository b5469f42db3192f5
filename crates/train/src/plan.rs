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
    ///
    /// What the process holds beside it was measured (2m to 110m, 2026-11-29): what the allocator keeps of freed pages, 7/16 of
    /// what is in use at most; 165 MiB more while steps are taken, 295 in a run that also writes samples. Runs were within 10 %.
    pub fn new(recipe: &Recipe, config: &Config) -> Self {
        let params = config.num_params();
        let train = &recipe.train;
        let n = train.batch * train.tokens;
        let d = config.head_dim;
        let (q, k) = (config.num_attention_heads * d, config.num_key_value_heads * d);
        let (c, i, v) = (config.hidden_size, config.intermediate_size, config.vocab_size);
        // What is kept of products in bf16 takes half a number.
        let half = |numbers: usize| if recipe.precision() == Precision::Bf16 { numbers / 2 } else { numbers };
        let embeds = recipe.embed.is_some();
        // Kept from forward to backward, for each token and layer: state before attention and before the feed-forward
        // part, projections, attention's output and the sums of its exponentials, gate and up.
        let kept = 2 * c + (q + 2 * k) + q + config.num_attention_heads + half(2 * i);
        // Alive at once on the way back through a feed-forward part: the gradient before and after it, and the factors of
        // the weights' gradients.
        let passing = 2 * c + half(3 * i + 2 * c);
        // Alive at once in the loss, on top of what is kept: the norm, its gradient, packed gradients of logits.
        // A model that embeds has no logits.
        let loss = n * 3 * c + if embeds { 0 } else { half((1 << 24).min(n * v)) + v * c };
        let logits = if embeds { 6.0 * (v * c) as f64 } else { 0.0 };
        // An embedder's last layer ends with a few rows, where attention has read the others.
        let last = if embeds { c + (q + 2 * k) + q } else { kept };
        let layers = match train.recompute {
            // Of all but the last one only the state before it; and of one its way there and back at once.
            true => kept + (config.num_hidden_layers - 1) * c + 4 * c,
            false => kept * (config.num_hidden_layers - 1) + last,
        };
        let activations = n * layers + (n * passing).max(loss);
        let matrices: usize = matrices(config).values().map(|shape| shape.iter().product::<usize>()).sum();
        // First and second moments; Muon's directions, all at once.
        let (moments, directions) = match recipe.optimizer.kind {
            OptimizerKind::Muon => (2 * params - matrices, matrices),
            OptimizerKind::AdamW => (2 * params, 0),
        };
        // When gradients are there, activations are gone.
        let numbers = params + moments + activations.max(params + directions);
        Self {
            params,
            memory_mib: (numbers * 4 / 16 * 23) as u64 / (1 << 20) + if embeds { 165 } else { 295 },
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

    /// Until the run, on each of `ranks` ranks, fits into the memory that is free now: halves the micro-batch and doubles
    /// how many make a step, which costs little; then has layers worked out again, which costs a third of the time.
    ///
    /// # Errors
    /// If not even that fits: both figures, and what would fit.
    pub fn fitting(recipe: &mut Recipe, config: &Config, ranks: usize) -> Result<Self, TrainError> {
        Self::lightened(recipe, config, ranks, |recipe| recipe.halve() || recipe.recompute())
    }

    /// [`Self::fitting`] of a run that goes on: its rows stay.
    ///
    /// # Errors
    /// As there.
    pub fn fitting_on(recipe: &mut Recipe, config: &Config, ranks: usize) -> Result<Self, TrainError> {
        Self::lightened(recipe, config, ranks, Recipe::recompute)
    }

    fn lightened(
        recipe: &mut Recipe,
        config: &Config,
        ranks: usize,
        lighten: impl Fn(&mut Recipe) -> bool,
    ) -> Result<Self, TrainError> {
        let plan_of = |recipe: &Recipe| Self::new(recipe, config).shared(ranks);
        let Some(free) = shuyuan_tensor::free_memory() else {
            return Ok(plan_of(recipe)); // Not Linux: nothing to compare with.
        };
        let have_mib = free >> 20;
        loop {
            let plan = plan_of(recipe);
            if plan.memory_mib <= have_mib {
                return Ok(plan);
            }
            if lighten(recipe) {
                continue;
            }
            let mut shorter = recipe.clone();
            let fits = |recipe: &Recipe| plan_of(recipe).memory_mib <= have_mib;
            while !fits(&shorter) && shorter.train.tokens > 16 {
                shorter.train.tokens /= 2;
            }
            return Err(TrainError::Memory {
                need_mib: plan.memory_mib,
                have_mib,
                batch: recipe.train.batch,
                tokens: recipe.train.tokens,
                fits: fits(&shorter).then_some(shorter.train.tokens),
            });
        }
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
        let plan = Plan::fitting(&mut recipe, &config, 1).unwrap();
        assert!(plan.memory_mib <= free >> 20 || all.memory_mib <= free >> 20);
        assert!(!recipe.train.recompute, "fewer rows at a time cost less");
        assert_eq!(
            (recipe.train.batch * recipe.train.accumulation, plan.tokens_per_step),
            (rows, all.tokens_per_step)
        );
        // A row that no machine holds.
        (recipe.train.batch, recipe.train.tokens, recipe.model.hidden_size) = (2, 1 << 24, 1 << 14);
        let config = recipe.config(1 << 20);
        let error = Plan::fitting(&mut recipe, &config, 1).unwrap_err();
        assert!(matches!(error, TrainError::Memory { batch: 1, tokens: 0x100_0000, .. }), "{error}");
        assert!(recipe.train.recompute, "tried before it is refused");
    }

    #[test]
    fn rows_that_must_stay_together_are_worked_out_again() {
        let Some(free) = shuyuan_tensor::free_memory() else { return };
        for embeds in [false, true] {
            let mut recipe = if embeds { Recipe::embed() } else { Recipe::quickstart() };
            // Many layers, and as many rows as fit only if all of them are not kept.
            recipe.model.num_hidden_layers = 48;
            recipe.train.batch = 1;
            let config = recipe.config(300);
            while Plan::new(&recipe, &config).memory_mib < (free >> 20) * 3 / 2 {
                recipe.train.batch *= 2;
            }
            let rows = recipe.train.batch;
            let plan =
                if embeds { Plan::fitting } else { Plan::fitting_on }(&mut recipe, &config, 1).unwrap();
            assert!(recipe.train.recompute && recipe.train.batch == rows, "{rows} {plan:?}");
        }
    }
}
