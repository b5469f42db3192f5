//! [`Lanes`] in one 512-bit register, with VNNI.

use super::lanes::Lanes;
use crate::simd::Avx512;
use std::arch::x86_64::*;

// SAFETY of every block below: only called in functions compiled for AVX-512 and VNNI; pointers are the caller's.
impl Lanes for Avx512 {
    type W = __m512i;

    #[inline(always)]
    unsafe fn bytes(p: *const u8) -> __m512i {
        unsafe { _mm512_loadu_si512(p.cast()) }
    }
    #[inline(always)]
    fn low(w: __m512i) -> __m512i {
        unsafe { _mm512_and_si512(w, _mm512_set1_epi8(15)) }
    }
    #[inline(always)]
    fn high(w: __m512i) -> __m512i {
        unsafe { _mm512_and_si512(_mm512_srli_epi16::<4>(w), _mm512_set1_epi8(15)) }
    }
    #[inline(always)]
    fn bits<const FROM: u32, const COUNT: u32, const TO: u32>(w: __m512i) -> __m512i {
        unsafe {
            let mask = _mm512_set1_epi8((((1u32 << COUNT) - 1) << TO) as i8);
            let moved = if FROM > TO {
                _mm512_srl_epi16(w, _mm_cvtsi32_si128((FROM - TO) as i32))
            } else {
                _mm512_sll_epi16(w, _mm_cvtsi32_si128((TO - FROM) as i32))
            };
            _mm512_and_si512(moved, mask)
        }
    }
    #[inline(always)]
    fn or(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_or_si512(a, b) }
    }
    #[inline(always)]
    fn look_up(w: __m512i, table: &[u8; 16]) -> __m512i {
        unsafe { _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast())), w) }
    }
    #[inline(always)]
    unsafe fn shifted<const SHIFT: u32>(p: *const i32) -> __m512i {
        unsafe { _mm512_slli_epi32::<SHIFT>(_mm512_set1_epi32(p.read())) }
    }
    #[inline(always)]
    fn zero() -> __m512i {
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn dot<const BITS: u32>(sum: __m512i, w: __m512i, x: *const i8) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(sum, w, _mm512_set1_epi32(x.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    fn to_f32(w: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(w) }
    }
    #[inline(always)]
    unsafe fn f16(p: *const u8) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(p.cast())) }
    }
    #[inline(always)]
    unsafe fn bf16(p: *const u8) -> __m512 {
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }
    #[inline(always)]
    unsafe fn i8(p: *const u8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(p.cast()))) }
    }
    #[inline(always)]
    unsafe fn u8(p: *const u8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast()))) }
    }
    #[inline(always)]
    fn prefetch(p: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }
}
