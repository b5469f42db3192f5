//! The feed-forward part of a layer: RMSNorm, SwiGLU, and back into the state, block by block of rows.

use crate::add::add_to;
use crate::kept::{Kept, Part};
use crate::matmul::MAX_ROWS;
use crate::matmul::buffer::Scratch;
use crate::matmul::packed::{Packer, Panels};
use crate::rms_norm::{backward_rows, forward_rows};
use crate::rows::{for_blocks, rows_for_threads, rows_per_block};
use crate::split::sum_into;
use crate::swiglu::{self, Back};
use crate::{Mat, MatMut, Precision, matmul};

/// Numbers of the inner part that a block works on at a time: whole tiles, and whole blocks along K.
const INNER: usize = 192;
/// Up to so many rows, all threads share each product: there are no blocks enough for them.
const FEW: usize = 32;

/// The parameters of a feed-forward part.
#[derive(Clone, Copy, Debug)]
pub struct Mlp<'a> {
    /// (C)
    pub norm: &'a [f32],
    /// (I, C)
    pub gate: &'a [f32],
    /// (I, C)
    pub up: &'a [f32],
    /// (C, I)
    pub down: &'a [f32],
    /// Of the norm.
    pub eps: f32,
    /// What products are multiplied in.
    pub precision: Precision,
}

/// Gradients of an [`Mlp`]; what is `None` is not wanted. `norm` is added to, the others are overwritten.
#[derive(Debug)]
pub struct MlpGrads<'a> {
    /// (C)
    pub norm: &'a mut [f32],
    /// (I, C)
    pub gate: Option<&'a mut [f32]>,
    /// (I, C)
    pub up: Option<&'a mut [f32]>,
    /// (C, I)
    pub down: Option<&'a mut [f32]>,
}

impl Mlp<'_> {
    /// C and I.
    fn sizes(&self) -> (usize, usize) {
        let c = self.norm.len();
        let i = self.gate.len() / c.max(1);
        assert!(
            [self.gate, self.up, self.down].iter().all(|w| w.len() == c * i),
            "norm_mlp: weights disagree with {c} numbers a row"
        );
        (c, i)
    }
}

/// `out += (silu(y · gateᵀ) · (y · upᵀ)) · downᵀ` with `y` the norm of `x`; returns what [`norm_mlp_backward`] needs.
///
/// Shapes: `x` and `out` (N, C). Panics if they disagree. Sources: arXiv:1910.07467, arXiv:2002.05202.
pub fn norm_mlp(mlp: Mlp, x: &[f32], out: &mut [f32], keep: bool) -> Option<Kept> {
    let (c, inner) = mlp.sizes();
    assert!(x.len() == out.len() && x.len().is_multiple_of(c), "norm_mlp: shapes disagree");
    let n = x.len() / c;
    let mut kept = keep.then(|| Kept::new(n * 2 * inner, mlp.precision));
    if n == 0 {
        return kept;
    }
    if n <= if keep { MAX_ROWS } else { FEW } {
        few_rows(mlp, x, out, kept.as_mut());
        return kept;
    }
    let packer = Packer::new(mlp.precision);
    let gate = packer.right(Mat::new(mlp.gate, inner, c).t());
    let up = packer.right(Mat::new(mlp.up, inner, c).t());
    let down = packer.right(Mat::new(mlp.down, c, inner).t());
    let rows = if keep { rows_per_block(c) } else { rows_for_threads(n, c) };
    let parts = match &mut kept {
        Some(kept) => kept.parts(rows * 2 * inner).into_iter().map(Some).collect(),
        None => (0..n.div_ceil(rows)).map(|_| None).collect(),
    };
    for_blocks(rows, c, out, parts, |first, out, mut part: Option<Part>| {
        let rows = out.len() / c;
        let left = pack_normed(mlp, &x[first * c..][..rows * c], packer);
        let mut values = Scratch::take(3 * rows * INNER);
        let mut h_left = packer.panels(rows, INNER);
        let ready = packer.ready();
        for at in (0..inner).step_by(INNER) {
            let width = INNER.min(inner - at);
            let (gate_up, h) = values.split_at_mut(2 * rows * width);
            let (g, u) = gate_up.split_at_mut(rows * width);
            ready.product(left.at(0, 0), gate.at(at, 0), c, MatMut::new(g, rows, width), false);
            ready.product(left.at(0, 0), up.at(at, 0), c, MatMut::new(u, rows, width), false);
            h_left.set_k(width);
            swiglu::pack_forward(
                packer,
                (g, u, h),
                width,
                &mut h_left,
                part.as_mut().map(|part| (part, 2 * rows * at)),
            );
            ready.product(h_left.at(0, 0), down.at(0, at), width, MatMut::new(out, rows, c), true);
        }
    });
    kept
}

/// Of a few rows, as when a model writes: all time goes into reading the weights once.
fn few_rows(mlp: Mlp, x: &[f32], out: &mut [f32], kept: Option<&mut Kept>) {
    let (c, inner) = mlp.sizes();
    let n = x.len() / c;
    let (mut y, mut rstd) = (Scratch::take(n * c), Scratch::take(n));
    forward_rows(x, mlp.norm, mlp.eps, &mut y, &mut rstd);
    let mut values = Scratch::take(3 * n * inner);
    let (gate_up, h) = values.split_at_mut(2 * n * inner);
    let (g, u) = gate_up.split_at_mut(n * inner);
    for (weight, out) in [(mlp.gate, &mut *g), (mlp.up, &mut *u)] {
        let weight = Mat::new(weight, inner, c).t();
        matmul(Mat::new(&y, n, c), weight, MatMut::new(out, n, inner), false, mlp.precision);
    }
    swiglu::forward(g, u, h);
    let down = Mat::new(mlp.down, c, inner).t();
    matmul(Mat::new(h, n, inner), down, MatMut::new(out, n, c), true, mlp.precision);
    for part in kept.map(|kept| kept.parts(n * 2 * inner)).iter_mut().flatten() {
        for at in (0..inner).step_by(INNER) {
            let width = INNER.min(inner - at);
            for (i, row) in gate_up.chunks_exact(inner).enumerate() {
                part.write(2 * n * at + i * width, &row[at..at + width]);
            }
        }
    }
}

