//! Projections of the state, normed or as it is, block by block of rows.

use crate::add::add_to;
use crate::matmul::MAX_ROWS;
use crate::matmul::buffer::Scratch;
use crate::matmul::packed::{Packer, Panels};
use crate::rms_norm::{backward_rows, forward_rows};
use crate::rows::{for_blocks, rows_for_threads, rows_per_block};
use crate::split::sum_into;
use crate::{Mat, MatMut, Precision, matmul};

/// One or more projections of the same rows.
#[derive(Clone, Copy, Debug)]
pub struct Linear<'a> {
    /// C: numbers in a row of `x`.
    pub input: usize,
    /// The norm before them, if any: its weight (C) and epsilon.
    pub norm: Option<(&'a [f32], f32)>,
    /// (O, C) each; the results stand side by side.
    pub weights: &'a [&'a [f32]],
    /// What products are multiplied in.
    pub precision: Precision,
}

/// A weight (O, C), O, and the column where its result begins.
type Column<'a> = (&'a [f32], usize, usize);

impl Linear<'_> {
    /// Each weight, and the width of all results.
    fn columns(&self) -> (Vec<Column<'_>>, usize) {
        assert!(
            self.input > 0 && self.norm.is_none_or(|(weight, _)| weight.len() == self.input),
            "linear: the norm is not ({})",
            self.input
        );
        let mut width = 0;
        let columns = self.weights.iter().map(|weight| {
            assert!(weight.len().is_multiple_of(self.input), "linear: a weight is not (O, {})", self.input);
            let (o, at) = (weight.len() / self.input, width);
            width += o;
            (*weight, o, at)
        });
        (columns.collect(), width)
    }

    /// The norm of some rows and 1/rms of each, where there is a norm.
    fn normed(&self, x: &[f32]) -> Option<(Scratch, Scratch)> {
        let (weight, eps) = self.norm?;
        let (mut y, mut rstd) = (Scratch::take(x.len()), Scratch::take(x.len() / self.input));
        forward_rows(x, weight, eps, &mut y, &mut rstd);
        Some((y, rstd))
    }
}

/// `out = y · [weights]ᵀ`, or `out +=` with `add`, with `y` the norm of `x`, or `x`.
///
/// Shapes: `x` (N, C), `out` (N, ΣO). Panics if they disagree.
pub fn linear(linear: Linear, x: &[f32], out: &mut [f32], add: bool) {
    let (c, (weights, width)) = (linear.input, linear.columns());
    let n = x.len() / c;
    assert!(x.len() == n * c && out.len() == n * width, "linear: shapes disagree");
    if out.is_empty() {
        return;
    }
    if n <= MAX_ROWS {
        let normed = linear.normed(x);
        let y = normed.as_ref().map_or(x, |(y, _)| y);
        for (weight, o, at) in weights {
            let out = MatMut { data: &mut out[at..], rows: n, cols: o, row_stride: width };
            matmul(Mat::new(y, n, c), Mat::new(weight, o, c).t(), out, add, linear.precision);
        }
        return;
    }
    let packer = Packer::new(linear.precision);
    let right = |&(weight, o, at): &Column| (packer.right(Mat::new(weight, o, c).t()), o, at);
    let packed: Vec<(Panels, usize, usize)> = weights.iter().map(right).collect();
    let rows = rows_for_threads(n, c);
    for_blocks(rows, width, out, vec![(); n.div_ceil(rows)], |first, out, ()| {
        let rows = out.len() / width;
        let x = &x[first * c..][..rows * c];
        let normed = linear.normed(x);
        let y = normed.as_ref().map_or(x, |(y, _)| y);
        let mut left = packer.panels(rows, c);
        packer.pack_left(Mat::new(y, rows, c), &mut left);
        let ready = packer.ready();
        for (right, o, at) in &packed {
            let out = MatMut { data: &mut out[*at..], rows, cols: *o, row_stride: width };
            ready.product(left.at(0, 0), right.at(0, 0), c, out, add);
        }
    });
}

/// The gradient of [`linear`]: adds that of `x` to `dx`, and that of the norm's weight to `dnorm`; overwrites those of the
/// weights, which are not worked out where they are `None`.
///
/// Shapes: `x`, `dx` (N, C), `dout` (N, ΣO), `dnorm` (C), `dweights` as the weights. Panics if they disagree.
pub fn linear_backward(
    linear: Linear,
    x: &[f32],
    dout: &[f32],
    dx: &mut [f32],
    dnorm: &mut [f32],
    dweights: Vec<Option<&mut [f32]>>,
) {
    let (c, (weights, width)) = (linear.input, linear.columns());
    let n = x.len() / c;
    assert!(
        x.len() == n * c && dx.len() == x.len() && dout.len() == n * width && dweights.len() == weights.len(),
        "linear_backward: shapes disagree"
    );
    assert!(linear.norm.is_none() || dnorm.len() == c, "linear_backward: dnorm is not ({c})");
    if n == 0 || width == 0 {
        dweights.into_iter().flatten().for_each(|d| d.fill(0.0));
        return;
    }
    let packer = Packer::new(linear.precision);
    let packed: Vec<Panels> =
        weights.iter().map(|(weight, o, _)| packer.right(Mat::new(weight, *o, c))).collect();
    // Factors of the weights' gradients, their K the rows.
    let mut ys = packer.panels(c, n);
    let mut douts: Vec<Panels> = weights.iter().map(|(_, o, _)| packer.panels(*o, n)).collect();
    let ys_to = ys.shared();
    let douts_to: Vec<_> = douts.iter_mut().map(Panels::shared).collect();
    let rows = rows_per_block(c);
    let dnorms = for_blocks(rows, c, dx, vec![(); n.div_ceil(rows)], |first, dx, ()| {
        let rows = dx.len() / c;
        let x = &x[first * c..][..rows * c];
        let mut normed = linear.normed(x);
        let y = normed.as_ref().map_or(x, |(y, _)| y);
        // SAFETY: this task alone writes these rows' terms.
        unsafe { ys_to.pack_right(packer, Mat::new(y, rows, c), 0, first) };
        let mut dy = Scratch::take(rows * c);
        let ready = packer.ready();
        for (i, (&(_, o, at), right)) in weights.iter().zip(&packed).enumerate() {
            let data = &dout[first * width + at..];
            let part = Mat { data, rows, cols: o, row_stride: width, col_stride: 1 };
            let mut left = packer.panels(rows, o);
            packer.pack_left(part, &mut left);
            ready.product(left.at(0, 0), right.at(0, 0), o, MatMut::new(&mut dy, rows, c), i > 0);
            // SAFETY: as above.
            unsafe { douts_to[i].pack_left(packer, part.t(), 0, first) };
        }
        let (Some((weight, _)), Some((y, rstd))) = (linear.norm, &mut normed) else {
            add_to(&dy, dx);
            return Vec::new();
        };
        let mut dnorm = vec![0.0; c];
        backward_rows(&dy, x, weight, rstd, y, &mut dnorm);
        add_to(y, dx);
        dnorm
    });
    sum_into(dnorm, &dnorms);
    for ((&(_, o, _), dout), dweight) in weights.iter().zip(&douts).zip(dweights) {
        if let Some(dweight) = dweight {
            packer.product(dout, &ys, MatMut::new(dweight, o, c), false);
        }
    }
}
