//! A decoder's configuration as GGUF's settings: the way back of `ggml.rs`, with the keys that llama.cpp's converter gives.

use super::config::{DecoderConfig, Family, MlpConfig};
use super::ggml::{attention_scale, slides};
use super::rope::{RopeConfig, Scaling};
use crate::gguf::{GgufError, Metadata};

/// Tensors that are settings: names and numbers.
pub(crate) type Settings = Vec<(&'static str, Vec<f32>)>;

impl Family {
    /// `general.architecture`.
    pub(crate) fn gguf_architecture(self) -> &'static str {
        match self {
            Self::Llama | Self::Mistral | Self::Mixtral => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Qwen3Moe => "qwen3moe",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3",
            Self::Phi3 => "phi3",
            Self::Gpt2 => "gpt2",
        }
    }
}

impl DecoderConfig {
    /// What queries must be multiplied with, since a GGUF file has no word for the scale of attention.
    pub(crate) fn query_scale(&self) -> f32 {
        let implied = attention_scale(
            self.family,
            self.layers.len(),
            self.hidden_size,
            self.num_attention_heads,
            self.head_dim,
        );
        let times = self.attention_scale / implied;
        // The same number, computed in another way.
        if (times - 1.0).abs() < 1e-6 { 1.0 } else { times }
    }

    /// This configuration once queries are multiplied with [`DecoderConfig::query_scale`].
    pub(crate) fn with_scaled_queries(&self) -> Self {
        Self { attention_scale: self.attention_scale / self.query_scale(), ..self.clone() }
    }

    /// Adds the settings to `all`, and returns those that are tensors.
    pub(crate) fn to_gguf(&self, all: &mut Metadata) -> Result<Settings, GgufError> {
        let family = self.family;
        let name = family.gguf_architecture();
        let (gpt2, llama) = (family == Family::Gpt2, name == "llama");
        let mut size = |key: &str, value: usize| {
            let value = u32::try_from(value).map_err(|_| {
                GgufError::Config(format!("{key} is {value}, more than a GGUF file can hold"))
            })?;
            all.insert(format!("{name}.{key}"), value)
        };
        size("block_count", self.layers.len())?;
        size("context_length", self.max_position_embeddings)?;
        size("embedding_length", self.hidden_size)?;
        size("feed_forward_length", self.dense_size())?;
        size("attention.head_count", self.num_attention_heads)?;
        if !gpt2 {
            size("attention.head_count_kv", self.num_key_value_heads)?;
        }
        let heads = self.num_attention_heads * self.head_dim;
        // The converter writes them for families whose config.json has head_dim.
        if !matches!(family, Family::Qwen2 | Family::Phi3 | Family::Gpt2) || heads != self.hidden_size {
            size("attention.key_length", self.head_dim)?;
            size("attention.value_length", self.head_dim)?;
        }
        if llama {
            size("vocab_size", self.vocab_size)?;
        }
        if let Some(MlpConfig::Experts { intermediate_size, experts, per_token, .. }) = self.experts() {
            size("expert_count", *experts)?;
            size("expert_used_count", *per_token)?;
            if family == Family::Qwen3Moe {
                size("expert_feed_forward_length", *intermediate_size)?;
            }
        }
        let eps = if gpt2 { "layer_norm_epsilon" } else { "layer_norm_rms_epsilon" };
        all.insert(format!("{name}.attention.{eps}"), self.norm_eps)?;
        for (key, cap) in [
            ("attn_logit_softcapping", self.attn_logit_softcapping),
            ("final_logit_softcapping", self.final_logit_softcapping),
        ] {
            if let Some(cap) = cap {
                all.insert(format!("{name}.{key}"), cap)?;
            }
        }
        self.windows_to_gguf(all)?;
        let Some(rope) = self.ropes.first() else { return Ok(Settings::new()) };
        if llama || family == Family::Phi3 || rope.rotary_dim != self.head_dim {
            all.insert(format!("{name}.rope.dimension_count"), rope.rotary_dim as u32)?;
        }
        if family == Family::Gemma3
            && let Some(local) = self.ropes.get(1)
        {
            all.insert(format!("{name}.rope.freq_base_swa"), local.theta as f32)?;
        }
        self.rope_to_gguf(rope, all)
    }

    fn experts(&self) -> Option<&MlpConfig> {
        self.layers.iter().map(|layer| &layer.mlp).find(|mlp| matches!(mlp, MlpConfig::Experts { .. }))
    }

    /// Of the layers without experts, if there are any.
    pub(super) fn dense_size(&self) -> usize {
        let dense = self.layers.iter().find_map(|layer| match layer.mlp {
            MlpConfig::Dense { intermediate_size } => Some(intermediate_size),
            MlpConfig::Experts { .. } => None,
        });
        dense.unwrap_or(self.intermediate_size())
    }

