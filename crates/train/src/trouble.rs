//! Steps that went wrong: what was seen, and the batch, in a file that a person can read.

use crate::{Metric, TrainError};
use serde::{Deserialize, Serialize};
use shuyuan_corpus::{Batch, Cursor};
use shuyuan_text::{TokenId, Tokenizer};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// The loss or the gradients were no longer numbers; the run ended there.
    NotFinite,
    /// The loss jumped far above what was usual; the run went on.
    Spike,
}

/// A file of `trouble/`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trouble {
    /// What went wrong.
    pub what: TroubleKind,
    /// At which step.
    pub step: u64,
    /// Nats per token; none where it was no number.
    pub loss: Option<f64>,
    /// The median of the steps before.
    pub usual: Option<f64>,
    /// The learning rate of the matrices.
    pub lr: f64,
    /// Before clipping; none where it was no number.
    pub grad_norm: Option<f64>,
    /// Where the step's batches begin.
    pub(crate) cursors: Vec<Cursor>,
    /// What was to be learned, row by row.
    pub rows: Vec<Row>,
}

/// A row of a batch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// What the tokens say.
    pub text: String,
    /// The row without its padding, T at most.
    pub tokens: Vec<TokenId>,
}

/// The rows of the batches of a step, micro-batch after micro-batch.
pub(crate) fn rows(batches: &[Batch], tokenizer: &Tokenizer) -> Vec<Row> {
    let row = |batch: &Batch, row: usize| {
        let from = row * batch.tokens;
        let is_padding = |at: usize| {
            let position = at - from;
            batch.inputs[at] == 0
                && batch.targets[at] == Batch::IGNORE
                && batch.starts[at] as usize == position
        };
        let tokens: Vec<_> =
            (from..from + batch.tokens).filter(|&at| !is_padding(at)).map(|at| batch.inputs[at]).collect();
        Row { text: tokenizer.decode(&tokens), tokens }
    };
    batches.iter().flat_map(|batch| (0..batch.batch).map(move |index| row(batch, index))).collect()
}

fn folder(run: &Path) -> PathBuf {
    run.join("trouble")
}

fn file(run: &Path, step: u64) -> PathBuf {
    folder(run).join(format!("step-{step:06}.json"))
}

/// Writes it into the run's folder, and says where.
pub(crate) fn write(run: &Path, trouble: &Trouble) -> Result<PathBuf, TrainError> {
    let path = file(run, trouble.step);
    let json =
        serde_json::to_vec_pretty(trouble).unwrap_or_else(|error| unreachable!("numbers are JSON: {error}"));
    shuyuan_store::write_atomic(&path, &json)?;
    Ok(path)
}

/// What went wrong in a run and was not left behind by rewinding, in order of steps.
///
/// # Errors
/// A file that cannot be read, or is none of ours.
pub fn read_all(run: &Path) -> Result<Vec<Trouble>, TrainError> {
    let Ok(entries) = std::fs::read_dir(folder(run)) else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !(name.starts_with("step-") && name.ends_with(".json")) {
            continue;
        }
        let text = std::fs::read(&path).map_err(|source| TrainError::Io { path: path.clone(), source })?;
        let trouble: Trouble = serde_json::from_slice(&text).map_err(|error| TrainError::Resume {
            path: path.clone(),
            what: format!("not a saved batch of ours ({error}): move it away"),
        })?;
        all.push(trouble);
    }
    all.sort_by_key(|trouble| trouble.step);
    Ok(all)
}

/// Marks a step's trouble as left behind: its file stays, under a name that [`read_all`] passes over.
pub(crate) fn settle(run: &Path, step: u64) -> Result<(), TrainError> {
    let (from, to) = (file(run, step), folder(run).join(format!("skipped-{step:06}.json")));
    std::fs::rename(&from, to).map_err(|source| TrainError::Io { path: from, source })
}

/// Steps that are looked back on.
const WINDOW: usize = 100;
/// Fewer say nothing about what is usual.
const LEAST: usize = 30;
/// How many deviations above the median are a spike. A loss that varied by chance alone, as a normal distribution
/// does, would pass it once in a thousand million steps.
const DEVIATIONS: f64 = 6.0;
/// From the median distance to a standard deviation, for a normal distribution.
const MAD_TO_DEVIATION: f64 = 1.4826;
/// The least deviation as a part of the median: late in a run that knows its few texts by heart, nothing varies.
const LEAST_DEVIATION: f64 = 0.02;

