//! A run in a file: everything that decides its result.

use crate::TrainError;
use serde::{Deserialize, Serialize};
use shuyuan_model::{Config, Pooling, SentenceConfig};
use shuyuan_tensor::Precision;
use std::path::Path;

/// One run. TOML with the tables `[model]`, `[train]`, `[optimizer]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What the run is for, as the stage says that runs it. None in recipes that ship, and in runs before 2026-11-27.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<Kind>,
    /// The shape of the model; for fine-tuning it is that of the given model.
    #[serde(default)]
    pub model: ModelRecipe,
    /// How long and on what.
    #[serde(default)]
    pub train: TrainRecipe,
    /// How steps are taken.
    #[serde(default)]
    pub optimizer: OptimizerRecipe,
    /// What an embedder learns from; none for models that write.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub embed: Option<EmbedRecipe>,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A model from nothing.
    Pretrain,
    /// A model that learns to answer.
    Finetune,
    /// A model that learns a few lines about its user.
    Teach,
    /// A model that learns which texts belong together.
    Embed,
}

impl Kind {
    /// As events and files call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pretrain => "pretrain",
            Self::Finetune => "finetune",
            Self::Teach => "teach",
            Self::Embed => "embed",
        }
    }
}

/// The shape of a model, but for the vocabulary, which is the tokenizer's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelRecipe {
    /// C
    pub hidden_size: usize,
    /// Numbers inside the feed-forward part.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// H
    pub num_attention_heads: usize,
    /// K
    pub num_key_value_heads: usize,
    /// D
    pub head_dim: usize,
    /// The longest text in tokens.
    pub max_position_embeddings: usize,
    /// The base of RoPE's angles.
    pub rope_theta: f64,
    /// Whether the output layer is the embedding.
    pub tie_word_embeddings: bool,
}

impl Default for ModelRecipe {
    fn default() -> Self {
        Self {
            hidden_size: 128,
            intermediate_size: 512,
            num_hidden_layers: 4,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            head_dim: 32,
            max_position_embeddings: 1024,
            rope_theta: 10_000.0,
            tie_word_embeddings: true,
        }
    }
}

/// How long and on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainRecipe {
    /// B: rows of a micro-batch.
    pub batch: usize,
    /// T: tokens of a row.
    pub tokens: usize,
    /// Micro-batches of a step.
    pub accumulation: usize,
    /// Whether layers are worked out again on the way back: a third more time, a fraction of the memory, the same result.
    pub recompute: bool,
    /// Steps; with `minutes` the earlier of the two ends the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Minutes of training; the schedule then follows the clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// Passes over the corpus at most: they end the run where its length would make more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passes: Option<f64>,
    /// How the run begins, if otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstRecipe>,
    /// Of weights and order.
    pub seed: u64,
    /// "bf16" or "f32": what products are multiplied in. Weights and sums are f32.
    pub precision: String,
    /// Steps from one look at held-out text to the next; 0 for none.
    pub validate_every: u64,
    /// Batches of a look.
    pub validation_batches: usize,
    /// Steps from one checkpoint to the next.
    pub checkpoint_every: u64,
    /// How many of the last checkpoints stay in `checkpoints/`, the newest among them; 0 for none.
    pub keep_checkpoints: usize,
}

impl Default for TrainRecipe {
    fn default() -> Self {
        Self {
            batch: 8,
            tokens: 512,
            accumulation: 1,
            recompute: false,
            steps: None,
            minutes: None,
            passes: None,
            first: None,
            seed: 1,
            precision: "bf16".into(),
            validate_every: 200,
            validation_batches: 8,
            checkpoint_every: 500,
            keep_checkpoints: 2,
        }
    }
}

/// Rows of the first part of a run. Short rows are faster, since attention compares fewer tokens, and near words are what is
/// learned first. TOML's table `[train.first]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstRecipe {
    /// The part of the run that it lasts: 0 to 1.
    pub part: f64,
    /// In place of `train.batch`.
    pub batch: usize,
    /// In place of `train.tokens`.
    pub tokens: usize,
}

/// How a model learns which texts belong together. TOML's table `[embed]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbedRecipe {
    /// Cosines are divided by it before they compete.
    pub temperature: f64,
    /// The longest question that is read whole, in tokens.
    pub query_tokens: usize,
    /// The longest passage that is read whole, in tokens.
    pub passage_tokens: usize,
    /// How often a sentence that was made the question of a passage stays in it: 0 to 1.
    pub keep: f64,
}

