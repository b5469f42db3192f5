//! Whether two configurations describe the same model: what a file says of it, and what it should say.

use super::config::{DecoderConfig, Family, MlpConfig};
use super::rope::Scaling;

/// Something that decides what a model computes.
enum Fact {
    Number(f64),
    Text(String),
}

impl Fact {
    /// Files hold f32, and derive some numbers from others.
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => (a - b).abs() <= 1e-5 * a.abs().max(b.abs()),
            (Self::Text(a), Self::Text(b)) => a == b,
            _ => false,
        }
    }
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(x) => write!(f, "{x}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl DecoderConfig {
    /// What `other` says differently: the thing, this one's and the other's word for it. The ids that end a text are the
    /// tokenizer's affair.
    pub(crate) fn difference(&self, other: &Self) -> Option<(String, String, String)> {
        let (ours, theirs) = (self.facts(), other.facts());
        let same = |a: &(String, Fact), b: &(String, Fact)| a.0 == b.0 && a.1.same(&b.1);
        let at = (0..ours.len().max(theirs.len())).find(|&i| match (ours.get(i), theirs.get(i)) {
            (Some(a), Some(b)) => !same(a, b),
            _ => true,
        })?;
        let word =
            |facts: &[(String, Fact)]| facts.get(at).map_or("nothing".into(), |(_, fact)| fact.to_string());
        let name = ours.get(at).or(theirs.get(at)).map_or_else(String::new, |(name, _)| name.clone());
        Some((name, word(&ours), word(&theirs)))
    }

    fn facts(&self) -> Vec<(String, Fact)> {
        // Mistral and Mixtral are Llama with more settings.
        let family = match self.family {
            Family::Mistral | Family::Mixtral => Family::Llama,
            other => other,
        };
        let number = |x: usize| Fact::Number(x as f64);
        let cap = |cap: Option<f32>| Fact::Number(f64::from(cap.unwrap_or(0.0)));
        let mut all: Vec<(String, Fact)> = vec![
            ("the architecture".into(), Fact::Text(family.model_type().into())),
            ("vocab_size".into(), number(self.vocab_size)),
            ("hidden_size".into(), number(self.hidden_size)),
            ("num_hidden_layers".into(), number(self.layers.len())),
            ("num_attention_heads".into(), number(self.num_attention_heads)),
            ("num_key_value_heads".into(), number(self.num_key_value_heads)),
            ("head_dim".into(), number(self.head_dim)),
            ("max_position_embeddings".into(), number(self.max_position_embeddings)),
            ("the norms' eps".into(), Fact::Number(f64::from(self.norm_eps))),
            ("the scale of attention".into(), Fact::Number(f64::from(self.attention_scale))),
            ("attn_logit_softcapping".into(), cap(self.attn_logit_softcapping)),
            ("final_logit_softcapping".into(), cap(self.final_logit_softcapping)),
            ("the activation".into(), Fact::Text(format!("{:?}", self.hidden_act))),
            ("the scale of embeddings".into(), Fact::Number(f64::from(self.embedding_scale))),
            ("biases".into(), Fact::Text(format!("{:?}", self.biases))),
            ("tie_word_embeddings".into(), Fact::Text(self.tie_word_embeddings.to_string())),
        ];
        for (index, layer) in self.layers.iter().enumerate() {
            let mut add = |what: &str, fact: Fact| all.push((format!("{what} of layer {index}"), fact));
            let window = self.window(index).map_or("none".into(), |window| window.to_string());
            add("sliding_window", Fact::Text(window));
            match layer.mlp {
                MlpConfig::Dense { intermediate_size } => add("intermediate_size", number(intermediate_size)),
                MlpConfig::Experts { intermediate_size, experts, per_token, norm_topk_prob } => {
                    add("moe_intermediate_size", number(intermediate_size));
                    add("num_experts", number(experts));
                    add("num_experts_per_tok", number(per_token));
                    add("norm_topk_prob", Fact::Text(norm_topk_prob.to_string()));
                }
            }
            if let Some(rope) = self.ropes.get(layer.rope) {
                add("RoPE's width", number(rope.rotary_dim));
                if let Scaling::Longrope { original, .. } = rope.scaling {
                    add("RoPE's original context", number(original));
                }
                for long in [false, true] {
                    let (frequencies, by) = rope.frequencies(long);
                    add("RoPE's factor", Fact::Number(f64::from(by)));
                    for (i, f) in frequencies.into_iter().enumerate() {
                        add(&format!("RoPE's angle {i}"), Fact::Number(f64::from(f)));
                    }
                }
            }
        }
        all
    }

    /// The window of a layer, where there is one that a text can outgrow. Gemma 3's decides which RoPE the layer has.
    pub(crate) fn window(&self, layer: usize) -> Option<usize> {
        let counts = |window: &usize| *window < self.max_position_embeddings || self.family == Family::Gemma3;
        self.layers[layer].sliding_window.filter(counts)
    }
}
