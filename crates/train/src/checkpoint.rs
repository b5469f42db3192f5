//! A run on disk, complete enough that going on from it gives the same bits as never having stopped.

use crate::{Optimizer, Recipe, TrainError};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use shuyuan_corpus::Cursor;
use shuyuan_model::Qwen3ForCausalLM;
use shuyuan_store::{StagedDir, checksum_file};
use shuyuan_text::{CONFIG_FILE, TOKENIZER_FILE, Tokenizer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) version: u32,
    pub(crate) step: u64,
    pub(crate) tokens: u64,
    pub(crate) seconds: f64,
    pub(crate) cursor: Cursor,
    /// B and T of the batches before the cursor, where they change along the run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) rows: Option<(usize, usize)>,
    pub(crate) finished: bool,
    /// Of held-out text, where this step looked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) validation_bits_per_byte: Option<f64>,
    /// The mean reciprocal rank of held-out passages, where this step looked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) validation_mrr: Option<f64>,
    /// Where batches begin that are not taught: they went wrong before the run was rewound.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) skip: Vec<Cursor>,
    /// XXH3 of the large files, by name. None in checkpoints before 2026-11-27.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub(crate) checksums: BTreeMap<String, String>,
}

pub(crate) const VERSION: u32 = 1;

/// The file of a [`State`].
pub(crate) const STATE: &str = "state.json";
const OPTIMIZER: &str = "optimizer.safetensors";
const SUMMED: [&str; 2] = ["model.safetensors", OPTIMIZER];

/// The newest checkpoint of a run.
pub(crate) fn dir(run: &Path) -> PathBuf {
    run.join("checkpoint")
}

impl State {
    pub(crate) fn at_start(cursor: Cursor) -> Self {
        Self {
            version: VERSION,
            step: 0,
            tokens: 0,
            seconds: 0.0,
            cursor,
            rows: None,
            finished: false,
            validation_bits_per_byte: None,
            validation_mrr: None,
            skip: Vec::new(),
            checksums: BTreeMap::new(),
        }
    }

    /// What held-out data said where this step looked: bits per byte, or what the mean reciprocal rank lacks. Less is better.
    pub(crate) fn error(&self) -> Option<f64> {
        self.validation_bits_per_byte.or(self.validation_mrr.map(|mrr| 1.0 - mrr))
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_else(|error| unreachable!("numbers are JSON: {error}"))
    }
}

/// Writes model, tokenizer, optimizer and state into `dir` so that they appear at once: a model folder like any other.
pub(crate) fn save(
    dir: &Path,
    recipe: &Recipe,
    model: &Qwen3ForCausalLM,
    tokenizer: &Tokenizer,
    optimizer: &Optimizer,
    state: &State,
) -> Result<(), TrainError> {
    let staged = StagedDir::new(dir)?;
    shuyuan_model::save(model, staged.path())?;
    if let Some(embed) = &recipe.embed {
        embed.sentence().save(staged.path(), model.config().hidden_size)?;
    }
    staged.write(TOKENIZER_FILE, tokenizer.to_json().as_bytes())?;
    staged.write(CONFIG_FILE, tokenizer.config_json().as_bytes())?;
    optimizer.save(&staged.path().join(OPTIMIZER))?;
    let mut state = state.clone();
    for name in SUMMED {
        state.checksums.insert(name.into(), sum(&staged.path().join(name))?);
    }
    staged.write(STATE, &state.to_json())?;
    Ok(staged.publish()?)
}

/// The model and the optimizer's memory in the checkpoint `dir`, whose state is `state`, on `device`.
pub(crate) fn load(
    dir: &Path,
    recipe: &Recipe,
    state: &State,
    device: &Device,
) -> Result<(Qwen3ForCausalLM, Optimizer), TrainError> {
    for (name, wanted) in &state.checksums {
        let path = dir.join(name);
        if path.exists() && sum(&path)? != *wanted {
            let what = format!(
                "its bytes are not those that {STATE} beside it was written with: the folder was copied in part, or \
                 changed since. Copy it again, or go back to another checkpoint with --rewind"
            );
            return Err(TrainError::Resume { path, what });
        }
    }
    let model = shuyuan_model::load(dir, device)?;
    Ok((model, Optimizer::load(recipe.optimizer.clone(), &dir.join(OPTIMIZER), device)?))
}

fn sum(path: &Path) -> Result<String, TrainError> {
    Ok(format!("{:016x}", checksum_file(path)?))
}

/// The state of the checkpoint `dir`, if there is one.
pub(crate) fn state(dir: &Path) -> Result<Option<State>, TrainError> {
    StagedDir::recover(dir)?;
    let path = dir.join(STATE);
    if !path.exists() {
        if dir.exists() {
            // Taking it for no checkpoint would begin anew, and write over what is left of it.
            let what = format!(
                "{STATE} is missing in it: the folder was copied in part. Copy it again, go back to another \
                 checkpoint with --rewind, or remove it to begin anew"
            );
            return Err(TrainError::Resume { path: dir.to_path_buf(), what });
        }
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
pub fn recipe(run: &Path) -> Option<Recipe> {
    serde_json::from_slice(&std::fs::read(run.join("recipe.json")).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shuyuan_store::write_atomic;

    /// A file as version 1 wrote it: runs that were begun then go on.
    const V1: &str = include_str!("../tests/fixtures/state-v1.json");

    fn read(text: &str) -> Result<Option<State>, TrainError> {
        let run = tempfile::tempdir().unwrap();
        write_atomic(&run.path().join(STATE), text.as_bytes()).unwrap();
        state(run.path())
    }

    #[test]
    fn version_1_is_read_and_written() {
        let cursor = Cursor { epoch: 2, document: 31_337, row: 5, stream: 17_293_822_569_102_704_640 };
        let (step, tokens, seconds) = (1200, 4_915_200, 312.25);
        let state = State { step, tokens, seconds, ..State::at_start(cursor) };
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
