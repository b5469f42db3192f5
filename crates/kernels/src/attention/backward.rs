//! The gradient of attention, with the scores computed again tile by tile.

use super::AttentionShape;
use crate::Precision;

/// The gradient of [`attention`](super::attention): overwrites `dq`, `dk`, `dv`.
///
/// Shapes: as in the forward pass; `out` and `dout` (B·T, H·D), `lse` (B, H, T), `dq` (B, H, T, D), `dk` and `dv`
/// (B, K, T, D), summed over the query heads of a group in order. Panics if shapes disagree.
/// With P the probabilities and δ = Σ dout · out: dv = Pᵀ · dout, dS = P · (dout · vᵀ − δ), dq = dS · k · scale,
/// dk = dSᵀ · q · scale.
#[expect(clippy::too_many_arguments, reason = "one slice for each tensor")]
pub fn attention_backward(
    shape: AttentionShape,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    starts: &[u32],
    scale: f32,
    out: &[f32],
    lse: &[f32],
    dout: &[f32],
    dq: &mut [f32],
    dk: &mut [f32],
    dv: &mut [f32],
    _precision: Precision,
) {
    let AttentionShape { batch, tokens, heads, kv_heads, head_dim: d } = shape;
    let group = shape.group();
    shape.check_starts(starts);
    assert!(
        [q.len(), out.len(), dout.len(), dq.len()].iter().all(|&n| n == shape.q_len())
            && [k.len(), v.len(), dk.len(), dv.len()].iter().all(|&n| n == shape.kv_len())
            && lse.len() == batch * heads * tokens,
        "attention_backward: shapes disagree"
    );
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    [&mut *dq, &mut *dk, &mut *dv].into_iter().for_each(|x| x.fill(0.0));
    for b in 0..batch {
        for h in 0..heads {
            let at = (b * kv_heads + h / group) * tokens * d;
            for t in 0..tokens {
                let row = ((b * heads + h) * tokens + t) * d;
                let token = ((b * tokens + t) * heads + h) * d;
                let (q, dq) = (&q[row..][..d], &mut dq[row..][..d]);
                let dout = &dout[token..][..d];
                let delta = dot(dout, &out[token..][..d]);
                for s in starts[b * tokens + t] as usize..=t {
                    let (k, v) = (&k[at + s * d..][..d], &v[at + s * d..][..d]);
                    let (dk, dv) = (&mut dk[at + s * d..][..d], &mut dv[at + s * d..][..d]);
                    let p = (dot(q, k) * scale - lse[row / d]).exp();
                    let ds = p * (dot(dout, v) - delta) * scale;
                    for j in 0..d {
                        dv[j] += p * dout[j];
                        dq[j] += ds * k[j];
                        dk[j] += ds * q[j];
                    }
                }
            }
        }
    }
}
