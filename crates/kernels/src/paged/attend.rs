//! One tile: up to eight queries that share keys and values, page after page, with a running softmax.

#![expect(
    clippy::needless_range_loop,
    reason = "several arrays of registers go side by side, unrolled by the compiler"
)]

use super::PagedAttention;
use super::page::{PAGE, Page, PageShape};
use crate::matrix::lanes::{Lanes, lanes_fn};
use crate::simd::LANES;
use std::sync::Arc;

/// Most queries of a tile.
pub(super) const MOST_ROWS: usize = 8;
/// Vectors of a page's positions.
const VECTORS: usize = PAGE / LANES;

/// Queries of some heads at some positions, and the positions that they go through.
pub(super) struct Tile<'a> {
    pub(super) pages: &'a [Arc<Page>],
    /// Row of `q` of the first position.
    pub(super) row: usize,
    /// The first position.
    pub(super) position: usize,
    /// Positions.
    pub(super) count: usize,
    pub(super) kv_head: usize,
    /// First query head, and how many.
    pub(super) heads: (usize, usize),
    /// Positions seen, `from` the first of a page.
    pub(super) from: usize,
    pub(super) to: usize,
    /// Tiles that go through the rest.
    pub(super) chunks: usize,
}

/// What a tile's queries found so far.
#[derive(Clone)]
pub(super) struct Found {
    /// The greatest score of each query.
    most: [f32; MOST_ROWS],
    /// The sum of exp(score − most).
    sum: [f32; MOST_ROWS],
    /// (rows, D filled up): the sum of exp(score − most) · value.
    values: Vec<f32>,
    padded: usize,
}

impl Found {
    /// Both, as if gone through at once.
    pub(super) fn join(mut self, other: Self) -> Self {
        for (row, (mine, theirs)) in
            self.values.chunks_exact_mut(self.padded).zip(other.values.chunks_exact(self.padded)).enumerate()
        {
            let most = self.most[row].max(other.most[row]);
            let by = |x: f32| if x == f32::NEG_INFINITY { 0.0 } else { (x - most).exp() };
            let (a, b) = (by(self.most[row]), by(other.most[row]));
            self.sum[row] = self.sum[row] * a + other.sum[row] * b;
            self.most[row] = most;
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine = *mine * a + theirs * b;
            }
        }
        self
    }

    /// The mean value that query `row` found.
    pub(super) fn read(&self, row: usize, out: &mut [f32]) {
        let by = 1.0 / self.sum[row];
        for (out, value) in out.iter_mut().zip(&self.values[row * self.padded..]) {
            *out = value * by;
        }
    }
}

/// What the kernel is given.
struct Job<'a> {
    how: PagedAttention,
    tile: &'a Tile<'a>,
    d: usize,
    padded: usize,
    /// (D, N), scaled: query beside query.
    q: &'a [f32],
    /// Position of each query.
    positions: [usize; MOST_ROWS],
    found: *mut Found,
}

pub(super) fn attend(how: PagedAttention, shape: PageShape, tile: &Tile, q: &[f32], width: usize) -> Found {
    let (d, padded) = (shape.head_dim, shape.padded());
    let rows = tile.count * tile.heads.1;
    // Threes, as of three heads that share one, are as common as powers of two. Twelve rows were no faster than eight, nor
    // were three or six at a time (2026-11-29, Zen 3: 70 and 95 GFLOP/s where two at a time reach 110).
    let n = [1, 2, 3, 4, 6].into_iter().find(|n| *n >= rows).unwrap_or(MOST_ROWS);
    let mut found = Found {
        most: [f32::NEG_INFINITY; MOST_ROWS],
        sum: [0.0; MOST_ROWS],
        values: vec![0.0; n * padded],
        padded,
    };
    let mut queries = vec![0.0; d * n];
    let mut positions = [0; MOST_ROWS];
    for row in 0..n {
        // Rows beyond the last are the last once more.
        let (t, h) = (row.min(rows - 1) / tile.heads.1, row.min(rows - 1) % tile.heads.1);
        positions[row] = tile.position + t;
        let q = &q[(tile.row + t) * width + (tile.heads.0 + h) * d..][..d];
        for (i, q) in q.iter().enumerate() {
            queries[i * n + row] = q * how.scale;
        }
    }
    let job = Job { how, tile, d, padded, q: &queries, positions, found: &raw mut found };
    // SAFETY: the pages have this shape; there are `n` queries.
    unsafe {
        match (shape.half, n) {
            (false, 1) => pages::<false, 1>(job),
            (false, 2) => pages::<false, 2>(job),
            (false, 3) => pages::<false, 3>(job),
            (false, 4) => pages::<false, 4>(job),
            (false, 6) => pages::<false, 6>(job),
            (false, _) => pages::<false, 8>(job),
            (true, 1) => pages::<true, 1>(job),
            (true, 2) => pages::<true, 2>(job),
            (true, 3) => pages::<true, 3>(job),
            (true, 4) => pages::<true, 4>(job),
            (true, 6) => pages::<true, 6>(job),
            (true, _) => pages::<true, 8>(job),
        }
    }
    found
}

