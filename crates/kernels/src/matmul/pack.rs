//! Copies factors into blocks that the kernels read in order, rounding, padding and transposing on the way.
//!
//! A factor is seen as *lanes* (rows of A, columns of B) by K. Sixteen lanes make a panel, a panel is a run
//! of [`Block`]s along K. Blocks of A are lane-major, so that a row's words follow each other (an AMX row,
//! or broadcasts); blocks of B are word-major, so that sixteen columns fill a vector. What lies beyond the
//! matrix is zero.

use super::buffer::Block;
use super::{Mat, Precision};
use half::bf16;
use std::ops::Range;

/// What a kernel's words are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// One f32.
    F32,
    /// One f32 that was rounded to bf16.
    Rounded,
    /// Two bf16, the earlier one in the low half.
    Pairs,
}

impl Words {
    /// How much of K a block holds.
    pub(super) fn k_per_block(self) -> usize {
        if self == Words::Pairs { 32 } else { 16 }
    }
}

/// A factor as lanes by K.
#[derive(Clone, Copy)]
pub(super) struct Lanes<'a> {
    data: &'a [f32],
    lanes: usize,
    lane_stride: usize,
    k_stride: usize,
    word_major: bool,
}

impl<'a> Lanes<'a> {
    pub(super) fn rows_of(a: Mat<'a>) -> Self {
        Self {
            data: a.data,
            lanes: a.rows,
            lane_stride: a.row_stride,
            k_stride: a.col_stride,
            word_major: false,
        }
    }

    pub(super) fn columns_of(b: Mat<'a>) -> Self {
        Self { word_major: true, ..Self::rows_of(b.t()) }
    }
}

/// Packs one full block: sixteen lanes, sixteen words.
///
/// # Safety
/// All its elements are readable at the given strides, one of which is 1. The CPU has what the path needs.
pub(super) type PackBlock =
    unsafe fn(src: *const f32, lane_stride: usize, k_stride: usize, word_major: bool, out: &mut Block);

/// Packs the panels that start at the given ones (in panels) and hold `k`; `out` holds them one after another.
///
/// # Safety
/// `block` runs on this CPU and packs `words`; every element of `src` lies inside its data.
pub(super) unsafe fn pack(
    src: Lanes,
    first_panel: usize,
    k: Range<usize>,
    (words, block): (Words, PackBlock),
    out: &mut [Block],
) {
    let depth = words.k_per_block();
    let blocks = k.len().div_ceil(depth);
    let panels = out.len() / blocks;
    let one = |panel: usize, kb: usize, out: &mut [Block]| {
        let out = &mut out[panel * blocks + kb];
        let lane = (first_panel + panel) * 16;
        let at = k.start + kb * depth;
        let lanes = src.lanes.saturating_sub(lane).min(16);
        let ks = (k.end - at).min(depth);
        if lanes == 16 && ks == depth && (src.k_stride == 1 || src.lane_stride == 1) {
            let from = &src.data[lane * src.lane_stride + at * src.k_stride..];
            // SAFETY: the block is full, so all of it lies inside the matrix.
            unsafe { block(from.as_ptr(), src.lane_stride, src.k_stride, src.word_major, out) };
            return;
        }
        let mut edge = [0.0; 16 * 32];
        for l in 0..lanes {
            for p in 0..ks {
                edge[l * 32 + p] = src.data[(lane + l) * src.lane_stride + (at + p) * src.k_stride];
            }
        }
        // SAFETY: `edge` holds 16 lanes of 32.
        unsafe { block(edge.as_ptr(), 32, 1, src.word_major, out) };
    };
    // Follow the memory: along K within a panel, or across panels where lanes are what is contiguous.
    if src.k_stride == 1 {
        for panel in 0..panels {
            for kb in 0..blocks {
                one(panel, kb, out);
            }
        }
    } else {
        for kb in 0..blocks {
            for panel in 0..panels {
                one(panel, kb, out);
            }
        }
    }
}

/// [`PackBlock`] for f32 words on any CPU.
///
/// # Safety
/// As [`PackBlock`].
pub(super) unsafe fn block_portable<const ROUND: bool>(
    src: *const f32,
    lane_stride: usize,
    k_stride: usize,
    word_major: bool,
    out: &mut Block,
) {
    let stride = if k_stride == 1 { lane_stride } else { k_stride };
    let mut rows = [[0; 16]; 16];
    for (i, row) in rows.iter_mut().enumerate() {
        // SAFETY: by this function's contract.
        let from = unsafe { std::slice::from_raw_parts(src.add(i * stride), 16) };
        for (word, &x) in row.iter_mut().zip(from) {
            *word = if ROUND { round(x) } else { x }.to_bits();
        }
    }
    if (k_stride == 1) != word_major {
        out.0 = rows;
        return;
    }
    for (j, out) in out.0.iter_mut().enumerate() {
        for (word, row) in out.iter_mut().zip(&rows) {
            *word = row[j];
        }
    }
}

/// Nearest bf16, ties to even, as f32.
#[inline(always)]
pub(crate) fn round(x: f32) -> f32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000;
    f32::from_bits(if x.is_nan() { bits | 0x0040_0000 } else { rounded })
}

/// Two neighbours in K as one word.
pub(super) fn pair(low: f32, high: f32) -> u32 {
    u32::from(bf16::from_f32(low).to_bits()) | u32::from(bf16::from_f32(high).to_bits()) << 16
}

/// The words that a path without bf16 arithmetic multiplies for `precision`.
pub(super) fn words_in_f32(precision: Precision) -> Words {
    match precision {
        Precision::F32 => Words::F32,
        Precision::Bf16 => Words::Rounded,
    }
}
