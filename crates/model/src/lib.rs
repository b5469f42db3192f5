//! The decoder: configuration, layers, checkpoints, and what can be seen inside.
//!
//! One definition for training, generation, evaluation and explanation: exactly Qwen3's dense architecture, with
//! Hugging Face's names for its configuration and tensors.

mod checkpoint;
mod config;
mod decoder;
mod error;
pub mod gguf;
mod init;
mod params;
mod qwen3;
mod trace;

pub use checkpoint::{load, save};
pub use config::Config;
pub use decoder::{
    Biases, Decoder, DecoderConfig, Family, KvCache, LayerConfig, MlpConfig, PAGE_TOKENS, RopeConfig, Scaling, Step,
    logprob,
};
pub use error::ModelError;
pub use params::{ParamMapper, count_params, for_each_param, map_params};
pub use qwen3::Qwen3ForCausalLM;
pub use trace::{LayerTrace, Trace};
