//! A built corpus: a folder of shards, their description and their tokenizer.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::build::BuildConfig;
use crate::error::{Error, Result};
use crate::report::Report;
use crate::shard::{Shard, Vocabulary};

/// The file that makes a folder a corpus; written last.
pub(crate) const MANIFEST: &str = "corpus.json";
const FORMAT: &str = "shuyuan-corpus";
const VERSION: u32 = 1;

/// Which documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To learn from.
    Train,
    /// Held back, to measure on.
    Validation,
}

/// What corpus.json holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    format: String,
    version: u32,
    /// Vocabulary size of the tokenizer.
    pub vocab_size: u32,
    /// XXH3-64 of its tokenizer.json, in hexadecimal.
    pub tokenizer_hash: String,
    /// How it was built.
    pub config: BuildConfig,
    /// Hash of inputs, settings and tokenizer.
    pub(crate) fingerprint: String,
    /// What became of the input.
    pub report: Report,
    /// The shards, in order.
    pub shards: Vec<ShardEntry>,
}

/// One shard as corpus.json lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardEntry {
    /// File name in the corpus's folder.
    pub file: String,
    /// Training or validation.
    pub split: Split,
    /// Index of the source that its documents came from.
    pub source: usize,
    /// Passes over it in an epoch.
    pub weight: f64,
    /// Number of documents.
    pub documents: u64,
    /// Number of tokens.
    pub tokens: u64,
}

impl Manifest {
    pub(crate) fn new(
        vocabulary: Vocabulary,
        config: BuildConfig,
        fingerprint: String,
        report: Report,
        shards: Vec<ShardEntry>,
    ) -> Self {
        Self {
            format: FORMAT.into(),
            version: VERSION,
            vocab_size: vocabulary.size,
            tokenizer_hash: format!("{:016x}", vocabulary.hash),
            config,
            fingerprint,
            report,
            shards,
        }
    }

    /// Reads corpus.json in `dir`.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(MANIFEST);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let reason = if dir.join(crate::build::WORK).is_dir() {
                    "holds a corpus that is not finished; run its `corpus build` again to go on"
                } else {
                    "is no corpus (it has no corpus.json); make one with `corpus build`"
                };
                return Err(Error::Input { path: dir.to_path_buf(), reason: reason.into() });
            }
            Err(e) => return Err(Error::io(&path)(e)),
        };
        let foreign = |expected: &str, found: String| Error::Foreign {
            path: path.clone(),
            expected: expected.into(),
            found,
            advice: "build the corpus again with `corpus build`",
        };
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|e| foreign("JSON", e.to_string()))?;
        let (format, version) = (&value["format"], &value["version"]);
        if format != FORMAT || version != VERSION {
            return Err(foreign(
                &format!("format {FORMAT:?}, version {VERSION}"),
                format!("{format}, {version}"),
            ));
        }
        serde_json::from_value(value).map_err(|e| foreign("the fields of a corpus", e.to_string()))
    }
}

/// What became of a corpus's input, without opening its shards.
///
/// Errors: a folder that is no corpus, or is not finished.
pub fn stats(dir: &Path) -> Result<Report> {
    Ok(Manifest::read(dir)?.report)
}

/// An open corpus. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Corpus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    vocabulary: Vocabulary,
    manifest: Manifest,
    train: Vec<(Shard, f64)>,
    validation: Vec<(Shard, f64)>,
}

impl Corpus {
    /// Opens a corpus: checks that every shard is there, whole and made by this corpus's tokenizer.
    pub fn open(dir: &Path) -> Result<Self> {
        let manifest = Manifest::read(dir)?;
        let tokenizer = dir.join("tokenizer.json");
        let hash = xxh3_64(&fs::read(&tokenizer).map_err(Error::io(&tokenizer))?);
        if format!("{hash:016x}") != manifest.tokenizer_hash {
            return Err(Error::Foreign {
                path: tokenizer,
                expected: format!("the tokenizer that made the shards ({})", manifest.tokenizer_hash),
                found: format!("another ({hash:016x})"),
                advice: "put the tokenizer back, or build the corpus again with `corpus build`",
            });
        }
        let vocabulary = Vocabulary { size: manifest.vocab_size, hash };
        let (mut train, mut validation) = (Vec::new(), Vec::new());
        for entry in &manifest.shards {
            let shard = Shard::open(&dir.join(&entry.file))?;
            let expected = (vocabulary, entry.documents, entry.tokens);
            let found = (shard.vocabulary(), shard.documents() as u64, shard.tokens());
            if expected != found {
                let say = |(v, d, t): (Vocabulary, u64, u64)| {
                    format!("{d} documents, {t} tokens, vocabulary {} ({:016x})", v.size, v.hash)
                };
                return Err(Error::Foreign {
                    path: shard.path().to_path_buf(),
                    expected: say(expected),
                    found: say(found),
                    advice: "it belongs to another corpus; build this one again with `corpus build`",
                });
            }
            match entry.split {
                Split::Train => train.push((shard, entry.weight)),
                Split::Validation => validation.push((shard, entry.weight)),
            }
        }
        Ok(Self(Arc::new(Inner { dir: dir.to_path_buf(), vocabulary, manifest, train, validation })))
    }

    /// Reads every shard and compares its checksum.
    pub fn verify(&self) -> Result<()> {
        self.0.train.iter().chain(&self.0.validation).try_for_each(|(shard, _)| shard.verify())
    }

    /// Its folder, which also holds its tokenizer.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// How it was built and what became of the input.
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// Ids are below this.
    pub fn vocab_size(&self) -> usize {
        self.0.vocabulary.size as usize
    }

    /// Number of documents in a split.
    pub fn documents(&self, split: Split) -> u64 {
        self.shards(split).iter().map(|(shard, _)| shard.documents() as u64).sum()
    }

    /// Number of tokens in a split.
    pub fn tokens(&self, split: Split) -> u64 {
        self.shards(split).iter().map(|(shard, _)| shard.tokens()).sum()
    }

    /// The shards of a split, each with its weight.
    pub(crate) fn shards(&self, split: Split) -> &[(Shard, f64)] {
        match split {
            Split::Train => &self.0.train,
            Split::Validation => &self.0.validation,
        }
    }

    /// Changes when a shard or a weight does.
    pub(crate) fn identity(&self, split: Split) -> u64 {
        let mut bytes = Vec::new();
        for (shard, weight) in self.shards(split) {
            bytes.extend_from_slice(&shard.checksum().to_le_bytes());
            bytes.extend_from_slice(&weight.to_le_bytes());
        }
        xxh3_64(&bytes)
    }
}
