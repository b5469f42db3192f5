//! The residual sum.

use crate::simd::{lanes, simd};
use crate::split::rows_per_task;
use rayon::prelude::*;

/// `out = a + b`, element by element. Panics if the lengths disagree.
pub fn add(a: &[f32], b: &[f32], out: &mut [f32]) {
    assert!(a.len() == b.len() && a.len() == out.len(), "add: lengths disagree");
    let len = rows_per_task(1);
    out.par_chunks_mut(len).zip(a.par_chunks(len)).zip(b.par_chunks(len)).for_each(|((out, a), b)| {
        run(a, b, out);
    });
}

simd! {
    fn run<S>(a: &[f32], b: &[f32], out: &mut [f32]) {
        lanes!(S, (a, b) => (out) { [S::add(a, b)] });
    }
}
