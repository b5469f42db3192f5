//! CPU kernels over plain slices, each with a scalar oracle. Knows nothing of tensors or language.

#![expect(unsafe_code, reason = "SIMD intrinsics and disjoint writes from several threads")]

mod matmul;

pub use matmul::{Mat, MatMut, Precision, matmul, matmul_serial};
