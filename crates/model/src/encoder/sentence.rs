//! How a text's states become one vector, as the files of sentence-transformers or a GGUF's settings say.

use crate::ModelError;
use crate::fields::Fields;
use crate::gguf::{Gguf, GgufError};
use serde_json::{Value, json};
use shuyuan_store::StoreError;
use std::path::Path;

/// Which states make the vector of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pooling {
    /// The mean of all.
    Mean,
    /// The first: `[CLS]`.
    Cls,
    /// The last.
    Last,
}

/// How a model makes vectors of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentenceConfig {
    /// Which states.
    pub pooling: Pooling,
    /// Whether vectors are brought to length 1.
    pub normalize: bool,
    /// The longest text in tokens that the model was made for, where that is said.
    pub max_seq_length: Option<usize>,
}

impl Default for SentenceConfig {
    fn default() -> Self {
        Self { pooling: Pooling::Mean, normalize: true, max_seq_length: None }
    }
}

impl SentenceConfig {
    /// Reads `modules.json`, the pooling's `config.json` and `sentence_bert_config.json` of the model in folder `dir`; none
    /// where there is no `modules.json`.
    ///
    /// # Errors
    /// If a file is not what it should be, or asks for a module or a pooling that is not built here.
    pub fn of_folder(dir: &Path) -> Result<Option<Self>, ModelError> {
        let Some(modules) = json(dir, "modules.json")? else { return Ok(None) };
        let invalid = |file: &str, what: String| ModelError::Invalid { path: dir.join(file), what };
        let Some(modules) = modules.as_array() else {
            return Err(invalid("modules.json", "expected a list of modules".into()));
        };
        let mut found = Self { normalize: false, ..Self::default() };
        for module in modules {
            let module = Fields(module);
            // By the last word: sentence-transformers moved its classes between versions.
            let kind = module.text("type").unwrap_or("none").rsplit('.').next().unwrap_or_default();
            match kind {
                "Transformer" => {}
                "Normalize" => found.normalize = true,
                "Pooling" => {
                    let folder = module.text("path").unwrap_or_default();
                    // A name with a path in it could point anywhere.
                    if folder.is_empty() || folder.contains(['/', '\\']) || folder == ".." {
                        return Err(invalid(
                            "modules.json",
                            format!("expected the name of a folder, found {folder:?}"),
                        ));
                    }
                    let file = format!("{folder}/config.json");
                    let config = json(dir, &file)?
                        .ok_or_else(|| invalid(&file, "modules.json names it, but it is not there".into()))?;
                    found.pooling =
                        pooling(Fields(&config)).map_err(|error| invalid(&file, error.to_string()))?;
                }
                other => {
                    let what = format!(
                        "a module of type {other:?}; built here are Transformer, Pooling and Normalize"
                    );
                    return Err(invalid("modules.json", what));
                }
            }
        }
        let file = "sentence_bert_config.json";
        if let Some(config) = json(dir, file)? {
            let config = Fields(&config);
            let named = |error: ModelError| invalid(file, error.to_string());
            found.max_seq_length = config.size("max_seq_length").map_err(named)?.filter(|most| *most > 0);
            if config.flag("do_lower_case").map_err(named)?.unwrap_or(false) {
                return Err(invalid(
                    file,
                    "do_lower_case beside the tokenizer's own is not built here".into(),
                ));
            }
        }
        Ok(Some(found))
    }

