//! GGUF, the file format of llama.cpp: one file that holds a model's settings, vocabulary and (quantized) weights.
//!
//! Reads versions 2 and 3 over a memory map. Knows nothing of layers: names and numbers come out as they are in the
//! file. Source: ggml's `docs/gguf.md`.

mod error;
mod metadata;
mod parse;
mod read;

pub use error::GgufError;
pub use metadata::{Array, Metadata, Value};
pub use read::{Gguf, GgufTensor};