lanes_fn! {
    /// Takes `N` queries through the tile's pages.
    ///
    /// # Safety
    /// The pages hold f16 if `HALF`; `job.q` is (D, N), `job.found` has N rows.
    unsafe fn pages<S, const HALF: bool, const N: usize>(job: Job<'_>) {
        let Job { how, tile, d, padded, q, positions, found } = job;
        // SAFETY of all that follows: the caller's.
        let found = unsafe { &mut *found };
        let mut p = [[0.0f32; PAGE]; N];
        for start in (tile.from..tile.to).step_by(PAGE) {
            let (k, v) = tile.pages[start / PAGE].head(how.layer, tile.kv_head);
            // Each part is fetched while the one before it is computed with: the processor's own fetching does not follow
            // from page to page.
            let next = if start + PAGE < tile.to { start / PAGE + 1 } else { start / PAGE };
            let (next, _) = tile.pages[next].head(how.layer, tile.kv_head);
            // Rows and vectors that go side by side: as many sums as there are registers for.
            unsafe {
                match (S::WIDE, N) {
                    (true, ..=4) => scores::<S, HALF, N, N, 4>(k, v, q, d, &mut p),
                    (true, _) => scores::<S, HALF, N, N, 2>(k, v, q, d, &mut p),
                    (false, 1) => scores::<S, HALF, N, 1, 4>(k, v, q, d, &mut p),
                    (false, 3) => scores::<S, HALF, N, 3, 2>(k, v, q, d, &mut p),
                    (false, _) => scores::<S, HALF, N, 2, 2>(k, v, q, d, &mut p),
                }
            }
            let mut by = [1.0; N];
            for row in 0..N {
                let p = &mut p[row];
                if let Some(cap) = how.softcap {
                    for x in p.iter_mut() {
                        *x = cap * (*x / cap).tanh();
                    }
                }
                let (from, to) = if how.both_ways {
                    (0, tile.to)
                } else {
                    let end = positions[row] + 1;
                    (how.window.map_or(0, |window| end.saturating_sub(window)), end.min(tile.to))
                };
                if from > start {
                    p[..(from - start).min(PAGE)].fill(f32::NEG_INFINITY);
                }
                if to < start + PAGE {
                    p[to.saturating_sub(start)..].fill(f32::NEG_INFINITY);
                }
                by[row] = unsafe { softmax::<S>(p, &mut found.most[row], &mut found.sum[row]) };
            }
            for (row, by) in by.iter().enumerate() {
                if *by != 1.0 {
                    found.values[row * padded..][..padded].iter_mut().for_each(|x| *x *= by);
                }
            }
            let values = found.values.as_mut_ptr();
            unsafe {
                match (S::WIDE, N) {
                    (true, ..=4) => gather::<S, HALF, N, N, 4>(v, next, &p, padded, values),
                    (true, _) => gather::<S, HALF, N, N, 2>(v, next, &p, padded, values),
                    (false, 1) => gather::<S, HALF, N, 1, 4>(v, next, &p, padded, values),
                    (false, 3) => gather::<S, HALF, N, 3, 2>(v, next, &p, padded, values),
                    (false, _) => gather::<S, HALF, N, 2, 2>(v, next, &p, padded, values),
                }
            }
        }
    }
}

/// SAFETY: sixteen numbers from index `at`.
#[inline(always)]
unsafe fn load<S: Lanes, const HALF: bool>(p: *const u8, at: usize) -> S::V {
    // SAFETY: the caller's.
    unsafe { if HALF { S::halves(p.add(2 * at)) } else { S::load(p.add(4 * at).cast()) } }
}

/// Has the lines of 64 bytes that begin in `count` numbers from index `at` on brought near. They need not be there.
#[inline(always)]
fn fetch<S: Lanes, const HALF: bool>(p: *const u8, at: usize, count: usize) {
    let size = if HALF { 2 } else { 4 };
    let (from, to) = (at * size, (at + count) * size);
    for line in (from.next_multiple_of(64)..to).step_by(64) {
        S::prefetch(p.wrapping_add(line));
    }
}

