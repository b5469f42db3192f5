//! From what is served back to what can be trained: the weights as f32 under Hugging Face's names.

use super::config::{Family, MlpConfig};
use super::rope::Scaling;
use super::{Decoder, DecoderConfig, Naming, Outgoing};
use crate::checkpoint::Set;
use crate::{Config, ModelError, Qwen3ForCausalLM, map_params};
use burn::tensor::Device;

impl Decoder {
    /// A copy that gradients can change, on `device`. Quantised weights become the numbers that they stand for.
    ///
    /// # Errors
    /// If the model is not of the architecture that is trained here, Qwen3's dense decoder.
    pub fn trainable(&self, device: &Device) -> Result<Qwen3ForCausalLM, ModelError> {
        let config = self.config.trained()?;
        let named = |tensor: Outgoing| (tensor.name.clone(), tensor.numbers());
        let weights = self.tensors(Naming::HuggingFace).into_iter().map(named).collect();
        let mut set = Set { weights };
        Ok(map_params(Qwen3ForCausalLM::zeros(&config, device)?, &mut set))
    }
}

impl DecoderConfig {
    /// The configuration to train on with.
    fn trained(&self) -> Result<Config, ModelError> {
        let layer = self.layers.first();
        let same = self.layers.iter().all(|other| Some(other) == layer);
        let plain = layer.is_some_and(|layer| layer.sliding_window.is_none())
            && self.biases == super::Biases::default();
        let (Family::Qwen3, true, true, Some(MlpConfig::Dense { intermediate_size }), [rope]) =
            (self.family, same, plain, layer.map(|layer| &layer.mlp), self.ropes.as_slice())
        else {
            return Err(self.not_trained());
        };
        if rope.scaling != Scaling::None || rope.rotary_dim != self.head_dim {
            return Err(self.not_trained());
        }
        Ok(Config {
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            intermediate_size: *intermediate_size,
            num_hidden_layers: self.layers.len(),
            num_attention_heads: self.num_attention_heads,
            num_key_value_heads: self.num_key_value_heads,
            head_dim: self.head_dim,
            max_position_embeddings: self.max_position_embeddings,
            rope_theta: rope.theta,
            rms_norm_eps: f64::from(self.norm_eps),
            tie_word_embeddings: self.tie_word_embeddings,
            eos_token_id: self.eos_token_id(),
        })
    }

    fn not_trained(&self) -> ModelError {
        ModelError::Config(format!(
            "{} cannot be trained here: training knows Qwen3's dense decoder (model_type \"qwen3\", without biases, windows or \
             scaled RoPE). It can be chatted with, evaluated and looked into",
            self.family.architecture()
        ))
    }
}
