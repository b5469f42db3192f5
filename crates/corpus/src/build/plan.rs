//! What a build is made of, as one number: whether a folder's unfinished or finished corpus is of this very build.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shuyuan_text::Tokenizer;
use xxhash_rust::xxh3::xxh3_64;

use super::{BuildConfig, WORK};
use crate::corpus::{MANIFEST, Manifest};
use crate::error::{Error, Result};
use crate::source::{InputFile, discover};

/// Raised with every change of what a build makes of the same input.
const PIPELINE: u32 = 1;
const PLAN: &str = "plan.json";

/// The files of each source, and the hash of everything that decides the result.
pub(crate) struct Plan {
    pub files: Vec<Arc<[InputFile]>>,
    /// Of each source, what is passed over.
    pub others: Vec<Vec<String>>,
    pub fingerprint: String,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    fingerprint: String,
}

impl Plan {
    pub fn new(config: &BuildConfig, tokenizer: &Tokenizer) -> Result<Self> {
        let (mut files, mut others) = (Vec::new(), Vec::new());
        for source in &config.inputs {
            let (found, passed_over) = discover(&source.path)?;
            files.push(Arc::from(found));
            others.push(passed_over);
        }
        let mut evaluation = Vec::new();
        for path in &config.decontaminate {
            evaluation.extend(discover(path)?.0);
        }
        let files_flat: Vec<&[InputFile]> = files.iter().map(|f: &Arc<[InputFile]>| &**f).collect();
        let tokenizer = xxh3_64(tokenizer.to_json().as_bytes());
        let all = serde_json::json!([PIPELINE, config, files_flat, evaluation, tokenizer]);
        let fingerprint = format!("{:016x}", xxh3_64(all.to_string().as_bytes()));
        Ok(Self { files, others, fingerprint })
    }

    /// Looks at the output folder, which is locked: the corpus if it is finished, or a folder to work in, which keeps
    /// the units of an interrupted build of the same plan and of no other.
    ///
    /// Errors: a finished corpus of another plan.
    pub fn prepare(&self, output: &Path) -> Result<Option<Manifest>> {
        let work = output.join(WORK);
        if output.join(MANIFEST).exists() {
            let manifest = Manifest::read(output)?;
            if manifest.fingerprint != self.fingerprint {
                return Err(Error::Output {
                    path: output.to_path_buf(),
                    reason: "holds a corpus of other inputs, settings or tokenizer (or the inputs have changed since); \
                             choose another folder, or delete this one"
                        .into(),
                });
            }
            remove(&work)?;
            return Ok(Some(manifest));
        }
        let path = work.join(PLAN);
        let stored: Option<Stored> = fs::read(&path).ok().and_then(|b| serde_json::from_slice(&b).ok());
        if stored.is_none_or(|s| s.fingerprint != self.fingerprint) {
            remove(&work)?;
            remove_shards(output)?;
            let stored = Stored { fingerprint: self.fingerprint.clone() };
            let bytes = serde_json::to_vec(&stored).map_err(|e| Error::io(&path)(e.into()))?;
            shuyuan_store::write_atomic(&path, &bytes)?;
        }
        Ok(None)
    }
}

/// Deletes a folder of ours, if it is there.
pub(crate) fn remove(dir: &Path) -> Result<()> {
    if dir.exists() { fs::remove_dir_all(dir).map_err(Error::io(dir)) } else { Ok(()) }
}

/// Deletes shards that an interrupted build left.
fn remove_shards(output: &Path) -> Result<()> {
    for entry in fs::read_dir(output).map_err(Error::io(output))? {
        let path = entry.map_err(Error::io(output))?.path();
        if path.extension().is_some_and(|e| e == "tok") {
            fs::remove_file(&path).map_err(Error::io(&path))?;
        }
    }
    Ok(())
}
