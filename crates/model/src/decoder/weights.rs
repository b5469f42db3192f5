//! A decoder's weights, gathered from tensors under the names that each kind of file has for them.

use super::config::{DecoderConfig, Family, MlpConfig};
use super::layout::{Is, Layout, Naming, row_in_pairs};
use crate::ModelError;
use crate::layers::{Linear, Mlp, Norm};
use crate::tensors::{Raw, Tensors};
use shuyuan_kernels::Matrix;
use std::sync::Arc;

/// A feed-forward part.
#[derive(Debug)]
pub(super) enum FeedForward {
    Dense(Mlp),
    Experts { router: Linear, experts: Vec<Mlp>, per_token: usize, norm_topk_prob: bool },
}

/// One layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) attention_norm: Norm,
    pub(super) q: Linear,
    pub(super) k: Linear,
    pub(super) v: Linear,
    pub(super) o: Linear,
    pub(super) qk_norm: Option<(Norm, Norm)>,
    /// Of what attention found.
    pub(super) after_attention: Option<Norm>,
    pub(super) mlp_norm: Norm,
    pub(super) mlp: FeedForward,
    /// Of what the feed-forward part found.
    pub(super) after_mlp: Option<Norm>,
}

/// Everything.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) embedding: Arc<Matrix>,
    /// (positions, C), where positions are learned.
    pub(super) positions: Option<Matrix>,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Norm,
    pub(super) head: Arc<Matrix>,
}