/// Sees a loss that is far from its usual.
///
/// Median and median distance, and not mean and deviation: of the last hundred steps a few spikes move neither, so that
/// a second spike is seen as the first was. The loss falls, so the median lies above what is due: quiet, if anything.
pub(crate) struct Spikes {
    losses: VecDeque<f64>,
    warmup_steps: u64,
}

impl Spikes {
    /// One that has seen the steps of `metrics`.
    pub(crate) fn new(warmup_steps: u64, metrics: &[Metric]) -> Self {
        let last = &metrics[metrics.len().saturating_sub(WINDOW)..];
        Self { losses: last.iter().map(|metric| metric.loss).collect(), warmup_steps }
    }

    /// Takes note of a step's loss. If it is a spike: what was usual.
    pub(crate) fn look(&mut self, step: u64, loss: f64) -> Option<f64> {
        let spike = self
            .usual()
            .filter(|(median, deviation)| step > self.warmup_steps && loss > median + DEVIATIONS * deviation);
        if self.losses.len() == WINDOW {
            self.losses.pop_front();
        }
        self.losses.push_back(loss);
        spike.map(|(median, _)| median)
    }

    /// Median and robust deviation of the steps before, once there are enough.
    fn usual(&self) -> Option<(f64, f64)> {
        if self.losses.len() < LEAST {
            return None;
        }
        let middle = median(self.losses.iter().copied());
        let distance = median(self.losses.iter().map(|loss| (loss - middle).abs()));
        Some((middle, (MAD_TO_DEVIATION * distance).max(LEAST_DEVIATION * middle.abs())))
    }
}

/// The middle one of some numbers; of none, not a number.
pub(crate) fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loss that falls from 7 to 2 and varies by chance, as a normal distribution of deviation 0.1 does.
    fn falling(steps: u64) -> impl Iterator<Item = f64> {
        let mut state = 1u64;
        let mut uniform = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..steps).map(move |step| {
            let normal = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
            2.0 + 5.0 * (-(step as f64) / 200.0).exp() + 0.1 * normal
        })
    }

    #[test]
    fn a_loss_that_falls_has_no_spikes() {
        let mut spikes = Spikes::new(20, &[]);
        for (step, loss) in (1..).zip(falling(20_000)) {
            assert_eq!(spikes.look(step, loss), None, "step {step}, loss {loss}");
        }
    }

    #[test]
    fn each_spike_is_seen_and_what_follows_is_not() {
        let mut spikes = Spikes::new(20, &[]);
        let mut seen = Vec::new();
        for (step, loss) in (1..).zip(falling(1000)) {
            let loss = if [10, 500, 503, 900].contains(&step) { loss + 1.5 } else { loss };
            if let Some(usual) = spikes.look(step, loss) {
                assert!(usual < loss - 1.0, "{usual} {loss}");
                seen.push(step);
            }
        }
        // The first is in the warm-up.
        assert_eq!(seen, [500, 503, 900]);
    }

    #[test]
    fn a_resumed_run_sees_the_same_spikes() {
        let metric = |(step, loss): (u64, f64)| Metric { step, loss, ..Metric::default() };
        let metrics: Vec<Metric> = (1..).zip(falling(400)).map(metric).collect();
        let mut whole = Spikes::new(20, &[]);
        let seen: Vec<_> = metrics.iter().map(|metric| whole.look(metric.step, metric.loss)).collect();
        let mut parts = Spikes::new(20, &metrics[..317]);
        for (metric, seen) in metrics.iter().zip(seen).skip(317) {
            assert_eq!(parts.look(metric.step, metric.loss), seen);
        }
        assert_eq!(whole.look(401, 9.0), parts.look(401, 9.0));
    }

    #[test]
    fn nothing_varies_late_and_that_is_no_spike() {
        let mut spikes = Spikes::new(0, &[]);
        assert!((1..200).all(|step| spikes.look(step, 0.01).is_none()));
        assert_eq!(spikes.look(200, 0.0105), None);
        assert_eq!(spikes.look(201, 0.02), Some(0.01));
    }
}