impl Default for EmbedRecipe {
    fn default() -> Self {
        Self { temperature: 0.05, query_tokens: 64, passage_tokens: 256, keep: 0.1 }
    }
}

impl EmbedRecipe {
    /// How the model makes vectors: by the last token, of texts as long as it was taught with.
    pub fn sentence(&self) -> SentenceConfig {
        let max_seq_length = Some(self.query_tokens.max(self.passage_tokens));
        SentenceConfig { pooling: Pooling::Last, normalize: true, max_seq_length }
    }
}

/// Which rule turns gradients of matrices into steps. Everything else is taught by AdamW.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Orthogonalised momentum.
    Muon,
    /// Adam with decoupled weight decay.
    AdamW,
}

/// How steps are taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerRecipe {
    /// For the matrices of the layers.
    pub kind: OptimizerKind,
    /// Learning rate of the layers' matrices.
    pub matrix_lr: f64,
    /// Learning rate of the embedding (and of the output layer, where it is its own).
    pub embedding_lr: f64,
    /// Learning rate of the norms.
    pub norm_lr: f64,
    /// AdamW's memory of gradients and of their squares.
    pub betas: [f64; 2],
    /// Muon's memory.
    pub momentum: f64,
    /// Of matrices only.
    pub weight_decay: f64,
    /// The global norm that gradients are cut to; 0 for none.
    pub clip: f64,
    /// Steps of rising rate.
    pub warmup_steps: u64,
    /// The last part of the run, in which the rate falls to nothing: 0 to 1.
    pub warmdown: f64,
}

impl Default for OptimizerRecipe {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Muon,
            matrix_lr: 0.02,
            embedding_lr: 0.01,
            norm_lr: 0.01,
            betas: [0.9, 0.95],
            momentum: 0.95,
            weight_decay: 0.01,
            clip: 1.0,
            warmup_steps: 20,
            warmdown: 0.5,
        }
    }
}

