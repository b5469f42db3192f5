//! The decoder's layers and its forward pass: ids in, states, logits or loss out.

use crate::init::Fill;
use crate::{Config, ModelError, map_params};
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use shuyuan_tensor::{AttentionArgs, AttentionShape, LossArgs, Precision, Rope};
use std::sync::{Arc, Mutex};

/// A table of vectors, one for each token.
#[derive(Module, Debug)]
pub struct Embedding {
    /// (V, C)
    pub weight: Param<Tensor<2>>,
}

/// A projection without bias, stored as Hugging Face does: (out, in).
#[derive(Module, Debug)]
pub struct Linear {
    /// (out, in)
    pub weight: Param<Tensor<2>>,
}

/// The scale of a root-mean-square norm.
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// (C)
    pub weight: Param<Tensor<1>>,
}

/// What one layer's attention is made of.
#[derive(Module, Debug)]
pub struct Attention {
    /// (H·D, C)
    pub q_proj: Linear,
    /// (K·D, C)
    pub k_proj: Linear,
    /// (K·D, C)
    pub v_proj: Linear,
    /// (C, H·D)
    pub o_proj: Linear,
    /// (D)
    pub q_norm: RmsNorm,
    /// (D)
    pub k_norm: RmsNorm,
}

/// What one layer's feed-forward part is made of.
#[derive(Module, Debug)]
pub struct Mlp {
    /// (I, C)
    pub gate_proj: Linear,
    /// (I, C)
    pub up_proj: Linear,
    /// (C, I)
    pub down_proj: Linear,
}

/// One layer: attention, then feed-forward, each added to the state.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    /// Before attention.
    pub input_layernorm: RmsNorm,
    /// What the token takes from those before it.
    pub self_attn: Attention,
    /// Before the feed-forward part.
    pub post_attention_layernorm: RmsNorm,
    /// What the token makes of it.
    pub mlp: Mlp,
}

/// Embedding, layers, final norm.
#[derive(Module, Debug)]
pub struct Qwen3Model {
    /// From ids to states.
    pub embed_tokens: Embedding,
    /// One after another.
    pub layers: Vec<DecoderLayer>,
    /// Before the output layer.
    pub norm: RmsNorm,
}

/// Qwen3's dense decoder with its output layer.
#[derive(Module, Debug)]
pub struct Qwen3ForCausalLM {
    /// All but the output layer.
    pub model: Qwen3Model,
    /// The output layer; none where it is the embedding.
    pub lm_head: Option<Linear>,
    #[module(skip)]
    config: Config,
    #[module(skip)]
    recompute: bool,
    /// Grows with the texts that come: a context of a million positions would fill a gigabyte at once.
    #[module(skip)]
    rope: Arc<Mutex<Rope>>,
}

impl Linear {
    fn zeros(out: usize, input: usize, device: &Device) -> Self {
        Self { weight: Initializer::Zeros.init([out, input], device) }
    }
}

impl RmsNorm {
    fn ones(size: usize, device: &Device) -> Self {
        Self { weight: Initializer::Ones.init([size], device) }
    }
}

impl DecoderLayer {
    fn zeros(config: &Config, device: &Device) -> Self {
        let (c, d, i) = (config.hidden_size, config.head_dim, config.intermediate_size);
        let (q, k) = (config.num_attention_heads * d, config.num_key_value_heads * d);
        Self {
            input_layernorm: RmsNorm::ones(c, device),
            self_attn: Attention {
                q_proj: Linear::zeros(q, c, device),
                k_proj: Linear::zeros(k, c, device),
                v_proj: Linear::zeros(k, c, device),
                o_proj: Linear::zeros(c, q, device),
                q_norm: RmsNorm::ones(d, device),
                k_norm: RmsNorm::ones(d, device),
            },
            post_attention_layernorm: RmsNorm::ones(c, device),
            mlp: Mlp {
                gate_proj: Linear::zeros(i, c, device),
                up_proj: Linear::zeros(i, c, device),
                down_proj: Linear::zeros(c, i, device),
            },
        }
    }

    /// The whole layer, (N, C) to (N, C), without keeping for the way back what it is made of.
    fn recomputed(&self, x: Tensor<2>, args: AttentionArgs) -> Tensor<2> {
        let (attn, mlp) = (&self.self_attn, &self.mlp);
        let norms = [&self.input_layernorm, &attn.q_norm, &attn.k_norm, &self.post_attention_layernorm];
        let [q, k, v, o] = [&attn.q_proj, &attn.k_proj, &attn.v_proj, &attn.o_proj];
        let matrices = [q, k, v, o, &mlp.gate_proj, &mlp.up_proj, &mlp.down_proj];
        shuyuan_tensor::layer(x, norms.map(|n| n.weight.val()), matrices.map(|m| m.weight.val()), args)
    }

