//! Softmax in one pass: exponentials of numbers less a shift that is near the greatest, which is known only in the end.

use crate::simd::{LANES, lanes, simd};

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
