//! From one token's projected row to normalised, rotated heads.

use super::AttentionShape;
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
        for (t, out) in out.chunks_exact_mut(d).enumerate() {
            let x = &qkv[(b * tokens + t) * width + column * d..][..d];
            match norm {
                None => out.copy_from_slice(x),
                Some(w) => {
                    let half = d / 2;
                    let r = rstd(x, eps);
                    for j in 0..half {
                        let (cos, sin) = (cos[t * half + j], sin[t * half + j]);
                        let (a, b) = (x[j] * r * w[j], x[half + j] * r * w[half + j]);
                        out[j] = a * cos - b * sin;
                        out[half + j] = b * cos + a * sin;
                    }
                }
            }
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
                    let r = rstd(x, eps);
                    let mut dot = 0.0;
                    for j in 0..half {
                        let (cos, sin) = (cos[t * half + j], sin[t * half + j]);
                        dx[j] = dy[j] * cos + dy[half + j] * sin;
                        dx[half + j] = dy[half + j] * cos - dy[j] * sin;
                    }
                    for j in 0..d {
                        dnorm[at + j] += dx[j] * x[j] * r;
                        dx[j] *= w[j];
                        dot += dx[j] * x[j];
                    }
                    let k = dot * r * r / d as f32;
                    for j in 0..d {
                        dx[j] = r * (dx[j] - x[j] * k);
                    }
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

fn rstd(x: &[f32], eps: f32) -> f32 {
    1.0 / (x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32 + eps).sqrt()
}

fn check(shape: AttentionShape, q_norm: &[f32], k_norm: &[f32], cos: &[f32], sin: &[f32]) {
    let d = shape.head_dim;
    assert!(d.is_multiple_of(2), "qk_norm_rope: head_dim {d} is odd");
    assert!(q_norm.len() == d && k_norm.len() == d, "qk_norm_rope: norm weights are not (D)");
    let angles = shape.tokens * d / 2;
    assert!(cos.len() >= angles && sin.len() >= angles, "qk_norm_rope: fewer angles than tokens");
}
