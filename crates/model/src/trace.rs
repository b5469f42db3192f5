//! What can be seen inside: attention, what each part adds, the state after each layer.

use crate::{ModelError, Qwen3ForCausalLM};
use burn::tensor::Tensor;
use shuyuan_tensor::Precision;

/// What one layer did with a text of T tokens.
#[derive(Clone, Debug)]
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

impl Qwen3ForCausalLM {
    /// Runs one text in f32 and keeps what happened. For models without gradients.
    ///
    /// # Errors
    /// If an id is unknown or the text is longer than the context.
    pub fn trace(&self, ids: &[u32]) -> Result<Trace, ModelError> {
        self.check(ids, ids.len())?;
        let (precision, t) = (Precision::F32, ids.len());
        let args = self.attention_args(1, t, t, vec![0; t].into(), precision);
        let mut x = shuyuan_tensor::embedding(self.model.embed_tokens.weight.val(), ids.into());
        let embedding = numbers(&x);
        let mut layers = Vec::new();
        for layer in &self.model.layers {
            let attn = &layer.self_attn;
            let norms = (attn.q_norm.weight.val(), attn.k_norm.weight.val());
            let qkv = layer.qkv(x.clone(), self.eps(), precision);
            let attention = shuyuan_tensor::attention_weights(
                qkv.clone(),
                norms.0.clone(),
                norms.1.clone(),
                args.clone(),
            );
            let heads = shuyuan_tensor::attention(qkv, norms.0, norms.1, args.clone());
            let before = numbers(&x);
            x = layer.add_attention(heads, x, precision);
            let between = numbers(&x);
            x = layer.add_mlp(x, self.eps(), precision);
            let state = numbers(&x);
            layers.push(LayerTrace {
                attention,
                added_by_attention: difference(&between, &before),
                added_by_mlp: difference(&state, &between),
                state,
            });
        }
        Ok(Trace { embedding, layers })
    }

    /// What `state` (T, C) would predict if it went straight to the output layer: logits (T, V).
    pub fn lens(&self, state: &[f32]) -> Vec<f32> {
        let c = self.config().hidden_size;
        let data = burn::tensor::TensorData::new(state.to_vec(), [state.len() / c, c]);
        self.logits(Tensor::from_data(data, &shuyuan_tensor::cpu()), Precision::F32)
    }
}

fn numbers(x: &Tensor<2>) -> Vec<f32> {
    shuyuan_tensor::read(x, <[f32]>::to_vec)
}

fn difference(after: &[f32], before: &[f32]) -> Vec<f32> {
    after.iter().zip(before).map(|(a, b)| a - b).collect()
}
