//! The gate of the feed-forward layer.

use crate::simd::{Simd, lanes, simd};
use crate::split::rows_per_task;
use rayon::prelude::*;

/// `y = silu(gate) · up`, with `silu(g) = g / (1 + e^−g)`.
///
/// Shapes: `gate_up` (`n`, 2·`i`), each row [gate | up]; `y` (`n`, `i`). Panics if they disagree.
/// Source: arXiv:2002.05202.
pub fn swiglu(gate_up: &[f32], y: &mut [f32], n: usize, i: usize) {
    assert!(gate_up.len() == 2 * n * i && y.len() == n * i, "swiglu: shapes disagree");
    if y.is_empty() {
        return;
    }
    let rows = rows_per_task(2 * i);
    y.par_chunks_mut(rows * i).zip(gate_up.par_chunks(rows * 2 * i)).for_each(|(y, gate_up)| {
        forward_rows(gate_up, y, i);
    });
}

/// The gradient of [`swiglu`]: overwrites `dgate_up`.
///
/// Shapes: `dy` (`n`, `i`), `gate_up` and `dgate_up` (`n`, 2·`i`). Panics if they disagree.
/// With s = 1 / (1 + e^−g): dgate = dy · up · s · (1 + g · (1 − s)), dup = dy · g · s.
pub fn swiglu_backward(dy: &[f32], gate_up: &[f32], dgate_up: &mut [f32], n: usize, i: usize) {
    assert!(
        gate_up.len() == 2 * n * i && dgate_up.len() == 2 * n * i && dy.len() == n * i,
        "swiglu_backward: shapes disagree"
    );
    if dy.is_empty() {
        return;
    }
    let rows = rows_per_task(2 * i);
    dgate_up
        .par_chunks_mut(rows * 2 * i)
        .zip(gate_up.par_chunks(rows * 2 * i))
        .zip(dy.par_chunks(rows * i))
        .for_each(|((dgate_up, gate_up), dy)| {
            backward_rows(dy, gate_up, dgate_up, i);
        });
}

simd! {
    fn forward_rows<S>(gate_up: &[f32], y: &mut [f32], i: usize) {
        for (y, gate_up) in y.chunks_exact_mut(i).zip(gate_up.chunks_exact(2 * i)) {
            let (gate, up) = gate_up.split_at(i);
            lanes!(S, (gate, up) => (y) { [S::mul(S::mul(gate, sigmoid::<S>(gate)), up)] });
        }
    }
}

simd! {
    fn backward_rows<S>(dy: &[f32], gate_up: &[f32], dgate_up: &mut [f32], i: usize) {
        let one = S::splat(1.0);
        for ((dgate_up, gate_up), dy) in
            dgate_up.chunks_exact_mut(2 * i).zip(gate_up.chunks_exact(2 * i)).zip(dy.chunks_exact(i))
        {
            let (gate, up) = gate_up.split_at(i);
            let (dgate, dup) = dgate_up.split_at_mut(i);
            lanes!(S, (gate, up, dy) => (dgate, dup) {
                let s = sigmoid::<S>(gate);
                let slope = S::mul(s, S::fma(gate, S::sub(one, s), one));
                [S::mul(S::mul(dy, up), slope), S::mul(S::mul(dy, gate), s)]
            });
        }
    }
}

#[inline(always)]
fn sigmoid<S: Simd>(x: S::V) -> S::V {
    S::div(S::splat(1.0), S::add(S::splat(1.0), S::exp(S::sub(S::splat(0.0), x))))
}
