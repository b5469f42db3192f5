//! A decoder's weights, gathered from tensors under the names that each kind of file has for them.

use super::config::{DecoderConfig, Family, MlpConfig};
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

/// How a file names things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    HuggingFace,
    Gguf,
}

/// Parts of a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    AttentionNorm,
    Q,
    K,
    V,
    Qkv,
    O,
    QNorm,
    KNorm,
    AfterAttention,
    MlpNorm,
    Gate,
    Up,
    GateUp,
    Down,
    AfterMlp,
    Router,
}

impl Naming {
    fn of(self, family: Family, part: Is) -> &'static str {
        let (gemma, gpt2) = (family.gemma(), family == Family::Gpt2);
        if self == Self::Gguf {
            return match part {
                Is::AttentionNorm => "attn_norm",
                Is::Q => "attn_q",
                Is::K => "attn_k",
                Is::V => "attn_v",
                Is::Qkv => "attn_qkv",
                Is::O => "attn_output",
                Is::QNorm => "attn_q_norm",
                Is::KNorm => "attn_k_norm",
                Is::AfterAttention => "post_attention_norm",
                Is::MlpNorm => "ffn_norm",
                Is::Gate => "ffn_gate",
                Is::Up | Is::GateUp => "ffn_up",
                Is::Down => "ffn_down",
                Is::AfterMlp => "post_ffw_norm",
                Is::Router => "ffn_gate_inp",
            };
        }
        match part {
            Is::AttentionNorm if gpt2 => "ln_1",
            Is::AttentionNorm => "input_layernorm",
            Is::Q => "self_attn.q_proj",
            Is::K => "self_attn.k_proj",
            Is::V => "self_attn.v_proj",
            Is::Qkv if gpt2 => "attn.c_attn",
            Is::Qkv => "self_attn.qkv_proj",
            Is::O if gpt2 => "attn.c_proj",
            Is::O => "self_attn.o_proj",
            Is::QNorm => "self_attn.q_norm",
            Is::KNorm => "self_attn.k_norm",
            Is::AfterAttention => "post_attention_layernorm",
            Is::MlpNorm if gpt2 => "ln_2",
            Is::MlpNorm if gemma => "pre_feedforward_layernorm",
            Is::MlpNorm => "post_attention_layernorm",
            Is::Gate => "mlp.gate_proj",
            Is::Up if gpt2 => "mlp.c_fc",
            Is::Up => "mlp.up_proj",
            Is::GateUp => "mlp.gate_up_proj",
            Is::Down if gpt2 => "mlp.c_proj",
            Is::Down => "mlp.down_proj",
            Is::AfterMlp => "post_feedforward_layernorm",
            Is::Router if family == Family::Mixtral => "block_sparse_moe.gate",
            Is::Router => "mlp.gate",
        }
    }
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
    let root = match naming {
        Naming::Gguf => "",
        // Saved without its output layer, a model has no prefix.
        Naming::HuggingFace if gpt2 => {
            if tensors.any("transformer.") {
                "transformer."
            } else {
                ""
            }
        }
        Naming::HuggingFace => {
            if tensors.any("model.") {
                "model."
            } else {
                ""
            }
        }
    };
    let (layer, embedding, norm, head) = match naming {
        Naming::Gguf => ("blk.", "token_embd".into(), "output_norm".into(), "output.weight"),
        Naming::HuggingFace if gpt2 => ("h.", format!("{root}wte"), format!("{root}ln_f"), "lm_head.weight"),
        Naming::HuggingFace => {
            ("layers.", format!("{root}embed_tokens"), format!("{root}norm"), "lm_head.weight")
        }
    };
    if naming == Naming::Gguf {
        config.tie_word_embeddings = !tensors.has(head);
    }
    tensors.ignore(|name| name.ends_with("rotary_emb.inv_freq") || name.starts_with("rope_f"));
    let embedding = Arc::new(tensors.take(&format!("{embedding}.weight"), &[v, c]).matrix());
    let positions = gpt2.then(|| {
        let name =
            if naming == Naming::Gguf { "position_embd.weight".into() } else { format!("{root}wpe.weight") };
        tensors.take(&name, &[config.max_position_embeddings, c]).matrix()
    });
    let mut gather = Gather { config, naming, tensors, prefix: String::new() };
    let norm = gather.norm_at(&norm, c);
    let mut layers = Vec::new();
    for index in 0..gather.config.layers.len() {
        gather.prefix = format!("{root}{layer}{index}.");
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
    naming: Naming,
    tensors: Tensors,
    /// Of the layer's names.
    prefix: String,
}

impl Gather<'_> {
    fn name(&self, part: Is) -> String {
        format!("{}{}", self.prefix, self.naming.of(self.config.family, part))
    }

    fn has(&self, part: Is) -> bool {
        self.tensors.has(&format!("{}.weight", self.name(part)))
    }

    fn norm_at(&mut self, name: &str, size: usize) -> Norm {
        let mut weight = self.tensors.numbers(&format!("{name}.weight"), &[size]);
        if self.config.family.gemma() && self.naming == Naming::HuggingFace {
            weight.iter_mut().for_each(|weight| *weight += 1.0);
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
        // GPT-2's matrices lie the other way round.
        if self.config.family != Family::Gpt2 || self.naming == Naming::Gguf {
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
        // llama.cpp turns pairs (2i, 2i + 1) of Llama's heads, where Hugging Face turns (i, i + D/2).
        let pairs = self.naming == Naming::Gguf
            && matches!(config.family, Family::Llama | Family::Mistral | Family::Mixtral);
        let order = |row: usize| {
            let (head, within) = (row / d, row % d);
            head * d + 2 * (within % (d / 2)) + within / (d / 2)
        };
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
        if self.config.family == Family::Gpt2 {
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
        if self.naming == Naming::Gguf {
            let mut stack = |name: &str, out: usize, input: usize| {
                self.tensors.take(&format!("{}{name}.weight", self.prefix), &[experts, out, input])
            };
            let [gate, up, down] =
                [stack("ffn_gate_exps", i, c), stack("ffn_up_exps", i, c), stack("ffn_down_exps", c, i)];
            return (0..experts)
                .map(|e| Mlp {
                    gate: Some(linear(gate.layer(e))),
                    up: linear(up.layer(e)),
                    down: linear(down.layer(e)),
                })
                .collect();
        }
        let (folder, [gate, up, down]) = if self.config.family == Family::Mixtral {
            ("block_sparse_moe", ["w1", "w3", "w2"])
        } else {
            ("mlp", ["gate_proj", "up_proj", "down_proj"])
        };
        let prefix = self.prefix.clone();
        let mut one = |e: usize, name: &str, out: usize, input: usize| {
            let name = format!("{prefix}{folder}.experts.{e}.{name}.weight");
            linear(self.tensors.take(&name, &[out, input]))
        };
        (0..experts)
            .map(|e| Mlp { gate: Some(one(e, gate, i, c)), up: one(e, up, i, c), down: one(e, down, c, i) })
            .collect()
    }
}