/// The norm of some rows as a left factor.
fn pack_normed(mlp: Mlp, x: &[f32], packer: Packer) -> Panels {
    let c = mlp.norm.len();
    let rows = x.len() / c;
    let (mut y, mut rstd) = (Scratch::take(rows * c), Scratch::take(rows));
    forward_rows(x, mlp.norm, mlp.eps, &mut y, &mut rstd);
    let mut left = packer.panels(rows, c);
    packer.pack_left(Mat::new(&y, rows, c), &mut left);
    left
}

/// The gradient of [`norm_mlp`]: adds that of `x` to `dx`.
///
/// Shapes: `x`, `dout`, `dx` (N, C). Panics if they disagree.
pub fn norm_mlp_backward(mlp: Mlp, x: &[f32], kept: &Kept, dout: &[f32], dx: &mut [f32], grads: MlpGrads) {
    let (c, inner) = mlp.sizes();
    assert!(
        x.len() == dout.len() && x.len() == dx.len() && grads.norm.len() == c,
        "norm_mlp_backward: shapes disagree"
    );
    let n = x.len() / c;
    if n == 0 {
        [grads.gate, grads.up, grads.down].into_iter().flatten().for_each(|d| d.fill(0.0));
        return;
    }
    let packer = Packer::new(mlp.precision);
    let gate = packer.right(Mat::new(mlp.gate, inner, c));
    let up = packer.right(Mat::new(mlp.up, inner, c));
    let down = packer.right(Mat::new(mlp.down, c, inner));
    // Factors of the weights' gradients, their K the rows.
    let [mut dgates, mut dups, mut hs] = [0; 3].map(|_| packer.panels(inner, n));
    let [mut ys, mut douts] = [0; 2].map(|_| packer.panels(c, n));
    let (dgates_to, dups_to, hs_to) = (dgates.shared(), dups.shared(), hs.shared());
    let (ys_to, douts_to) = (ys.shared(), douts.shared());
    let rows = rows_per_block(c);
    let blocks = vec![(); n.div_ceil(rows)];
    let dnorms = for_blocks(rows, c, dx, blocks, |first, dx, ()| {
        let rows = dx.len() / c;
        let (x, dout) = (&x[first * c..][..rows * c], &dout[first * c..][..rows * c]);
        let (mut y, mut rstd, mut dy) =
            (Scratch::take(rows * c), Scratch::take(rows), Scratch::take(rows * c));
        forward_rows(x, mlp.norm, mlp.eps, &mut y, &mut rstd);
        let mut dout_left = packer.panels(rows, c);
        packer.pack_left(Mat::new(dout, rows, c), &mut dout_left);
        // SAFETY, here and below: this task alone writes these rows' terms.
        unsafe {
            ys_to.pack_right(packer, Mat::new(&y, rows, c), 0, first);
            douts_to.pack_left(packer, Mat::new(dout, rows, c).t(), 0, first);
        }
        let mut values = Scratch::take(6 * rows * INNER);
        let mut lefts = [(); 2].map(|()| packer.panels(rows, INNER));
        let ready = packer.ready();
        for at in (0..inner).step_by(INNER) {
            let width = INNER.min(inner - at);
            let size = rows * width;
            let (gate_up, rest) = values.split_at_mut(2 * size);
            let (dh, rest) = rest[..4 * size].split_at_mut(size);
            ready.product(dout_left.at(0, 0), down.at(at, 0), c, MatMut::new(dh, rows, width), false);
            lefts.iter_mut().for_each(|left| left.set_k(width));
            let [left_gate, left_up] = &mut lefts;
            let back =
                Back { left: [left_gate, left_up], columns: [dgates_to, dups_to], h: hs_to, at: (at, first) };
            // SAFETY: as above.
            unsafe {
                swiglu::pack_backward(
                    packer,
                    dh,
                    (kept, 2 * (first * inner + rows * at)),
                    (gate_up, rest),
                    width,
                    back,
                )
            };
            for (left, weight) in lefts.iter().zip([&gate, &up]) {
                let add = at > 0 || std::ptr::eq(weight, &up);
                ready.product(left.at(0, 0), weight.at(0, at), width, MatMut::new(&mut dy, rows, c), add);
            }
        }
        let mut dnorm = vec![0.0; c];
        backward_rows(&dy, x, mlp.norm, &rstd, &mut y, &mut dnorm);
        add_to(&y, dx);
        dnorm
    });
    sum_into(grads.norm, &dnorms);
    if let Some(gate) = grads.gate {
        packer.product(&dgates, &ys, MatMut::new(gate, inner, c), false);
    }
    if let Some(up) = grads.up {
        packer.product(&dups, &ys, MatMut::new(up, inner, c), false);
    }
    if let Some(down) = grads.down {
        packer.product(&douts, &hs, MatMut::new(down, c, inner), false);
    }
}
