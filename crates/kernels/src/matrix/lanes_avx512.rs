//! [`Lanes`] in one 512-bit register, with VNNI.

use super::lanes::Lanes;
use super::register::Register;
use crate::simd::{Avx512, LANES, Simd};
use std::arch::x86_64::*;

// SAFETY of every block below: only called in functions compiled for AVX-512 and VNNI; pointers are the caller's.
impl Lanes for Avx512 {
    #[inline(always)]
    unsafe fn halves(p: *const u8) -> __m512 {
        // SAFETY: the caller's.
        unsafe { Self::f16(p) }
    }
    #[inline(always)]
    unsafe fn bf16(p: *const u8) -> __m512 {
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }
}

impl Register for Avx512 {
    const ROWS: usize = LANES;
    const SIGNED: bool = false;
    type W = __m512i;
    type P = __m512i;
    type F = __m512;

    #[inline(always)]
    fn words(_: u32) -> u32 {
        8
    }
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
    unsafe fn i8(p: *const u8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(p.cast()))) }
    }
    #[inline(always)]
    unsafe fn u8(p: *const u8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast()))) }
    }
    #[inline(always)]
    fn open(integers: __m512i) -> __m512i {
        integers
    }
    #[inline(always)]
    fn close<const BITS: u32>(_: __m512i, sum: __m512i) -> __m512i {
        sum
    }
    #[inline(always)]
    unsafe fn f16(p: *const u8) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(p.cast())) }
    }
    #[inline(always)]
    fn all(x: f32) -> __m512 {
        Self::splat(x)
    }
    #[inline(always)]
    unsafe fn read(p: *const f32) -> __m512 {
        // SAFETY: the caller's.
        unsafe { Self::load(p) }
    }
    #[inline(always)]
    unsafe fn write(p: *mut f32, x: __m512) {
        // SAFETY: the caller's.
        unsafe { Self::store(p, x) }
    }
    #[inline(always)]
    fn plus(a: __m512, b: __m512) -> __m512 {
        Self::add(a, b)
    }
    #[inline(always)]
    fn times(a: __m512, b: __m512) -> __m512 {
        Self::mul(a, b)
    }
    #[inline(always)]
    fn times_plus(a: __m512, b: __m512, c: __m512) -> __m512 {
        Self::fma(a, b, c)
    }
    #[inline(always)]
    fn prefetch(p: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }
}
