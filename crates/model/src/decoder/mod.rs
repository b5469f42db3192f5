//! The decoder that generates, is evaluated and looked into: one forward pass for every family, over weights of any format.
//!
//! A family is a [`DecoderConfig`] and the names of its tensors. Training has a graph of its own, of the family that is
//! trained here ([`crate::Qwen3ForCausalLM`]); [`Decoder::of`] takes its weights, and both agree (see `tests/agree.rs`).

mod cache;
mod config;
mod differs;
mod experts;
mod forward;
mod ggml;
mod hub;
mod importance;
mod layout;
mod outgoing;
mod rope;
mod to_gguf;
mod to_hub;
mod trainable;
mod weights;

pub use cache::{KvCache, PAGE_TOKENS};
pub use config::{Biases, DecoderConfig, Family, LayerConfig, MlpConfig};
pub use forward::Step;
pub(crate) use layout::Naming;
pub(crate) use outgoing::{Outgoing, Role};
pub use rope::{RopeConfig, Scaling};

use crate::gguf::Gguf;
use crate::layers::{Linear, Mlp};
use crate::tensors::{Raw, Tensors};
use crate::{ModelError, Pooling, Qwen3ForCausalLM, SentenceConfig, for_each_param};
use layout::Layout;
use rope::Rope;
use shuyuan_kernels::{BlockType, Matrix, norm_row};
use std::path::Path;
use std::sync::Arc;
use weights::{FeedForward, Weights};

/// A model ready to read and write. Holds its weights, or the files that they are mapped from.
#[derive(Debug)]
pub struct Decoder {
    config: DecoderConfig,
    weights: Weights,
    ropes: Vec<Rope>,
}

