//! HOME/report.json: what a quickstart took and what it achieved.

use super::eval::Scores;
use crate::Home;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Seconds by stage, scores by task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// How long each stage took.
    pub seconds: BTreeMap<String, f64>,
    /// How well the model does.
    pub scores: Scores,
    /// Bits per byte of held-out text after pretraining.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bits_per_byte: Option<f64>,
}

impl Report {
    /// Reads it; an empty one where there is none yet.
    ///
    /// # Errors
    /// If the file is there and is not a report.
    pub fn read(home: &Home) -> Result<Self> {
        let path = home.report();
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not a report of ours; move it away", path.display()))
    }

    /// Writes it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, home: &Home) -> Result<()> {
        let json = serde_json::to_vec_pretty(self).context("the report as JSON")?;
        Ok(shuyuan_store::write_atomic(&home.report(), &json)?)
    }
}
