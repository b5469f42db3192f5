//! What layers of decoders and encoders are made of: projections, norms, feed-forward parts, over rows of f32.

use shuyuan_kernels::{
    Activation, Input, Matrix, NormRows, Part, Precision, activate_rows, gate_rows, norm_row, norm_rows,
    project,
};
use std::sync::Arc;

/// Products of plain weights with many rows are exact; packed weights do not ask.
const PRECISION: Precision = Precision::F32;

/// A projection.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) matrix: Arc<Matrix>,
    pub(crate) bias: Option<Vec<f32>>,
}

impl Linear {
    pub(crate) fn part(&self) -> Part<'_> {
        Part { matrix: &self.matrix, bias: self.bias.as_deref() }
    }
}

/// A norm's weight and bias.
#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Option<Vec<f32>>,
    pub(crate) eps: f32,
}

impl Norm {
    /// A norm with a bias takes the mean away, too.
    pub(crate) fn rows(&self) -> NormRows<'_> {
        let bias = self.bias.as_deref();
        NormRows { weight: &self.weight, bias, eps: self.eps, centred: bias.is_some() }
    }
}

/// gate and up give what down takes; without a gate the curve is applied to up.
#[derive(Debug)]
pub(crate) struct Mlp {
    pub(crate) gate: Option<Linear>,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
}

impl Mlp {
    /// (N, C) to (N, I).
    pub(crate) fn inner(&self, x: &[f32], c: usize, act: Activation) -> Vec<f32> {
        let (n, i) = (x.len() / c, self.up.matrix.rows());
        let mut h = vec![0.0; n * i];
        match &self.gate {
            Some(gate) => {
                let mut both = vec![0.0; 2 * n * i];
                multiply(x, c, &[gate.part(), self.up.part()], &mut both, false);
                gate_rows(act, &both, i, &mut h);
            }
            None => {
                multiply(x, c, &[self.up.part()], &mut h, false);
                activate_rows(act, &mut h, i);
            }
        }
        h
    }

    pub(crate) fn linears(&self) -> impl Iterator<Item = &Linear> {
        self.gate.iter().chain([&self.up, &self.down])
    }
}

/// `out = x · Wᵀ` of several matrices side by side, or added to what `out` holds. Shapes: `x` (N, `cols`).
pub(crate) fn multiply(x: &[f32], cols: usize, parts: &[Part], out: &mut [f32], add: bool) {
    let matrices: Vec<&Matrix> = parts.iter().map(|part| part.matrix).collect();
    project(&Input::new(x, cols, &matrices), parts, out, add, PRECISION);
}

/// Rows of `x`, normalised.
pub(crate) fn normed(norm: &Norm, x: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    norm_rows(norm.rows(), x, &mut y);
    y
}

/// Adds `h` · Wᵀ to `x`, normalised on the way where there is a norm.
pub(crate) fn add(h: &[f32], linear: &Linear, norm: Option<&Norm>, x: &mut [f32]) {
    let cols = linear.matrix.cols();
    let Some(norm) = norm else { return multiply(h, cols, &[linear.part()], x, true) };
    let mut found = vec![0.0; x.len()];
    multiply(h, cols, &[linear.part()], &mut found, false);
    found.chunks_exact_mut(linear.matrix.rows()).for_each(|row| norm_row(norm.rows(), row));
    x.iter_mut().zip(found).for_each(|(x, found)| *x += found);
}
