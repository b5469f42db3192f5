//! Root-mean-square normalisation of rows, with a learned weight.

use crate::simd::{Simd, lanes, simd};
use crate::split::{rows_per_task, sum_into};
use rayon::prelude::*;

/// `y = x · rstd · weight` row by row, with `rstd = 1 / √(mean(x²) + eps)` kept for the backward pass.
///
/// Shapes: `x` and `y` (N, C), `weight` (C), `rstd` (N). Panics if they disagree.
/// Source: arXiv:1910.07467.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32], rstd: &mut [f32]) {
    let c = weight.len();
    assert!(x.len() == y.len() && x.len() == rstd.len() * c, "rms_norm: shapes disagree");
    if x.is_empty() {
        return;
    }
    let rows = rows_per_task(c);
    y.par_chunks_mut(rows * c).zip(x.par_chunks(rows * c)).zip(rstd.par_chunks_mut(rows)).for_each(
        |((y, x), rstd)| {
            forward_rows(x, weight, eps, y, rstd);
        },
    );
}

/// The gradient of [`rms_norm`]: overwrites `dx`, adds to `dweight`.
///
/// Shapes: `dy`, `x`, `dx` (N, C), `weight`, `dweight` (C), `rstd` (N). Panics if they disagree.
/// With x̂ = x · rstd and g = dy · weight: dweight += Σ dy · x̂, dx = rstd · (g − x̂ · mean(g · x̂)).
pub fn rms_norm_backward(
    dy: &[f32],
    x: &[f32],
    weight: &[f32],
    rstd: &[f32],
    dx: &mut [f32],
    dweight: &mut [f32],
) {
    let c = weight.len();
    assert!(
        x.len() == dy.len() && x.len() == dx.len() && x.len() == rstd.len() * c && dweight.len() == c,
        "rms_norm_backward: shapes disagree"
    );
    if x.is_empty() {
        return;
    }
    let rows = rows_per_task(c);
    let partials: Vec<Vec<f32>> = dx
        .par_chunks_mut(rows * c)
        .zip(dy.par_chunks(rows * c))
        .zip(x.par_chunks(rows * c))
        .zip(rstd.par_chunks(rows))
        .map(|(((dx, dy), x), rstd)| {
            let mut dweight = vec![0.0; c];
            backward_rows(dy, x, weight, rstd, dx, &mut dweight);
            dweight
        })
        .collect();
    sum_into(dweight, &partials);
}

simd! {
    pub(crate) fn forward_rows<S>(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32], rstd: &mut [f32]) {
        let c = weight.len();
        for ((y, x), rstd) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)).zip(rstd) {
            let mut squares = S::splat(0.0);
            lanes!(S, (x) => () {
                squares = S::fma(x, x, squares);
                []
            });
            *rstd = 1.0 / (S::sum(squares) / c as f32 + eps).sqrt();
            let r = S::splat(*rstd);
            lanes!(S, (x, weight) => (y) { [S::mul(S::mul(x, r), weight)] });
        }
    }
}

simd! {
    pub(crate) fn backward_rows<S>(
        dy: &[f32], x: &[f32], weight: &[f32], rstd: &[f32], dx: &mut [f32], dweight: &mut [f32],
    ) {
        let c = weight.len();
        for (((dx, dy), x), r) in dx.chunks_exact_mut(c).zip(dy.chunks_exact(c)).zip(x.chunks_exact(c)).zip(rstd) {
            let mut dot = S::splat(0.0);
            lanes!(S, (dy, x, weight) => () {
                dot = S::fma(S::mul(dy, weight), x, dot);
                []
            });
            let k = S::splat(S::sum(dot) * r * r / c as f32);
            let r = S::splat(*r);
            add_products::<S>(dy, x, r, dweight);
            lanes!(S, (dy, x, weight) => (dx) { [S::mul(r, S::sub(S::mul(dy, weight), S::mul(x, k)))] });
        }
    }
}

/// `sum += a · b · scale`.
#[inline(always)]
pub(crate) fn add_products<S: Simd>(a: &[f32], b: &[f32], scale: S::V, sum: &mut [f32]) {
    lanes!(S, (a, b, sum) => (sum) { [S::fma(S::mul(a, scale), b, sum)] });
}
