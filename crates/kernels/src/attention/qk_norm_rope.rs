//! From one token's projected row to normalised, rotated heads.

use super::AttentionShape;
use crate::rms_norm::add_products;
use crate::simd::{Simd, lanes, simd};
use crate::split::{rows_per_task, sum_into};
use rayon::prelude::*;

/// Splits `qkv` into heads; normalises (RMS, per head) and rotates (RoPE) queries and keys, moves values.
///
/// Shapes: `qkv` (B·T, (H + 2K)·D), each row [queries | keys | values]; `q_norm` and `k_norm`, the norms'
/// weights, (D); `cos` and `sin` of the angles (T, D/2) or more rows, row t for position t of each row of the batch;
/// `q` (B, H, T, D), `k` and `v` (B, K, T, D).
/// Split-half convention, as in Hugging Face Qwen3. Panics if shapes disagree or D is odd.
#[expect(clippy::too_many_arguments, reason = "one slice for each tensor")]
pub fn qk_norm_rope(
    shape: AttentionShape,
    qkv: &[f32],
    q_norm: &[f32],
    k_norm: &[f32],
    eps: f32,
    cos: &[f32],
    sin: &[f32],
    q: &mut [f32],
    k: &mut [f32],
    v: &mut [f32],
) {
    check(shape, q_norm, k_norm, cos, sin);
    let AttentionShape { batch, tokens, heads, kv_heads, head_dim: d } = shape;
    let width = shape.qkv_width();
    assert!(
        qkv.len() == batch * tokens * width
            && q.len() == shape.q_len()
            && k.len() == shape.kv_len()
            && v.len() == shape.kv_len(),
        "qk_norm_rope: shapes disagree"
    );
    if qkv.is_empty() {
        return;
    }
    let head = |out: &mut [f32], b: usize, column: usize, norm: Option<&[f32]>| {
        let x = &qkv[b * tokens * width + column * d..];
        match norm {
            None => {
                for (out, x) in out.chunks_exact_mut(d).zip(x.chunks(width)) {
                    out.copy_from_slice(&x[..d]);
                }
            }
            Some(weight) => forward_head(x, width, weight, eps, cos, sin, out),
        }
    };
    let len = tokens * d;
    q.par_chunks_mut(len).enumerate().for_each(|(i, q)| head(q, i / heads, i % heads, Some(q_norm)));
    k.par_chunks_mut(len)
        .enumerate()
        .for_each(|(i, k)| head(k, i / kv_heads, heads + i % kv_heads, Some(k_norm)));
    v.par_chunks_mut(len)
        .enumerate()
        .for_each(|(i, v)| head(v, i / kv_heads, heads + kv_heads + i % kv_heads, None));
}

/// The gradient of [`qk_norm_rope`]: overwrites `dqkv`, adds to `dq_norm` and `dk_norm`.
///
/// Shapes: `dq` (B, H, T, D), `dk` and `dv` (B, K, T, D), `qkv` and `dqkv` (B·T, (H + 2K)·D), `dq_norm` and
/// `dk_norm` (D). The norms' rstd are computed again from `qkv`. Panics if shapes disagree or D is odd.
#[expect(clippy::too_many_arguments, reason = "one slice for each tensor")]
pub fn qk_norm_rope_backward(
    shape: AttentionShape,
    qkv: &[f32],
    q_norm: &[f32],
    k_norm: &[f32],
    eps: f32,
    cos: &[f32],
    sin: &[f32],
    dq: &[f32],
    dk: &[f32],
    dv: &[f32],
    dqkv: &mut [f32],
    dq_norm: &mut [f32],
    dk_norm: &mut [f32],
) {
    check(shape, q_norm, k_norm, cos, sin);
    let AttentionShape { batch, tokens, heads, kv_heads, head_dim: d } = shape;
    let (width, half) = (shape.qkv_width(), d / 2);
    assert!(
        qkv.len() == batch * tokens * width
            && dqkv.len() == qkv.len()
            && dq.len() == shape.q_len()
            && dk.len() == shape.kv_len()
            && dv.len() == shape.kv_len()
            && dq_norm.len() == d
            && dk_norm.len() == d,
        "qk_norm_rope_backward: shapes disagree"
    );
    if qkv.is_empty() {
        return;
    }
    let rows = rows_per_task(width);
    let partials: Vec<Vec<f32>> = dqkv
        .par_chunks_mut(rows * width)
        .zip(qkv.par_chunks(rows * width))
        .enumerate()
        .map(|(task, (dqkv, qkv))| {
            let mut dnorm = vec![0.0; 2 * d];
            for (row, (dqkv, qkv)) in dqkv.chunks_exact_mut(width).zip(qkv.chunks_exact(width)).enumerate() {
                let (b, t) = ((task * rows + row) / tokens, (task * rows + row) % tokens);
                for (i, (dx, x)) in dqkv.chunks_exact_mut(d).zip(qkv.chunks_exact(d)).enumerate() {
                    let (dy, heads, i, norm) = match i {
                        i if i < heads => (dq, heads, i, Some((q_norm, 0))),
                        i if i < heads + kv_heads => (dk, kv_heads, i - heads, Some((k_norm, d))),
                        i => (dv, kv_heads, i - heads - kv_heads, None),
                    };
                    let dy = &dy[((b * heads + i) * tokens + t) * d..][..d];
                    let Some((w, at)) = norm else {
                        dx.copy_from_slice(dy);
                        continue;
                    };
                    let angles = t * half..(t + 1) * half;
                    let dnorm = &mut dnorm[at..at + d];
                    backward_row(dy, x, w, eps, (&cos[angles.clone()], &sin[angles]), dx, dnorm);
                }
            }
            dnorm
        })
        .collect();
    for partial in partials {
        let (q, k) = partial.split_at(d);
        sum_into(dq_norm, &[q.to_vec()]);
        sum_into(dk_norm, &[k.to_vec()]);
    }
}