    /// Writes the files that [`Self::of_folder`] and sentence-transformers read into the folder `dir`, which exists.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, dir: &Path, hidden_size: usize) -> Result<(), ModelError> {
        let module = |index: usize, name: &str, path: &str| {
            let kind = format!("sentence_transformers.models.{name}");
            json!({ "idx": index, "name": index.to_string(), "path": path, "type": kind })
        };
        let mut modules = vec![module(0, "Transformer", ""), module(1, "Pooling", "1_Pooling")];
        if self.normalize {
            modules.push(module(2, "Normalize", "2_Normalize"));
        }
        let pooling = json!({
            "word_embedding_dimension": hidden_size,
            "pooling_mode_cls_token": self.pooling == Pooling::Cls,
            "pooling_mode_mean_tokens": self.pooling == Pooling::Mean,
            "pooling_mode_max_tokens": false,
            "pooling_mode_mean_sqrt_len_tokens": false,
            "pooling_mode_weightedmean_tokens": false,
            "pooling_mode_lasttoken": self.pooling == Pooling::Last,
            "include_prompt": true,
        });
        let most = json!({ "max_seq_length": self.max_seq_length, "do_lower_case": false });
        // The folder of the normalisation would be empty, and is not looked into.
        let path = dir.join("1_Pooling");
        std::fs::create_dir_all(&path).map_err(|source| StoreError::Io { action: "make", path, source })?;
        for (file, value) in [
            ("1_Pooling/config.json", pooling),
            ("sentence_bert_config.json", most),
            ("config_sentence_transformers.json", json!({ "similarity_fn_name": "cosine" })),
            // Last: with it the folder is a model that embeds.
            ("modules.json", Value::Array(modules)),
        ] {
            shuyuan_store::write_atomic(&dir.join(file), format!("{value:#}\n").as_bytes())?;
        }
        Ok(())
    }

    /// What `ARCHITECTURE.pooling_type` says; none where it says nothing. llama.cpp always normalises.
    ///
    /// # Errors
    /// If it names a pooling that is not built here: 4 is a reranker's.
    pub fn of_gguf(gguf: &Gguf) -> Result<Option<Self>, ModelError> {
        let config_error = |error: GgufError| ModelError::Config(error.to_string());
        let name = gguf.metadata().str("general.architecture").map_err(config_error)?;
        let key = format!("{name}.pooling_type");
        let pooling = match gguf.metadata().opt_u64(&key).map_err(config_error)? {
            None | Some(0) => return Ok(None),
            Some(1) => Pooling::Mean,
            Some(2) => Pooling::Cls,
            Some(3) => Pooling::Last,
            Some(other) => {
                return Err(ModelError::Config(format!(
                    "{key} must be 0 (none), 1 (mean), 2 (cls) or 3 (last), found {other}"
                )));
            }
        };
        Ok(Some(Self { pooling, ..Self::default() }))
    }

    /// The vector of a text. Shape: `states` (T, `c`), at least one row.
    pub(crate) fn vector(&self, states: &[f32], c: usize) -> Vec<f32> {
        let mut vector = match self.pooling {
            Pooling::Cls => states[..c].to_vec(),
            Pooling::Last => states[states.len() - c..].to_vec(),
            Pooling::Mean => {
                let mut sums = vec![0.0f64; c];
                for row in states.chunks_exact(c) {
                    sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
                }
                let tokens = (states.len() / c) as f64;
                sums.into_iter().map(|sum| (sum / tokens) as f32).collect()
            }
        };
        if self.normalize {
            let squares: f64 = vector.iter().map(|&x| f64::from(x).powi(2)).sum();
            // As torch: a vector of zeros stays so.
            let length = squares.sqrt().max(1e-12);
            vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
        }
        vector
    }
}

/// The one mode that a pooling's config.json chooses, in the words of either version.
fn pooling(all: Fields) -> Result<Pooling, ModelError> {
    let of = |name: &str| match name {
        "mean" | "mean_tokens" => Ok(Pooling::Mean),
        "cls" | "cls_token" => Ok(Pooling::Cls),
        "lasttoken" => Ok(Pooling::Last),
        other => {
            Err(ModelError::Config(format!("pooling by {other:?}; built here are mean, cls and lasttoken")))
        }
    };
    if let Some(name) = all.text("pooling_mode") {
        return of(name);
    }
    let modes = all.0.as_object().into_iter().flatten();
    let chosen: Vec<&str> = modes
        .filter(|(_, value)| value.as_bool() == Some(true))
        .filter_map(|(key, _)| key.strip_prefix("pooling_mode_"))
        .collect();
    match chosen.as_slice() {
        [one] => of(one),
        [] => Err(ModelError::Config("no pooling_mode_… is true: expected one".into())),
        many => Err(ModelError::Config(format!("pooling by {} at once: expected one", many.join(", ")))),
    }
}

fn json(dir: &Path, file: &str) -> Result<Option<Value>, ModelError> {
    let path = dir.join(file);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ModelError::Read { path, source }),
    };
    match serde_json::from_str(&text) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(ModelError::Invalid { path, what: format!("expected JSON: {error}") }),
    }
}
