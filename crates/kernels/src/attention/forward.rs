//! softmax(q · kᵀ · scale) · v, without ever holding the (T, T) scores.

use super::AttentionShape;
use super::product::{Left, product};
use super::tiles::{Queries, Shared, TILE, pad_rows, padded, queries, transpose};
use crate::Precision;
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
    if q.is_empty() {
        return;
    }
    let keys: Vec<Keys> =
        k.par_chunks(tokens * d).zip(v.par_chunks(tokens * d)).map(|(k, v)| Keys::new(k, v, d)).collect();
    let (out, lse) = (Shared::new(out), Shared::new(lse));
    let tiles = tokens.div_ceil(TILE);
    map(batch * heads * tiles, |task| {
        // The long rows of tiles first, so that short ones fill the end.
        let (i, tile) = (task % (batch * heads), tiles - 1 - task / (batch * heads));
        let (b, h) = (i / heads, i % heads);
        let queries = queries(shape, starts, b, tile);
        let at = i * tokens + queries.first;
        let mut tile = QueryTile::new(&q[at * d..][..queries.rows * d], d, scale);
        attend(&mut tile, &keys[b * kv_heads + h / group], queries);
        // SAFETY: this task alone has these queries of this head.
        tile.log_sums(unsafe { lse.part(at, queries.rows) });
        for row in 0..queries.rows {
            let token = b * tokens + queries.first + row;
            // SAFETY: as above.
            tile.write(row, unsafe { out.part((token * heads + h) * d, d) });
        }
    });
}

/// The keys and values of one head, laid out for the products.
pub(super) struct Keys<'a> {
    /// Tile after tile, each (width, TILE).
    transposed: Vec<f32>,
    values: Rows<'a>,
    tokens: usize,
}

/// Rows as they are, or filled up to whole vectors.
pub(super) enum Rows<'a> {
    Whole(&'a [f32]),
    Padded(Vec<f32>),
}

impl<'a> Rows<'a> {
    pub(super) fn new(x: &'a [f32], d: usize) -> Self {
        let width = padded(d);
        if width == d {
            return Self::Whole(x);
        }
        let mut rows = vec![0.0; x.len() / d * width];
        pad_rows(x, d, width, 1.0, &mut rows);
        Self::Padded(rows)
    }

    pub(super) fn get(&self) -> &[f32] {
        match self {
            Self::Whole(x) => x,
            Self::Padded(x) => x,
        }
    }
}

/// (T, `d`) as tiles of (width, TILE), each transposed.
pub(super) fn transposed_tiles(x: &[f32], d: usize) -> Vec<f32> {
    let width = padded(d);
    let mut out = vec![0.0; x.len().div_ceil(TILE * d) * TILE * width];
    for (out, x) in out.chunks_exact_mut(TILE * width).zip(x.chunks(TILE * d)) {
        transpose(x, d, out);
    }
    out
}

impl<'a> Keys<'a> {
    pub(super) fn new(k: &'a [f32], v: &'a [f32], d: usize) -> Self {
        Self { transposed: transposed_tiles(k, d), values: Rows::new(v, d), tokens: k.len() / d }
    }
}

/// A tile of queries and what it has gathered so far.
pub(super) struct QueryTile {
    d: usize,
    width: usize,
    rows: usize,
    /// (TILE, width), times the scale.
    q: Vec<f32>,
    /// (TILE, width): Σ e^(score − max) · v.
    gathered: Vec<f32>,
    /// The greatest score so far.
    max: [f32; TILE],
    /// Σ e^(score − max).
    sum: [f32; TILE],
}

impl QueryTile {
    /// Of up to [`TILE`] queries (rows, `d`).
    pub(super) fn new(q: &[f32], d: usize, scale: f32) -> Self {
        let width = padded(d);
        let mut tile = Self {
            d,
            width,
            rows: q.len() / d,
            q: vec![0.0; TILE * width],
            gathered: vec![0.0; TILE * width],
            max: [f32::NEG_INFINITY; TILE],
            sum: [0.0; TILE],
        };
        pad_rows(q, d, width, scale, &mut tile.q);
        tile
    }

    fn log_sums(&self, lse: &mut [f32]) {
        for ((lse, max), sum) in lse.iter_mut().zip(self.max).zip(self.sum) {
            *lse = max + sum.ln();
        }
    }

    /// The result of query `row`, (D).
    pub(super) fn write(&self, row: usize, out: &mut [f32]) {
        let by = 1.0 / self.sum[row];
        for (out, x) in out.iter_mut().zip(&self.gathered[row * self.width..][..self.d]) {
            *out = x * by;
        }
    }
}

simd! {
    /// Gathers from all keys that the queries see.
    pub(super) fn attend<S>(tile: &mut QueryTile, keys: &Keys, queries: Queries) {
        let width = tile.width;
        let m = tile.rows.next_multiple_of(8);
        let mut scores = [0.0; TILE * TILE];
        for j in queries.tiles() {
            if !queries.see(j) {
                continue;
            }
            let left = Left { data: tile.q.as_ptr(), row: width, col: 1 };
            let right = (keys.transposed[j * TILE * width..][..TILE * width].as_ptr(), TILE);
            // SAFETY: (m, width) · (width, TILE), all inside their slices.
            unsafe { product::<S>([m, TILE, width], left, right, (scores.as_mut_ptr(), TILE), false) };
            for i in 0..tile.rows {
                let row = &mut scores[i * TILE..][..TILE];
                let gathered = &mut tile.gathered[i * width..][..width];
                add_row::<S>(row, queries.seen(i, j), &mut tile.max[i], &mut tile.sum[i], gathered);
            }
            scores[tile.rows * TILE..].fill(0.0);
            let n = TILE.min(keys.tokens - j * TILE);
            let left = Left { data: scores.as_ptr(), row: TILE, col: 1 };
            let right = (keys.values.get()[j * TILE * width..][..n * width].as_ptr(), width);
            // SAFETY: (m, n) · (n, width), all inside their slices.
            unsafe { product::<S>([m, width, n], left, right, (tile.gathered.as_mut_ptr(), width), true) };
        }
    }
}

/// Turns one query's scores of a tile into e^(score − max), and what was gathered before to the new maximum.
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
