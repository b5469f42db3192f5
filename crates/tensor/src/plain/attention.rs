//! RMSNorm, projections, QK-norm, RoPE and causal attention within documents.

use super::{full, half, ints, project, project_backward, rms_norm, rms_norm_backward};
use crate::AttentionArgs;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData, activation};
use shuyuan_kernels::AttentionShape;
use std::sync::{Arc, OnceLock};

/// What is the same for all layers of a pass, on the device.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables(Arc<Made>);

#[derive(Debug, Default)]
struct Made {
    /// Cosines and sines (1, T, 1, D), each angle twice.
    angles: OnceLock<[Tensor<4>; 2]>,
    /// (D, D): (first, second) becomes (−second, first). A product, because slices on the way back cost more.
    turn: OnceLock<Tensor<2>>,
    /// (B, T).
    starts: OnceLock<Tensor<2, Int>>,
    /// (B, 1, T, T): what no query may look at.
    hidden: OnceLock<Tensor<4, Bool>>,
}

impl Tables {
    fn angles(&self, args: &AttentionArgs, device: &Device) -> [Tensor<4>; 2] {
        let AttentionShape { tokens: t, head_dim: d, .. } = args.shape;
        let half = d / 2;
        let table = |of: &[f32]| {
            let twice: Vec<f32> =
                of[..t * half].chunks_exact(half).flat_map(|row| [row, row].concat()).collect();
            Tensor::from_data(TensorData::new(twice, [1, t, 1, d]), device)
        };
        self.0.angles.get_or_init(|| [table(args.rope.cos()), table(args.rope.sin())]).clone()
    }

    fn turn(&self, args: &AttentionArgs, device: &Device) -> Tensor<2> {
        let d = args.shape.head_dim;
        let half = d / 2;
        let one = |at: usize| match (at / d, at % d) {
            (from, to) if from == to + half => -1.0f32,
            (from, to) if from + half == to => 1.0,
            _ => 0.0,
        };
        let table = || TensorData::new((0..d * d).map(one).collect::<Vec<f32>>(), [d, d]);
        let turn = || super::half(Tensor::from_data(table(), device), args.precision);
        self.0.turn.get_or_init(turn).clone()
    }

    fn starts(&self, args: &AttentionArgs, device: &Device) -> Tensor<2, Int> {
        let shape = [args.shape.batch, args.shape.tokens];
        self.0.starts.get_or_init(|| ints(&args.starts, shape, device)).clone()
    }

    fn hidden(&self, args: &AttentionArgs, device: &Device) -> Tensor<4, Bool> {
        let (b, t) = (args.shape.batch, args.shape.tokens);
        let hidden = || {
            let places = Tensor::<1, Int>::arange(0..t as i64, device);
            let keys = places.clone().reshape([1, 1, 1, t]).expand([b, 1, t, t]);
            let queries = places.reshape([1, 1, t, 1]).expand([b, 1, t, t]);
            let starts = self.starts(args, device).reshape([b, 1, t, 1]).expand([b, 1, t, t]);
            keys.clone().greater(queries).bool_or(keys.lower(starts))
        };
        self.0.hidden.get_or_init(hidden).clone()
    }
}

/// What [`norm_attention_backward`] needs beside what went in.
#[derive(Clone, Debug)]
pub struct AttentionKept {
    /// Queries, keys and values before norm and rotation, (B, T, H or K, D).
    raw: [Tensor<4>; 3],
    /// (B, T, H, D).
    out: Tensor<4>,
    weights: Weights,
}

/// How much queries took of keys.
#[derive(Clone, Debug)]
enum Weights {
    /// Each weight: (B, K, H/K · T, T).
    All(Tensor<4>),
    /// The logarithm of each query's sum of exponentials, (B, T, H), from which a kernel works them out again.
    #[cfg(feature = "cuda")]
    Sums(Tensor<3>),
}

