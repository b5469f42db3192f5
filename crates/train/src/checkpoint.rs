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
    let foreign = |error: serde_json::Error| TrainError::Resume {
        path: path.clone(),
        what: format!("not a state of ours ({error})"),
    };
    // The version first: another version's fields may be others.
    let value: serde_json::Value = serde_json::from_str(&text).map_err(foreign)?;
    let found = value.get("version").unwrap_or(&serde_json::Value::Null);
    if *found != VERSION {
        let what = format!(
            "this program reads version {VERSION} of this file, found version {found}: go on with the program that \
             wrote it, or choose another --output"
        );
        return Err(TrainError::Resume { path, what });
    }
    serde_json::from_value(value).map(Some).map_err(foreign)
}

/// The recipe that the run in `run` was started with, if any.
pub(crate) fn recipe(run: &Path) -> Option<Recipe> {
    serde_json::from_slice(&std::fs::read(run.join("recipe.json")).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as version 1 wrote it: runs that were begun then go on.
    const V1: &str = include_str!("../tests/fixtures/state-v1.json");

    fn read(text: &str) -> Result<Option<State>, TrainError> {
        let run = tempfile::tempdir().unwrap();
        write_atomic(&dir(run.path()).join("state.json"), text.as_bytes()).unwrap();
        state(run.path())
    }

    #[test]
    fn version_1_is_read_and_written() {
        let cursor = Cursor { epoch: 2, document: 31_337, row: 5, stream: 17_293_822_569_102_704_640 };
        let state =
            State { version: 1, step: 1200, tokens: 4_915_200, seconds: 312.25, cursor, finished: false };
        assert_eq!(read(V1).unwrap().unwrap(), state);
        // What is written is version 1 as long as it says so.
        assert_eq!(serde_json::to_string_pretty(&state).unwrap(), V1.trim_end());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, named) in [
            (
                V1.replace("\"version\": 1", "\"version\": 2").as_str(),
                "version 1 of this file, found version 2",
            ),
            (r#"{"version": 3, "place": []}"#, "version 1 of this file, found version 3"),
            (r#"{"step": 3}"#, "found version null"),
            (r#"{"version": 1, "step": 3}"#, "missing field"),
            (&V1[..40], "not a state of ours"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(named) && error.contains("state.json"), "{error}");
        }
    }
}