impl Decoder {
    /// Opens a folder of Hugging Face's layout (config.json, safetensors), or a GGUF file.
    ///
    /// # Errors
    /// Names the file and what is wrong with it: every tensor that is missing, unknown or misshapen, an architecture or a
    /// setting that is not known here.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        if path.is_dir() {
            return Self::load_folder(path);
        }
        let gguf = Gguf::open(path)?;
        Self::of_gguf(path, &gguf)
    }

    /// The model in a GGUF file that is open; `path` is what errors name.
    ///
    /// # Errors
    /// As [`Decoder::load`].
    pub fn of_gguf(path: &Path, gguf: &Gguf) -> Result<Self, ModelError> {
        let invalid =
            |error: ModelError| ModelError::Invalid { path: path.to_path_buf(), what: error.to_string() };
        let mut config = DecoderConfig::from_gguf(gguf).map_err(invalid)?;
        let weights = weights::gather(&mut config, Tensors::of_gguf(path, gguf), Naming::Gguf)?;
        Ok(Self::new(config, weights))
    }

    fn load_folder(dir: &Path) -> Result<Self, ModelError> {
        let path = dir.join("config.json");
        let bytes = std::fs::read(&path).map_err(|source| ModelError::Read { path: path.clone(), source })?;
        let invalid = |what: String| ModelError::Invalid { path: path.clone(), what };
        let text = String::from_utf8(bytes)
            .map_err(|_| invalid("expected JSON, found bytes that are not UTF-8".into()))?;
        let mut config = DecoderConfig::from_json(&text).map_err(|error| invalid(error.to_string()))?;
        let weights = weights::gather(&mut config, Tensors::of_folder(dir)?, Naming::HuggingFace)?;
        Ok(Self::new(config, weights))
    }

    /// A model in memory: its `config.json` and the bytes of its safetensors.
    ///
    /// # Errors
    /// As [`Decoder::load`].
    pub fn of_bytes(config: &str, safetensors: Vec<u8>) -> Result<Self, ModelError> {
        let mut config = DecoderConfig::from_json(config)?;
        let weights = weights::gather(&mut config, Tensors::of_bytes(safetensors)?, Naming::HuggingFace)?;
        Ok(Self::new(config, weights))
    }

    /// A copy of the weights of a model in training, as they are now.
    ///
    /// # Panics
    /// If the model's own parts do not fit its configuration, which [`Qwen3ForCausalLM`] never does.
    pub fn of(model: &Qwen3ForCausalLM) -> Self {
        let mut raws = Vec::new();
        for_each_param(model, |name, shape, data| {
            let bytes: Vec<u8> = data.iter().flat_map(|x| x.to_le_bytes()).collect();
            raws.push((
                name.to_string(),
                Raw { kind: BlockType::F32, shape: shape.to_vec(), bytes: bytes.into() },
            ));
        });
        let mut config = DecoderConfig::from_json(&model.config().to_json())
            .unwrap_or_else(|error| panic!("a trained model's configuration: {error}"));
        let weights = weights::gather(&mut config, Tensors::of_memory(raws), Naming::HuggingFace)
            .unwrap_or_else(|error| panic!("a trained model's weights: {error}"));
        Self::new(config, weights)
    }

    fn new(config: DecoderConfig, weights: Weights) -> Self {
        let ropes = config.ropes.iter().map(Rope::new).collect();
        Self { config, weights, ropes }
    }

    /// Its tensors as files with such names have them.
    pub(crate) fn tensors(&self, naming: Naming) -> Vec<Outgoing<'_>> {
        let query_scale = match naming {
            Naming::Gguf => self.config.query_scale(),
            Naming::HuggingFace => 1.0,
        };
        self.outgoing(Layout::new(naming, self.config.family), query_scale)
    }

    /// Its shape.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Lets texts of `tokens` pass, though the model was not made for them: for timing.
    pub fn stretch(&mut self, tokens: usize) {
        // Learned positions end where their table does.
        if self.weights.positions.is_none() {
            self.config.max_position_embeddings = self.config.max_position_embeddings.max(tokens);
        }
    }

    /// An empty cache: in f16 where weights are quantised, else exact.
    pub fn cache(&self) -> KvCache {
        KvCache::new(&self.config, self.is_quantised())
    }

    /// An empty cache for a text that may grow to `tokens`: its keys are turned as in a text beyond the model's original
    /// context if it may get there, so that it need not be read anew on the way.
    pub fn cache_for(&self, tokens: usize) -> KvCache {
        let mut cache = self.cache();
        if self.ropes.iter().any(|rope| rope.is_long(tokens)) {
            cache.restart_long();
        }
        cache
    }

    /// Whether some weights are stored in fewer than 16 bits.
    pub fn is_quantised(&self) -> bool {
        let mut found = false;
        self.for_each_matrix(|matrix| found |= matrix.kind().elements() > 1);
        found
    }

    /// Numbers in the model's matrices and norms.
    pub fn num_params(&self) -> usize {
        let mut total = self.weights.norm.weight.len();
        self.for_each_matrix(|matrix| total += matrix.rows() * matrix.cols());
        for layer in &self.weights.layers {
            total += layer.attention_norm.weight.len() + layer.mlp_norm.weight.len();
            total += layer.qk_norm.as_ref().map_or(0, |(q, k)| q.weight.len() + k.weight.len());
        }
        total
    }

    /// Bytes of all its matrices.
    pub fn bytes(&self) -> usize {
        let mut total = 0;
        self.for_each_matrix(|matrix| total += matrix.size());
        total
    }

    /// How many numbers are stored in which format, by its name.
    pub fn formats(&self) -> std::collections::BTreeMap<String, usize> {
        let mut formats = std::collections::BTreeMap::new();
        self.for_each_matrix(|matrix| {
            *formats.entry(matrix.kind().to_string()).or_default() += matrix.rows() * matrix.cols();
        });
        formats
    }

    /// Bytes of weights that one token reads, its row of the embedding aside; of experts those that see it.
    pub fn bytes_per_token(&self) -> usize {
        let mut total = self.weights.head.size();
        for layer in &self.weights.layers {
            let mut add = |linear: &Linear| total += linear.matrix.size();
            [&layer.q, &layer.k, &layer.v, &layer.o].into_iter().for_each(&mut add);
            match &layer.mlp {
                FeedForward::Dense(mlp) => mlp.linears().for_each(add),
                FeedForward::Experts { router, experts, per_token, .. } => {
                    add(router);
                    experts.iter().take(*per_token).flat_map(Mlp::linears).for_each(add);
                }
            }
        }
        total
    }

    fn for_each_matrix(&self, mut f: impl FnMut(&Matrix)) {
        let weights = &self.weights;
        f(&weights.embedding);
        weights.positions.iter().for_each(&mut f);
        if !Arc::ptr_eq(&weights.head, &weights.embedding) {
            f(&weights.head);
        }
        for layer in &weights.layers {
            let mut each = |linear: &Linear| f(&linear.matrix);
            [&layer.q, &layer.k, &layer.v, &layer.o].into_iter().for_each(&mut each);
            match &layer.mlp {
                FeedForward::Dense(mlp) => mlp.linears().for_each(each),
                FeedForward::Experts { router, experts, .. } => {
                    each(router);
                    experts.iter().flat_map(Mlp::linears).for_each(each);
                }
            }
        }
    }

    /// The ids are in the vocabulary and `tokens` fit the context.
    ///
    /// # Errors
    /// Names the id, or both lengths.
    pub fn check(&self, ids: &[u32], tokens: usize) -> Result<(), ModelError> {
        crate::error::check(ids, tokens, self.config.vocab_size, self.config.max_position_embeddings)
    }

    /// Logits of every position of one text, (T, V).
    ///
    /// # Errors
    /// If an id is unknown or the text is longer than the context.
    pub fn forward(&self, ids: &[u32]) -> Result<Vec<f32>, ModelError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut cache = self.cache();
        let mut steps = [Step { ids, cache: &mut cache, wanted: ids.len() }];
        Ok(self.step(&mut steps)?.pop().unwrap_or_default())
    }

    /// Reads `ids` after what `cache` holds, and returns the logits after the last of them, (V).
    ///
    /// # Errors
    /// If an id is unknown, `ids` is empty, or the text grows past the context.
    pub fn extend(&self, ids: &[u32], cache: &mut KvCache) -> Result<Vec<f32>, ModelError> {
        let mut steps = [Step { ids, cache, wanted: 1 }];
        Ok(self.step(&mut steps)?.pop().unwrap_or_default())
    }
}

