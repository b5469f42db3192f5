//! The models: the decoder with its configuration, layers, checkpoints and what can be seen inside; encoders that embed.
//!
//! One definition for training, generation, evaluation and explanation: exactly Qwen3's dense architecture, with
//! Hugging Face's names for its configuration and tensors.

mod checkpoint;
mod config;
mod decoder;
mod encoder;
mod error;
mod fields;
mod folder;
pub mod gguf;
mod init;
mod layers;
mod mapped;
mod params;
mod qwen3;
mod tensors;
mod trace;

pub use checkpoint::{load, save};
pub use config::Config;
pub use decoder::{
    Biases, Decoder, DecoderConfig, Family, KvCache, LayerConfig, MlpConfig, PAGE_TOKENS, RopeConfig,
    Scaling, Step, logprob,
};
pub use encoder::{Encoder, EncoderConfig, EncoderFamily, Pooling, SentenceConfig};
pub use error::ModelError;
pub use folder::{Plain, save_decoder};
pub use params::{ParamMapper, count_params, for_each_param, map_params};
pub use qwen3::Qwen3ForCausalLM;
pub use trace::{LayerTrace, Trace};