simd! {
    /// One head of every token: token t's at `t · width` of `x`.
    fn forward_head<S>(
        x: &[f32], width: usize, weight: &[f32], eps: f32, cos: &[f32], sin: &[f32], out: &mut [f32],
    ) {
        let d = weight.len();
        let (w1, w2) = weight.split_at(d / 2);
        let angles = cos.chunks_exact(d / 2).zip(sin.chunks_exact(d / 2));
        for ((out, x), (cos, sin)) in out.chunks_exact_mut(d).zip(x.chunks(width)).zip(angles) {
            let x = &x[..d];
            let r = S::splat(rstd::<S>(x, eps));
            let (x1, x2) = x.split_at(d / 2);
            let (y1, y2) = out.split_at_mut(d / 2);
            lanes!(S, (x1, x2, w1, w2, cos, sin) => (y1, y2) {
                let (a, b) = (S::mul(S::mul(x1, r), w1), S::mul(S::mul(x2, r), w2));
                [S::sub(S::mul(a, cos), S::mul(b, sin)), S::fma(b, cos, S::mul(a, sin))]
            });
        }
    }
}

simd! {
    /// One head of one token: rotates `dy` back into `dx`, then the gradient of the norm.
    fn backward_row<S>(
        dy: &[f32], x: &[f32], weight: &[f32], eps: f32, angles: (&[f32], &[f32]), dx: &mut [f32], dnorm: &mut [f32],
    ) {
        let (cos, sin) = angles;
        let d = x.len();
        let rstd = rstd::<S>(x, eps);
        let r = S::splat(rstd);
        {
            let (dy1, dy2) = dy.split_at(d / 2);
            let (dx1, dx2) = dx.split_at_mut(d / 2);
            lanes!(S, (dy1, dy2, cos, sin) => (dx1, dx2) {
                [S::fma(dy1, cos, S::mul(dy2, sin)), S::sub(S::mul(dy2, cos), S::mul(dy1, sin))]
            });
        }
        add_products::<S>(dx, x, r, dnorm);
        let mut dot = S::splat(0.0);
        lanes!(S, (dx, x, weight) => (dx) {
            let g = S::mul(dx, weight);
            dot = S::fma(g, x, dot);
            [g]
        });
        let k = S::splat(S::sum(dot) * rstd * rstd / d as f32);
        lanes!(S, (dx, x) => (dx) { [S::mul(r, S::sub(dx, S::mul(x, k)))] });
    }
}

#[inline(always)]
fn rstd<S: Simd>(x: &[f32], eps: f32) -> f32 {
    let mut squares = S::splat(0.0);
    lanes!(S, (x) => () {
        squares = S::fma(x, x, squares);
        []
    });
    1.0 / (S::sum(squares) / x.len() as f32 + eps).sqrt()
}

fn check(shape: AttentionShape, q_norm: &[f32], k_norm: &[f32], cos: &[f32], sin: &[f32]) {
    let d = shape.head_dim;
    assert!(d.is_multiple_of(2), "qk_norm_rope: head_dim {d} is odd");
    assert!(q_norm.len() == d && k_norm.len() == d, "qk_norm_rope: norm weights are not (D)");
    let angles = shape.tokens * d / 2;
    assert!(cos.len() >= angles && sin.len() >= angles, "qk_norm_rope: fewer angles than tokens");
}
