//! An encoder's weights, gathered from tensors under the names that each kind of file has for them.

use super::config::{EncoderConfig, EncoderFamily};
use crate::ModelError;
use crate::layers::{Linear, Mlp, Norm};
use crate::tensors::Tensors;
use shuyuan_kernels::Matrix;
use std::sync::Arc;

/// One layer; its norms come after what they are named for.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) q: Linear,
    pub(super) k: Linear,
    pub(super) v: Linear,
    pub(super) o: Linear,
    pub(super) attention_norm: Norm,
    pub(super) mlp: Mlp,
    pub(super) mlp_norm: Norm,
}

/// Everything.
#[derive(Debug)]
pub(super) struct Weights {
    /// (V, C)
    pub(super) embedding: Matrix,
    /// (positions, C): what is added to every token there, its kind's vector included.
    pub(super) positions: Vec<f32>,
    pub(super) norm: Norm,
    pub(super) layers: Vec<Layer>,
}

/// What a kind of file calls the parts. Those of a layer stand behind `layer`, its number and a dot.
pub(super) struct Names {
    words: &'static str,
    positions: &'static str,
    types: &'static str,
    norm: &'static str,
    layer: &'static str,
    q: &'static str,
    k: &'static str,
    v: &'static str,
    o: &'static str,
    attention_norm: &'static str,
    up: &'static str,
    down: &'static str,
    mlp_norm: &'static str,
    /// Beginnings of names of parts that make no states: heads of pretraining, the pooler.
    beside: &'static [&'static str],
}

const BERT: Names = Names {
    words: "embeddings.word_embeddings",
    positions: "embeddings.position_embeddings",
    types: "embeddings.token_type_embeddings",
    norm: "embeddings.LayerNorm",
    layer: "encoder.layer.",
    q: "attention.self.query",
    k: "attention.self.key",
    v: "attention.self.value",
    o: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    mlp_norm: "output.LayerNorm",
    beside: &["pooler.", "cls.", "lm_head.", "embeddings.position_ids"],
};

const DISTILBERT: Names = Names {
    layer: "transformer.layer.",
    q: "attention.q_lin",
    k: "attention.k_lin",
    v: "attention.v_lin",
    o: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    mlp_norm: "output_layer_norm",
    beside: &["vocab_transform.", "vocab_layer_norm.", "vocab_projector.", "embeddings.position_ids"],
    ..BERT
};

/// llama.cpp's.
pub(super) const GGUF: Names = Names {
    words: "token_embd",
    positions: "position_embd",
    types: "token_types",
    norm: "token_embd_norm",
    layer: "blk.",
    q: "attn_q",
    k: "attn_k",
    v: "attn_v",
    o: "attn_output",
    attention_norm: "attn_output_norm",
    up: "ffn_up",
    down: "ffn_down",
    mlp_norm: "layer_output_norm",
    beside: &[],
};

impl EncoderFamily {
    pub(super) fn names(self) -> Names {
        if self == Self::DistilBert { DISTILBERT } else { BERT }
    }
}

/// Takes an encoder's weights out of `tensors`.
///
/// # Errors
/// Names every tensor that is missing, unknown or misshapen.
pub(super) fn gather(
    config: &EncoderConfig,
    mut tensors: Tensors,
    names: &Names,
) -> Result<Weights, ModelError> {
    let c = config.hidden_size;
    let root = ["bert.", "roberta.", "distilbert."].into_iter().find(|root| tensors.any(root)).unwrap_or("");
    let beside = |name: &str| {
        let name = name.strip_prefix(root).unwrap_or(name);
        names.beside.iter().any(|beginning| name.starts_with(beginning))
    };
    tensors.ignore(beside);
    let at = |name: &str| format!("{root}{name}.weight");
    let embedding = tensors.take(&at(names.words), &[config.vocab_size, c]).matrix();
    let mut positions = tensors.numbers(&at(names.positions), &[config.max_position_embeddings, c]);
    if config.type_vocab_size > 0 {
        let types = tensors.numbers(&at(names.types), &[config.type_vocab_size, c]);
        for position in positions.chunks_exact_mut(c) {
            position.iter_mut().zip(&types).for_each(|(position, kind)| *position += kind);
        }
    }
    let mut gather = Gather { config, tensors, prefix: root.to_string() };
    let norm = gather.norm(names.norm);
    let mut layers = Vec::new();
    for index in 0..config.num_hidden_layers {
        gather.prefix = format!("{root}{}{index}.", names.layer);
        layers.push(gather.layer(names));
        // A file of another shape would name thousands.
        gather.tensors.check()?;
    }
    gather.tensors.finish()?;
    Ok(Weights { embedding, positions, norm, layers })
}

struct Gather<'a> {
    config: &'a EncoderConfig,
    tensors: Tensors,
    prefix: String,
}

impl Gather<'_> {
    fn norm(&mut self, name: &str) -> Norm {
        let name = format!("{}{name}", self.prefix);
        // BERT's first checkpoints have TensorFlow's names.
        let old = self.tensors.has(&format!("{name}.gamma"));
        let [weight, bias] = if old { ["gamma", "beta"] } else { ["weight", "bias"] };
        let mut take =
            |part: &str| self.tensors.numbers(&format!("{name}.{part}"), &[self.config.hidden_size]);
        Norm { weight: take(weight), bias: Some(take(bias)), eps: self.config.layer_norm_eps }
    }

    fn linear(&mut self, name: &str, out: usize, input: usize) -> Linear {
        let name = format!("{}{name}", self.prefix);
        let bias = self.tensors.numbers(&format!("{name}.bias"), &[out]);
        let matrix = self.tensors.take(&format!("{name}.weight"), &[out, input]).matrix();
        Linear { matrix: Arc::new(matrix), bias: Some(bias) }
    }

    fn layer(&mut self, names: &Names) -> Layer {
        let (c, i) = (self.config.hidden_size, self.config.intermediate_size);
        Layer {
            q: self.linear(names.q, c, c),
            k: self.linear(names.k, c, c),
            v: self.linear(names.v, c, c),
            o: self.linear(names.o, c, c),
            attention_norm: self.norm(names.attention_norm),
            mlp: Mlp { gate: None, up: self.linear(names.up, i, c), down: self.linear(names.down, c, i) },
            mlp_norm: self.norm(names.mlp_norm),
        }
    }
}
