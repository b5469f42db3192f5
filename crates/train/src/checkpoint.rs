//! A run on disk, complete enough that going on from it gives the same bits as never having stopped.

use crate::{Optimizer, Recipe, TrainError};
use serde::{Deserialize, Serialize};
use shuyuan_corpus::Cursor;
use shuyuan_model::Qwen3ForCausalLM;
use shuyuan_store::{StagedDir, write_atomic};
use std::path::{Path, PathBuf};

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) version: u32,
    pub(crate) step: u64,
    pub(crate) tokens: u64,
    pub(crate) seconds: f64,
    pub(crate) cursor: Cursor,
    pub(crate) finished: bool,
}

pub(crate) const VERSION: u32 = 1;

pub(crate) fn dir(run: &Path) -> PathBuf {
    run.join("checkpoint")
}

/// Writes model, optimizer and state so that they appear at once.
pub(crate) fn save(
    run: &Path,
    model: &Qwen3ForCausalLM,
    optimizer: &Optimizer,
    state: &State,
) -> Result<(), TrainError> {
    let staged = StagedDir::new(&dir(run))?;
    shuyuan_model::save(model, staged.path())?;
    optimizer.save(&staged.path().join("optimizer.safetensors"))?;
    let json =
        serde_json::to_vec_pretty(state).unwrap_or_else(|error| unreachable!("numbers are JSON: {error}"));
    write_atomic(&staged.path().join("state.json"), &json)?;
    Ok(staged.publish()?)
}

/// The state of the run in `run`, if it has a checkpoint.
pub(crate) fn state(run: &Path) -> Result<Option<State>, TrainError> {
    StagedDir::recover(&dir(run))?;
    let path = dir(run).join("state.json");
    if !path.exists() {
        return Ok(None);
    }
    let text =
        std::fs::read_to_string(&path).map_err(|source| TrainError::Io { path: path.clone(), source })?;
    let state: State = serde_json::from_str(&text).map_err(|error| TrainError::Resume {
        path: path.clone(),
        what: format!("not a state of ours ({error})"),
    })?;
    if state.version != VERSION {
        let what =
            format!("expected version {VERSION}, found {}: it was written by another version", state.version);
        return Err(TrainError::Resume { path, what });
    }
    Ok(Some(state))
}

/// The recipe that the run in `run` was started with, if any.
pub(crate) fn recipe(run: &Path) -> Option<Recipe> {
    serde_json::from_slice(&std::fs::read(run.join("recipe.json")).ok()?).ok()
}
