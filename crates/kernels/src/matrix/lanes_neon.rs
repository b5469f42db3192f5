//! [`Lanes`] in NEON with its dot products; of packed weights eight rows at a time, in two registers.
//!
//! What Rust has no stable name for is written as the instruction itself.

use super::lanes::Lanes;
use super::register::Register;
use crate::simd::{Neon, Simd};
use std::arch::aarch64::*;
use std::arch::asm;

/// Four f16 as f32.
///
/// # Safety
/// Four f16 at `p`.
#[inline(always)]
unsafe fn four_f16(p: *const u8) -> float32x4_t {
    let wide;
    // SAFETY: the caller's; every aarch64 processor has the instruction.
    unsafe {
        let halves = vld1_u8(p);
        asm!("fcvtl {0:v}.4s, {1:v}.4h", lateout(vreg) wide, in(vreg) halves, options(pure, nomem, nostack, preserves_flags));
    }
    wide
}

// SAFETY of every block below: only called in functions compiled for dot products; pointers are the caller's.
impl Lanes for Neon {
    #[inline(always)]
    unsafe fn halves(p: *const u8) -> <Self as Simd>::V {
        unsafe { [four_f16(p), four_f16(p.add(8)), four_f16(p.add(16)), four_f16(p.add(24))] }
    }
    #[inline(always)]
    unsafe fn bf16(p: *const u8) -> <Self as Simd>::V {
        unsafe {
            let four = |p: *const u8| {
                let halves = vreinterpret_u16_u8(vld1_u8(p));
                vreinterpretq_f32_u32(vshll_n_u16::<16>(halves))
            };
            [four(p), four(p.add(8)), four(p.add(16)), four(p.add(24))]
        }
    }
}

impl Register for Neon {
    const ROWS: usize = 8;
    const SIGNED: bool = true;
    type W = [uint8x16_t; 2];
    type P = [int32x4_t; 2];
    type F = [float32x4_t; 2];

    #[inline(always)]
    fn words(_: u32) -> u32 {
        8
    }
    #[inline(always)]
    unsafe fn bytes(p: *const u8) -> Self::W {
        unsafe { [vld1q_u8(p), vld1q_u8(p.add(16))] }
    }
    #[inline(always)]
    fn low(w: Self::W) -> Self::W {
        unsafe { [vandq_u8(w[0], vdupq_n_u8(15)), vandq_u8(w[1], vdupq_n_u8(15))] }
    }
    #[inline(always)]
    fn high(w: Self::W) -> Self::W {
        unsafe { [vshrq_n_u8::<4>(w[0]), vshrq_n_u8::<4>(w[1])] }
    }
    #[inline(always)]
    fn bits<const FROM: u32, const COUNT: u32, const TO: u32>(w: Self::W) -> Self::W {
        unsafe {
            let mask = vdupq_n_u8((((1u32 << COUNT) - 1) << TO) as u8);
            let by = vdupq_n_s8((TO as i32 - FROM as i32) as i8);
            [vandq_u8(vshlq_u8(w[0], by), mask), vandq_u8(vshlq_u8(w[1], by), mask)]
        }
    }
    #[inline(always)]
    fn or(a: Self::W, b: Self::W) -> Self::W {
        unsafe { [vorrq_u8(a[0], b[0]), vorrq_u8(a[1], b[1])] }
    }
    #[inline(always)]
    fn look_up(w: Self::W, table: &[u8; 16]) -> Self::W {
        unsafe {
            let table = vld1q_u8(table.as_ptr());
            [vqtbl1q_u8(table, w[0]), vqtbl1q_u8(table, w[1])]
        }
    }
    #[inline(always)]
    unsafe fn shifted<const SHIFT: u32>(p: *const i32) -> Self::W {
        unsafe { [vreinterpretq_u8_s32(vdupq_n_s32(p.read() << SHIFT)); 2] }
    }
    #[inline(always)]
    fn zero() -> Self::W {
        unsafe { [vdupq_n_u8(0); 2] }
    }
    #[inline(always)]
    fn open(integers: Self::W) -> Self::P {
        unsafe { [vreinterpretq_s32_u8(integers[0]), vreinterpretq_s32_u8(integers[1])] }
    }
    #[inline(always)]
    unsafe fn dot<const BITS: u32>(sum: Self::P, w: Self::W, x: *const i8) -> Self::P {
        unsafe {
            let x = vreinterpretq_s8_s32(vld1q_dup_s32(x.cast()));
            let one = |mut sum: int32x4_t, w: uint8x16_t| {
                let w = if BITS == 8 { veorq_u8(w, vdupq_n_u8(128)) } else { w };
                asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) w, in(vreg) x, options(pure, nomem, nostack, preserves_flags));
                sum
            };
            [one(sum[0], w[0]), one(sum[1], w[1])]
        }
    }
    #[inline(always)]
    fn close<const BITS: u32>(_: Self::W, sum: Self::P) -> Self::W {
        unsafe { [vreinterpretq_u8_s32(sum[0]), vreinterpretq_u8_s32(sum[1])] }
    }
    #[inline(always)]
    fn to_f32(integers: Self::W) -> Self::F {
        unsafe {
            [
                vcvtq_f32_s32(vreinterpretq_s32_u8(integers[0])),
                vcvtq_f32_s32(vreinterpretq_s32_u8(integers[1])),
            ]
        }
    }
    #[inline(always)]
    unsafe fn f16(p: *const u8) -> Self::F {
        unsafe { [four_f16(p), four_f16(p.add(8))] }
    }
    #[inline(always)]
    unsafe fn i8(p: *const u8) -> Self::F {
        unsafe {
            let wide = vmovl_s8(vld1_s8(p.cast()));
            let float = |half| vcvtq_f32_s32(vmovl_s16(half));
            [float(vget_low_s16(wide)), float(vget_high_s16(wide))]
        }
    }
    #[inline(always)]
    unsafe fn u8(p: *const u8) -> Self::F {
        unsafe {
            let wide = vmovl_u8(vld1_u8(p));
            let float = |half| vcvtq_f32_u32(vmovl_u16(half));
            [float(vget_low_u16(wide)), float(vget_high_u16(wide))]
        }
    }
    #[inline(always)]
    fn all(x: f32) -> Self::F {
        unsafe { [vdupq_n_f32(x); 2] }
    }
    #[inline(always)]
    unsafe fn read(p: *const f32) -> Self::F {
        unsafe { [vld1q_f32(p), vld1q_f32(p.add(4))] }
    }
    #[inline(always)]
    unsafe fn write(p: *mut f32, x: Self::F) {
        unsafe {
            vst1q_f32(p, x[0]);
            vst1q_f32(p.add(4), x[1]);
        }
    }
    #[inline(always)]
    fn plus(a: Self::F, b: Self::F) -> Self::F {
        unsafe { [vaddq_f32(a[0], b[0]), vaddq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    fn times(a: Self::F, b: Self::F) -> Self::F {
        unsafe { [vmulq_f32(a[0], b[0]), vmulq_f32(a[1], b[1])] }
    }
    #[inline(always)]
    fn times_plus(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        unsafe { [vfmaq_f32(c[0], a[0], b[0]), vfmaq_f32(c[1], a[1], b[1])] }
    }
    #[inline(always)]
    fn prefetch(p: *const u8) {
        // SAFETY: a hint; the address may be anything.
        unsafe { asm!("prfm pldl2keep, [{0}]", in(reg) p, options(readonly, nostack, preserves_flags)) }
    }
}
