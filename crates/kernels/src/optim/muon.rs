//! Momentum whose matrix is made nearly orthogonal before it is applied.

use crate::optim::sum_of_squares;
use crate::{Mat, MatMut, Precision, matmul};

/// One Muon step in place on a (`rows`, `cols`) matrix: Nesterov momentum, five Newton–Schulz steps in bf16 on the
/// smaller side, decoupled weight decay. The update is scaled by √max(1, rows / cols).
///
/// The gradient is multiplied by `grad_scale` first (clipping, averaging). `momentum_buf` is zeros before the first step. Panics if lengths disagree.
/// Source: Keller Jordan, <https://kellerjordan.github.io/posts/muon/>.
#[expect(clippy::too_many_arguments, reason = "three slices, two sizes, four settings")]
pub fn muon(
    param: &mut [f32],
    grad: &[f32],
    momentum_buf: &mut [f32],
    rows: usize,
    cols: usize,
    lr: f32,
    momentum: f32,
    weight_decay: f32,
    grad_scale: f32,
) {
    assert!(
        param.len() == rows * cols && grad.len() == param.len() && momentum_buf.len() == param.len(),
        "muon: lengths disagree"
    );
    let mut update = vec![0.0; param.len()];
    for ((u, g), m) in update.iter_mut().zip(grad).zip(momentum_buf) {
        let g = g * grad_scale;
        *m += (1.0 - momentum) * (g - *m);
        *u = g + momentum * (*m - g);
    }
    orthogonalise(&mut update, rows, cols);
    let step = lr * (rows as f32 / cols as f32).max(1.0).sqrt();
    let keep = 1.0 - lr * weight_decay;
    for (x, u) in param.iter_mut().zip(&update) {
        *x = *x * keep - step * u;
    }
}

/// Brings the singular values of `x` (rows, cols) close to one, between about 0.7 and 1.2.
fn orthogonalise(x: &mut [f32], rows: usize, cols: usize) {
    const A: f32 = 3.4445;
    const B: f32 = -4.7750;
    const C: f32 = 2.0315;
    let norm = (sum_of_squares(x).sqrt() + 1e-7) as f32;
    x.iter_mut().for_each(|x| *x /= norm);
    // With s the smaller side: gram and poly (s, s). X·Xᵀ·X and X·(Xᵀ·X) are the same, so a tall X needs no copy.
    let s = rows.min(cols);
    let tall = rows > cols;
    let (mut gram, mut poly, mut old) = (vec![0.0; s * s], vec![0.0; s * s], vec![0.0; x.len()]);
    for _ in 0..5 {
        old.copy_from_slice(x);
        let m = Mat::new(&old, rows, cols);
        let (left, right) = if tall { (m.t(), m) } else { (m, m.t()) };
        matmul(left, right, MatMut::new(&mut gram, s, s), false, Precision::Bf16);
        let g = Mat::new(&gram, s, s);
        matmul(g, g, MatMut::new(&mut poly, s, s), false, Precision::Bf16);
        for (i, (p, g)) in poly.iter_mut().zip(&gram).enumerate() {
            *p = C * *p + B * g;
            if i % (s + 1) == 0 {
                *p += A;
            }
        }
        let p = Mat::new(&poly, s, s);
        let (left, right) = if tall { (m, p) } else { (p, m) };
        matmul(left, right, MatMut::new(x, rows, cols), false, Precision::Bf16);
    }
}