/// The projections of a normed state, then what each query finds. Shapes: `x` (N, C), `norm` (C), weights (Q, C), (K, C),
/// (K, C); returns (N, H·D).
pub fn norm_attention(
    x: Tensor<2>,
    norm: Tensor<1>,
    weights: [Tensor<2>; 3],
    norms: [Tensor<1>; 2],
    args: &AttentionArgs,
) -> (Tensor<2>, AttentionKept) {
    let AttentionShape { batch: b, tokens: t, head_dim: d, .. } = args.shape;
    let y = half(rms_norm(x, norm, args.eps), args.precision);
    let raw = weights.map(|weight| {
        let heads = weight.dims()[0] / d;
        project(y.clone(), weight, args.precision).reshape([b, t, heads, d])
    });
    let (out, weights) = attend(heads(raw.clone(), norms, args), args);
    let found = full(out.clone()).reshape([b * t, args.shape.heads * d]);
    (found, AttentionKept { raw, out, weights })
}

/// The gradients of `x` and `norm`, of the projections, and of the norms of queries and keys.
pub fn norm_attention_backward(
    dout: Tensor<2>,
    x: Tensor<2>,
    norm: Tensor<1>,
    weights: [Tensor<2>; 3],
    norms: [Tensor<1>; 2],
    kept: AttentionKept,
    args: &AttentionArgs,
) -> (Tensor<2>, Tensor<1>, [Tensor<2>; 3], [Tensor<1>; 2]) {
    let AttentionShape { batch: b, tokens: t, heads: h, head_dim: d, .. } = args.shape;
    let (precision, eps) = (args.precision, args.eps);
    let AttentionKept { raw, out, weights: looked } = kept;
    let dout = half(dout.reshape([b, t, h, d]), precision);
    let [dq, dk, dv] = attend_backward(dout, heads(raw.clone(), norms.clone(), args), out, looked, args);
    // Back through rotation and norm.
    let [dq, dk] = [full(dq) * scale(args), full(dk)].map(|d| unrotate(d, args));
    let [q_norm, k_norm] = norms;
    let [q, k, _] = raw;
    let (dq, dq_norm) = rms_norm_backward(dq, full(q), q_norm, eps);
    let (dk, dk_norm) = rms_norm_backward(dk, full(k), k_norm, eps);
    let y = half(rms_norm(x.clone(), norm.clone(), eps), precision);
    let mut dy = None::<Tensor<2>>;
    let mut parts = [dq, dk, dv].into_iter();
    let dweights = weights.map(|weight| {
        let Some(dpart) = parts.next() else { unreachable!("as many gradients as weights") };
        let [_, _, heads, _] = dpart.dims();
        let dpart = dpart.reshape([b * t, heads * d]);
        let (dx, dweight) = project_backward(dpart, y.clone(), weight, precision);
        dy = Some(match dy.take() {
            Some(sum) => sum + full(dx),
            None => full(dx),
        });
        dweight
    });
    let Some(dy) = dy else { unreachable!("three projections") };
    let (dx, dnorm) = rms_norm_backward(dy, x, norm, eps);
    (dx, dnorm, dweights, [dq_norm, dk_norm])
}

fn scale(args: &AttentionArgs) -> f32 {
    1.0 / (args.shape.head_dim as f32).sqrt()
}

/// Queries, divided by √D, keys and values as products take them, (B, T, H or K, D).
fn heads(
    [q, k, v]: [Tensor<4>; 3],
    [q_norm, k_norm]: [Tensor<1>; 2],
    args: &AttentionArgs,
) -> [Tensor<4>; 3] {
    let q = rotate(rms_norm(full(q), q_norm, args.eps), args) * scale(args);
    let k = rotate(rms_norm(full(k), k_norm, args.eps), args);
    [q, k, v].map(|x| half(x, args.precision))
}

