//! A figure with its error.

use serde::{Deserialize, Serialize};

/// How a model did in one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Share of right answers, 0 to 1.
    pub score: f64,
    /// Its standard error: √(p·(1 − p)/n).
    pub stderr: f64,
    /// What always giving the most common answer scores.
    pub baseline: f64,
    /// Questions.
    pub n: usize,
}

impl Score {
    /// `right` of `n`.
    pub fn new(right: usize, n: usize, baseline: f64) -> Self {
        let p = right as f64 / n.max(1) as f64;
        Self { score: p, stderr: (p * (1.0 - p) / n.max(1) as f64).sqrt(), baseline, n }
    }
}
