//! The other factor of a product: rows of f32, and the same rounded to 8 bits where weights are quantised.
//!
//! Rounded rows lie in *tiles* of up to eight, block after block, as the kernel reads them: of each block of 32 columns the
//! integers of every row, then what belongs to them.

use super::Matrix;
use super::packed::BLOCK;
use crate::pool::parallel;
use crate::simd::{LANES, lanes, simd};
use std::sync::{Mutex, PoisonError};

/// Rows that are multiplied with matrices. Shape: (N, K).
pub struct Input<'a> {
    pub(super) x: &'a [f32],
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) rounded: Option<Rounded>,
}

/// Most rows of a tile.
pub(super) const TOGETHER: usize = 8;

/// What belongs to a row's 32 integers, each as 32 bits, row beside row.
#[derive(Clone, Copy)]
pub(super) enum Field {
    /// f32: what an integer stands for.
    Scale = 0,
    /// i32: less the sum of the integers.
    Sum = 1,
    /// f32: scale times sum.
    Total = 2,
    /// The same of the first sixteen columns.
    HalfSum = 3,
    /// The same of the first sixteen columns; the other's follow.
    HalfTotal = 5,
}

/// Of [`Field`], halves counted twice.
const FIELDS: usize = 7;

/// Bytes of a block of `n` rows.
pub(super) const fn block_bytes(n: usize) -> usize {
    n * (BLOCK + 4 * FIELDS)
}

/// Where a field of a block of `n` rows begins.
pub(super) const fn field_at(n: usize, field: Field) -> usize {
    n * (BLOCK + 4 * field as usize)
}

/// Rows as 8-bit integers, with a scale for 32 columns each.
pub(super) struct Rounded {
    pub(super) tiles: Vec<Tile>,
}

/// Up to eight rows.
pub(super) struct Tile {
    /// Rows that it has.
    pub(super) count: usize,
    /// Rows that it has room for: 1, 2, 4 or 8.
    pub(super) n: usize,
    /// Blocks of `n` rows.
    words: Vec<u32>,
}

impl Tile {
    pub(super) fn start(&self) -> *const u8 {
        self.words.as_ptr().cast()
    }
}

impl<'a> Input<'a> {
    /// Rows of `cols` numbers, to be multiplied with `matrices`. Panics if `x` is not whole rows.
    pub fn new(x: &'a [f32], cols: usize, matrices: &[&Matrix]) -> Self {
        assert!(cols > 0 && x.len().is_multiple_of(cols), "{} numbers are not rows of {cols}", x.len());
        let quantised = matrices.iter().any(|matrix| matrix.is_quantised());
        let rounded = quantised.then(|| Rounded::new(x, cols));
        Self { x, rows: x.len() / cols, cols, rounded }
    }
}

impl Rounded {
    fn new(x: &[f32], cols: usize) -> Self {
        assert!(
            cols.is_multiple_of(BLOCK),
            "packed weights have whole blocks of {BLOCK} columns, not {cols}"
        );
        let tiles = x.chunks(TOGETHER * cols);
        if tiles.len() == 1 {
            return Self { tiles: tiles.map(|x| Tile::new(x, cols)).collect() };
        }
        let made: Vec<Mutex<Option<Tile>>> = tiles.clone().map(|_| Mutex::new(None)).collect();
        let tiles: Vec<&[f32]> = tiles.collect();
        parallel(tiles.len(), |i| {
            *made[i].lock().unwrap_or_else(PoisonError::into_inner) = Some(Tile::new(tiles[i], cols));
        });
        let take = |tile: Mutex<Option<Tile>>| tile.into_inner().unwrap_or_else(PoisonError::into_inner);
        Self { tiles: made.into_iter().filter_map(take).collect() }
    }
}

impl Tile {
    fn new(x: &[f32], cols: usize) -> Self {
        let count = x.len() / cols;
        let n = count.next_power_of_two();
        let size = block_bytes(n) / 4;
        let mut words = vec![0; cols / BLOCK * size];
        for (row, x) in x.chunks_exact(cols).enumerate() {
            round(x, row, n, &mut words);
        }
        Self { count, n, words }
    }
}

simd! {
    /// One row: nearest integers of −127 to 127 in each block, its scale, and sums.
    fn round<S>(x: &[f32], row: usize, n: usize, words: &mut [u32]) {
        for (x, words) in x.chunks_exact(BLOCK).zip(words.chunks_exact_mut(block_bytes(n) / 4)) {
            let mut most = S::splat(0.0);
            lanes!(S, (x) => () {
                most = S::max(S::max(x, S::sub(S::splat(0.0), x)), most);
                []
            });
            let most = S::greatest(most);
            // What is no number, or endless, stays so by its scale.
            let scale = most / 127.0;
            let by = S::splat(if most > 0.0 && most.is_finite() { 127.0 / most } else { 0.0 });
            let mut near = [0.0f32; BLOCK];
            let out = &mut near[..];
            // In this order, so that what is not a number becomes one.
            let (least, greatest) = (S::splat(-127.0), S::splat(127.0));
            lanes!(S, (x) => (out) { [S::min(S::max(S::round(S::mul(x, by)), least), greatest)] });
            // SAFETY: whole numbers from −127 to 127.
            let q = near.map(|x| unsafe { x.to_int_unchecked::<i32>() } as i8);
            let sums: [i32; 2] = std::array::from_fn(|half| {
                -q[half * LANES..][..LANES].iter().map(|&q| i32::from(q)).sum::<i32>()
            });
            for (word, q) in words[row * BLOCK / 4..].iter_mut().zip(q.as_chunks::<4>().0) {
                *word = u32::from_le_bytes(q.map(|q| q as u8));
            }
            let mut set = |field: Field, further: usize, value: u32| {
                words[field_at(n, field) / 4 + further * n + row] = value;
            };
            let total = |sum: i32| (-(sum as f32) * scale).to_bits();
            set(Field::Scale, 0, scale.to_bits());
            set(Field::Sum, 0, (sums[0] + sums[1]) as u32);
            set(Field::Total, 0, total(sums[0] + sums[1]));
            for (half, sum) in sums.into_iter().enumerate() {
                set(Field::HalfSum, half, sum as u32);
                set(Field::HalfTotal, half, total(sum));
            }
        }
    }
}
