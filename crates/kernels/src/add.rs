//! The residual sum.

use crate::simd::{lanes, simd};

simd! {
    /// `out += x`, element by element. Panics if the lengths disagree.
    pub(crate) fn add_to<S>(x: &[f32], out: &mut [f32]) {
        lanes!(S, (x, out) => (out) { [S::add(x, out)] });
    }
}