    /// What each token takes from those before it. Shapes: (N, C) to (N, H·D).
    pub(crate) fn heads(&self, x: Tensor<2>, args: AttentionArgs) -> Tensor<2> {
        let attn = &self.self_attn;
        let weights = [attn.q_proj.weight.val(), attn.k_proj.weight.val(), attn.v_proj.weight.val()];
        let norms = [attn.q_norm.weight.val(), attn.k_norm.weight.val()];
        shuyuan_tensor::norm_attention(x, self.input_layernorm.weight.val(), weights, norms, args)
    }

    /// What attention found, added to the state. Shapes: `heads` (N, H·D), `x` (N, C); returns (N, C).
    pub(crate) fn add_attention(&self, heads: Tensor<2>, x: Tensor<2>, precision: Precision) -> Tensor<2> {
        shuyuan_tensor::linear_residual(heads, self.self_attn.o_proj.weight.val(), x, precision)
    }

    /// What the feed-forward part makes of it, added to the state. (N, C) to (N, C).
    pub(crate) fn add_mlp(&self, x: Tensor<2>, eps: f32, precision: Precision) -> Tensor<2> {
        let mlp = &self.mlp;
        let weights = [mlp.gate_proj.weight.val(), mlp.up_proj.weight.val(), mlp.down_proj.weight.val()];
        shuyuan_tensor::norm_mlp(x, self.post_attention_layernorm.weight.val(), weights, eps, precision)
    }
}

impl Qwen3ForCausalLM {
    /// A new model with the random weights of `seed`: the same on every machine, drawn tensor by tensor.
    ///
    /// # Errors
    /// If the configuration cannot exist.
    pub fn init(config: &Config, seed: u64, device: &Device) -> Result<Self, ModelError> {
        Ok(map_params(Self::zeros(config, device)?, &mut Fill { seed, config }))
    }

    /// A model of this shape whose weights are still to come: zeros, norms at one.
    ///
    /// # Errors
    /// If the configuration cannot exist.
    pub(crate) fn zeros(config: &Config, device: &Device) -> Result<Self, ModelError> {
        config.validate()?;
        let (c, v) = (config.hidden_size, config.vocab_size);
        Ok(Self {
            model: Qwen3Model {
                embed_tokens: Embedding { weight: Initializer::Zeros.init([v, c], device) },
                layers: (0..config.num_hidden_layers).map(|_| DecoderLayer::zeros(config, device)).collect(),
                norm: RmsNorm::ones(c, device),
            },
            lm_head: (!config.tie_word_embeddings).then(|| Linear::zeros(v, c, device)),
            rope: Arc::new(Mutex::new(Rope::new(0, config.head_dim, config.rope_theta))),
            config: config.clone(),
            recompute: false,
        })
    }

    /// Whether layers, the last one aside, are worked out again on the way back instead of kept.
    pub fn set_recompute(&mut self, recompute: bool) {
        self.recompute = recompute;
    }

    /// From now on generation ends after this id.
    pub fn set_eos(&mut self, id: Option<u32>) {
        self.config.eos_token_id = id;
    }

    /// The model without its output layer, as one that embeds needs none; whether it had one of its own.
    pub fn without_head(mut self) -> (Self, bool) {
        let had = self.lm_head.take().is_some();
        self.config.tie_word_embeddings = true;
        (self, had)
    }

    /// Where its weights are.
    pub fn device(&self) -> Device {
        self.model.embed_tokens.weight.val().device()
    }

