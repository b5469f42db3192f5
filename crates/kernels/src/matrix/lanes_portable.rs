//! [`Lanes`] in arrays, for the compiler to fit to the registers that there are.

use super::lanes::Lanes;
use super::register::Register;
use crate::simd::{LANES, Portable, Simd};
use half::{bf16, f16};

/// An integer in each lane; its four bytes where the lane holds weights.
type W = [u32; LANES];

impl Lanes for Portable {
    #[inline(always)]
    unsafe fn halves(p: *const u8) -> [f32; LANES] {
        // SAFETY: the caller's.
        unsafe { Self::f16(p) }
    }
    #[inline(always)]
    unsafe fn bf16(p: *const u8) -> [f32; LANES] {
        // SAFETY: the caller's.
        unsafe { p.cast::<[[u8; 2]; LANES]>().read() }.map(|b| bf16::from_le_bytes(b).to_f32())
    }
}

impl Register for Portable {
    const ROWS: usize = LANES;
    const SIGNED: bool = false;
    type W = W;
    type P = W;
    type F = [f32; LANES];

    #[inline(always)]
    fn words(_: u32) -> u32 {
        8
    }
    #[inline(always)]
    unsafe fn bytes(p: *const u8) -> W {
        // SAFETY: the caller's.
        let bytes = unsafe { p.cast::<[[u8; 4]; LANES]>().read_unaligned() };
        bytes.map(u32::from_le_bytes)
    }
    #[inline(always)]
    fn low(w: W) -> W {
        w.map(|w| w & 0x0f0f_0f0f)
    }
    #[inline(always)]
    fn high(w: W) -> W {
        w.map(|w| w >> 4 & 0x0f0f_0f0f)
    }
    #[inline(always)]
    fn bits<const FROM: u32, const COUNT: u32, const TO: u32>(w: W) -> W {
        let mask = (((1u32 << COUNT) - 1) << TO) * 0x0101_0101;
        w.map(|w| if FROM > TO { w >> (FROM - TO) } else { w << (TO - FROM) } & mask)
    }
    #[inline(always)]
    fn or(a: W, b: W) -> W {
        std::array::from_fn(|i| a[i] | b[i])
    }
    #[inline(always)]
    fn look_up(w: W, table: &[u8; 16]) -> W {
        w.map(|w| u32::from_le_bytes(w.to_le_bytes().map(|b| table[usize::from(b & 15)])))
    }
    #[inline(always)]
    unsafe fn shifted<const SHIFT: u32>(p: *const i32) -> W {
        // SAFETY: the caller's.
        [(unsafe { p.read() } << SHIFT) as u32; LANES]
    }
    #[inline(always)]
    fn zero() -> W {
        [0; LANES]
    }
    #[inline(always)]
    unsafe fn dot<const BITS: u32>(sum: W, w: W, x: *const i8) -> W {
        // SAFETY: the caller's.
        let x = unsafe { x.cast::<[i8; 4]>().read() };
        std::array::from_fn(|lane| {
            let w = w[lane].to_le_bytes();
            let dot: i32 = (0..4).map(|i| i32::from(w[i]) * i32::from(x[i])).sum();
            (sum[lane] as i32 + dot) as u32
        })
    }
    #[inline(always)]
    fn to_f32(w: W) -> [f32; LANES] {
        w.map(|w| w as i32 as f32)
    }
    #[inline(always)]
    unsafe fn i8(p: *const u8) -> [f32; LANES] {
        // SAFETY: the caller's.
        unsafe { p.cast::<[i8; LANES]>().read() }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn u8(p: *const u8) -> [f32; LANES] {
        // SAFETY: the caller's.
        unsafe { p.cast::<[u8; LANES]>().read() }.map(f32::from)
    }
    #[inline(always)]
    fn open(integers: W) -> W {
        integers
    }
    #[inline(always)]
    fn close<const BITS: u32>(_: W, sum: W) -> W {
        sum
    }
    #[inline(always)]
    unsafe fn f16(p: *const u8) -> [f32; LANES] {
        // SAFETY: the caller's.
        unsafe { p.cast::<[[u8; 2]; LANES]>().read() }.map(|b| f16::from_le_bytes(b).to_f32())
    }
    #[inline(always)]
    fn all(x: f32) -> [f32; LANES] {
        Self::splat(x)
    }
    #[inline(always)]
    unsafe fn read(p: *const f32) -> [f32; LANES] {
        // SAFETY: the caller's.
        unsafe { Self::load(p) }
    }
    #[inline(always)]
    unsafe fn write(p: *mut f32, x: [f32; LANES]) {
        // SAFETY: the caller's.
        unsafe { Self::store(p, x) }
    }
    #[inline(always)]
    fn plus(a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        Self::add(a, b)
    }
    #[inline(always)]
    fn times(a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        Self::mul(a, b)
    }
    #[inline(always)]
    fn times_plus(a: [f32; LANES], b: [f32; LANES], c: [f32; LANES]) -> [f32; LANES] {
        Self::fma(a, b, c)
    }
    #[inline(always)]
    fn prefetch(_: *const u8) {}
}
