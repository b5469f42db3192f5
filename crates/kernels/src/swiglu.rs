//! The gate of the feed-forward layer.

use crate::simd::{Simd, lanes, simd};

simd! {
    /// `h = silu(gate) · up`, with `silu(g) = g / (1 + e^−g)`. Panics if lengths disagree. Source: arXiv:2002.05202.
    pub(crate) fn forward<S>(gate: &[f32], up: &[f32], h: &mut [f32]) {
        lanes!(S, (gate, up) => (h) { [S::mul(S::mul(gate, sigmoid::<S>(gate)), up)] });
    }
}

simd! {
    /// The gradient of [`forward`], and `h` once more. Panics if lengths disagree.
    ///
    /// With s = 1 / (1 + e^−g): dgate = dh · up · s · (1 + g · (1 − s)), dup = dh · g · s.
    pub(crate) fn backward<S>(
        dh: &[f32], gate: &[f32], up: &[f32], dgate: &mut [f32], dup: &mut [f32], h: &mut [f32],
    ) {
        let one = S::splat(1.0);
        lanes!(S, (dh, gate, up) => (dgate, dup, h) {
            let s = sigmoid::<S>(gate);
            let slope = S::mul(s, S::fma(gate, S::sub(one, s), one));
            let silu = S::mul(gate, s);
            [S::mul(S::mul(dh, up), slope), S::mul(dh, silu), S::mul(silu, up)]
        });
    }
}

#[inline(always)]
fn sigmoid<S: Simd>(x: S::V) -> S::V {
    S::div(S::splat(1.0), S::add(S::splat(1.0), S::exp(S::sub(S::splat(0.0), x))))
}