    /// Its shape.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn eps(&self) -> f32 {
        self.config.rms_norm_eps as f32
    }

    /// The output layer's weight, (V, C).
    pub fn head(&self) -> Tensor<2> {
        self.lm_head.as_ref().map_or_else(|| self.model.embed_tokens.weight.val(), |head| head.weight.val())
    }

    /// The angles of at least `positions` positions.
    fn rope(&self, positions: usize) -> Rope {
        let mut rope = self.rope.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if rope.positions() < positions {
            *rope = Rope::new(positions.next_power_of_two(), self.config.head_dim, self.config.rope_theta);
        }
        rope.clone()
    }

    /// `positions` counts what was read before, too.
    pub(crate) fn attention_args(
        &self,
        batch: usize,
        tokens: usize,
        positions: usize,
        starts: Arc<[u32]>,
        precision: Precision,
    ) -> AttentionArgs {
        let config = &self.config;
        let shape = AttentionShape {
            batch,
            tokens,
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            head_dim: config.head_dim,
        };
        AttentionArgs::new(shape, starts, self.rope(positions), self.eps(), precision)
    }

    /// The ids are in the vocabulary and fit the context.
    ///
    /// # Errors
    /// Names the id, or both lengths.
    pub fn check(&self, ids: &[u32], tokens: usize) -> Result<(), ModelError> {
        crate::error::check(ids, tokens, self.config.vocab_size, self.config.max_position_embeddings)
    }

    /// The state of each token after all layers, before the final norm.
    ///
    /// Shapes: `ids` and `starts` (B·T), B rows of T; returns (B·T, C). Ids must have passed [`Self::check`].
    pub fn states(
        &self,
        ids: Arc<[u32]>,
        starts: Arc<[u32]>,
        batch: usize,
        precision: Precision,
    ) -> Tensor<2> {
        self.states_at(ids, starts, batch, precision, None)
    }

    /// [`Self::states`], of the positions `rows` alone if given, (R, C): the last layer gives up the others as soon as
    /// attention has read them.
    fn states_at(
        &self,
        ids: Arc<[u32]>,
        starts: Arc<[u32]>,
        batch: usize,
        precision: Precision,
        rows: Option<Arc<[u32]>>,
    ) -> Tensor<2> {
        let tokens = ids.len() / batch.max(1);
        let args = self.attention_args(batch, tokens, tokens, starts, precision);
        let mut x = shuyuan_tensor::embedding(self.model.embed_tokens.weight.val(), ids, precision);
        let last = self.model.layers.len() - 1;
        for (index, layer) in self.model.layers.iter().enumerate() {
            // The way back begins with the last one: what it is made of is there still.
            if self.recompute && index < last {
                x = layer.recomputed(x, args.clone());
                continue;
            }
            let mut heads = layer.heads(x.clone(), args.clone());
            if let (Some(rows), true) = (&rows, index == last) {
                heads = shuyuan_tensor::embedding(heads, rows.clone(), precision);
                x = shuyuan_tensor::embedding(x, rows.clone(), precision);
            }
            x = layer.add_attention(heads, x, precision);
            x = layer.add_mlp(x, self.eps(), precision);
        }
        x
    }

    /// The vectors of texts: the states of the positions `ends`, their last tokens, after the final norm, brought to length 1.
    ///
    /// Shapes: `ids` and `starts` (B·T), B rows of T, `ends` (N) below B·T; returns (N, C). Ids must have passed
    /// [`Self::check`].
    pub fn vectors(
        &self,
        ids: Arc<[u32]>,
        starts: Arc<[u32]>,
        batch: usize,
        ends: Arc<[u32]>,
        precision: Precision,
    ) -> Tensor<2> {
        let x = self.states_at(ids, starts, batch, precision, Some(ends));
        let rms = (x.clone().square().mean_dim(1) + self.eps()).sqrt();
        let x = x / rms * self.model.norm.weight.val().unsqueeze::<2>();
        let length = (x.clone().square().sum_dim(1) + 1e-12).sqrt();
        x / length
    }

    /// Mean cross-entropy in nats, (1). `targets` (B·T) hold `u32::MAX` where there is nothing to predict; the sum
    /// is divided by `count`.
    pub fn loss(
        &self,
        ids: Arc<[u32]>,
        starts: Arc<[u32]>,
        targets: Arc<[u32]>,
        batch: usize,
        count: f32,
        precision: Precision,
    ) -> Tensor<1> {
        let (rows, targets) = match asked(&targets, shuyuan_tensor::is_cpu(&self.device())) {
            Some((rows, targets)) => (Some(rows.into()), targets.into()),
            None => (None, targets),
        };
        let x = self.states_at(ids, starts, batch, precision, rows);
        let args = LossArgs { targets, count, eps: self.eps(), precision, per_token: None };
        shuyuan_tensor::loss(x, self.model.norm.weight.val(), self.head(), args)
    }

    /// The loss of each position in nats, 0 where there is nothing to predict. Shapes as in [`Self::loss`].
    pub fn losses(
        &self,
        ids: Arc<[u32]>,
        starts: Arc<[u32]>,
        targets: Arc<[u32]>,
        batch: usize,
        precision: Precision,
    ) -> Vec<f32> {
        let x = self.states(ids, starts, batch, precision);
        let per_token = Arc::new(std::sync::Mutex::new(Vec::new()));
        let args =
            LossArgs { targets, count: 1.0, eps: self.eps(), precision, per_token: Some(per_token.clone()) };
        shuyuan_tensor::loss(x, self.model.norm.weight.val(), self.head(), args);
        let mut losses = per_token.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        std::mem::take(&mut *losses)
    }

    /// Logits of every position of one text, (T, V), as training has them. For models without gradients.
    ///
    /// # Errors
    /// If an id is unknown or the text is longer than the context.
    pub fn forward(&self, ids: &[u32], precision: Precision) -> Result<Vec<f32>, ModelError> {
        self.check(ids, ids.len())?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.logits(self.states(ids.into(), vec![0; ids.len()].into(), 1, precision), precision))
    }

    /// Logits of `states` (N, C), as (N, V), row after row. For models without gradients.
    pub fn logits(&self, states: Tensor<2>, precision: Precision) -> Vec<f32> {
        let logits =
            shuyuan_tensor::logits(states, self.model.norm.weight.val(), self.head(), self.eps(), precision);
        shuyuan_tensor::read(&logits, <[f32]>::to_vec)
    }
}
/// The rows that have a target, and their targets, where few have: of conversations only the answers are asked for, and
/// gathering a few rows costs less than it saves.
///
/// Elsewhere than on the CPU kernels are compiled and chosen anew for each number of rows: there they are filled up to a
/// quarter, a half or three quarters of all, with rows that have no target.
fn asked(targets: &[u32], cpu: bool) -> Option<(Vec<u32>, Vec<u32>)> {
    let known = |row: &u32| targets[*row as usize] != u32::MAX;
    let mut rows: Vec<u32> = (0..targets.len() as u32).filter(known).collect();
    if rows.is_empty() || rows.len() >= targets.len() * 3 / 4 {
        return None;
    }
    let mut wanted: Vec<u32> = rows.iter().map(|&row| targets[row as usize]).collect();
    if !cpu {
        let filled = rows.len().next_multiple_of(targets.len().div_ceil(4));
        rows.resize(filled, 0);
        wanted.resize(filled, u32::MAX);
    }
    Some((rows, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_filled_up_change_neither_loss_nor_gradients() {
        const NONE: u32 = u32::MAX;
        let config: Config = serde_json::from_value(serde_json::json!({
            "vocab_size": 50, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": 32, "tie_word_embeddings": true
        }))
        .unwrap();
        let model = Qwen3ForCausalLM::init(&config, 5, &shuyuan_tensor::cpu_autodiff()).unwrap();
        let ids: Vec<u32> = (0..22).map(|i| i * 7 % 50).collect();
        let mut targets = [NONE; 22];
        for (row, id) in [(0, 3), (4, 9), (9, 9), (15, 0), (16, 49), (20, 1), (21, 2)] {
            targets[row] = id;
        }
        let of = |cpu| {
            let (rows, targets) = asked(&targets, cpu).unwrap();
            let count = rows.len();
            let x = model.states_at(
                ids.as_slice().into(),
                vec![0; 22].into(),
                2,
                Precision::F32,
                Some(rows.into()),
            );
            let args = LossArgs {
                targets: targets.into(),
                count: 7.0,
                eps: 1e-6,
                precision: Precision::F32,
                per_token: None,
            };
            let loss = shuyuan_tensor::loss(x, model.model.norm.weight.val(), model.head(), args);
            let mut grads = loss.backward();
            let grad = model.model.embed_tokens.weight.val().grad_remove(&mut grads).unwrap();
            (count, shuyuan_tensor::take(loss)[0], shuyuan_tensor::take(grad))
        };
        let ((few, loss, grad), (filled, same, as_well)) = (of(true), of(false));
        // Of 22 a quarter is 6.
        assert_eq!((few, filled), (7, 12));
        assert!((loss - same).abs() < 1e-6, "{loss} {same}");
        assert!(grad.iter().zip(&as_well).all(|(a, b)| (a - b).abs() < 1e-6));
        // Where most have a target, or none, all rows are taken.
        assert!(asked(&[1; 8], true).is_none() && asked(&[NONE; 8], false).is_none());
        assert_eq!(asked(&[1, 1, 1, 1, 1, NONE, NONE, NONE], false).unwrap().0, [0, 1, 2, 3, 4, 0]);
    }
}