impl Recipe {
    /// Reads and checks a recipe file.
    ///
    /// # Errors
    /// Names the file, the key, and what it may be.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        let wrong = |what: String| TrainError::Recipe { path: path.to_path_buf(), what };
        let text =
            std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let recipe: Self = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        recipe.validate().map_err(wrong)?;
        Ok(recipe)
    }

    /// The recipe for fine-tuning that ships with the program; its length is the caller's.
    pub fn finetune() -> Self {
        Self::shipped(include_str!("../../../recipes/quickstart-finetune.toml"))
    }

    /// The recipe for embedders that ships with the program.
    pub fn embed() -> Self {
        Self::shipped(include_str!("../../../recipes/embed.toml"))
    }

    /// The recipe of the quickstart's pretraining.
    pub fn quickstart() -> Self {
        Self::shipped(include_str!("../../../recipes/quickstart.toml"))
    }

    pub(crate) fn shipped(text: &str) -> Self {
        toml::from_str(text).unwrap_or_else(|error| unreachable!("recipes that ship are tested: {error}"))
    }

    /// Checks what can be checked without data.
    ///
    /// # Errors
    /// A sentence that names the key, its value and what it may be.
    pub fn validate(&self) -> Result<(), String> {
        self.config(2).validate().map_err(|error| error.to_string())?;
        let train = &self.train;
        for (name, value, most) in [
            ("train.batch", train.batch, 1 << 16),
            ("train.tokens", train.tokens, self.model.max_position_embeddings),
            ("train.accumulation", train.accumulation, 1 << 16),
        ] {
            if value == 0 || value > most {
                return Err(format!("{name} must be 1 to {most}, found {value}"));
            }
        }
        if let Some(first) = train.first {
            for (name, value, most) in [
                ("part", first.part, 1.0),
                ("batch", first.batch as f64, 65536.0),
                ("tokens", first.tokens as f64, train.tokens as f64),
            ] {
                let least = if name == "part" { 0.0 } else { 1.0 };
                if !(least..=most).contains(&value) {
                    return Err(format!("train.first.{name} must be {least} to {most}, found {value}"));
                }
            }
            let (rows, all) = (first.batch * first.tokens, train.batch * train.tokens);
            if rows > all {
                return Err(format!(
                    "train.first has {rows} tokens in a batch, more than the {all} of train"
                ));
            }
        }
        if train.steps == Some(0) {
            return Err("train.steps must be at least 1".into());
        }
        if train.minutes.is_some_and(|m| !(m.is_finite() && m > 0.0)) {
            return Err("train.minutes must be a positive number".into());
        }
        if train.passes.is_some_and(|passes| !(passes.is_finite() && passes > 0.0)) {
            return Err("train.passes must be a positive number".into());
        }
        if !["bf16", "f32"].contains(&train.precision.as_str()) {
            return Err(format!("train.precision must be \"bf16\" or \"f32\", found {:?}", train.precision));
        }
        let o = &self.optimizer;
        for (name, value, most) in [
            ("matrix_lr", o.matrix_lr, 10.0),
            ("embedding_lr", o.embedding_lr, 10.0),
            ("norm_lr", o.norm_lr, 10.0),
            ("betas[0]", o.betas[0], 1.0),
            ("betas[1]", o.betas[1], 1.0),
            ("momentum", o.momentum, 1.0),
            ("weight_decay", o.weight_decay, 10.0),
            ("clip", o.clip, 1e6),
            ("warmdown", o.warmdown, 1.0),
        ] {
            if !(0.0..=most).contains(&value) {
                return Err(format!("optimizer.{name} must be 0 to {most}, found {value}"));
            }
        }
        if let Some(embed) = &self.embed {
            for (name, value, least, most) in [
                ("temperature", embed.temperature, 1e-3, 10.0),
                ("keep", embed.keep, 0.0, 1.0),
                ("query_tokens", embed.query_tokens as f64, 16.0, train.tokens as f64),
                ("passage_tokens", embed.passage_tokens as f64, 16.0, train.tokens as f64),
            ] {
                if !(least..=most).contains(&value) {
                    return Err(format!("embed.{name} must be {least} to {most}, found {value}"));
                }
            }
        }
        Ok(())
    }

    /// B and T when `progress` of the run is done, 0 to 1.
    pub fn rows(&self, progress: f64) -> (usize, usize) {
        match self.train.first {
            Some(first) if progress < first.part => (first.batch, first.tokens),
            _ => (self.train.batch, self.train.tokens),
        }
    }

    /// Learns half as many rows at a time, twice as often a step; false if there is only one, or an odd number, or if rows
    /// must stay together, as pairs that compete.
    pub fn halve(&mut self) -> bool {
        let train = &mut self.train;
        let even = |rows: usize| rows.is_multiple_of(2);
        if self.embed.is_some() || !even(train.batch) || train.first.is_some_and(|first| !even(first.batch)) {
            return false;
        }
        train.batch /= 2;
        train.accumulation *= 2;
        if let Some(first) = &mut train.first {
            first.batch /= 2;
        }
        true
    }

    /// Has layers worked out again on the way back; false if they are already.
    pub fn recompute(&mut self) -> bool {
        !std::mem::replace(&mut self.train.recompute, true)
    }

    /// What products are multiplied in.
    pub fn precision(&self) -> Precision {
        if self.train.precision == "f32" { Precision::F32 } else { Precision::Bf16 }
    }

    /// The model's configuration for a vocabulary of `vocab_size`.
    pub fn config(&self, vocab_size: usize) -> Config {
        let m = &self.model;
        Config {
            vocab_size,
            hidden_size: m.hidden_size,
            intermediate_size: m.intermediate_size,
            num_hidden_layers: m.num_hidden_layers,
            num_attention_heads: m.num_attention_heads,
            num_key_value_heads: m.num_key_value_heads,
            head_dim: m.head_dim,
            max_position_embeddings: m.max_position_embeddings,
            rope_theta: m.rope_theta,
            rms_norm_eps: 1e-6,
            tie_word_embeddings: m.tie_word_embeddings,
            eos_token_id: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_recipes_are_valid() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let mut found = 0;
        for entry in std::fs::read_dir(dir).unwrap() {
            Recipe::load(&entry.unwrap().path()).unwrap();
            found += 1;
        }
        assert!(found >= 3);
        Recipe::quickstart();
        Recipe::finetune();
        assert!(Recipe::embed().embed.is_some());
    }

    #[test]
    fn a_misspelled_key_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.toml");
        for (text, named) in [
            ("[train]\nbacth = 8\n", "bacth"),
            ("[train]\nbatch = -8\n", "-8"),
            ("[optimizer]\nclip = nan\n", "clip"),
            ("[train]\ntokens = 100000\n", "train.tokens"),
            ("nonsense", "r.toml"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Recipe::load(&path).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
