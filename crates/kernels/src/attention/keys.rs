//! The keys and values of one head, laid out for the products of the forward pass, in f32 or in bf16.

use super::forward::{Sums, exponentials};
#[cfg(target_arch = "x86_64")]
use super::in_registers;
use super::product::{Left, product};
use super::tiles::{QUERIES, SPAN, Seen, TILE, pad_rows, padded, transpose};
use crate::matmul::packed::{Packer, Panels, Ready, UNIT};
use crate::simd::simd;
use crate::{Mat, MatMut};

/// The keys and values of one head.
pub(super) enum Keys<'a> {
    F32 {
        /// Tile after tile, each (width, TILE).
        transposed: Vec<f32>,
        /// (T, width).
        values: Rows<'a>,
    },
    Bf16 {
        /// Keys as columns, by D.
        keys: Panels,
        /// D as columns, by keys.
        values: Panels,
    },
}

/// Queries as a product's left factor.
pub(super) enum Queries {
    /// (QUERIES, width).
    F32(Vec<f32>),
    Bf16 {
        queries: Panels,
        /// Exponentials of scores.
        p: Panels,
    },
}

impl<'a> Keys<'a> {
    pub(super) fn new(k: &'a [f32], v: &'a [f32], d: usize, bf16: Option<Packer>) -> Self {
        let tokens = k.len() / d;
        let Some(bf16) = bf16 else {
            return Self::F32 { transposed: transposed_tiles(k, d), values: Rows::new(v, d) };
        };
        let (mut keys, mut values) = (bf16.panels(tokens, d), bf16.panels(d, tokens));
        bf16.pack_right(Mat::new(k, tokens, d).t(), &mut keys);
        bf16.pack_right(Mat::new(v, tokens, d), &mut values);
        Self::Bf16 { keys, values }
    }

    /// `scores (QUERIES, SPAN)[.., at..at + n] = q · kᵀ` for `n` keys from `first`, both multiples of 32, `first` of TILE.
    pub(super) fn scores(
        &self,
        q: &Queries,
        ready: Option<&Ready>,
        first: usize,
        n: usize,
        scores: &mut [f32],
    ) {
        match (self, q, ready) {
            (Self::F32 { transposed, .. }, Queries::F32(q), _) => scores_f32(q, transposed, first, n, scores),
            (Self::Bf16 { keys, .. }, Queries::Bf16 { queries, .. }, Some(ready)) => {
                let c = MatMut { data: scores, rows: QUERIES, cols: n, row_stride: SPAN };
                ready.product(queries.at(0, 0), keys.at(first, 0), queries.k(), c, false);
            }
            _ => unreachable!("one precision for all"),
        }
    }

    /// `gathered (QUERIES, width) += p · v` for `n` keys from `first`; `p` are the exponentials of `q`, in f32 `p` (QUERIES,
    /// SPAN).
    pub(super) fn gather(
        &self,
        q: &Queries,
        ready: Option<&Ready>,
        (first, n): (usize, usize),
        p: &[f32],
        gathered: &mut [f32],
    ) {
        let width = gathered.len() / QUERIES;
        match (self, q, ready) {
            (Self::F32 { values, .. }, Queries::F32(_), _) => {
                let n = n.min(values.get().len() / width - first);
                gather_f32(p, &values.get()[first * width..][..n * width], gathered);
            }
            (Self::Bf16 { values, .. }, Queries::Bf16 { p, .. }, Some(ready)) => {
                let c = MatMut::new(gathered, QUERIES, width);
                ready.product(p.at(0, 0), values.at(0, first), n, c, true);
            }
            _ => unreachable!("one precision for all"),
        }
    }
}

impl Queries {
    /// Of up to [`QUERIES`] queries (rows, `d`), times the scale.
    pub(super) fn new(q: &[f32], d: usize, scale: f32, bf16: Option<&Packer>) -> Self {
        let width = padded(d);
        let mut rows = vec![0.0; QUERIES * width];
        pad_rows(q, d, width, scale, &mut rows);
        let Some(bf16) = bf16 else { return Self::F32(rows) };
        let mut queries = bf16.panels(QUERIES, width);
        bf16.pack_left(Mat::new(&rows, QUERIES, width), &mut queries);
        Self::Bf16 { queries, p: bf16.panels(QUERIES, SPAN) }
    }

    /// Makes the scores (QUERIES, SPAN) of `n` keys from `first`, `span`, exponentials: in bf16 packed, in f32 where they are.
    pub(super) fn exponentials(
        &mut self,
        scores: &mut [f32],
        seen: Seen,
        span: (usize, usize),
        sums: &mut Sums,
    ) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Bf16 { p, .. } => {
                p.set_k(span.1);
                // SAFETY: a packer of bf16 is there where its instructions are.
                unsafe { in_registers::exponentials(scores, seen, span, sums, p) };
            }
            _ => exponentials(scores, seen, span, sums),
        }
    }
}

simd! {
    fn scores_f32<S>(q: &[f32], transposed: &[f32], first: usize, n: usize, scores: &mut [f32]) {
        let width = q.len() / QUERIES;
        let left = Left { data: q.as_ptr(), row: width, col: 1 };
        for at in (0..n).step_by(TILE) {
            let right = &transposed[(first + at) * width..][..TILE * width];
            let c = &mut scores[at..];
            assert!(c.len() >= (QUERIES - 1) * SPAN + TILE.min(n - at));
            // SAFETY: (QUERIES, width) · (width, up to TILE), all inside their slices.
            unsafe {
                let sizes = [QUERIES, TILE.min(n - at), width];
                product::<S>(sizes, left, (right.as_ptr(), TILE), (c.as_mut_ptr(), SPAN), false);
            }
        }
    }
}

simd! {
    fn gather_f32<S>(p: &[f32], values: &[f32], gathered: &mut [f32]) {
        let width = gathered.len() / QUERIES;
        let n = values.len() / width;
        assert!(n <= SPAN && p.len() >= (QUERIES - 1) * SPAN + n);
        let left = Left { data: p.as_ptr(), row: SPAN, col: 1 };
        // SAFETY: (QUERIES, n) · (n, width), all inside their slices.
        unsafe {
            let sizes = [QUERIES, width, n];
            product::<S>(sizes, left, (values.as_ptr(), width), (gathered.as_mut_ptr(), width), true);
        }
    }
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

const _: () = assert!(QUERIES.is_multiple_of(UNIT) && SPAN.is_multiple_of(TILE) && TILE.is_multiple_of(UNIT));
