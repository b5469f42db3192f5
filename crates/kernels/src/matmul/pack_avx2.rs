//! Packing one block with AVX2: quarters of eight by eight, each rounded and transposed in registers.

use super::buffer::Block;
use std::arch::x86_64::*;

/// [`PackBlock`](super::pack::PackBlock) for f32 words.
///
/// # Safety
/// As `PackBlock`; needs AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn block_f32<const ROUND: bool>(
    src: *const f32,
    lane_stride: usize,
    k_stride: usize,
    word_major: bool,
    out: &mut Block,
) {
    let stride = if k_stride == 1 { lane_stride } else { k_stride };
    let transposed = (k_stride == 1) == word_major;
    for (row, col) in [(0, 0), (0, 8), (8, 0), (8, 8)] {
        let mut r = [_mm256_setzero_ps(); 8];
        for (i, r) in r.iter_mut().enumerate() {
            // SAFETY: by this function's contract.
            let x = unsafe { _mm256_loadu_ps(src.add((row + i) * stride + col)) };
            *r = if ROUND { round(x) } else { x };
        }
        let (r, row, col) = if transposed { (transpose(r), col, row) } else { (r, row, col) };
        for (out, r) in out.0[row..row + 8].iter_mut().zip(r) {
            // SAFETY: eight of the row's sixteen words, aligned to 32 bytes.
            unsafe { _mm256_store_ps(out[col..col + 8].as_mut_ptr().cast(), r) };
        }
    }
}

/// As [`pack::round`](super::pack::round).
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn round(x: __m256) -> __m256 {
    let bits = _mm256_castps_si256(x);
    let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
    let up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    let rounded = _mm256_and_si256(up, _mm256_set1_epi32(0xffff_0000_u32 as i32));
    let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x0040_0000));
    let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(x, x);
    _mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(quiet), nan)
}

/// Transposes 8 × 8 words: pairs of rows, fours of rows, then 128-bit halves.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(r: [__m256; 8]) -> [__m256; 8] {
    let zero = _mm256_setzero_ps();
    let (mut fours, mut out) = ([zero; 8], [zero; 8]);
    for g in [0, 4] {
        let low = _mm256_unpacklo_ps(r[g], r[g + 1]);
        let high = _mm256_unpackhi_ps(r[g], r[g + 1]);
        let low2 = _mm256_unpacklo_ps(r[g + 2], r[g + 3]);
        let high2 = _mm256_unpackhi_ps(r[g + 2], r[g + 3]);
        fours[g] = _mm256_shuffle_ps::<0x44>(low, low2);
        fours[g + 1] = _mm256_shuffle_ps::<0xee>(low, low2);
        fours[g + 2] = _mm256_shuffle_ps::<0x44>(high, high2);
        fours[g + 3] = _mm256_shuffle_ps::<0xee>(high, high2);
    }
    // Half h of fours[g + j] is now column 4h + j of rows g to g + 3.
    for j in 0..4 {
        out[j] = _mm256_permute2f128_ps::<0x20>(fours[j], fours[4 + j]);
        out[4 + j] = _mm256_permute2f128_ps::<0x31>(fours[j], fours[4 + j]);
    }
    out
}
