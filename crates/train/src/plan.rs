//! What a run will need, before it starts.

use crate::{OptimizerKind, Recipe, TrainError};
use shuyuan_model::Config;

/// Memory and arithmetic of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Numbers in the model.
    pub params: usize,
    /// Peak memory in MiB: weights, gradients, the optimizer's memory, activations of one micro-batch.
    pub memory_mib: u64,
    /// Arithmetic of one step.
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
        // Kept from forward to backward, for each token and layer: state before attention and before the feed-forward
        // part, projections before and after rotation, attention's output, gate and up.
        let kept = 2 * config.hidden_size + 2 * (q + 2 * k) + q + 2 * config.intermediate_size;
        // Alive at once on the way back: gradients of the widest part, and the normed state.
        let passing = 3 * config.intermediate_size + 4 * config.hidden_size;
        let activations = n * (config.num_hidden_layers * kept + passing);
        let moments = match recipe.optimizer.kind {
            OptimizerKind::Muon => 1,
            OptimizerKind::AdamW => 2,
        };
        // Gradients live twice: in the graph, and added up by name.
        let numbers = params * (1 + 2 + moments) + activations + 256 * config.vocab_size;
        Self {
            params,
            memory_mib: (numbers * 4) as u64 / (1 << 20) + 64,
            flops_per_step: config.flops_per_token(train.tokens) * (n * train.accumulation) as f64,
            tokens_per_step: n * train.accumulation,
        }
    }

    /// Refuses what does not fit into the memory that is free now.
    ///
    /// # Errors
    /// Both figures, and what to lower.
    pub fn check(&self, recipe: &Recipe) -> Result<(), TrainError> {
        let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
        let Some(kib) = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()) else {
            return Ok(()); // Not Linux: nothing to compare with.
        };
        let have_mib = kib / 1024;
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
