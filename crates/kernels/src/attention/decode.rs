//! Attention of a few new positions against a cache of keys and values.

use super::AttentionShape;

/// The last `shape.tokens` of `length` positions attend to all positions up to themselves.
///
/// Shapes: B = 1 and T = the new positions in `shape`; `q` (H, T, D), for positions `length − T..length`;
/// `k_cache` and `v_cache` (K, capacity, D), of which the first `length` positions are filled, the new ones included;
/// `out` (T, H·D). Panics if shapes disagree or `length` is below T or above the capacity.
pub fn attention_decode(
    shape: AttentionShape,
    q: &[f32],
    k_cache: &[f32],
    v_cache: &[f32],
    length: usize,
    scale: f32,
    out: &mut [f32],
) {
    let AttentionShape { batch, tokens, heads, kv_heads, head_dim: d } = shape;
    let group = shape.group();
    assert!(
        batch == 1 && q.len() == shape.q_len() && out.len() == q.len(),
        "attention_decode: shapes disagree"
    );
    assert!(
        k_cache.len() == v_cache.len() && k_cache.len().is_multiple_of((kv_heads * d).max(1)),
        "attention_decode: caches are not (K, capacity, D)"
    );
    let capacity = k_cache.len() / (kv_heads * d).max(1);
    assert!(
        tokens <= length && length <= capacity,
        "attention_decode: {tokens} new of {length} positions in a cache of {capacity}"
    );
    let mut scores = vec![0.0; length];
    for (i, q) in q.chunks_exact(d.max(1)).enumerate() {
        let (h, t) = (i / tokens, i % tokens);
        let at = (h / group) * capacity * d;
        let scores = &mut scores[..length - tokens + t + 1];
        for (s, score) in scores.iter_mut().enumerate() {
            *score = q.iter().zip(&k_cache[at + s * d..]).map(|(q, k)| q * k).sum::<f32>() * scale;
        }
        let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        scores.iter_mut().for_each(|s| *s = (*s - max).exp());
        let sum: f32 = scores.iter().sum();
        let out = &mut out[(t * heads + h) * d..][..d];
        out.fill(0.0);
        for (s, p) in scores.iter().enumerate() {
            for (o, v) in out.iter_mut().zip(&v_cache[at + s * d..]) {
                *o += p / sum * v;
            }
        }
    }
}
