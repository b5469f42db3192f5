//! A projection back into the residual stream.

use super::{full, project, project_backward};
use burn::tensor::Tensor;
use shuyuan_kernels::Precision;

/// `residual + x · weightᵀ`.
pub fn linear_residual(
    x: Tensor<2>,
    weight: Tensor<2>,
    residual: Tensor<2>,
    precision: Precision,
) -> Tensor<2> {
    residual + full(project(x, weight, precision))
}

/// The gradients of `x` and `weight`; that of `residual` is `dy`.
pub fn linear_residual_backward(
    dy: Tensor<2>,
    x: Tensor<2>,
    weight: Tensor<2>,
    precision: Precision,
) -> (Tensor<2>, Tensor<2>) {
    let (dx, dweight) = project_backward(dy, x, weight, precision);
    (full(dx), dweight)
}
