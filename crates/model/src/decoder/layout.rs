//! How each kind of file lays a decoder's tensors out: what they are called, which are one tensor and which are several, how
//! rows lie. `weights.rs` reads by it, `outgoing.rs` writes by it.

use super::config::Family;

/// Whose names a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    HuggingFace,
    Gguf,
}

/// Parts of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
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

/// The layout of one family's files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) naming: Naming,
    pub(super) family: Family,
    /// Without what Hugging Face's names begin with, as models are that were saved without their output layer.
    pub(super) bare: bool,
}

impl Layout {
    pub(super) fn new(naming: Naming, family: Family) -> Self {
        Self { naming, family, bare: false }
    }

    fn gpt2(&self) -> bool {
        self.family == Family::Gpt2
    }

    fn gguf(&self) -> bool {
        self.naming == Naming::Gguf
    }

    /// What Hugging Face's names begin with.
    pub(super) fn root(&self) -> &'static str {
        match self.naming {
            Naming::Gguf => "",
            Naming::HuggingFace if self.bare => "",
            Naming::HuggingFace if self.gpt2() => "transformer.",
            Naming::HuggingFace => "model.",
        }
    }

    fn either(&self, gguf: &str, gpt2: &str, others: &str) -> String {
        let name = if self.gguf() {
            gguf
        } else if self.gpt2() {
            gpt2
        } else {
            others
        };
        format!("{}{name}", self.root())
    }

    pub(super) fn embedding(&self) -> String {
        self.either("token_embd.weight", "wte.weight", "embed_tokens.weight")
    }

    /// Of learned positions.
    pub(super) fn positions(&self) -> String {
        self.either("position_embd.weight", "wpe.weight", "")
    }

    /// The last norm, without `.weight`.
    pub(super) fn norm(&self) -> String {
        self.either("output_norm", "ln_f", "norm")
    }

    pub(super) fn head(&self) -> &'static str {
        if self.gguf() { "output.weight" } else { "lm_head.weight" }
    }

    /// What the names of a layer begin with.
    pub(super) fn layer(&self, index: usize) -> String {
        format!("{}{index}.", self.either("blk.", "h.", "layers."))
    }

    /// A part's name after [`Layout::layer`], without `.weight`.
    pub(super) fn part(&self, part: Is) -> &'static str {
        let (gemma, gpt2) = (self.family.gemma(), self.gpt2());
        if self.gguf() {
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
            Is::Router if self.family == Family::Mixtral => "block_sparse_moe.gate",
            Is::Router => "mlp.gate",
        }
    }

    /// A part of expert `index` after [`Layout::layer`], or of all of them where they are stacked; without `.weight`.
    pub(super) fn expert(&self, part: Is, index: usize) -> String {
        let stacked = self.gguf();
        let (folder, name) = match (part, self.family) {
            (Is::Gate, _) if stacked => return "ffn_gate_exps".into(),
            (Is::Up, _) if stacked => return "ffn_up_exps".into(),
            (_, _) if stacked => return "ffn_down_exps".into(),
            (Is::Gate, Family::Mixtral) => ("block_sparse_moe", "w1"),
            (Is::Up, Family::Mixtral) => ("block_sparse_moe", "w3"),
            (_, Family::Mixtral) => ("block_sparse_moe", "w2"),
            (Is::Gate, _) => ("mlp", "gate_proj"),
            (Is::Up, _) => ("mlp", "up_proj"),
            (_, _) => ("mlp", "down_proj"),
        };
        format!("{folder}.experts.{index}.{name}")
    }

    /// Whether a part of all experts is one tensor.
    pub(super) fn stacks_experts(&self) -> bool {
        self.gguf()
    }

    /// Whether queries, keys and values are one tensor when written. Read, they may be either.
    pub(super) fn fuses_qkv(&self) -> bool {
        matches!(self.family, Family::Phi3 | Family::Gpt2)
    }

    /// Whether gate and up are one tensor when written. Read, they may be either.
    pub(super) fn fuses_gate_up(&self) -> bool {
        self.family == Family::Phi3
    }

    /// Whether feed-forward parts have no gate.
    pub(super) fn gateless(&self) -> bool {
        self.gpt2()
    }

    /// Whether matrices of projections lie the other way round, (in, out).
    pub(super) fn turned(&self) -> bool {
        self.gpt2() && !self.gguf()
    }

    /// What the weights of norms lack.
    pub(super) fn norm_offset(&self) -> f32 {
        if self.family.gemma() && !self.gguf() { 1.0 } else { 0.0 }
    }

    /// Whether rows of queries and keys lie as pairs: llama.cpp turns pairs (2i, 2i + 1) of Llama's heads, where Hugging Face
    /// turns (i, i + D/2).
    pub(super) fn pairs(&self) -> bool {
        self.gguf() && matches!(self.family, Family::Llama | Family::Mistral | Family::Mixtral)
    }
}

/// Where row `row` lies in a file with pairs, of heads with `d` rows.
pub(super) fn row_in_pairs(row: usize, d: usize) -> usize {
    let (head, within) = (row / d, row % d);
    head * d + 2 * (within % (d / 2)) + within / (d / 2)
}

/// Which row lies at place `row` of a file with pairs: the way back.
pub(super) fn row_of_pairs(row: usize, d: usize) -> usize {
    let (head, within) = (row / d, row % d);
    head * d + within % 2 * (d / 2) + within / 2
}

#[cfg(test)]
mod tests {
    use super::{row_in_pairs, row_of_pairs};

    #[test]
    fn rows_in_pairs_are_found_again() {
        assert_eq!([0, 1, 2, 3].map(|row| row_in_pairs(row, 4)), [0, 2, 1, 3]);
        for (d, row) in [(2, 7), (6, 3), (8, 13), (64, 200)] {
            assert_eq!(row_of_pairs(row_in_pairs(row, d), d), row);
        }
    }
}
