//! [`Lanes`] in two 256-bit registers.

use super::lanes::Lanes;
use crate::simd::{Avx2, Simd};
use std::arch::x86_64::*;

type W = (__m256i, __m256i);

macro_rules! both {
    ($w:expr, $f:expr) => {{
        let w = $w;
        let f = $f;
        (f(w.0), f(w.1))
    }};
}

// SAFETY of every block below: only called in functions compiled for AVX2, FMA and F16C; pointers are the caller's.
impl Lanes for Avx2 {
    type W = W;

    #[inline(always)]
    unsafe fn bytes(p: *const u8) -> W {
        unsafe { (_mm256_loadu_si256(p.cast()), _mm256_loadu_si256(p.add(32).cast())) }
    }
    #[inline(always)]
    fn low(w: W) -> W {
        both!(w, |w| unsafe { _mm256_and_si256(w, _mm256_set1_epi8(15)) })
    }
    #[inline(always)]
    fn high(w: W) -> W {
        both!(w, |w| unsafe { _mm256_and_si256(_mm256_srli_epi16::<4>(w), _mm256_set1_epi8(15)) })
    }
    #[inline(always)]
    fn bits<const FROM: u32, const COUNT: u32, const TO: u32>(w: W) -> W {
        both!(w, |w| unsafe {
            let mask = _mm256_set1_epi8((((1u32 << COUNT) - 1) << TO) as i8);
            let moved = if FROM > TO {
                _mm256_srl_epi16(w, _mm_cvtsi32_si128((FROM - TO) as i32))
            } else {
                _mm256_sll_epi16(w, _mm_cvtsi32_si128((TO - FROM) as i32))
            };
            _mm256_and_si256(moved, mask)
        })
    }
    #[inline(always)]
    fn or(a: W, b: W) -> W {
        unsafe { (_mm256_or_si256(a.0, b.0), _mm256_or_si256(a.1, b.1)) }
    }
    #[inline(always)]
    fn look_up(w: W, table: &[u8; 16]) -> W {
        both!(w, |w| unsafe {
            _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast())), w)
        })
    }
    #[inline(always)]
    unsafe fn shifted<const SHIFT: u32>(p: *const i32) -> W {
        let x = unsafe { _mm256_set1_epi32(p.read() << SHIFT) };
        (x, x)
    }
    #[inline(always)]
    fn zero() -> W {
        let zero = unsafe { _mm256_setzero_si256() };
        (zero, zero)
    }
    #[inline(always)]
    unsafe fn dot<const BITS: u32>(sum: W, w: W, x: *const i8) -> W {
        unsafe {
            let x = _mm256_set1_epi32(x.cast::<i32>().read_unaligned());
            // Pairs of products are added in 16 bits, which 8-bit weights would overflow: they go in halves.
            let dot = |sum, w| {
                let ones = _mm256_set1_epi16(1);
                if BITS < 8 {
                    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), ones));
                }
                let low = _mm256_and_si256(w, _mm256_set1_epi8(15));
                let high = _mm256_and_si256(_mm256_srli_epi16::<4>(w), _mm256_set1_epi8(15));
                let low = _mm256_madd_epi16(_mm256_maddubs_epi16(low, x), ones);
                let high = _mm256_madd_epi16(_mm256_maddubs_epi16(high, x), _mm256_set1_epi16(16));
                _mm256_add_epi32(sum, _mm256_add_epi32(low, high))
            };
            (dot(sum.0, w.0), dot(sum.1, w.1))
        }
    }
    #[inline(always)]
    fn to_f32(w: W) -> <Self as Simd>::V {
        unsafe { (_mm256_cvtepi32_ps(w.0), _mm256_cvtepi32_ps(w.1)) }
    }
    #[inline(always)]
    unsafe fn f16(p: *const u8) -> <Self as Simd>::V {
        unsafe {
            (
                _mm256_cvtph_ps(_mm_loadu_si128(p.cast())),
                _mm256_cvtph_ps(_mm_loadu_si128(p.add(16).cast())),
            )
        }
    }
    #[inline(always)]
    unsafe fn bf16(p: *const u8) -> <Self as Simd>::V {
        unsafe {
            let half = |p: *const u8| {
                let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast()));
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
            };
            (half(p), half(p.add(16)))
        }
    }
    #[inline(always)]
    unsafe fn i8(p: *const u8) -> <Self as Simd>::V {
        unsafe {
            let half = |p: *const u8| _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(p.cast())));
            (half(p), half(p.add(8)))
        }
    }
    #[inline(always)]
    unsafe fn u8(p: *const u8) -> <Self as Simd>::V {
        unsafe {
            let half = |p: *const u8| _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast())));
            (half(p), half(p.add(8)))
        }
    }
    #[inline(always)]
    fn prefetch(p: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }
}
