//! Attention of a few new positions against a cache of keys and values.

use super::AttentionShape;
use super::forward::attend;
use super::keys::Keys;
use super::tiles::{QUERIES, Seen, Shared};
use crate::simd::{lanes, simd};
use crate::split::map;

/// New positions from which on packing the cache into tiles pays.
const TILED_FROM: usize = 8;
/// Multiplications from which on threads pay.
const PARALLEL_FROM: usize = 1 << 19;

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
    if q.is_empty() {
        return;
    }
    let out = Shared::new(out);
    let cached = |h: usize| h / group * capacity * d..(h / group * capacity + length) * d;
    if tokens >= TILED_FROM {
        let keys = map(kv_heads, |head| {
            let range = cached(head * group);
            Keys::new(&k_cache[range.clone()], &v_cache[range], d, None)
        });
        let tiles = tokens.div_ceil(QUERIES);
        map(heads * tiles, |task| {
            let (h, tile) = (task / tiles, task % tiles * QUERIES);
            let rows = QUERIES.min(tokens - tile);
            let seen = Seen { starts: &[], first: length - tokens + tile, rows };
            let q = &q[(h * tokens + tile) * d..][..rows * d];
            let gathered = attend(q, d, scale, &keys[h / group], seen, None);
            for row in 0..rows {
                // SAFETY: this task alone has these queries of this head.
                gathered.write(row, unsafe { out.part(((tile + row) * heads + h) * d, d) });
            }
        });
        return;
    }
    let head = |h: usize| {
        let mut scores = vec![0.0; length];
        let (k, v) = (&k_cache[cached(h)], &v_cache[cached(h)]);
        for t in 0..tokens {
            let seen = length - tokens + t + 1;
            let q = &q[(h * tokens + t) * d..][..d];
            // SAFETY: this task alone has this head.
            let out = unsafe { out.part((t * heads + h) * d, d) };
            one(q, &k[..seen * d], &v[..seen * d], scale, &mut scores[..seen], out);
        }
    };
    // Waking a thread takes longer than a short cache.
    if heads * tokens * length * d < PARALLEL_FROM {
        (0..heads).for_each(head);
    } else {
        map(heads, head);
    }
}

simd! {
    /// One query over all of `k` and `v`, (length, D).
    fn one<S>(q: &[f32], k: &[f32], v: &[f32], scale: f32, scores: &mut [f32], out: &mut [f32]) {
        let d = q.len();
        let mut max = f32::NEG_INFINITY;
        for (score, k) in scores.iter_mut().zip(k.chunks_exact(d)) {
            let mut dot = S::splat(0.0);
            lanes!(S, (q, k) => () {
                dot = S::fma(q, k, dot);
                []
            });
            *score = S::sum(dot) * scale;
            max = max.max(*score);
        }
        let (shift, mut sum) = (S::splat(max), S::splat(0.0));
        lanes!(S, (scores) or f32::NEG_INFINITY => (scores) {
            let p = S::exp(S::sub(scores, shift));
            sum = S::add(sum, p);
            [p]
        });
        let by = 1.0 / S::sum(sum);
        out.fill(0.0);
        for (p, v) in scores.iter().zip(v.chunks_exact(d)) {
            let p = S::splat(p * by);
            lanes!(S, (v, out) => (out) { [S::fma(p, v, out)] });
        }
    }
}
