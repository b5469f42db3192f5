//! What can be seen inside: attention, what each part adds, the state after each layer.

use crate::{Decoder, ModelError, Step};

/// What one layer did with a text of T tokens.
#[derive(Clone, Debug, Default)]
pub struct LayerTrace {
    /// (H, T, T): how much query t of head h looks at key s; rows sum to 1.
    pub attention: Vec<f32>,
    /// (T, C): what attention added to each token's state.
    pub added_by_attention: Vec<f32>,
    /// (T, C): what the feed-forward part added.
    pub added_by_mlp: Vec<f32>,
    /// (T, C): the state after the layer.
    pub state: Vec<f32>,
}

/// What a model did with one text.
#[derive(Clone, Debug)]
pub struct Trace {
    /// (T, C): the state before the first layer.
    pub embedding: Vec<f32>,
    /// One for each layer.
    pub layers: Vec<LayerTrace>,
}

impl Decoder {
    /// Runs one text and keeps what happened.
    ///
    /// # Errors
    /// If an id is unknown, there is none, or the text is longer than the context.
    pub fn trace(&self, ids: &[u32]) -> Result<Trace, ModelError> {
        let mut layers = Vec::new();
        let mut cache = self.cache();
        self.states(&mut [Step { ids, cache: &mut cache, wanted: 0 }], Some(&mut layers))?;
        let embedding = layers.remove(0).state;
        Ok(Trace { embedding, layers })
    }

    /// What `state` (T, C) would predict if it went straight to the output layer: logits (T, V).
    pub fn lens(&self, state: &[f32]) -> Vec<f32> {
        self.logits(state.to_vec())
    }
}

impl LayerTrace {
    /// Of layer `index`, from what it read, (T, (H + 2K)·D), and the states before, between its parts and after.
    pub(crate) fn new(
        decoder: &Decoder,
        index: usize,
        qkv: &[f32],
        before: &[f32],
        between: &[f32],
        after: &[f32],
    ) -> Self {
        Self {
            attention: attention(decoder, index, qkv),
            added_by_attention: difference(between, before),
            added_by_mlp: difference(after, between),
            state: after.to_vec(),
        }
    }
}

/// Who looks at whom: (H, T, T).
fn attention(decoder: &Decoder, index: usize, qkv: &[f32]) -> Vec<f32> {
    let config = decoder.config();
    let (heads, kv_heads, d) = (config.num_attention_heads, config.num_key_value_heads, config.head_dim);
    let width = (heads + 2 * kv_heads) * d;
    let tokens = qkv.len() / width;
    let window = config.layers[index].sliding_window;
    let mut all = vec![0.0; heads * tokens * tokens];
    for (row, out) in all.chunks_exact_mut(tokens.max(1)).enumerate() {
        let (h, t) = (row / tokens, row % tokens);
        let q = &qkv[t * width + h * d..][..d];
        let from = window.map_or(0, |window| (t + 1).saturating_sub(window));
        for (s, out) in out.iter_mut().enumerate().take(t + 1).skip(from) {
            let k = &qkv[s * width + (heads + h / (heads / kv_heads)) * d..][..d];
            let score = q.iter().zip(k).map(|(q, k)| q * k).sum::<f32>() * config.attention_scale;
            *out = config.attn_logit_softcapping.map_or(score, |cap| cap * (score / cap).tanh());
        }
        let seen = &mut out[from..=t];
        let most = seen.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        seen.iter_mut().for_each(|x| *x = (*x - most).exp());
        let by = 1.0 / seen.iter().sum::<f32>();
        seen.iter_mut().for_each(|x| *x *= by);
    }
    all
}

fn difference(after: &[f32], before: &[f32]) -> Vec<f32> {
    after.iter().zip(before).map(|(a, b)| a - b).collect()
}
