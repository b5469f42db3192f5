//! softmax(q · kᵀ · scale) · v, without ever holding the (T, T) scores.

use super::AttentionShape;
use crate::Precision;

/// Each position attends to `starts[t]..=t` of its own row.
///
/// Shapes: `q` (B, H, T, D), `k` and `v` (B, K, T, D), `starts` (B, T); `out` (B·T, H·D), token-major; `lse` (B, H, T),
/// the natural log of the sum of exponentials, for the backward pass. Panics if shapes disagree or a position starts
/// after itself. Source: arXiv:2205.14135.
#[expect(clippy::too_many_arguments, reason = "one slice for each tensor")]
pub fn attention(
    shape: AttentionShape,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    starts: &[u32],
    scale: f32,
    out: &mut [f32],
    lse: &mut [f32],
    _precision: Precision,
) {
    let AttentionShape { batch, tokens, heads, kv_heads, head_dim: d } = shape;
    let group = shape.group();
    shape.check_starts(starts);
    assert!(
        q.len() == shape.q_len()
            && k.len() == shape.kv_len()
            && v.len() == shape.kv_len()
            && out.len() == q.len()
            && lse.len() == batch * heads * tokens,
        "attention: shapes disagree"
    );
    for b in 0..batch {
        for h in 0..heads {
            let at = (b * kv_heads + h / group) * tokens * d;
            for t in 0..tokens {
                let q = &q[((b * heads + h) * tokens + t) * d..][..d];
                let start = starts[b * tokens + t] as usize;
                let mut scores: Vec<f32> = (start..=t)
                    .map(|s| q.iter().zip(&k[at + s * d..]).map(|(q, k)| q * k).sum::<f32>() * scale)
                    .collect();
                let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                scores.iter_mut().for_each(|s| *s = (*s - max).exp());
                let sum: f32 = scores.iter().sum();
                lse[(b * heads + h) * tokens + t] = max + sum.ln();
                let out = &mut out[((b * tokens + t) * heads + h) * d..][..d];
                out.fill(0.0);
                for (s, p) in (start..=t).zip(scores) {
                    for (o, v) in out.iter_mut().zip(&v[at + s * d..]) {
                        *o += p / sum * v;
                    }
                }
            }
        }
    }
}
