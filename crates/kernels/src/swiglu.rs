//! The gate of the feed-forward layer.

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
        for (y, gate_up) in y.chunks_exact_mut(i).zip(gate_up.chunks_exact(2 * i)) {
            let (gate, up) = gate_up.split_at(i);
            for j in 0..i {
                y[j] = gate[j] / (1.0 + (-gate[j]).exp()) * up[j];
            }
        }
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
            for ((dgate_up, gate_up), dy) in
                dgate_up.chunks_exact_mut(2 * i).zip(gate_up.chunks_exact(2 * i)).zip(dy.chunks_exact(i))
            {
                let (gate, up) = gate_up.split_at(i);
                let (dgate, dup) = dgate_up.split_at_mut(i);
                for j in 0..i {
                    let s = 1.0 / (1.0 + (-gate[j]).exp());
                    dgate[j] = dy[j] * up[j] * s * (1.0 + gate[j] * (1.0 - s));
                    dup[j] = dy[j] * gate[j] * s;
                }
            }
        });
}
