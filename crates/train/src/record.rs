//! What a run leaves behind for people: one line of numbers for each step.

use crate::{Recall, TrainError};
use serde::{Deserialize, Serialize};
use shuyuan_store::StoreError;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// One step. A line of `metrics.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// From 1.
    pub step: u64,
    /// Tokens so far.
    pub tokens: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Nats per token; for an embedder per question.
    pub loss: f64,
    /// Learning rate of the matrices.
    pub lr: f64,
    /// The norm of the gradients before clipping.
    pub grad_norm: f64,
    /// Speed of this step.
    pub tokens_per_s: f64,
    /// What no model can pass, in nats per token, where known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub floor: Option<f64>,
    /// Of held-out text, where this step looked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub validation_bits_per_byte: Option<f64>,
    /// How well held-out questions find their passages, where this step looked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub validation_recall: Option<Recall>,
    /// Whether the loss jumped far above what was usual.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub spike: bool,
}

/// The lines of `metrics.jsonl` in a run's folder; a last line cut off by a crash is left out.
///
/// # Errors
/// If the file cannot be read.
pub fn read_metrics(run: &Path) -> Result<Vec<Metric>, TrainError> {
    let path = run.join("metrics.jsonl");
    let text = std::fs::read_to_string(&path).map_err(|source| TrainError::Io { path, source })?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

pub(crate) struct Recorder {
    file: File,
    path: PathBuf,
}

impl Recorder {
    /// Opens the record of the run in `dir`, and forgets steps after `step`, which will be taken again.
    pub(crate) fn open(dir: &Path, step: u64) -> Result<(Self, Vec<Metric>), TrainError> {
        let path = dir.join("metrics.jsonl");
        let mut kept = if path.exists() { read_metrics(dir)? } else { Vec::new() };
        kept.retain(|metric| metric.step <= step);
        let text: String = kept.iter().map(line).collect();
        shuyuan_store::write_atomic(&path, text.as_bytes())?;
        let file = File::options().append(true).open(&path);
        let file = file.map_err(|source| TrainError::Io { path: path.clone(), source })?;
        Ok((Self { file, path }, kept))
    }

    pub(crate) fn write(&mut self, metric: &Metric) -> Result<(), TrainError> {
        let written = self.file.write_all(line(metric).as_bytes());
        Ok(written.map_err(|source| StoreError::Io { action: "write", path: self.path.clone(), source })?)
    }
}

fn line(metric: &Metric) -> String {
    let json =
        serde_json::to_string(metric).unwrap_or_else(|error| unreachable!("numbers are JSON: {error}"));
    json + "\n"
}
