//! The operations of a decoder spelled out in Burn's own: what every device but the CPU runs, and the judge of the
//! kernels' results and gradients.
//!
//! Each has a forward pass, which also gives what is kept for the way back, and a backward pass by hand: it keeps fewer
//! numbers and passes over them less often than what autodiff makes of the forward pass. Shapes are those of the fused
//! operations (`crate::ops`). Products take numbers in bf16 where `Precision` says so and give them so; all else is f32.
//! No tensor here is tracked, but for the tests' sake all forward passes can be.

mod attention;
mod embedding;
mod linear_residual;
mod loss;
mod norm_mlp;

pub(crate) use attention::Tables;
pub use attention::{AttentionKept, norm_attention, norm_attention_backward};
pub use embedding::{embedding, embedding_backward};
pub use linear_residual::{linear_residual, linear_residual_backward};
pub use loss::{logits, loss};
pub use norm_mlp::{MlpKept, norm_mlp, norm_mlp_backward};

use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};
use shuyuan_kernels::Precision;

/// As products take it.
fn half<const D: usize>(x: Tensor<D>, precision: Precision) -> Tensor<D> {
    match precision {
        Precision::Bf16 if x.dtype() != DType::BF16 => x.cast(FloatDType::BF16),
        _ => x,
    }
}

fn full<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if x.dtype() == DType::F32 { x } else { x.cast(FloatDType::F32) }
}

/// `x · weightᵀ`, in what products give.
fn project(x: Tensor<2>, weight: Tensor<2>, precision: Precision) -> Tensor<2> {
    half(x, precision).matmul(half(weight, precision).transpose())
}

/// Of [`project`]: the gradients of `x`, in what products give, and of `weight`.
fn project_backward(
    dy: Tensor<2>,
    x: Tensor<2>,
    weight: Tensor<2>,
    precision: Precision,
) -> (Tensor<2>, Tensor<2>) {
    let dy = half(dy, precision);
    let dweight = dy.clone().transpose().matmul(half(x, precision));
    (dy.matmul(half(weight, precision)), full(dweight))
}

/// 1 / the root mean square of the last dimension.
fn rstd<const D: usize>(x: Tensor<D>, eps: f32) -> Tensor<D> {
    x.square().mean_dim(D - 1).add_scalar(eps).sqrt().recip()
}

/// RMSNorm over the last dimension: `x` (…, C), `weight` (C).
fn rms_norm<const D: usize>(x: Tensor<D>, weight: Tensor<1>, eps: f32) -> Tensor<D> {
    let rstd = rstd(x.clone(), eps);
    x * rstd * weight.unsqueeze()
}

/// Of [`rms_norm`]: the gradients of `x` and of `weight`.
fn rms_norm_backward<const D: usize>(
    dy: Tensor<D>,
    x: Tensor<D>,
    weight: Tensor<1>,
    eps: f32,
) -> (Tensor<D>, Tensor<1>) {
    let c = x.dims()[D - 1];
    let rstd = rstd(x.clone(), eps);
    let unit = x * rstd.clone();
    let rows = dy.shape().num_elements() / c;
    let dweight = (dy.clone() * unit.clone()).reshape([rows, c]).sum_dim(0).reshape([c]);
    let dunit = dy * weight.unsqueeze();
    let along = (dunit.clone() * unit.clone()).mean_dim(D - 1);
    ((dunit - unit * along) * rstd, dweight)
}

fn ints<const D: usize>(numbers: &[u32], shape: [usize; D], device: &Device) -> Tensor<D, Int> {
    let numbers: Vec<i32> = numbers.iter().map(|&number| number as i32).collect();
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

/// (N, V): one where a row's id is the column's number, else zero.
fn ones_at(ids: Tensor<1, Int>, v: usize) -> Tensor<2> {
    let ([n], device) = (ids.dims(), ids.device());
    let columns = Tensor::<1, Int>::arange(0..v as i64, &device).reshape([1, v]).expand([n, v]);
    ids.reshape([n, 1]).expand([n, v]).equal(columns).float()
}
