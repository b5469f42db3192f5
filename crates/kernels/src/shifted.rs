//! Softmax in one pass: exponentials of numbers less a shift that is near the greatest, which is known only in the end.

use crate::simd::{LANES, lanes, simd};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// How far the greatest may lie from the shift: far from what f32 and bf16 hold, for sums and products too.
pub(crate) const APART: f32 = 40.0;

simd! {
    /// Makes each x of a row e^(x − shift); keeps the greatest x and adds up the exponentials, lane by lane.
    pub(crate) fn exponentials_of_row<S>(
        row: &mut [f32], shift: f32, max: &mut [f32; LANES], sum: &mut [f32; LANES],
    ) {
        let shift = S::splat(shift);
        // SAFETY: both are sixteen.
        let (mut m, mut s) = unsafe { (S::load(max.as_ptr()), S::load(sum.as_ptr())) };
        lanes!(S, (row) or f32::NEG_INFINITY => (row) {
            m = S::max(m, row);
            let e = S::exp(S::sub(row, shift));
            s = S::add(s, e);
            [e]
        });
        // SAFETY: as above.
        unsafe {
            S::store(max.as_mut_ptr(), m);
            S::store(sum.as_mut_ptr(), s);
        }
    }
}

/// A shift for numbers whose exponentials are rounded to bf16 next, or only added up.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Shift(__m512);

#[cfg(target_arch = "x86_64")]
impl Shift {
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(crate) fn new(shift: f32) -> Self {
        Self(_mm512_set1_ps(shift * std::f32::consts::LOG2_E))
    }

    /// e^(x − shift) to 4 millionths, and ten millionths for numbers of hundreds; 0 for minus infinity. Half the instructions of
    /// [`Simd::exp`](crate::simd::Simd::exp).
    ///
    /// With y the same to the base of 2: 2^⌊y⌋ · 2^(y − ⌊y⌋), the latter by the polynomial of degree four with the least
    /// greatest relative error, 2.6e-6.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    pub(crate) fn exp(self, x: __m512) -> __m512 {
        const FLOOR: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
        let c = |x| _mm512_set1_ps(x);
        let y = _mm512_fmsub_ps(x, c(std::f32::consts::LOG2_E), self.0);
        // In this order, so that what is not a number stays so.
        let y = _mm512_max_ps(c(-200.0), y);
        let f = _mm512_reduce_ps::<FLOOR>(y);
        let p = _mm512_fmadd_ps(c(1.353_416_8e-2), f, c(5.201_146_4e-2));
        let p = _mm512_fmadd_ps(p, f, c(2.414_427_5e-1));
        let p = _mm512_fmadd_ps(p, f, c(6.930_038_3e-1));
        let p = _mm512_fmadd_ps(p, f, c(1.000_002_6));
        _mm512_scalef_ps(p, y)
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn exponentials_for_bf16_are_close_enough() {
        if !(is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq")) {
            return;
        }
        #[target_feature(enable = "avx512f,avx512dq")]
        fn exp(x: f32, shift: f32) -> f32 {
            _mm512_cvtss_f32(Shift::new(shift).exp(_mm512_set1_ps(x)))
        }
        // SAFETY: the processor has both.
        let exp = |x, shift| unsafe { exp(x, shift) };
        for shift in [0.0, -7.3, 31.7, 88.0] {
            for x in (-80_000..40_000).map(|i| i as f32 * 1e-3) {
                let exact = (f64::from(x + shift) - f64::from(shift)).exp();
                let off = (f64::from(exp(x + shift, shift)) / exact - 1.0).abs();
                assert!(off < 1e-5, "exp({x} less {shift}) is {off} off");
            }
        }
        assert_eq!(exp(f32::NEG_INFINITY, 3.0), 0.0);
        assert_eq!(exp(-200.0, 3.0), 0.0);
        assert_eq!(exp(f32::INFINITY, 3.0), f32::INFINITY);
        assert!(exp(f32::NAN, 3.0).is_nan());
    }
}