/// What queries find, (B, T, H, D).
fn attend(heads: [Tensor<4>; 3], args: &AttentionArgs) -> (Tensor<4>, Weights) {
    #[cfg(feature = "cuda")]
    if crate::cuda::attends(&heads[0].device(), args.shape, heads[0].dtype()) {
        let starts = args.tables.starts(args, &heads[0].device());
        let (out, sums) = crate::cuda::attention(heads, starts, args.shape);
        return (out, Weights::Sums(sums));
    }
    let [q, k, v] = heads;
    let AttentionShape { batch: b, tokens: t, heads: h, kv_heads, .. } = args.shape;
    let hidden = args.tables.hidden(args, &q.device()).expand([b, h, t, t]);
    let scores = full(group(q, args).matmul(k.permute([0, 2, 3, 1]))).reshape([b, h, t, t]);
    // Not −∞: each query looks at itself at least, so what is hidden comes to zero all the same.
    let scores = scores.mask_fill(hidden, -1e30);
    let weights = half(activation::softmax(scores, 3), args.precision);
    let weights = weights.reshape([b, kv_heads, h / kv_heads * t, t]);
    (ungroup(weights.clone().matmul(v.swap_dims(1, 2)), args), Weights::All(weights))
}

/// The gradients of queries (divided by √D), keys and values, (B, T, H or K, D).
fn attend_backward(
    dout: Tensor<4>,
    heads: [Tensor<4>; 3],
    out: Tensor<4>,
    weights: Weights,
    args: &AttentionArgs,
) -> [Tensor<4>; 3] {
    let along = (full(dout.clone()) * full(out)).sum_dim(3); // (B, T, H, 1)
    match weights {
        #[cfg(feature = "cuda")]
        Weights::Sums(sums) => {
            let starts = args.tables.starts(args, &dout.device());
            crate::cuda::attention_backward(heads, starts, dout, sums, along.squeeze_dim(3), args.shape)
        }
        Weights::All(weights) => {
            let [q, k, v] = heads;
            let dout = group(dout, args);
            let along = group(along, args);
            let dv = weights.clone().transpose().matmul(dout.clone());
            let dweights = full(dout.matmul(v.permute([0, 2, 3, 1])));
            let dscores = half(full(weights) * (dweights - along), args.precision);
            let dq = dscores.clone().matmul(k.swap_dims(1, 2));
            let dk = dscores.transpose().matmul(group(q, args));
            [ungroup(dq, args), dk.swap_dims(1, 2), full(dv).swap_dims(1, 2)]
        }
    }
}

/// Queries that share a key head are rows of one matrix: (B, T, H, ·) to (B, K, H/K · T, ·).
fn group(x: Tensor<4>, args: &AttentionArgs) -> Tensor<4> {
    let AttentionShape { batch: b, tokens: t, heads: h, kv_heads: k, .. } = args.shape;
    let [_, _, _, d] = x.dims();
    x.swap_dims(1, 2).reshape([b, k, h / k * t, d])
}

/// Back to (B, T, H, D).
fn ungroup(x: Tensor<4>, args: &AttentionArgs) -> Tensor<4> {
    let AttentionShape { batch: b, tokens: t, heads: h, head_dim: d, .. } = args.shape;
    x.reshape([b, h, t, d]).swap_dims(1, 2)
}

/// Split-half rotation by position: `x` (B, T, H, D).
fn rotate(x: Tensor<4>, args: &AttentionArgs) -> Tensor<4> {
    let [cos, sin] = args.tables.angles(args, &x.device());
    let turn = args.tables.turn(args, &x.device());
    x.clone() * cos + turned(x, turn, args) * sin
}

/// Of [`rotate`].
fn unrotate(dy: Tensor<4>, args: &AttentionArgs) -> Tensor<4> {
    let [cos, sin] = args.tables.angles(args, &dy.device());
    let turn = args.tables.turn(args, &dy.device());
    dy.clone() * cos + turned(dy * sin, turn.transpose(), args)
}

/// A product with zeros and ones moves numbers about. In bf16 they are rounded before they are rotated, and not only after.
fn turned(x: Tensor<4>, turn: Tensor<2>, args: &AttentionArgs) -> Tensor<4> {
    let [b, t, h, d] = x.dims();
    let x = half(x.reshape([b * t * h, d]), args.precision);
    full(x.matmul(turn)).reshape([b, t, h, d])
}