/// Scores of `N` queries at a page's positions, `ROWS` queries and `M` vectors of positions at a time.
///
/// Fetches as much from `ahead` on. SAFETY: (D, 64) numbers at `k`, (D, N) in `q`.
#[inline(always)]
unsafe fn scores<S: Lanes, const HALF: bool, const N: usize, const ROWS: usize, const M: usize>(
    k: *const u8,
    ahead: *const u8,
    q: &[f32],
    d: usize,
    p: &mut [[f32; PAGE]; N],
) {
    for from in (0..N).step_by(ROWS) {
        for first in (0..VECTORS).step_by(M) {
            let mut sums = [[S::splat(0.0); M]; ROWS];
            for i in 0..d {
                if from == 0 {
                    fetch::<S, HALF>(ahead, (first * d + i * M) * LANES, M * LANES);
                }
                for m in 0..M {
                    // SAFETY: the caller's.
                    let k = unsafe { load::<S, HALF>(k, i * PAGE + (first + m) * LANES) };
                    for row in 0..ROWS {
                        // SAFETY: the caller's.
                        let q = unsafe { *q.get_unchecked(i * N + from + row) };
                        sums[row][m] = S::fma(S::splat(q), k, sums[row][m]);
                    }
                }
            }
            for row in 0..ROWS {
                for m in 0..M {
                    // SAFETY: inside the row.
                    unsafe { S::store(p[from + row].as_mut_ptr().add((first + m) * LANES), sums[row][m]) };
                }
            }
        }
    }
}

/// Scores become exp(score − the greatest so far); returns what earlier sums are to be multiplied with.
///
/// SAFETY: none beyond the instruction set's.
#[inline(always)]
unsafe fn softmax<S: Lanes>(p: &mut [f32; PAGE], most: &mut f32, sum: &mut f32) -> f32 {
    let at = |m: usize| m * LANES;
    // SAFETY of all that follows: a page's scores are whole vectors.
    let mut greatest = unsafe { S::load(p.as_ptr()) };
    for m in 1..VECTORS {
        greatest = S::max(greatest, unsafe { S::load(p.as_ptr().add(at(m))) });
    }
    let new = S::greatest(greatest).max(*most);
    if new == f32::NEG_INFINITY {
        p.fill(0.0);
        return 1.0;
    }
    let mut total = S::splat(0.0);
    for m in 0..VECTORS {
        unsafe {
            let x = S::exp(S::sub(S::load(p.as_ptr().add(at(m))), S::splat(new)));
            total = S::add(total, x);
            S::store(p.as_mut_ptr().add(at(m)), x);
        }
    }
    let by = if *most == new { 1.0 } else { (*most - new).exp() };
    *sum = *sum * by + S::sum(total);
    *most = new;
    by
}

/// Adds p · values of a page, `ROWS` queries and up to `M` vectors of numbers at a time.
///
/// Fetches as much from `ahead` on. SAFETY: (64, `padded`) numbers at `v`, (N, `padded`) at `values`.
#[inline(always)]
unsafe fn gather<S: Lanes, const HALF: bool, const N: usize, const ROWS: usize, const M: usize>(
    v: *const u8,
    ahead: *const u8,
    p: &[[f32; PAGE]; N],
    padded: usize,
    values: *mut f32,
) {
    let vectors = padded / LANES;
    for from in (0..N).step_by(ROWS) {
        let mut at = 0;
        // SAFETY of all that follows: the caller's.
        while at + M <= vectors {
            unsafe { gather_some::<S, HALF, N, ROWS, M>(v, ahead, p, padded, (from, at), values) };
            at += M;
        }
        while M > 2 && at + 2 <= vectors {
            unsafe { gather_some::<S, HALF, N, ROWS, 2>(v, ahead, p, padded, (from, at), values) };
            at += 2;
        }
        while at < vectors {
            unsafe { gather_some::<S, HALF, N, ROWS, 1>(v, ahead, p, padded, (from, at), values) };
            at += 1;
        }
    }
}

/// SAFETY: as [`gather`]; `from` a row and a vector.
#[inline(always)]
unsafe fn gather_some<S: Lanes, const HALF: bool, const N: usize, const ROWS: usize, const M: usize>(
    v: *const u8,
    ahead: *const u8,
    p: &[[f32; PAGE]; N],
    padded: usize,
    from: (usize, usize),
    values: *mut f32,
) {
    // SAFETY of all that follows: the caller's.
    let place = |row: usize, m: usize| unsafe { values.add((from.0 + row) * padded + (from.1 + m) * LANES) };
    let mut sums = [[S::splat(0.0); M]; ROWS];
    for row in 0..ROWS {
        for m in 0..M {
            sums[row][m] = unsafe { S::load(place(row, m)) };
        }
    }
    for s in 0..PAGE {
        if from.0 == 0 {
            fetch::<S, HALF>(ahead, (from.1 * PAGE + s * M) * LANES, M * LANES);
        }
        for m in 0..M {
            let v = unsafe { load::<S, HALF>(v, s * padded + (from.1 + m) * LANES) };
            for row in 0..ROWS {
                sums[row][m] = S::fma(S::splat(p[from.0 + row][s]), v, sums[row][m]);
            }
        }
    }
    for row in 0..ROWS {
        for m in 0..M {
            unsafe { S::store(place(row, m), sums[row][m]) };
        }
    }
}
