//! Root-mean-square normalisation of rows, with a learned weight.

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
            for ((y, x), rstd) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)).zip(rstd) {
                let mean = x.iter().map(|x| x * x).sum::<f32>() / c as f32;
                *rstd = 1.0 / (mean + eps).sqrt();
                for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
                    *y = x * *rstd * w;
                }
            }
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
            for (((dx, dy), x), r) in
                dx.chunks_exact_mut(c).zip(dy.chunks_exact(c)).zip(x.chunks_exact(c)).zip(rstd)
            {
                let dot: f32 = (0..c).map(|j| dy[j] * weight[j] * x[j]).sum();
                let k = dot * r * r / c as f32;
                for j in 0..c {
                    dweight[j] += dy[j] * x[j] * r;
                    dx[j] = r * (dy[j] * weight[j] - x[j] * k);
                }
            }
            dweight
        })
        .collect();
    sum_into(dweight, &partials);
}
