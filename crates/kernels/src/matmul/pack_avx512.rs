//! Packing one block with AVX-512: sixteen loads, conversion, a 16 × 16 transpose where needed, sixteen stores.

use super::buffer::Block;
use std::arch::x86_64::*;

/// [`PackBlock`](super::pack::PackBlock) for f32 words.
///
/// # Safety
/// As `PackBlock`; needs AVX-512F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn block_f32<const ROUND: bool>(
    src: *const f32,
    lane_stride: usize,
    k_stride: usize,
    word_major: bool,
    out: &mut Block,
) {
    let stride = if k_stride == 1 { lane_stride } else { k_stride };
    let mut r = [_mm512_setzero_si512(); 16];
    for (i, r) in r.iter_mut().enumerate() {
        // SAFETY: by this function's contract.
        let x = unsafe { _mm512_loadu_ps(src.add(i * stride)) };
        *r = _mm512_castps_si512(x);
        if ROUND {
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(*r), _mm512_set1_epi32(1));
            let up = _mm512_add_epi32(_mm512_add_epi32(*r, _mm512_set1_epi32(0x7fff)), odd);
            let quiet = _mm512_or_si512(*r, _mm512_set1_epi32(0x0040_0000));
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x);
            let rounded = _mm512_and_si512(up, _mm512_set1_epi32(0xffff_0000_u32 as i32));
            *r = _mm512_mask_blend_epi32(nan, rounded, quiet);
        }
    }
    // SAFETY: AVX-512F is there.
    unsafe { store(r, (k_stride == 1) == word_major, out) };
}

/// [`PackBlock`](super::pack::PackBlock) for pairs of bf16.
///
/// # Safety
/// As `PackBlock`; needs AVX-512F, BW and BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn block_pairs(
    src: *const f32,
    lane_stride: usize,
    k_stride: usize,
    word_major: bool,
    out: &mut Block,
) {
    let mut r = [_mm512_setzero_si512(); 16];
    if k_stride == 1 {
        for (lane, r) in r.iter_mut().enumerate() {
            // SAFETY: by this function's contract.
            *r = unsafe { convert(src.add(lane * lane_stride), 16) };
        }
    } else {
        for (word, r) in r.iter_mut().enumerate() {
            // SAFETY: by this function's contract.
            let halves = unsafe { convert(src.add(2 * word * k_stride), k_stride) };
            *r = interleave(halves);
        }
    }
    // SAFETY: AVX-512F is there.
    unsafe { store(r, (k_stride == 1) == word_major, out) };
}

/// Sixteen numbers at `src`, then sixteen at `src + second`, as bf16.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn convert(src: *const f32, second: usize) -> __m512i {
    // SAFETY: as the caller says.
    let (low, high) = unsafe { (_mm512_loadu_ps(src), _mm512_loadu_ps(src.add(second))) };
    pairs(low, high)
}

/// Both as bf16, one after the other.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
pub(crate) fn pairs(low: __m512, high: __m512) -> __m512i {
    // SAFETY: both types are 512 plain bits.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
}

/// Two halves of sixteen bf16 as sixteen words: a number of the first, then its fellow of the second.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn interleave(halves: __m512i) -> __m512i {
    let order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18,
        2, 17, 1, 16, 0,
    );
    _mm512_permutexvar_epi16(order, halves)
}

/// Writes sixteen rows of sixteen words, or their columns.
///
/// # Safety
/// Needs AVX-512F.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn store(r: [__m512i; 16], transposed: bool, out: &mut Block) {
    let r = if transposed { transpose(r) } else { r };
    for (row, r) in out.0.iter_mut().zip(r) {
        // SAFETY: a row is 64 bytes, aligned to them.
        unsafe { _mm512_store_si512(row.as_mut_ptr().cast(), r) };
    }
}

/// Transposes 16 × 16 words: pairs of rows, fours of rows, then 128-bit quarters twice.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(r: [__m512i; 16]) -> [__m512i; 16] {
    let zero = _mm512_setzero_si512();
    let mut u = [zero; 16];
    for g in (0..16).step_by(4) {
        let low = _mm512_unpacklo_epi32(r[g], r[g + 1]);
        let high = _mm512_unpackhi_epi32(r[g], r[g + 1]);
        let low2 = _mm512_unpacklo_epi32(r[g + 2], r[g + 3]);
        let high2 = _mm512_unpackhi_epi32(r[g + 2], r[g + 3]);
        u[g] = _mm512_unpacklo_epi64(low, low2);
        u[g + 1] = _mm512_unpackhi_epi64(low, low2);
        u[g + 2] = _mm512_unpacklo_epi64(high, high2);
        u[g + 3] = _mm512_unpackhi_epi64(high, high2);
    }
    // Quarter l of u[g + j] is now column 4l + j of rows g to g + 3.
    let mut out = [zero; 16];
    for j in 0..4 {
        let even = _mm512_shuffle_i32x4::<0x88>(u[j], u[4 + j]);
        let even2 = _mm512_shuffle_i32x4::<0x88>(u[8 + j], u[12 + j]);
        let odd = _mm512_shuffle_i32x4::<0xdd>(u[j], u[4 + j]);
        let odd2 = _mm512_shuffle_i32x4::<0xdd>(u[8 + j], u[12 + j]);
        out[j] = _mm512_shuffle_i32x4::<0x88>(even, even2);
        out[4 + j] = _mm512_shuffle_i32x4::<0x88>(odd, odd2);
        out[8 + j] = _mm512_shuffle_i32x4::<0xdd>(even, even2);
        out[12 + j] = _mm512_shuffle_i32x4::<0xdd>(odd, odd2);
    }
    out
}
