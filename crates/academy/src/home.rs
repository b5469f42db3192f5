//! The folder that holds everything of one academy.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// `models/NAME` or `models/NAME.gguf`, `corpora/NAME`, `tokenizers/NAME`, `runs/NAME`, `knowledge/`, `report.json`,
/// `conversations.sqlite`.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// Uses `root`, which is made if it is missing.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(root: &Path) -> Result<Self> {
        std::fs::create_dir_all(root).with_context(|| {
            format!("cannot make the home folder {}: choose another with --home", root.display())
        })?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a model lives: a folder with safetensors, config and tokenizer, or a GGUF file of that name.
    pub fn model(&self, name: &str) -> PathBuf {
        let models = self.root.join("models");
        let (folder, file) = (models.join(name), models.join(format!("{name}.gguf")));
        if !folder.exists() && file.is_file() { file } else { folder }
    }

    /// Where a corpus lives: shards and report.
    pub fn corpus(&self, name: &str) -> PathBuf {
        self.root.join("corpora").join(name)
    }

    /// Where a tokenizer lives.
    pub fn tokenizer(&self, name: &str) -> PathBuf {
        self.root.join("tokenizers").join(name)
    }

    /// Where a run lives: resolved recipe, metrics, checkpoints.
    pub fn run(&self, name: &str) -> PathBuf {
        self.root.join("runs").join(name)
    }

    /// Where the knowledge base lives, with its uploads.
    pub fn knowledge(&self) -> PathBuf {
        self.root.join("knowledge")
    }

    /// Where the conversations of the web app are kept.
    pub fn conversations(&self) -> PathBuf {
        self.root.join("conversations.sqlite")
    }

    /// What was typed at the prompt of `chat`.
    pub fn chat_history(&self) -> PathBuf {
        self.root.join("chat_history")
    }

    /// Seconds by stage and scores by task.
    pub fn report(&self) -> PathBuf {
        self.root.join("report.json")
    }

    /// Names in `models/`: folders that hold a config.json, and GGUF files without their ending; sorted.
    pub fn models(&self) -> Vec<String> {
        let mut names = self.names("models", "config.json");
        let entries = std::fs::read_dir(self.root.join("models")).into_iter().flatten().flatten();
        let file = |entry: std::fs::DirEntry| {
            let name = entry.file_name().to_str()?.strip_suffix(".gguf")?.to_string();
            (!name.starts_with('.') && entry.path().is_file()).then_some(name)
        };
        names.extend(entries.filter_map(file));
        names.sort();
        names.dedup();
        names
    }

    /// Names in `runs/` that hold metrics, sorted.
    pub fn runs(&self) -> Vec<String> {
        self.names("runs", "recipe.json")
    }

    /// Names in `corpora/` that are complete, sorted.
    pub fn corpora(&self) -> Vec<String> {
        self.names("corpora", "corpus.json")
    }

    fn names(&self, kind: &str, marker: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.root.join(kind)) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.join(marker).is_file())
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_string()))
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }
}