    fn windows_to_gguf(&self, all: &mut Metadata) -> Result<(), GgufError> {
        let name = self.family.gguf_architecture();
        let windows: Vec<Option<usize>> = (0..self.layers.len()).map(|layer| self.window(layer)).collect();
        let Some(window) = windows.iter().flatten().max() else {
            // Phi-3's files say that there is none; Gemma 2's would else have 4096.
            return match self.family {
                Family::Phi3 => all.insert(format!("{name}.attention.sliding_window"), 0_u32),
                Family::Gemma2 => all
                    .insert(format!("{name}.attention.sliding_window"), self.max_position_embeddings as u32),
                _ => Ok(()),
            };
        };
        all.insert(format!("{name}.attention.sliding_window"), *window as u32)?;
        let usual = |layer: usize| slides(self.family, layer) == windows[layer].is_some();
        if (0..windows.len()).all(usual) {
            return Ok(());
        }
        let pattern: Vec<bool> = windows.iter().map(Option::is_some).collect();
        all.insert(format!("{name}.attention.sliding_window_pattern"), pattern)
    }

    fn rope_to_gguf(&self, rope: &RopeConfig, all: &mut Metadata) -> Result<Settings, GgufError> {
        let name = self.family.gguf_architecture();
        all.insert(format!("{name}.rope.freq_base"), rope.theta as f32)?;
        let mut scaling =
            |key: &str, value: f64| all.insert(format!("{name}.rope.scaling.{key}"), value as f32);
        let (mut kind, mut original_context, mut tensors) = (None, None, Settings::new());
        let narrow = |numbers: &[f64]| numbers.iter().map(|x| *x as f32).collect::<Vec<f32>>();
        match &rope.scaling {
            Scaling::None => {}
            Scaling::Linear { factor } => {
                kind = Some("linear");
                scaling("factor", *factor)?;
            }
            Scaling::Yarn { factor, beta_fast, beta_slow, original, .. } => {
                kind = Some("yarn");
                original_context = Some(*original as usize);
                scaling("factor", *factor)?;
                scaling("yarn_beta_fast", *beta_fast)?;
                scaling("yarn_beta_slow", *beta_slow)?;
            }
            Scaling::Longrope { short, long, original, attention_factor } => {
                kind = (name == "llama").then_some("longrope");
                original_context = Some(*original);
                scaling("attn_factor", *attention_factor)?;
                tensors.push(("rope_factors_long.weight", narrow(long)));
                tensors.push(("rope_factors_short.weight", narrow(short)));
            }
            Scaling::Llama3 { .. } => {
                let plain = RopeConfig { scaling: Scaling::None, ..rope.clone() };
                let (plain, scaled) = (plain.frequencies(false).0, rope.frequencies(false).0);
                let factors = plain.iter().zip(&scaled).map(|(plain, scaled)| plain / scaled);
                tensors.push(("rope_freqs.weight", factors.collect()));
            }
            Scaling::Factors(factors) => tensors.push(("rope_freqs.weight", narrow(factors))),
        }
        // Phi-3's files always say it.
        if self.family == Family::Phi3 {
            original_context.get_or_insert(self.max_position_embeddings);
        }
        if let Some(kind) = kind {
            all.insert(format!("{name}.rope.scaling.type"), kind)?;
        }
        if let Some(original) = original_context {
            all.insert(format!("{name}.rope.scaling.original_context_length"), original as u32)?;
        }
        Ok(tensors)
    }

    /// What a GGUF file says of this model that llama.cpp does not heed.
    pub(crate) fn unheeded_by_llama_cpp(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let gemma = self.family.gemma();
        let window = (0..self.layers.len()).filter_map(|layer| self.window(layer)).min();
        if let Some(window) = window.filter(|_| !gemma) {
            notes.push(format!(
                "llama.cpp has no sliding window for {}: beyond {window} tokens it sees more than the model was made for",
                self.family.gguf_architecture()
            ));
        }
        let dense = |layer: &super::LayerConfig| matches!(layer.mlp, MlpConfig::Dense { .. });
        if self.family == Family::Qwen3Moe && self.layers.iter().any(dense) {
            notes.push(
                "llama.cpp does not load qwen3moe files with layers that have no experts; shuyuan does"
                    .into(),
            );
        }
        let factors = self.ropes.iter().any(|rope| {
            matches!(rope.scaling, Scaling::Llama3 { .. } | Scaling::Factors(_) | Scaling::Longrope { .. })
        });
        let name = self.family.gguf_architecture();
        if factors && name != "llama" && name != "phi3" {
            notes.push(format!(
                "llama.cpp does not load {name} files with factors of RoPE's angles; shuyuan does"
            ));
        }
        notes
    }
}
