//! CPU kernels over plain slices, each with a scalar oracle. Knows nothing of tensors or language.

#![expect(unsafe_code, reason = "SIMD intrinsics and disjoint writes from several threads")]

mod add;
mod attention;
mod embedding;
mod linear_cross_entropy;
mod matmul;
mod optim;
#[cfg(test)]
mod oracle;
mod rms_norm;
mod simd;
mod split;
mod swiglu;

pub use add::add;
pub use attention::{
    AttentionShape, attention, attention_backward, attention_decode, qk_norm_rope, qk_norm_rope_backward,
};
pub use embedding::{embedding, embedding_backward};
pub use linear_cross_entropy::{IGNORE, linear_cross_entropy};
pub use matmul::{Mat, MatMut, Precision, matmul, matmul_on, matmul_paths, matmul_serial};
pub use optim::{adamw, muon_apply, muon_direction, sum_of_squares};
pub use rms_norm::{rms_norm, rms_norm_backward};
pub use swiglu::{swiglu, swiglu_backward};
