//! softmax(q · kᵀ · scale) · v, without ever holding the (T, T) scores.

use super::AttentionShape;
use super::keys::{Keys, Queries};
use super::tiles::{QUERIES, SPAN, Seen, Shared, TILE, padded};
use crate::Precision;
use crate::matmul::packed::{Packer, UNIT};
use crate::simd::{Simd, lanes, simd};
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
        let at = i * tokens + seen.first;
        let gathered =
            attend(&q[at * d..][..seen.rows * d], d, scale, &keys[b * kv_heads + h / group], seen, bf16);
        // SAFETY: this task alone has these queries of this head.
        gathered.log_sums(unsafe { lse.part(at, seen.rows) });
        for row in 0..seen.rows {
            let token = b * tokens + seen.first + row;
            // SAFETY: as above.
            gathered.write(row, unsafe { out.part((token * heads + h) * d, d) });
        }
    });
}

/// What up to [`QUERIES`] queries have gathered so far.
pub(super) struct Gathered {
    width: usize,
    /// (QUERIES, width): Σ e^(score − max) · v.
    values: Vec<f32>,
    /// The greatest score so far.
    max: [f32; QUERIES],
    /// Σ e^(score − max).
    sum: [f32; QUERIES],
}

impl Gathered {
    fn log_sums(&self, lse: &mut [f32]) {
        for ((lse, max), sum) in lse.iter_mut().zip(self.max).zip(self.sum) {
            *lse = max + sum.ln();
        }
    }

    /// The result of query `row`, (D).
    pub(super) fn write(&self, row: usize, out: &mut [f32]) {
        let by = 1.0 / self.sum[row];
        for (out, x) in out.iter_mut().zip(&self.values[row * self.width..][..self.width]) {
            *out = x * by;
        }
    }
}

/// Gathers from all keys that the queries `q` (rows, `d`) see.
pub(super) fn attend(
    q: &[f32],
    d: usize,
    scale: f32,
    keys: &Keys,
    seen: Seen,
    bf16: Option<Packer>,
) -> Gathered {
    let width = padded(d);
    let mut gathered = Gathered {
        width,
        values: vec![0.0; QUERIES * width],
        max: [f32::NEG_INFINITY; QUERIES],
        sum: [0.0; QUERIES],
    };
    let mut q = Queries::new(q, d, scale, bf16.as_ref());
    let bf16 = bf16.as_ref().map(|bf16| (bf16, bf16.ready()));
    let bf16 = bf16.as_ref().map(|(bf16, ready)| (*bf16, ready));
    let mut scores = [0.0; QUERIES * SPAN];
    let (start, end) = seen.range();
    for first in (start / TILE * TILE..end).step_by(SPAN) {
        let n = (end - first).next_multiple_of(UNIT).min(SPAN);
        keys.scores(&q, bf16.map(|b| b.1), first, n, &mut scores);
        exponentials(&mut scores, seen, (first, n), &mut gathered);
        keys.gather(&mut q, bf16, (first, n), &scores, &mut gathered.values);
    }
    gathered
}

simd! {
    /// Turns the scores (QUERIES, SPAN) of `n` keys from `first` into e^(score − max).
    fn exponentials<S>(scores: &mut [f32], seen: Seen, span: (usize, usize), gathered: &mut Gathered) {
        let (first, n) = span;
        let width = gathered.width;
        for i in 0..seen.rows {
            let values = &mut gathered.values[i * width..][..width];
            let (max, sum) = (&mut gathered.max[i], &mut gathered.sum[i]);
            add_row::<S>(&mut scores[i * SPAN..][..n], seen.by(i, first, n), max, sum, values);
        }
    }
}

/// Turns one query's scores into e^(score − max), and what was gathered before to the new maximum.
#[inline(always)]
fn add_row<S: Simd>(
    scores: &mut [f32],
    (from, to): (usize, usize),
    max: &mut f32,
    sum: &mut f32,
    gathered: &mut [f32],
) {
    if from >= to {
        scores.fill(0.0);
        return;
    }
    scores[..from].fill(f32::NEG_INFINITY);
    scores[to..].fill(f32::NEG_INFINITY);
    let mut greatest = S::splat(*max);
    lanes!(S, (scores) => () {
        greatest = S::max(greatest, scores);
        []
    });
    let greatest = S::greatest(greatest);
    if greatest > *max {
        let shrink = (*max - greatest).exp();
        *max = greatest;
        *sum *= shrink;
        let shrink = S::splat(shrink);
        lanes!(S, (gathered) => (gathered) { [S::mul(gathered, shrink)] });
    }
    let (shift, mut added) = (S::splat(greatest), S::splat(0.0));
    lanes!(S, (scores) => (scores) {
        let p = S::exp(S::sub(scores, shift));
        added = S::add(added, p);
        [p]
    });
    *sum += S::sum(added);
}
