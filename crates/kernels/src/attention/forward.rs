//! softmax(q · kᵀ · scale) · v, without ever holding the (T, T) scores.

use super::AttentionShape;
use super::keys::{Keys, Queries};
use super::tiles::{QUERIES, SPAN, Seen, Shared, TILE, dot, padded};
use crate::Precision;
use crate::matmul::packed::{Packer, UNIT};
use crate::shifted::{APART, exponentials_of_row};
use crate::simd::LANES;
use crate::split::map;
use rayon::prelude::*;

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
    precision: Precision,
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
    if q.is_empty() {
        return;
    }
    let bf16 = if precision == Precision::Bf16 { Packer::bf16() } else { None };
    let keys: Vec<Keys> = k
        .par_chunks(tokens * d)
        .zip(v.par_chunks(tokens * d))
        .map(|(k, v)| Keys::new(k, v, d, bf16))
        .collect();
    let (out, lse) = (Shared::new(out), Shared::new(lse));
    let tiles = tokens.div_ceil(QUERIES);
    map(batch * heads * tiles, |task| {
        // The tiles that see most first, so that short ones fill the end.
        let (i, tile) = (task % (batch * heads), tiles - 1 - task / (batch * heads));
        let (b, h) = (i / heads, i % heads);
        let seen = Seen::of(shape, starts, b, tile * QUERIES, QUERIES);
        let q = &q[(i * tokens + seen.first) * d..][..seen.rows * d];
        let kv = b * kv_heads + h / group;
        let own = &k[(kv * tokens + seen.first) * d..][..seen.rows * d];
        let gathered = attend(q, own, d, scale, &keys[kv], seen, bf16);
        // SAFETY: this task alone has these queries of this head.
        gathered.log_sums(unsafe { lse.part(i * tokens + seen.first, seen.rows) });
        for row in 0..seen.rows {
            let token = b * tokens + seen.first + row;
            // SAFETY: as above.
            gathered.write(row, unsafe { out.part((token * heads + h) * d, d) });
        }
    });
}

/// What up to [`QUERIES`] queries have gathered so far.
struct Gathered {
    width: usize,
    /// (QUERIES, width): Σ e^(score − shift) · v.
    values: Vec<f32>,
    sums: Sums,
}

/// What is known of each query's scores.
pub(super) struct Sums {
    /// What is taken from a score before its exponential: at first about the query's own score.
    pub(super) shift: [f32; QUERIES],
    /// The greatest score so far, lane by lane.
    pub(super) max: [[f32; LANES]; QUERIES],
    /// Σ e^(score − shift), lane by lane.
    pub(super) sum: [[f32; LANES]; QUERIES],
    /// The same of exponentials as they are rounded for their product with the values: divided by it, their weights add up
    /// to one.
    pub(super) rounded: [[f32; LANES]; QUERIES],
}

impl Sums {
    fn new(shift: [f32; QUERIES]) -> Self {
        let zeros = [[0.0; LANES]; QUERIES];
        Self { shift, max: [[f32::NEG_INFINITY; LANES]; QUERIES], sum: zeros, rounded: zeros }
    }

    /// The shifts to begin again with, if the greatest score of a query lies too far from its own.
    fn again(&self) -> Option<[f32; QUERIES]> {
        let (mut shift, mut again) = (self.shift, false);
        for (shift, max) in shift.iter_mut().zip(&self.max) {
            let max = max.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let seen = max > f32::NEG_INFINITY;
            if max > *shift + APART || (seen && max < *shift - APART) {
                (*shift, again) = (max, true);
            }
        }
        again.then_some(shift)
    }
}

impl Gathered {
    fn log_sums(&self, lse: &mut [f32]) {
        let Sums { shift, sum, .. } = &self.sums;
        for ((lse, shift), sum) in lse.iter_mut().zip(shift).zip(sum) {
            *lse = shift + sum.iter().sum::<f32>().ln();
        }
    }

    /// The result of query `row`, (D).
    fn write(&self, row: usize, out: &mut [f32]) {
        let by = 1.0 / self.sums.rounded[row].iter().sum::<f32>();
        for (out, x) in out.iter_mut().zip(&self.values[row * self.width..][..self.width]) {
            *out = x * by;
        }
    }
}

/// Gathers from all keys that the queries `q` (rows, `d`) see; `own` (rows, `d`) are the keys of their own positions.
fn attend(
    q: &[f32],
    own: &[f32],
    d: usize,
    scale: f32,
    keys: &Keys,
    seen: Seen,
    bf16: Option<Packer>,
) -> Gathered {
    let width = padded(d);
    // A query sees itself, so that its own score will do as a shift: exponentials need no maximum first. In bf16 it is not
    // quite that score, since queries and keys are rounded.
    let mut shift = [0.0; QUERIES];
    for ((shift, q), k) in shift.iter_mut().zip(q.chunks_exact(d)).zip(own.chunks_exact(d)) {
        *shift = scale * dot(q, k);
    }
    let mut gathered = Gathered { width, values: vec![0.0; QUERIES * width], sums: Sums::new(shift) };
    let mut q = Queries::new(q, d, scale, bf16.as_ref());
    let ready = bf16.as_ref().map(|bf16| bf16.ready());
    let mut scores = [0.0; QUERIES * SPAN];
    let (start, end) = seen.range();
    loop {
        for first in (start / TILE * TILE..end).step_by(SPAN) {
            let n = (end - first).next_multiple_of(UNIT).min(SPAN);
            keys.scores(&q, ready.as_ref(), first, n, &mut scores);
            q.exponentials(&mut scores, seen, (first, n), &mut gathered.sums);
            keys.gather(&q, ready.as_ref(), (first, n), &scores, &mut gathered.values);
        }
        let Some(shift) = gathered.sums.again() else { return gathered };
        gathered.sums = Sums::new(shift);
        gathered.values.fill(0.0);
    }
}

/// Turns the scores (QUERIES, SPAN) of `n` keys from `first` into e^(score − shift), 0 where they are not seen.
pub(super) fn exponentials(scores: &mut [f32], seen: Seen, (first, n): (usize, usize), sums: &mut Sums) {
    for i in 0..seen.rows {
        let scores = &mut scores[i * SPAN..][..n];
        let (from, to) = seen.by(i, first, n);
        if from >= to {
            scores.fill(0.0);
            continue;
        }
        scores[..from].fill(f32::NEG_INFINITY);
        scores[to..].fill(f32::NEG_INFINITY);
        exponentials_of_row(scores, sums.shift[i], &mut sums.max[i], &mut sums.sum[i]);
        sums.rounded[i] = sums.sum[i];
    }
}
