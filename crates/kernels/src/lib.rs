//! CPU kernels over plain slices, each with a scalar oracle. Knows nothing of tensors or language.

#![expect(unsafe_code, reason = "SIMD intrinsics and disjoint writes from several threads")]

mod add;
mod attention;
mod embedding;
mod kept;
mod layer;
mod linear_cross_entropy;
mod matmul;
pub(crate) mod matrix;
mod nearest;
mod norm_linear;
mod norm_mlp;
mod optim;
#[cfg(test)]
mod oracle;
mod paged;
mod pool;
mod quant;
mod rms_norm;
mod rows;
mod shifted;
mod simd;
mod split;
mod swiglu;

pub use attention::{AttentionShape, attention, attention_backward, qk_norm_rope, qk_norm_rope_backward};
pub use embedding::{embedding, embedding_backward};
pub use kept::Kept;
pub use layer::{Activation, NormRows, activate_rows, for_rows, gate_rows, norm_row, norm_rows, rotate};
pub use linear_cross_entropy::{IGNORE, linear_cross_entropy};
pub use matmul::buffer::release_buffers;
pub use matmul::{Mat, MatMut, Precision, matmul, matmul_on, matmul_paths};
pub use matrix::{Bytes, Input, Matrix, Part, project};
pub use nearest::{SIGN_ROWS, dot_i16_i8, put_signs, sign_distances, sign_words};
pub use norm_linear::{Linear, linear, linear_backward};
pub use norm_mlp::{Mlp, MlpGrads, norm_mlp, norm_mlp_backward};
pub use optim::{
    MUON_SECOND, MUON_STEPS, MuonMoments, adamw, muon_apply, muon_direction, muon_flops, sum_of_squares,
};
pub use paged::{PAGE, Page, PageShape, PagedAttention, Span, paged_attention};
pub use pool::{parallel, set_threads, threads};
pub use quant::{BlockType, can_quantize, dequantize, quantize, quantize_into};
pub use rms_norm::{rms_norm, rms_norm_backward};
