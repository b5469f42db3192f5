//! Momentum whose matrix is made nearly orthogonal before it is applied.

use crate::optim::orthogonal::{orthogonalise, scale};
use crate::optim::sum_of_squares;
use crate::simd::{lanes, simd};

/// What Muon remembers of one matrix; empty before the first step.
#[derive(Debug)]
pub struct MuonMoments<'a> {
    /// The mean of gradients, as many numbers as the matrix.
    pub first: &'a mut Vec<f32>,
    /// The mean of the squares of directions: of each row, or of each column where those are more.
    pub second: &'a mut Vec<f32>,
}

/// The weight of a step in `second`: it remembers about ten.
pub const SECOND: f32 = 0.1;

/// The direction of one Muon step for a (`rows`, `cols`) matrix: Nesterov momentum, made nearly orthogonal in bf16 by the
/// calling thread alone; then each row (or column, where those are more) is divided by its own root mean square of the last
/// steps, and the whole brought back to its length. [`muon_apply`] takes the step.
///
/// The gradient is multiplied by `grad_scale` first (clipping, averaging). Panics if lengths disagree. Sources: Keller
/// Jordan, <https://kellerjordan.github.io/posts/muon/>; arXiv:2505.16932 (orthogonalising); arXiv:2510.05491 (rows).
pub fn muon_direction(
    grad: &[f32],
    moments: MuonMoments,
    rows: usize,
    cols: usize,
    momentum: f32,
    grad_scale: f32,
) -> Vec<f32> {
    let MuonMoments { first, second } = moments;
    let fits = |moment: &[f32], len| moment.is_empty() || moment.len() == len;
    assert!(
        grad.len() == rows * cols && fits(first, grad.len()) && fits(second, rows.max(cols)),
        "muon: lengths disagree"
    );
    first.resize(grad.len(), 0.0);
    second.resize(rows.max(cols), 0.0);
    let mut direction = vec![0.0; grad.len()];
    average(grad, first, &mut direction, grad_scale, momentum);
    orthogonalise(&mut direction, rows, cols);
    even_out(&mut direction, second, rows, cols);
    direction
}

/// Divides lanes by the root of `second`, their mean squares of the last steps, and keeps the length of the whole.
fn even_out(x: &mut [f32], second: &mut [f32], rows: usize, cols: usize) {
    let by_row = rows >= cols;
    let mut squares = vec![0.0; second.len()];
    if by_row {
        squares_of_rows(x, &mut squares)
    } else {
        squares_of_columns(x, &mut squares)
    }
    let each = 1.0 / rows.min(cols) as f32;
    let mut by = Vec::with_capacity(second.len());
    for (second, square) in second.iter_mut().zip(squares) {
        *second += SECOND * (square * each - *second);
        by.push(1.0 / second.max(1e-10).sqrt());
    }
    let before = sum_of_squares(x);
    for (i, row) in x.chunks_exact_mut(cols).enumerate() {
        if by_row { scale(row, by[i]) } else { times(row, &by) }
    }
    scale(x, (before / sum_of_squares(x).max(1e-30)).sqrt() as f32);
}

simd! {
    fn squares_of_rows<S>(x: &[f32], out: &mut [f32]) {
        let cols = x.len() / out.len();
        for (row, out) in x.chunks_exact(cols).zip(out) {
            let mut sum = S::splat(0.0);
            lanes!(S, (row) => () {
                sum = S::fma(row, row, sum);
                []
            });
            *out = S::sum(sum);
        }
    }
}

simd! {
    fn squares_of_columns<S>(x: &[f32], out: &mut [f32]) {
        for row in x.chunks_exact(out.len()) {
            lanes!(S, (row, out) => (out) { [S::fma(row, row, out)] });
        }
    }
}

simd! {
    fn times<S>(x: &mut [f32], by: &[f32]) {
        lanes!(S, (x, by) => (x) { [S::mul(x, by)] });
    }
}

/// Takes a step in place along `direction`, scaled by √max(1, rows / cols), with decoupled weight decay.
pub fn muon_apply(
    param: &mut [f32],
    direction: &[f32],
    rows: usize,
    cols: usize,
    lr: f32,
    weight_decay: f32,
) {
    assert!(param.len() == rows * cols && direction.len() == param.len(), "muon: lengths disagree");
    apply(param, direction, 1.0 - lr * weight_decay, lr * (rows as f32 / cols as f32).max(1.0).sqrt());
}

simd! {
    fn average<S>(grad: &[f32], buf: &mut [f32], update: &mut [f32], grad_scale: f32, momentum: f32) {
        let (scale, old, new) = (S::splat(grad_scale), S::splat(momentum), S::splat(1.0 - momentum));
        lanes!(S, (grad, buf) => (update, buf) {
            let g = S::mul(grad, scale);
            let m = S::fma(new, S::sub(g, buf), buf);
            [S::fma(old, S::sub(m, g), g), m]
        });
    }
}

simd! {
    fn apply<S>(param: &mut [f32], update: &[f32], keep: f32, step: f32) {
        let (keep, step) = (S::splat(keep), S::splat(-step));
        lanes!(S, (param, update) => (param) { [S::fma(step, update, S::mul(param, keep))] });
    }
}
