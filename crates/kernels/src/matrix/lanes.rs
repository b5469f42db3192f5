//! What a product of packed weights needs of an instruction set: sixteen rows side by side, four columns at a time.

use crate::simd::Simd;

/// Sixteen integers, or sixteen times four bytes: a row of weights in each lane.
pub(crate) trait Lanes: Simd {
    /// 64 bytes.
    type W: Copy;

    /// # Safety
    /// 64 bytes at `p`.
    unsafe fn bytes(p: *const u8) -> Self::W;
    /// Of each byte the low four bits.
    fn low(w: Self::W) -> Self::W;
    /// Of each byte the high four bits, moved down.
    fn high(w: Self::W) -> Self::W;
    /// Of each byte the `count` bits from bit `from`, moved to bit `to`. 8 bits in all.
    fn bits<const FROM: u32, const COUNT: u32, const TO: u32>(w: Self::W) -> Self::W;
    fn or(a: Self::W, b: Self::W) -> Self::W;
    /// The entry of `table` for each byte, which is below 16.
    fn look_up(w: Self::W, table: &[u8; 16]) -> Self::W;
    /// Sixteen times the integer at `p`, times 2^`SHIFT`.
    ///
    /// # Safety
    /// An i32 at `p`.
    unsafe fn shifted<const SHIFT: u32>(p: *const i32) -> Self::W;
    fn zero() -> Self::W;
    /// Adds to each lane the products of its four bytes, unsigned, with the four signed ones at `x`.
    ///
    /// # Safety
    /// Four bytes at `x`.
    unsafe fn dot<const BITS: u32>(sum: Self::W, w: Self::W, x: *const i8) -> Self::W;
    /// The integers as f32.
    fn to_f32(w: Self::W) -> Self::V;
    /// # Safety
    /// Sixteen f16 at `p`.
    unsafe fn f16(p: *const u8) -> Self::V;
    /// # Safety
    /// Sixteen bf16 at `p`.
    unsafe fn bf16(p: *const u8) -> Self::V;
    /// # Safety
    /// Sixteen i8 at `p`.
    unsafe fn i8(p: *const u8) -> Self::V;
    /// # Safety
    /// Sixteen u8 at `p`.
    unsafe fn u8(p: *const u8) -> Self::V;
    /// Fetches the line at `p` into the second-level cache; it may be anywhere. Into the first, lines wait in the few buffers
    /// that loads need (2026-11-27, Zen 4, one core, Q8_0: 12.4 GB/s, as without; into the second 17.6).
    fn prefetch(p: *const u8);
}

/// Defines a function over a [`Lanes`] that runs at the best level of this processor.
macro_rules! lanes_fn {
    ($(#[$meta:meta])* $vis:vis unsafe fn $name:ident<$S:ident $(, const $C:ident: $C_ty:ty)*>($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        $vis unsafe fn $name<$(const $C: $C_ty),*>($($arg: $ty),*) {
            #[inline(always)]
            unsafe fn body<$S: $crate::matrix::lanes::Lanes $(, const $C: $C_ty)*>($($arg: $ty),*) $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
            unsafe fn avx512<$(const $C: $C_ty),*>($($arg: $ty),*) {
                // SAFETY: the caller's.
                unsafe { body::<$crate::simd::Avx512 $(, $C)*>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            unsafe fn avx2<$(const $C: $C_ty),*>($($arg: $ty),*) {
                // SAFETY: the caller's.
                unsafe { body::<$crate::simd::Avx2 $(, $C)*>($($arg),*) }
            }
            // SAFETY: the processor has the features; the rest is the caller's.
            unsafe {
                match $crate::matrix::lanes::level() {
                    #[cfg(target_arch = "x86_64")]
                    $crate::simd::Level::Avx512 => avx512::<$($C),*>($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::simd::Level::Avx2 => avx2::<$($C),*>($($arg),*),
                    $crate::simd::Level::Portable => body::<$crate::simd::Portable $(, $C)*>($($arg),*),
                }
            }
        }
    };
}
pub(crate) use lanes_fn;

/// The best level with what [`Lanes`] needs beyond [`Simd`].
#[inline]
pub(crate) fn level() -> crate::simd::Level {
    use crate::simd::Level;
    #[cfg(test)]
    if let Some(forced) = FORCED.get() {
        return forced;
    }
    match crate::simd::level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 if is_x86_feature_detected!("f16c") && is_x86_feature_detected!("avx512vnni") => {
            Level::Avx512
        }
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Avx2 if is_x86_feature_detected!("f16c") => Level::Avx2,
        _ => Level::Portable,
    }
}

#[cfg(test)]
thread_local! {
    /// The level of the tests of this thread.
    pub(crate) static FORCED: std::cell::Cell<Option<crate::simd::Level>> = const { std::cell::Cell::new(None) };
}
