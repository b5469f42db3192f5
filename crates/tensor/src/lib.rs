//! Devices and the fused operations that the model is made of, as extensions of Burn.
//!
//! The only crate that names Burn's backend types. On the CPU each operation calls `shuyuan-kernels` and carries its
//! handwritten backward pass; on other devices it is what [`plain`] spells out in Burn's own operations.

mod cards;
#[cfg(feature = "cuda")]
mod cuda;
mod devices;
mod hardware;
mod memory;
mod ops;
mod optim;
pub mod plain;
mod profile;
mod slices;

pub use burn::tensor::Device;
pub use cards::{can_sum_over, settle, sum_over};
pub use devices::{cpu, cpu_autodiff, device, device_list, device_name, devices, has_bf16, is_cpu};
pub use hardware::{Hardware, matmul_peak, read_bandwidth};
pub use memory::{free_memory, held_memory, peak_memory};
pub use ops::{
    AttentionArgs, LossArgs, Rope, embedding, layer, linear_residual, logits, loss, norm_attention, norm_mlp,
};
pub use optim::{AdamW, Moments, Muon, MuonItem, adamw, muon_apply, muon_directions, sum_of_squares};
pub use profile::profile;
pub use shuyuan_kernels::{AttentionShape, Precision};
pub use slices::{flat, read, take, update};
