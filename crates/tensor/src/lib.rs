//! Devices and the fused operations that the model is made of, as extensions of Burn.
//!
//! The only crate that names Burn's backend types. On Flex, the CPU backend, each operation calls `shuyuan-kernels`
//! and carries its handwritten backward pass; other backends are not listed yet and panic with their name.

mod hardware;
mod memory;
mod ops;
mod profile;
mod slices;

pub use hardware::{Hardware, matmul_peak, read_bandwidth};
pub use memory::{free_memory, held_memory, peak_memory};
pub use ops::Rope;
pub use ops::{
    AttentionArgs, LossArgs, attention, embedding, linear_residual, logits, loss, norm_mlp, norm_qkv,
};
pub use profile::profile;
pub use shuyuan_kernels::{AttentionShape, Precision};
pub use slices::{read, take, update};

use burn::tensor::Device;

/// The CPU, without gradients: for generation and evaluation.
pub fn cpu() -> Device {
    Device::flex()
}

/// The CPU, recording what gradients need: for training.
pub fn cpu_autodiff() -> Device {
    Device::flex().autodiff()
}
