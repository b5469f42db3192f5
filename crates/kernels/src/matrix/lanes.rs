//! Plain numbers of 16 bits, and rows of packed weights, beside what [`Simd`] has.

use super::register::Register;
use crate::simd::Simd;

/// What inference needs of an instruction set.
pub(crate) trait Lanes: Simd + Register {
    /// # Safety
    /// Sixteen f16 at `p`.
    unsafe fn halves(p: *const u8) -> Self::V;
    /// # Safety
    /// Sixteen bf16 at `p`.
    unsafe fn bf16(p: *const u8) -> Self::V;
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
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon,dotprod")]
            unsafe fn neon<$(const $C: $C_ty),*>($($arg: $ty),*) {
                // SAFETY: the caller's.
                unsafe { body::<$crate::simd::Neon $(, $C)*>($($arg),*) }
            }
            // SAFETY: the processor has the features; the rest is the caller's.
            unsafe {
                match $crate::matrix::lanes::level() {
                    #[cfg(target_arch = "x86_64")]
                    $crate::simd::Level::Avx512 => avx512::<$($C),*>($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::simd::Level::Avx2 => avx2::<$($C),*>($($arg),*),
                    #[cfg(target_arch = "aarch64")]
                    $crate::simd::Level::Neon => neon::<$($C),*>($($arg),*),
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
        #[cfg(target_arch = "aarch64")]
        Level::Neon if std::arch::is_aarch64_feature_detected!("dotprod") => Level::Neon,
        _ => Level::Portable,
    }
}

#[cfg(test)]
thread_local! {
    /// The level of the tests of this thread.
    pub(crate) static FORCED: std::cell::Cell<Option<crate::simd::Level>> = const { std::cell::Cell::new(None) };
}