/// Takes a decoder's weights out of `tensors`.
///
/// # Errors
/// Names every tensor that is missing, unknown or misshapen.
pub(super) fn gather(
    config: &mut DecoderConfig,
    mut tensors: Tensors,
    naming: Naming,
) -> Result<Weights, ModelError> {
    let (c, v) = (config.hidden_size, config.vocab_size);
    let gpt2 = config.family == Family::Gpt2;
    let mut layout = Layout::new(naming, config.family);
    layout.bare = naming == Naming::HuggingFace && !tensors.any(layout.root());
    let head = layout.head();
    if naming == Naming::Gguf {
        config.tie_word_embeddings = !tensors.has(head);
    }
    tensors.ignore(|name| name.ends_with("rotary_emb.inv_freq") || name.starts_with("rope_f"));
    let embedding = Arc::new(tensors.take(&layout.embedding(), &[v, c]).matrix());
    let positions =
        gpt2.then(|| tensors.take(&layout.positions(), &[config.max_position_embeddings, c]).matrix());
    let mut gather = Gather { config, layout, tensors, prefix: String::new() };
    let norm = gather.norm_at(&layout.norm(), c);
    let mut layers = Vec::new();
    for index in 0..gather.config.layers.len() {
        gather.prefix = layout.layer(index);
        layers.push(gather.layer(index));
        // A file of another shape would name thousands.
        gather.tensors.check()?;
    }
    let (tied, mut tensors) = (gather.config.tie_word_embeddings, gather.tensors);
    let head = if tied {
        // Some tools write the tied output layer a second time.
        tensors.ignore(|name| name == head);
        embedding.clone()
    } else {
        Arc::new(tensors.take(head, &[v, c]).matrix())
    };
    tensors.ignore(|name| gpt2 && (name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")));
    tensors.finish()?;
    Ok(Weights { embedding, positions, layers, norm, head })
}

struct Gather<'a> {
    config: &'a DecoderConfig,
    layout: Layout,
    tensors: Tensors,
    /// Of the layer's names.
    prefix: String,
}

impl Gather<'_> {
    fn name(&self, part: Is) -> String {
        format!("{}{}", self.prefix, self.layout.part(part))
    }

    fn has(&self, part: Is) -> bool {
        self.tensors.has(&format!("{}.weight", self.name(part)))
    }

    fn norm_at(&mut self, name: &str, size: usize) -> Norm {
        let mut weight = self.tensors.numbers(&format!("{name}.weight"), &[size]);
        let offset = self.layout.norm_offset();
        if offset != 0.0 {
            weight.iter_mut().for_each(|weight| *weight += offset);
        }
        let centred = self.config.family == Family::Gpt2;
        let bias = centred.then(|| self.tensors.numbers(&format!("{name}.bias"), &[size]));
        Norm { weight, bias, eps: self.config.norm_eps }
    }

    fn norm(&mut self, part: Is, size: usize) -> Norm {
        self.norm_at(&self.name(part), size)
    }

    /// A projection's matrix (out, in) as it lies, and its bias.
    fn raw(&mut self, part: Is, out: usize, input: usize, bias: bool) -> (Raw, Option<Vec<f32>>) {
        let name = self.name(part);
        let bias = bias.then(|| self.tensors.numbers(&format!("{name}.bias"), &[out]));
        let name = format!("{name}.weight");
        if !self.layout.turned() {
            return (self.tensors.take(&name, &[out, input]), bias);
        }
        let raw = self.tensors.take(&name, &[input, out]);
        if raw.shape[0] == 0 {
            return (raw, bias);
        }
        let numbers = raw.numbers();
        let turned: Vec<u8> =
            (0..out).flat_map(|o| numbers[o..].iter().step_by(out)).flat_map(|x| x.to_le_bytes()).collect();
        let kind = shuyuan_kernels::BlockType::F32;
        (Raw { kind, shape: vec![out, input], bytes: turned.into() }, bias)
    }

    fn linear(&mut self, part: Is, out: usize, input: usize, bias: bool) -> Linear {
        let (raw, bias) = self.raw(part, out, input, bias);
        Linear { matrix: Arc::new(raw.matrix()), bias }
    }

    fn layer(&mut self, index: usize) -> Layer {
        let config = self.config;
        let (c, d) = (config.hidden_size, config.head_dim);
        let [q, k, v] = self.qkv();
        let sandwich = config.family.gemma();
        Layer {
            attention_norm: self.norm(Is::AttentionNorm, c),
            q,
            k,
            v,
            o: self.linear(Is::O, c, config.num_attention_heads * d, config.biases.output),
            qk_norm: config.family.qk_norm().then(|| (self.norm(Is::QNorm, d), self.norm(Is::KNorm, d))),
            after_attention: sandwich.then(|| self.norm(Is::AfterAttention, c)),
            mlp_norm: self.norm(Is::MlpNorm, c),
            mlp: match config.layers[index].mlp {
                MlpConfig::Dense { intermediate_size } => FeedForward::Dense(self.mlp(intermediate_size)),
                MlpConfig::Experts { intermediate_size, experts, per_token, norm_topk_prob } => {
                    FeedForward::Experts {
                        router: self.linear(Is::Router, experts, c, false),
                        experts: self.experts(experts, intermediate_size),
                        per_token,
                        norm_topk_prob,
                    }
                }
            },
            after_mlp: sandwich.then(|| self.norm(Is::AfterMlp, c)),
        }
    }

    fn qkv(&mut self) -> [Linear; 3] {
        let config = self.config;
        let (c, d) = (config.hidden_size, config.head_dim);
        let (h, k) = (config.num_attention_heads, config.num_key_value_heads);
        let bias = config.biases.qkv;
        if self.has(Is::Qkv) {
            let (raw, bias) = self.raw(Is::Qkv, (h + 2 * k) * d, c, bias);
            let part = |first: usize, rows: usize| Linear {
                matrix: Arc::new(raw.rows(first * d, rows * d).matrix()),
                // Nothing of what is missing.
                bias: bias.as_ref().map(|b| b.get(first * d..(first + rows) * d).unwrap_or(&[]).to_vec()),
            };
            return [part(0, h), part(h, k), part(h + k, k)];
        }
        let pairs = self.layout.pairs();
        let order = |row: usize| row_in_pairs(row, d);
        let mut one = |part: Is, heads: usize| {
            let (raw, bias) = self.raw(part, heads * d, c, bias);
            if pairs && part != Is::V {
                let bias = bias.map(|bias| (0..bias.len()).map(|row| bias[order(row)]).collect());
                return Linear { matrix: Arc::new(raw.matrix_reordered(order)), bias };
            }
            Linear { matrix: Arc::new(raw.matrix()), bias }
        };
        [one(Is::Q, h), one(Is::K, k), one(Is::V, k)]
    }

    fn mlp(&mut self, i: usize) -> Mlp {
        let (c, bias) = (self.config.hidden_size, self.config.biases.mlp);
        let name = format!("{}.weight", self.name(Is::GateUp));
        if self.layout.gateless() {
            return Mlp {
                gate: None,
                up: self.linear(Is::Up, i, c, bias),
                down: self.linear(Is::Down, c, i, bias),
            };
        }
        if self.tensors.rows_of(&name) == Some(2 * i) && !self.has(Is::Gate) {
            let (raw, _) = self.raw(Is::GateUp, 2 * i, c, false);
            let half = |first: usize| Linear { matrix: Arc::new(raw.rows(first, i).matrix()), bias: None };
            return Mlp { gate: Some(half(0)), up: half(i), down: self.linear(Is::Down, c, i, bias) };
        }
        Mlp {
            gate: Some(self.linear(Is::Gate, i, c, bias)),
            up: self.linear(Is::Up, i, c, bias),
            down: self.linear(Is::Down, c, i, bias),
        }
    }

    fn experts(&mut self, experts: usize, i: usize) -> Vec<Mlp> {
        let c = self.config.hidden_size;
        let linear = |raw: Raw| Linear { matrix: Arc::new(raw.matrix()), bias: None };
        let (layout, prefix) = (self.layout, self.prefix.clone());
        let mut take = |part: Is, index: usize, shape: &[usize]| {
            self.tensors.take(&format!("{prefix}{}.weight", layout.expert(part, index)), shape)
        };
        if layout.stacks_experts() {
            let mut stack = |part: Is, out: usize, input: usize| take(part, 0, &[experts, out, input]);
            let [gate, up, down] = [stack(Is::Gate, i, c), stack(Is::Up, i, c), stack(Is::Down, c, i)];
            let one = |e: usize| Mlp {
                gate: Some(linear(gate.layer(e))),
                up: linear(up.layer(e)),
                down: linear(down.layer(e)),
            };
            return (0..experts).map(one).collect();
        }
        let one = |e: usize| Mlp {
            gate: Some(linear(take(Is::Gate, e, &[i, c]))),
            up: linear(take(Is::Up, e, &[i, c])),
            down: linear(take(Is::Down, e, &[c, i])),
        };
        (0..experts).map(one).collect()
    }
}