impl Decoder {
    /// The vector of each text, (C), as decoders that embed make it: the state of the last token after the final norm,
    /// brought to length 1.
    ///
    /// # Errors
    /// If a text is empty, longer than the context, or an id is unknown.
    pub fn embed(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, ModelError> {
        let last = SentenceConfig { pooling: Pooling::Last, ..SentenceConfig::default() };
        let one = |ids: &&[u32]| {
            let mut cache = self.cache();
            let mut state = self.states(&mut [Step { ids, cache: &mut cache, wanted: 1 }], None)?;
            norm_row(self.weights.norm.rows(), &mut state);
            Ok(last.vector(&state, self.config.hidden_size))
        };
        texts.iter().map(one).collect()
    }
}

/// Rows of logits that are held at once.
const LOGIT_ROWS: usize = 256;

impl Decoder {
    /// ln of the probability of each of the last `scored` ids of each text, given all before it. Texts go through the layers
    /// together; their logits are not held all at once.
    ///
    /// # Errors
    /// If an id is unknown, a text has not more than `scored` ids, or more than one beyond the context (the last is predicted
    /// and never read).
    pub fn logprobs(&self, texts: &[(&[u32], usize)]) -> Result<Vec<Vec<f32>>, ModelError> {
        let mut caches: Vec<KvCache> = texts.iter().map(|_| self.cache()).collect();
        let mut steps = Vec::with_capacity(texts.len());
        for (&(ids, scored), cache) in texts.iter().zip(&mut caches) {
            self.check(ids, ids.len().saturating_sub(1))?;
            if scored >= ids.len() {
                return Err(ModelError::Config(format!("{scored} scored ids in a text of {}", ids.len())));
            }
            steps.push(Step { ids: &ids[..ids.len() - 1], cache, wanted: scored });
        }
        let states = self.states(&mut steps, None)?;
        let mut targets = texts.iter().flat_map(|&(ids, scored)| &ids[ids.len() - scored..]);
        let mut all = Vec::new();
        for states in states.chunks(LOGIT_ROWS * self.config.hidden_size) {
            let logits = self.logits(states.to_vec());
            all.extend(
                logits
                    .chunks_exact(self.config.vocab_size)
                    .zip(&mut targets)
                    .map(|(row, &id)| logprob(row, id)),
            );
        }
        let mut rest = all.as_slice();
        let take = |&(_, scored): &(&[u32], usize)| {
            let (these, others) = rest.split_at(scored);
            rest = others;
            these.to_vec()
        };
        Ok(texts.iter().map(take).collect())
    }
}

/// ln of the probability of `id` by its logits. Panics if there is no such id.
pub fn logprob(logits: &[f32], id: u32) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|x| (x - most).exp()).sum();
    logits[id as usize] - most - sum.ln()
}
