//! Which model is meant, and how it speaks.

use crate::args::Global;
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use shuyuan_academy::stages::quickstart::MODEL;
use shuyuan_academy::{Academy, Home, LiveEmbedder, LiveModel};
use shuyuan_chain::{Local, Options};
use shuyuan_engine::Sampling;
use std::path::{Path, PathBuf};

/// The model in the folder `name`, or of that name in the home folder; with none the one that quickstart makes, or else
/// the newest.
pub(crate) fn load(academy: &Academy, name: Option<&str>) -> Result<LiveModel> {
    LiveModel::load(&find(&academy.home, name)?)
}

/// [`load`], ready to speak.
pub(crate) fn local(global: &Global, name: Option<&str>) -> Result<Local> {
    Ok(load(&global.academy()?, name)?.local())
}

pub(crate) fn find(home: &Home, name: Option<&str>) -> Result<PathBuf> {
    let Some(name) = name else {
        return default(home).map_or_else(
            || {
                bail!(
                    "there is no model in {} yet: run shuyuan quickstart, or give --model",
                    home.root().display()
                )
            },
            Ok,
        );
    };
    let models = home.models();
    let path = Path::new(name);
    if path.is_dir() || path.is_file() {
        return Ok(path.into()); // What is missing in it, loading tells.
    }
    if models.iter().any(|model| model == name) {
        return Ok(home.model(name));
    }
    let known = if models.is_empty() { "none yet".into() } else { models.join(", ") };
    bail!(
        "no model {name:?}: it is neither a GGUF file, nor a folder with config.json, model.safetensors and tokenizer.json, nor a \
         model in {} ({known})",
        home.root().display()
    )
}

/// What happens to a text that is longer than a model reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Overflow {
    // No help of their own, which would make that of every option long.
    Refuse,
    Slide,
}

/// The model that quickstart makes, or else the newest that writes.
pub(crate) fn default(home: &Home) -> Option<PathBuf> {
    let models = home.models();
    if models.iter().any(|model| model == MODEL) {
        return Some(home.model(MODEL));
    }
    let changed = |dir: &PathBuf| dir.join("config.json").metadata().and_then(|file| file.modified()).ok();
    let generates = |path: &PathBuf| !LiveEmbedder::is_at(path);
    models.iter().map(|model| home.model(model)).filter(generates).max_by_key(changed)
}

/// How tokens are chosen.
#[derive(Clone, Debug, Args)]
pub(crate) struct Speech {
    /// The most tokens to write
    #[arg(long, default_value = "256", value_name = "N", value_parser = crate::args::count)]
    max_tokens: usize,
    /// 0 always takes the likeliest token, 1 draws as the model believes
    #[arg(long, default_value_t = 0.0, value_name = "T")]
    temperature: f32,
    /// Only the K likeliest tokens; 0 for all
    #[arg(long, default_value_t = 0, value_name = "K")]
    top_k: usize,
    /// Only the likeliest tokens that together have this probability
    #[arg(long, default_value_t = 1.0, value_name = "P")]
    top_p: f32,
    /// Only tokens at least this likely, relative to the likeliest
    #[arg(long, default_value_t = 0.0, value_name = "P")]
    min_p: f32,
    /// Makes tokens that occurred already less likely; 1 for no change
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    repetition_penalty: f32,
    /// Seed of the draws
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// A text longer than the model reads is an error, or loses its middle, and it is told how much
    #[arg(long, default_value = "refuse", value_name = "HOW")]
    overflow: Overflow,
    /// Texts before which to end
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
}

impl Speech {
    pub(crate) fn options(&self) -> Options {
        Options {
            max_tokens: self.max_tokens,
            sampling: Sampling {
                temperature: self.temperature,
                top_k: self.top_k,
                top_p: self.top_p,
                min_p: self.min_p,
                repetition_penalty: self.repetition_penalty,
                seed: self.seed,
                ..Sampling::default()
            },
            stop: self.stop.clone(),
            overflow: match self.overflow {
                Overflow::Refuse => shuyuan_engine::Overflow::Refuse,
                Overflow::Slide => shuyuan_engine::Overflow::Slide { keep: 0 },
            },
            ..Options::default()
        }
    }
}
