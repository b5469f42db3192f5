//! The feed-forward part of a layer: RMSNorm, SwiGLU, and back into the residual stream.

use super::{full, half, project, project_backward, rms_norm, rms_norm_backward};
use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, silu};
use shuyuan_kernels::Precision;

/// What [`norm_mlp_backward`] needs beside what went in: gate and up, (N, I).
#[derive(Clone, Debug)]
pub struct MlpKept {
    gate: Tensor<2>,
    up: Tensor<2>,
}

/// `x + down(silu(gate(n)) · up(n))` with n = RMSNorm(x).
pub fn norm_mlp(
    x: Tensor<2>,
    norm: Tensor<1>,
    [gate, up, down]: [Tensor<2>; 3],
    eps: f32,
    precision: Precision,
) -> (Tensor<2>, MlpKept) {
    let y = half(rms_norm(x.clone(), norm, eps), precision);
    let gate = project(y.clone(), gate, precision);
    let up = project(y, up, precision);
    let inner = half(silu(full(gate.clone())) * full(up.clone()), precision);
    (x + full(project(inner, down, precision)), MlpKept { gate, up })
}

/// The gradients of `x`, `norm`, and of gate, up, down.
pub fn norm_mlp_backward(
    dout: Tensor<2>,
    x: Tensor<2>,
    norm: Tensor<1>,
    [gate, up, down]: [Tensor<2>; 3],
    kept: MlpKept,
    eps: f32,
    precision: Precision,
) -> (Tensor<2>, Tensor<1>, [Tensor<2>; 3]) {
    let (g, u) = (full(kept.gate), full(kept.up));
    let sigmoid = sigmoid(g.clone());
    let silu = g.clone() * sigmoid.clone();
    let inner = half(silu.clone() * u.clone(), precision);
    let (dinner, ddown) = project_backward(dout.clone(), inner, down, precision);
    let dinner = full(dinner);
    let slope = sigmoid.clone() * (g * (sigmoid.neg() + 1.0) + 1.0);
    let dgate = half(dinner.clone() * u * slope, precision);
    let dup = half(dinner * silu, precision);
    let y = half(rms_norm(x.clone(), norm.clone(), eps), precision);
    let (from_gate, dgate) = project_backward(dgate, y.clone(), gate, precision);
    let (from_up, dup) = project_backward(dup, y, up, precision);
    let (dx, dnorm) = rms_norm_backward(full(from_gate) + full(from_up), x, norm, eps);
    (dx + dout, dnorm, [dgate, dup, ddown])
}
