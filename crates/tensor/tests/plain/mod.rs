//! The fused operations spelled out in Burn's own, as the judge of both their results and their gradients.

use burn::tensor::{Bool, Int, Tensor, TensorData, activation};
use shuyuan_tensor::AttentionShape;

/// What both the fused and the plain operations add under the root.
pub const EPS: f32 = 1e-5;

/// RMSNorm over the last dimension: `x` (…, C), `weight` (C).
fn rms_norm<const D: usize>(x: Tensor<D>, weight: Tensor<1>) -> Tensor<D> {
    let rms = x.clone().powi_scalar(2).mean_dim(D - 1).add_scalar(EPS).sqrt();
    x / rms * weight.unsqueeze()
}

pub fn embedding(weight: Tensor<2>, ids: &[u32]) -> Tensor<2> {
    let ids: Vec<i64> = ids.iter().map(|id| i64::from(*id)).collect();
    let ids = Tensor::<1, Int>::from_data(&ids[..], &weight.device());
    weight.select(0, ids)
}

pub fn norm_qkv(x: Tensor<2>, norm: Tensor<1>, weights: [Tensor<2>; 3]) -> Tensor<2> {
    let y = rms_norm(x, norm);
    Tensor::cat(weights.map(|w| y.clone().matmul(w.transpose())).to_vec(), 1)
}

pub fn linear_residual(x: Tensor<2>, weight: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
    residual + x.matmul(weight.transpose())
}

pub fn norm_mlp(x: Tensor<2>, norm: Tensor<1>, [gate, up, down]: [Tensor<2>; 3]) -> Tensor<2> {
    let y = rms_norm(x.clone(), norm);
    let h = activation::silu(y.clone().matmul(gate.transpose())) * y.matmul(up.transpose());
    x + h.matmul(down.transpose())
}

/// Split-half rotation by position: `x` (B, H, T, D).
fn rotate(x: Tensor<4>, theta: f64) -> Tensor<4> {
    let [b, h, t, d] = x.dims();
    let half = d / 2;
    let angle = |i: usize| (i / half) as f64 * theta.powf(-2.0 * (i % half) as f64 / d as f64);
    let table = |f: fn(f64) -> f64| {
        let numbers: Vec<f32> = (0..t * half).map(|i| f(angle(i)) as f32).collect();
        Tensor::<4>::from_data(TensorData::new(numbers, [1, 1, t, half]), &x.device())
    };
    let (cos, sin) = (table(f64::cos), table(f64::sin));
    let first = x.clone().slice([0..b, 0..h, 0..t, 0..half]);
    let second = x.slice([0..b, 0..h, 0..t, half..d]);
    let turned = first.clone() * cos.clone() - second.clone() * sin.clone();
    Tensor::cat(vec![turned, second * cos + first * sin], 3)
}

pub fn attention(
    qkv: Tensor<2>,
    [q_norm, k_norm]: [Tensor<1>; 2],
    shape: AttentionShape,
    starts: &[u32],
    theta: f64,
) -> Tensor<2> {
    let AttentionShape { batch: b, tokens: t, heads: h, kv_heads: k, head_dim: d } = shape;
    let device = qkv.device();
    let part = |from: usize, heads: usize| {
        let part = qkv.clone().slice([0..b * t, from * d..(from + heads) * d]);
        part.reshape([b, t, heads, d])
    };
    // Each key head serves H / K query heads that lie side by side.
    let shared = |x: Tensor<4>| x.unsqueeze_dim::<5>(2).expand([b, k, h / k, t, d]).reshape([b, h, t, d]);
    let q = rotate(rms_norm(part(0, h), q_norm).swap_dims(1, 2), theta);
    let keys = shared(rotate(rms_norm(part(h, k), k_norm).swap_dims(1, 2), theta));
    let values = shared(part(h + k, k).swap_dims(1, 2));
    let hidden: Vec<bool> = (0..b * t * t)
        .map(|i| {
            let (row, key) = (i / t, i % t);
            key > row % t || key < starts[row] as usize
        })
        .collect();
    let hidden = Tensor::<4, Bool>::from_data(TensorData::new(hidden, [b, 1, t, t]), &device);
    let scores = q.matmul(keys.swap_dims(2, 3)).div_scalar((d as f32).sqrt());
    let scores = scores.mask_fill(hidden.expand([b, h, t, t]), f32::NEG_INFINITY);
    activation::softmax(scores, 3).matmul(values).swap_dims(1, 2).reshape([b * t, h * d])
}

pub fn loss(x: Tensor<2>, norm: Tensor<1>, head: Tensor<2>, targets: &[u32], count: f32) -> Tensor<1> {
    let device = x.device();
    let n = targets.len();
    let log_probs = activation::log_softmax(rms_norm(x, norm).matmul(head.transpose()), 1);
    let known = |t: u32| t != u32::MAX;
    let ids: Vec<i64> = targets.iter().map(|t| if known(*t) { i64::from(*t) } else { 0 }).collect();
    let share: Vec<f32> = targets.iter().map(|t| if known(*t) { -1.0 / count } else { 0.0 }).collect();
    let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [n, 1]), &device);
    let share = Tensor::<2>::from_data(TensorData::new(share, [n, 1]), &device);
    (log_probs.gather(1, ids) * share).sum()
}
