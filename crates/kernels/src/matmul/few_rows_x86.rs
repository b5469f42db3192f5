//! Dot products of few rows with AVX2 and with AVX-512 BF16: N rows of Bᵀ at a time, each read once for
//! all M rows of A.

use super::few_rows::{Dots, Kernels};
use super::pack_avx2::round;
use std::arch::x86_64::*;

/// Goes through Bᵀ by N rows, the last ones singly; each sum is the same either way.
macro_rules! by_rows {
    ($some:ident, $t:ident, $m:ident, $n:ident) => {{
        let mut at = 0;
        while at + $n <= $t.b.2 {
            $some::<$m, $n>(&$t, at);
            at += $n;
        }
        while at < $t.b.2 {
            $some::<$m, 1>(&$t, at);
            at += 1;
        }
    }};
}

/// The functions for f32 words, of factors rounded to bf16 or not.
pub(super) fn avx2(rounded: bool) -> Kernels {
    #[target_feature(enable = "avx2,fma")]
    unsafe fn plain<const M: usize, const N: usize>(t: Dots) {
        // SAFETY: the caller's.
        unsafe { by_rows!(some_plain, t, M, N) }
    }

    #[target_feature(enable = "avx2,fma")]
    unsafe fn rounding<const M: usize, const N: usize>(t: Dots) {
        // SAFETY: the caller's.
        unsafe { by_rows!(some_rounded, t, M, N) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn some_plain<const M: usize, const N: usize>(t: &Dots, at: usize) {
        // SAFETY: the caller's.
        unsafe { some::<M, N, false>(t, at) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn some_rounded<const M: usize, const N: usize>(t: &Dots, at: usize) {
        // SAFETY: the caller's.
        unsafe { some::<M, N, true>(t, at) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn some<const M: usize, const N: usize, const ROUND: bool>(t: &Dots, at: usize) {
        let mut acc = [[_mm256_setzero_ps(); N]; M];
        // SAFETY: the caller's; rows of A are padded to whole vectors, loads of B masked.
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            for k in (0..t.k).step_by(8) {
                let left = t.k - k;
                let y: [__m256; N] = std::array::from_fn(|n| {
                    let b = t.b.0.add((at + n) * t.b.1 + k);
                    let y = if left >= 8 {
                        _mm256_loadu_ps(b)
                    } else {
                        _mm256_maskload_ps(b, _mm256_cmpgt_epi32(_mm256_set1_epi32(left as i32), lanes))
                    };
                    if ROUND { round(y) } else { y }
                });
                for (m, acc) in acc.iter_mut().enumerate() {
                    let x = _mm256_loadu_ps(t.a.0.add(m * t.a.1 + k).cast::<f32>());
                    for (acc, y) in acc.iter_mut().zip(y) {
                        *acc = _mm256_fmadd_ps(x, y, *acc);
                    }
                }
            }
            for (m, acc) in acc.iter().enumerate().take(t.rows) {
                for (n, &acc) in acc.iter().enumerate() {
                    let mut sums = [0.0f32; 8];
                    _mm256_storeu_ps(sums.as_mut_ptr(), acc);
                    t.write(m, at + n, sums.iter().sum());
                }
            }
        }
    }

    if rounded {
        [rounding::<1, 4>, rounding::<2, 4>, rounding::<4, 2>, rounding::<8, 1>]
    } else {
        [plain::<1, 4>, plain::<2, 4>, plain::<4, 2>, plain::<8, 1>]
    }
}

/// The functions for pairs of bf16.
pub(super) fn avx512_bf16() -> Kernels {
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn dots<const M: usize, const N: usize>(t: Dots) {
        // SAFETY: the caller's.
        unsafe { by_rows!(some, t, M, N) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn some<const M: usize, const N: usize>(t: &Dots, at: usize) {
        let mut acc = [[_mm512_setzero_ps(); N]; M];
        // SAFETY: the caller's; rows of A are padded to whole vectors, loads of B masked.
        unsafe {
            for k in (0..t.k).step_by(32) {
                let left = (t.k - k).min(32);
                let mask = (0xffff_ffff_u64 >> (32 - left)) as u32;
                let x: [__m512bh; M] = std::array::from_fn(|m| {
                    std::mem::transmute(_mm512_loadu_ps(t.a.0.add(m * t.a.1 + k / 2).cast::<f32>()))
                });
                let y: [__m512bh; N] = std::array::from_fn(|n| {
                    let b = t.b.0.add((at + n) * t.b.1 + k);
                    let (low, high) = if left == 32 {
                        (_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)))
                    } else {
                        (
                            _mm512_maskz_loadu_ps(mask as u16, b),
                            _mm512_maskz_loadu_ps((mask >> 16) as u16, b.wrapping_add(16)),
                        )
                    };
                    _mm512_cvtne2ps_pbh(high, low)
                });
                for (acc, x) in acc.iter_mut().zip(x) {
                    for (acc, y) in acc.iter_mut().zip(y) {
                        *acc = _mm512_dpbf16_ps(*acc, x, y);
                    }
                }
            }
            for (m, acc) in acc.iter().enumerate().take(t.rows) {
                for (n, &acc) in acc.iter().enumerate() {
                    t.write(m, at + n, _mm512_reduce_add_ps(acc));
                }
            }
        }
    }
    [dots::<1, 4>, dots::<2, 4>, dots::<4, 4>, dots::<8, 2>]
}
