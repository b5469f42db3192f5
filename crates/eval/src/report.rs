//! What an examination found: each figure with its error, its baseline and its count.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::Hash;

/// A share of right answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// From 0 to 1.
    pub score: f64,
    /// Its standard error: √(p·(1 − p)/n).
    pub stderr: f64,
}

impl Score {
    /// Of `right` in `n`; of none in none, 0 with no error.
    pub fn of(right: usize, n: usize) -> Self {
        let p = right as f64 / n.max(1) as f64;
        Self { score: p, stderr: (p * (1.0 - p) / n.max(1) as f64).sqrt() }
    }
}

/// What was left out, and why the first of it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// How many lines.
    pub count: usize,
    /// File, line and reason of the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
}

impl Skipped {
    pub(crate) fn record(&mut self, why: impl FnOnce() -> String) {
        self.count += 1;
        self.first.get_or_insert_with(why);
    }
}

/// One line of a scorecard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    /// The task: a trade, a file's name, or "bits_per_byte".
    pub task: String,
    /// What `score` measures: "accuracy", "accuracy_per_byte" (choices by likelihood a byte), "bits_per_byte".
    pub metric: String,
    /// The figure; of bits per byte less is better, of all others more.
    pub score: f64,
    /// Its standard error.
    pub stderr: f64,
    /// The figure without reading: the most common answer; for bits per byte 8, all bytes alike.
    pub baseline: f64,
    /// Questions, or texts.
    pub n: usize,
    /// Of multiple choice, accuracy by the likelihood of whole choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Score>,
    /// Of bits per byte, the bytes predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Of bits per byte, the tokens predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Questions that lost their beginning because the context has no room for it.
    #[serde(default)]
    pub cut: usize,
    /// Lines that were no question.
    #[serde(default)]
    pub skipped: Skipped,
}

impl TaskResult {
    pub(crate) fn new(task: &str, metric: &str, score: Score, baseline: f64, n: usize) -> Self {
        Self {
            task: task.into(),
            metric: metric.into(),
            score: score.score,
            stderr: score.stderr,
            baseline,
            n,
            raw: None,
            bytes: None,
            tokens: None,
            cut: 0,
            skipped: Skipped::default(),
        }
    }
}

/// The share of the most common value.
pub(crate) fn most_common<T: Eq + Hash>(values: impl Iterator<Item = T>) -> f64 {
    let mut counts: HashMap<T, usize> = HashMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    let all: usize = counts.values().sum();
    counts.into_values().max().unwrap_or(0) as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_binomial() {
        let score = Score::of(3, 4);
        assert_eq!((score.score, score.stderr), (0.75, (0.75f64 * 0.25 / 4.0).sqrt()));
        assert_eq!(Score::of(0, 0), Score { score: 0.0, stderr: 0.0 });
        assert_eq!(most_common([1, 0, 1, 1, 2].into_iter()), 0.6);
    }
}
