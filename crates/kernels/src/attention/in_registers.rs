//! From scores to exponentials, probabilities and their gradients, packed as they are worked out.

use super::forward::Sums;
use super::tiles::{QUERIES, SPAN, Seen, TILE};
use crate::matmul::pack_avx512::{interleave, pairs};
use crate::matmul::packed::Panels;
use crate::shifted::Shift;
use crate::simd::LANES;
use std::arch::x86_64::*;

/// Where a tile's packed numbers go: (TILE, TILE) each.
pub(super) struct Packed {
    /// Probabilities, keys as columns, by queries.
    pub(super) p_right: Panels,
    /// Gradients of the scores, the same way.
    pub(super) ds_right: Panels,
    /// Gradients of the scores, queries as rows, by keys.
    pub(super) ds_left: Panels,
}

/// Scores `p` and products `ds = dout · vᵀ`, both (TILE, TILE), into `out`; what is not seen becomes 0.
///
/// # Safety
/// The processor has AVX-512 with BF16, as it does where a packer packs pairs of bf16.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(super) unsafe fn probabilities(
    p: &[f32],
    ds: &[f32],
    seen: Seen,
    j: usize,
    lse: &[f32],
    delta: &[f32],
    out: &mut Packed,
) {
    assert!(p.len() == TILE * TILE && ds.len() == p.len(), "attention: a tile of another size");
    let zero = _mm512_setzero_ps();
    // Two rows at a time, since bf16 are paired along queries in a right factor; 32 keys at a time, a block of a left one.
    for first in (0..TILE).step_by(2) {
        for keys in (0..TILE).step_by(2 * LANES) {
            let (mut rows_p, mut rows_ds) = ([[zero; 2]; 2], [[zero; 2]; 2]);
            for (r, (row_p, row_ds)) in rows_p.iter_mut().zip(&mut rows_ds).enumerate() {
                let row = first + r;
                if row >= seen.rows {
                    break;
                }
                let (from, to) = seen.by(row, j * TILE, TILE);
                if to <= keys || from >= keys + 2 * LANES {
                    continue;
                }
                let shift = Shift::new(lse[seen.first + row]);
                let delta = _mm512_set1_ps(delta[seen.first + row]);
                for (half, (out_p, out_ds)) in row_p.iter_mut().zip(row_ds).enumerate() {
                    let key = keys + half * LANES;
                    let mask = bits(to, key) & !bits(from, key);
                    // SAFETY: sixteen numbers of the row, inside the tile.
                    let (scores, products) = unsafe {
                        let at = row * TILE + key;
                        (_mm512_loadu_ps(p.as_ptr().add(at)), _mm512_loadu_ps(ds.as_ptr().add(at)))
                    };
                    *out_p = _mm512_maskz_mov_ps(mask, shift.exp(scores));
                    *out_ds = _mm512_mul_ps(*out_p, _mm512_sub_ps(products, delta));
                }
            }
            for (r, ds) in rows_ds.iter().enumerate() {
                out.ds_left.store(first + r, keys, pairs(ds[0], ds[1]));
            }
            for half in 0..2 {
                let right = |rows: &[[__m512; 2]; 2]| interleave(pairs(rows[0][half], rows[1][half]));
                out.p_right.store_words(keys + half * LANES, first, right(&rows_p));
                out.ds_right.store_words(keys + half * LANES, first, right(&rows_ds));
            }
        }
    }
}

/// The scores (QUERIES, SPAN) of `n` keys from `first`, `span`, into `out` as e^(score − shift), queries as rows; what is not
/// seen becomes 0.
///
/// # Safety
/// The processor has AVX-512 with BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(super) unsafe fn exponentials(
    scores: &[f32],
    seen: Seen,
    (first, n): (usize, usize),
    sums: &mut Sums,
    out: &mut Panels,
) {
    assert!(scores.len() == QUERIES * SPAN && n <= SPAN, "attention: a span of another size");
    let (zero, high_halves) = (_mm512_setzero_ps(), _mm512_set1_epi32(0xffff_0000_u32 as i32));
    for (row, scores) in scores.chunks_exact(SPAN).enumerate() {
        let (from, to) = if row < seen.rows { seen.by(row, first, n) } else { (0, 0) };
        let shift = Shift::new(sums.shift[row]);
        // SAFETY: sixteen lanes each.
        let [mut max, mut sum, mut rounded] = unsafe {
            [&sums.max[row], &sums.sum[row], &sums.rounded[row]].map(|x| _mm512_loadu_ps(x.as_ptr()))
        };
        for keys in (0..n).step_by(2 * LANES) {
            let mut p = [zero; 2];
            if keys < to && from < keys + 2 * LANES {
                for (p, key) in p.iter_mut().zip([keys, keys + LANES]) {
                    let mask = bits(to, key) & !bits(from, key);
                    // SAFETY: sixteen numbers of the row.
                    let score = unsafe { _mm512_loadu_ps(scores[key..key + LANES].as_ptr()) };
                    max = _mm512_mask_max_ps(max, mask, max, score);
                    *p = _mm512_maskz_mov_ps(mask, shift.exp(score));
                    sum = _mm512_add_ps(sum, *p);
                }
            }
            let words = pairs(p[0], p[1]);
            out.store(row, keys, words);
            let [even, odd] = [_mm512_slli_epi32::<16>(words), _mm512_and_si512(words, high_halves)];
            rounded = _mm512_add_ps(rounded, _mm512_castsi512_ps(even));
            rounded = _mm512_add_ps(rounded, _mm512_castsi512_ps(odd));
        }
        // SAFETY: as above.
        unsafe {
            _mm512_storeu_ps(sums.max[row].as_mut_ptr(), max);
            _mm512_storeu_ps(sums.sum[row].as_mut_ptr(), sum);
            _mm512_storeu_ps(sums.rounded[row].as_mut_ptr(), rounded);
        }
    }
}

/// A bit for each of the sixteen positions from `at` that lie before `end`.
fn bits(end: usize, at: usize) -> u16 {
    ((1u32 << end.saturating_sub(at).min(LANES)) - 1) as u16
}
