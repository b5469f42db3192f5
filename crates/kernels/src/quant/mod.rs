//! Weights in few bits: ggml's block formats, read and written. Knows nothing of files.
//!
//! A row of numbers is cut into blocks; each block holds small integers and the scale (and offset) that turn them back
//! into numbers. [`dequantize`] is the oracle: what a block means is what it says.

mod block_type;
mod dequantize;
mod fit;
mod k_blocks;
mod k_quantize;
mod quantize;
mod small_quantize;
#[cfg(test)]
mod tests;

pub use block_type::BlockType;
pub use dequantize::dequantize;
pub use quantize::{can_quantize, quantize, quantize_into};
