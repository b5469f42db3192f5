//! How fast a step is: random ids, the trainer's own step, the clock.

use crate::rehearsal::Rehearsal;
use crate::{OptimizerKind, OptimizerRecipe, Plan, Recipe, TrainError};
use burn::tensor::Device;
use serde::Serialize;
use shuyuan_corpus::Batch;
use shuyuan_model::Config;
use std::collections::BTreeMap;

/// What to time.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The model's shape.
    pub config: Config,
    /// B: rows of a step.
    pub batch: usize,
    /// T: tokens of a row.
    pub tokens: usize,
    /// Steps on the clock.
    pub steps: usize,
    /// Steps before it.
    pub warmup: usize,
    /// For the matrices; the rest is always taught by AdamW.
    pub optimizer: OptimizerKind,
    /// "bf16" or "f32".
    pub precision: String,
    /// Whether layers are worked out again on the way back.
    pub recompute: bool,
    /// Where, without gradients.
    pub device: Device,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Timing {
    /// Numbers in the model.
    pub params: usize,
    /// The memory that a run of this shape is said to need, in MiB.
    pub predicted_mib: u64,
    /// Of the median step.
    pub tokens_per_s: f64,
    /// Of the fastest step.
    pub tokens_per_s_best: f64,
    /// Of the slowest step.
    pub tokens_per_s_worst: f64,
    /// Milliseconds of the median step, and of its parts: "loss and gradients", "optimizer".
    pub ms: BTreeMap<&'static str, f64>,
    /// Arithmetic of the median step, counted as [`Config::flops_per_token`] does.
    pub gflop_per_s: f64,
    /// The part of all timed steps that each fused operation and the optimizer took; "rest" is what lies between.
    pub shares: BTreeMap<&'static str, f64>,
    /// Of the first step, near ln V.
    pub first_loss: f64,
    /// Of the last step, below it: the same batch is seen at every step.
    pub last_loss: f64,
}

impl Bench {
    /// Takes the steps.
    ///
    /// # Errors
    /// A shape that cannot exist, a loss that is not finite.
    pub fn run(&self, seed: u64) -> Result<Timing, TrainError> {
        let mut recipe = Recipe::default();
        recipe.train.precision.clone_from(&self.precision);
        recipe.optimizer = OptimizerRecipe { kind: self.optimizer, ..recipe.optimizer };
        if self.optimizer == OptimizerKind::AdamW {
            let lr = 3e-4;
            let o = &mut recipe.optimizer;
            (o.matrix_lr, o.embedding_lr, o.norm_lr, o.weight_decay) = (lr, lr, lr, 0.1);
        }
        (recipe.train.batch, recipe.train.tokens) = (self.batch, self.tokens);
        recipe.train.recompute = self.recompute;
        let plan = Plan::new(&recipe, &self.config);
        let batch = [self.random_batch(seed)];
        let mut rehearsal = Rehearsal::new(&recipe, &self.config, seed, &self.device)?;
        let (mut steps, mut parts, mut losses) = (Vec::new(), [Vec::new(), Vec::new()], Vec::new());
        for _ in 0..self.warmup {
            losses.push(rehearsal.step(&batch, 1.0)?.loss);
        }
        let (done, times) = shuyuan_tensor::profile(|| -> Result<(), TrainError> {
            for _ in 0..self.steps {
                let step = rehearsal.step(&batch, 1.0)?;
                if !step.loss.is_finite() || !step.norm.is_finite() {
                    return Err(TrainError::NotFinite { loss: step.loss, norm: step.norm });
                }
                steps.push(step.all);
                parts[0].push(step.teaching);
                parts[1].push(step.all - step.teaching);
                losses.push(step.loss);
            }
            Ok(())
        });
        done?;
        let total: f64 = steps.iter().sum();
        let mut shares: BTreeMap<&'static str, f64> =
            times.into_iter().map(|(name, time)| (name, time.as_secs_f64() / total)).collect();
        shares.insert("optimizer", parts[1].iter().sum::<f64>() / total);
        shares.insert("rest", 1.0 - shares.values().sum::<f64>());
        let tokens = (self.batch * self.tokens) as f64;
        let step = median(&mut steps);
        let ms = |part: &mut Vec<f64>| median(part) * 1e3;
        Ok(Timing {
            params: plan.params,
            predicted_mib: plan.memory_mib,
            tokens_per_s: tokens / step,
            tokens_per_s_best: tokens / steps[0],
            tokens_per_s_worst: tokens / steps[steps.len() - 1],
            gflop_per_s: self.config.flops_per_token(self.tokens) * tokens / step / 1e9,
            ms: BTreeMap::from([
                ("step", step * 1e3),
                ("loss and gradients", ms(&mut parts[0])),
                ("optimizer", ms(&mut parts[1])),
            ]),
            shares,
            first_loss: losses[0],
            last_loss: losses[losses.len() - 1],
        })
    }

    /// One document a row, each id as likely as any other.
    fn random_batch(&self, seed: u64) -> Batch {
        let mut state = seed;
        let mut id = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32 % self.config.vocab_size as u32
        };
        let rows: Vec<Vec<u32>> =
            (0..self.batch).map(|_| (0..=self.tokens).map(|_| id()).collect()).collect();
        Batch {
            batch: self.batch,
            tokens: self.tokens,
            inputs: rows.iter().flat_map(|row| &row[..self.tokens]).copied().collect(),
            targets: rows.iter().flat_map(|row| &row[1..]).copied().collect(),
            starts: vec![0; self.batch * self.tokens],
            pairs: None,
        }
    }
}

/// Sorts, and returns the one in the middle.
fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
