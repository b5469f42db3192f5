//! [`Lanes`] in two 256-bit registers; of packed weights eight rows at a time.

use super::lanes::Lanes;
use super::register::Register;
use crate::simd::{Avx2, Simd};
use std::arch::x86_64::*;

// SAFETY of every block below: only called in functions compiled for AVX2, FMA and F16C; pointers are the caller's.
impl Lanes for Avx2 {
    #[inline(always)]
    unsafe fn halves(p: *const u8) -> <Self as Simd>::V {
        unsafe { (Self::f16(p), Self::f16(p.add(16))) }
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
}

/// Whether sums are of products taken away. The compiler regroups additions for the sake of a shorter chain, which takes more
/// registers than there are; subtractions it leaves as they are.
const fn is_taken_away(bits: u32) -> bool {
    bits < 6
}

impl Register for Avx2 {
    const ROWS: usize = 8;
    const SIGNED: bool = true;
    type W = __m256i;
    /// Two sums of 16 bits for each row.
    type P = __m256i;
    type F = __m256;

    #[inline(always)]
    fn words(bits: u32) -> u32 {
        // A pair of products is at most 2 · 127 · (2^bits - 1), or 2 · 127 · 128 of signed ones.
        match bits {
            4 => 8,
            5 => 4,
            6 => 2,
            _ => 1,
        }
    }
    #[inline(always)]
    unsafe fn bytes(p: *const u8) -> __m256i {
        unsafe { _mm256_loadu_si256(p.cast()) }
    }
    #[inline(always)]
    fn low(w: __m256i) -> __m256i {
        unsafe { _mm256_and_si256(w, _mm256_set1_epi8(15)) }
    }
    #[inline(always)]
    fn high(w: __m256i) -> __m256i {
        unsafe { _mm256_and_si256(_mm256_srli_epi16::<4>(w), _mm256_set1_epi8(15)) }
    }
    #[inline(always)]
    fn bits<const FROM: u32, const COUNT: u32, const TO: u32>(w: __m256i) -> __m256i {
        unsafe {
            let mask = _mm256_set1_epi8((((1u32 << COUNT) - 1) << TO) as i8);
            let moved = if FROM > TO {
                _mm256_srl_epi16(w, _mm_cvtsi32_si128((FROM - TO) as i32))
            } else {
                _mm256_sll_epi16(w, _mm_cvtsi32_si128((TO - FROM) as i32))
            };
            _mm256_and_si256(moved, mask)
        }
    }
    #[inline(always)]
    fn or(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_or_si256(a, b) }
    }
    #[inline(always)]
    fn look_up(w: __m256i, table: &[u8; 16]) -> __m256i {
        unsafe { _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast())), w) }
    }
    #[inline(always)]
    unsafe fn shifted<const SHIFT: u32>(p: *const i32) -> __m256i {
        unsafe { _mm256_set1_epi32(p.read() << SHIFT) }
    }
    #[inline(always)]
    fn zero() -> __m256i {
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    fn open(_: __m256i) -> __m256i {
        Self::zero()
    }
    #[inline(always)]
    unsafe fn dot<const BITS: u32>(sum: __m256i, w: __m256i, x: *const i8) -> __m256i {
        unsafe {
            let x = _mm256_set1_epi32(x.cast::<i32>().read_unaligned());
            let (w, x) = if BITS < 8 {
                (w, x)
            } else {
                let w = _mm256_xor_si256(w, _mm256_set1_epi8(-128));
                (_mm256_abs_epi8(w), _mm256_sign_epi8(x, w))
            };
            let products = _mm256_maddubs_epi16(w, x);
            if is_taken_away(BITS) {
                _mm256_sub_epi16(sum, products)
            } else {
                _mm256_add_epi16(sum, products)
            }
        }
    }
    #[inline(always)]
    fn close<const BITS: u32>(integers: __m256i, sum: __m256i) -> __m256i {
        unsafe {
            let sign = if is_taken_away(BITS) { 1 } else { -1 };
            _mm256_sub_epi32(integers, _mm256_madd_epi16(sum, _mm256_set1_epi16(sign)))
        }
    }
    #[inline(always)]
    fn to_f32(integers: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(integers) }
    }
    #[inline(always)]
    unsafe fn f16(p: *const u8) -> __m256 {
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(p.cast())) }
    }
    #[inline(always)]
    unsafe fn i8(p: *const u8) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(p.cast()))) }
    }
    #[inline(always)]
    unsafe fn u8(p: *const u8) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast()))) }
    }
    #[inline(always)]
    fn all(x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn read(p: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn write(p: *mut f32, x: __m256) {
        unsafe { _mm256_storeu_ps(p, x) }
    }
    #[inline(always)]
    fn plus(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn times(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn times_plus(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn prefetch(p: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }
}
