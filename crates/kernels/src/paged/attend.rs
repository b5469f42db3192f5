//! One tile: up to eight queries that share keys and values, page after page, with a running softmax.

use super::page::{PAGE, Page, PageShape};
use super::PagedAttention;
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
    let n = rows.next_power_of_two();
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
            (false, 4) => pages::<false, 4>(job),
            (false, _) => pages::<false, 8>(job),
            (true, 1) => pages::<true, 1>(job),
            (true, 2) => pages::<true, 2>(job),
            (true, 4) => pages::<true, 4>(job),
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
            if N <= 4 {
                unsafe { scores::<S, HALF, N, VECTORS>(k, q, d, 0, &mut p) };
            } else {
                unsafe {
                    scores::<S, HALF, N, 2>(k, q, d, 0, &mut p);
                    scores::<S, HALF, N, 2>(k, q, d, 2, &mut p);
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
            let vectors = padded / LANES;
            let mut at = 0;
            if N <= 4 {
                while at + 4 <= vectors {
                    unsafe { gather::<S, HALF, N, 4>(v, &p, padded, at, values) };
                    at += 4;
                }
            }
            while at + 2 <= vectors {
                unsafe { gather::<S, HALF, N, 2>(v, &p, padded, at, values) };
                at += 2;
            }
            if at < vectors {
                unsafe { gather::<S, HALF, N, 1>(v, &p, padded, at, values) };
            }
        }
    }
}

/// SAFETY: sixteen numbers from index `at`.
#[inline(always)]
unsafe fn load<S: Lanes, const HALF: bool>(p: *const u8, at: usize) -> S::V {
    // SAFETY: the caller's.
    unsafe { if HALF { S::f16(p.add(2 * at)) } else { S::load(p.add(4 * at).cast()) } }
}

/// Scores of `N` queries at `M` vectors of a page's positions, from vector `first` on.
///
/// SAFETY: (D, 64) numbers at `k`, (D, N) in `q`.
#[inline(always)]
unsafe fn scores<S: Lanes, const HALF: bool, const N: usize, const M: usize>(
    k: *const u8,
    q: &[f32],
    d: usize,
    first: usize,
    p: &mut [[f32; PAGE]; N],
) {
    let mut sums = [[S::splat(0.0); M]; N];
    for i in 0..d {
        for m in 0..M {
            // SAFETY: the caller's.
            let k = unsafe { load::<S, HALF>(k, i * PAGE + (first + m) * LANES) };
            for row in 0..N {
                // SAFETY: the caller's.
                let q = unsafe { *q.get_unchecked(i * N + row) };
                sums[row][m] = S::fma(S::splat(q), k, sums[row][m]);
            }
        }
    }
    for row in 0..N {
        for m in 0..M {
            // SAFETY: inside the row.
            unsafe { S::store(p[row].as_mut_ptr().add((first + m) * LANES), sums[row][m]) };
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

/// Adds p · values of a page, `M` vectors of them from vector `first` on.
///
/// SAFETY: (64, `padded`) numbers at `v`, (N, `padded`) at `values`.
#[inline(always)]
unsafe fn gather<S: Lanes, const HALF: bool, const N: usize, const M: usize>(
    v: *const u8,
    p: &[[f32; PAGE]; N],
    padded: usize,
    first: usize,
    values: *mut f32,
) {
    // SAFETY of all that follows: the caller's.
    let place = |row: usize, m: usize| unsafe { values.add(row * padded + (first + m) * LANES) };
    let mut sums = [[S::splat(0.0); M]; N];
    for row in 0..N {
        for m in 0..M {
            sums[row][m] = unsafe { S::load(place(row, m)) };
        }
    }
    for s in 0..PAGE {
        for m in 0..M {
            let v = unsafe { load::<S, HALF>(v, s * padded + (first + m) * LANES) };
            for row in 0..N {
                sums[row][m] = S::fma(S::splat(p[row][s]), v, sums[row][m]);
            }
        }
    }
    for row in 0..N {
        for m in 0..M {
            unsafe { S::store(place(row, m), sums[row][m]) };
        }
    }
}
