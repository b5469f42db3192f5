//! Momentum whose matrix is made nearly orthogonal before it is applied.

use crate::optim::sum_of_squares;
use crate::simd::{lanes, simd};
use crate::{Mat, MatMut, Precision, matmul_serial};

/// The direction of one Muon step for a (`rows`, `cols`) matrix: Nesterov momentum, then five Newton–Schulz steps in bf16
/// on the smaller side, by the calling thread alone. [`muon_apply`] takes the step.
///
/// The gradient is multiplied by `grad_scale` first (clipping, averaging). `momentum_buf` is zeros before the first
/// step. Panics if lengths disagree. Source: Keller Jordan, <https://kellerjordan.github.io/posts/muon/>.
pub fn muon_direction(
    grad: &[f32],
    momentum_buf: &mut [f32],
    rows: usize,
    cols: usize,
    momentum: f32,
    grad_scale: f32,
) -> Vec<f32> {
    assert!(grad.len() == rows * cols && momentum_buf.len() == grad.len(), "muon: lengths disagree");
    let mut direction = vec![0.0; grad.len()];
    average(grad, momentum_buf, &mut direction, grad_scale, momentum);
    orthogonalise(&mut direction, rows, cols);
    direction
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

simd! {
    /// `poly = a · I + b · gram + c · poly`, for square matrices.
    fn combine<S>(gram: &[f32], poly: &mut [f32], side: usize, abc: [f32; 3]) {
        let [a, b, c] = abc;
        let (b, c) = (S::splat(b), S::splat(c));
        lanes!(S, (gram, poly) => (poly) { [S::fma(c, poly, S::mul(b, gram))] });
        poly.iter_mut().step_by(side + 1).for_each(|p| *p += a);
    }
}

simd! {
    fn scale<S>(x: &mut [f32], by: f32) {
        let by = S::splat(by);
        lanes!(S, (x) => (x) { [S::mul(x, by)] });
    }
}

/// Brings the singular values of `x` (rows, cols) close to one, between about 0.7 and 1.2.
fn orthogonalise(x: &mut [f32], rows: usize, cols: usize) {
    // Steep at zero rather than exact at one: five steps then do for any gradient.
    const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];
    let norm = (sum_of_squares(x).sqrt() + 1e-7) as f32;
    scale(x, 1.0 / norm);
    // With s the smaller side: gram and poly (s, s). X·Xᵀ·X and X·(Xᵀ·X) are the same, so a tall X needs no copy.
    let s = rows.min(cols);
    let tall = rows > cols;
    let (mut gram, mut poly, mut old) = (vec![0.0; s * s], vec![0.0; s * s], vec![0.0; x.len()]);
    for _ in 0..5 {
        old.copy_from_slice(x);
        let m = Mat::new(&old, rows, cols);
        let (left, right) = if tall { (m.t(), m) } else { (m, m.t()) };
        matmul_serial(left, right, MatMut::new(&mut gram, s, s), false, Precision::Bf16);
        let g = Mat::new(&gram, s, s);
        matmul_serial(g, g, MatMut::new(&mut poly, s, s), false, Precision::Bf16);
        combine(&gram, &mut poly, s, COEFFICIENTS);
        let p = Mat::new(&poly, s, s);
        let (left, right) = if tall { (m, p) } else { (p, m) };
        matmul_serial(left, right, MatMut::new(x, rows, cols), false, Precision::Bf16);
    }
}
