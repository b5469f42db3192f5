//! GGUF, the file format of llama.cpp: one file that holds a model's settings, vocabulary and (quantized) weights.
//!
//! Reads versions 2 and 3 over a memory map, writes version 3, and exports models so that llama.cpp runs them. The reader
//! knows nothing of layers: names and numbers come out as they are in the file. Source: ggml's `docs/gguf.md`.

mod error;
mod export;
mod metadata;
mod mix;
mod parse;
mod read;
mod read_vocabulary;
mod vocabulary;
mod write;

pub use error::GgufError;
pub(crate) use export::check_numbers;
pub use export::{ExportOptions, ExportReport, ExportedTensor, export};
pub use metadata::{Array, Metadata, Value};
pub use mix::Mix;
pub use read::{Gguf, GgufTensor};
pub use vocabulary::Words;
pub use write::{GgufWriter, TensorSpec};
