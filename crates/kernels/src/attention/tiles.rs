//! How attention is cut into tiles, and what of a tile is seen.

use super::AttentionShape;
use crate::simd::{LANES, lanes, simd};
use std::marker::PhantomData;

/// Keys in a tile, and queries in one of the backward pass.
pub(super) const TILE: usize = 64;
/// Queries in a tile of the forward pass.
pub(super) const QUERIES: usize = 32;
/// Keys whose scores the forward pass holds at once: what a row costs beside its exponentials is then small.
pub(super) const SPAN: usize = 256;

/// `head_dim` filled up to whole vectors.
pub(super) fn padded(head_dim: usize) -> usize {
    head_dim.next_multiple_of(LANES)
}

/// Rows of `d` numbers, each filled up to `width` with zeros and multiplied by `scale`.
pub(super) fn pad_rows(x: &[f32], d: usize, width: usize, scale: f32, out: &mut [f32]) {
    for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(d)) {
        for (out, x) in out.iter_mut().zip(x) {
            *out = x * scale;
        }
        out[d..].fill(0.0);
    }
}

simd! {
    pub(super) fn dot<S>(a: &[f32], b: &[f32]) -> f32 {
        let mut sum = S::splat(0.0);
        lanes!(S, (a, b) => () {
            sum = S::fma(a, b, sum);
            []
        });
        S::sum(sum)
    }
}

/// Up to [`TILE`] rows of `d` numbers as `d` rows of [`TILE`], what is missing zero.
pub(super) fn transpose(x: &[f32], d: usize, out: &mut [f32]) {
    let rows = x.len() / d;
    // Sixteen numbers of a row at a time: a column of `out` is as far apart as it gets.
    for (j, out) in out.chunks_exact_mut(TILE).enumerate().take(d) {
        for (t, out) in out.iter_mut().enumerate() {
            *out = if t < rows { x[t * d + j] } else { 0.0 };
        }
    }
}

/// The positions that queries `first..first + rows` of a row of the batch see.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    /// `starts[i]` of the query at position `first + i`; empty if all start at 0.
    pub(super) starts: &'a [u32],
    /// Position of the first.
    pub(super) first: usize,
    /// How many there are.
    pub(super) rows: usize,
}

impl<'a> Seen<'a> {
    /// By queries `first..first + n` of row `b` of the batch, as far as there are that many.
    pub(super) fn of(shape: AttentionShape, starts: &'a [u32], b: usize, first: usize, n: usize) -> Self {
        let rows = n.min(shape.tokens - first);
        Self { starts: &starts[b * shape.tokens + first..][..rows], first, rows }
    }

    /// From the first key that any of them sees to past the last.
    pub(super) fn range(&self) -> (usize, usize) {
        (self.starts.iter().min().map_or(0, |&s| s as usize), self.first + self.rows)
    }

    /// The keys of `from..from + n` that query `i` sees, counted from `from`.
    #[inline(always)]
    pub(super) fn by(&self, i: usize, from: usize, n: usize) -> (usize, usize) {
        let start = self.starts.get(i).map_or(0, |&s| s as usize);
        let end = (self.first + i + 1).saturating_sub(from).min(n);
        (start.saturating_sub(from).min(end), end)
    }

    /// Whether any of them sees a key of `from..from + n`.
    pub(super) fn any(&self, from: usize, n: usize) -> bool {
        let (start, end) = self.range();
        start < from + n
            && from < end
            && (0..self.rows).any(|i| {
                let (start, end) = self.by(i, from, n);
                start < end
            })
    }
}

/// A slice that several tasks write, each its own part.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    data: *mut f32,
    len: usize,
    life: PhantomData<&'a mut [f32]>,
}

// SAFETY: only gives out parts, and who asks for one promises that no other task has it.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(super) fn new(x: &'a mut [f32]) -> Self {
        Self { data: x.as_mut_ptr(), len: x.len(), life: PhantomData }
    }

    /// `len` numbers from `at`.
    ///
    /// # Safety
    /// No other part that overlaps this one is alive.
    pub(super) unsafe fn part(&self, at: usize, len: usize) -> &'a mut [f32] {
        assert!(at + len <= self.len, "attention: part {at}..{} of {}", at + len, self.len);
        // SAFETY: inside the slice; alone by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(at), len) }
    }
}
