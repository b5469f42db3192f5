//! The last layer and the loss in one, without ever holding all logits.

mod exponentials;

use crate::matmul::buffer::Scratch;
use crate::matmul::packed::{Packer, Panels, SharedPanels, UNIT};
use crate::{Mat, MatMut, Precision};
use exponentials::{RowSums, exponentials};
use rayon::prelude::*;

/// The target of a position that has no loss.
pub const IGNORE: u32 = u32::MAX;

/// Rows that a task takes through all weights, at most: for so many, these are read once from beyond the second-level cache.
const ROWS: usize = 256;
/// Rows of logits that it holds at a time.
const STRIP: usize = 64;
/// Columns of logits that it holds at a time: with their weights they stay in the second-level cache.
const COLUMNS: usize = 256;
/// Exponentials of logits held at a time, packed: 32 MiB in bf16. Each time, `dw` is read and written once.
const LOGITS: usize = 1 << 24;
/// Rows held at a time at least, so that there is work for many threads, and at most.
const HELD: [usize; 2] = [1024, 4096];

/// `losses[n] = −log softmax(x[n] · wᵀ)[targets[n]]`, and the gradients of `loss_scale · Σ losses`.
///
/// Shapes: `x` (N, C), `w` (V, C), `targets` (N), `losses` (N), 0 where the target is [`IGNORE`]; `dx` (N, C),
/// overwritten; `dw` (V, C), added to. Losses are in nats and not scaled; pass `loss_scale = 1 / count` for the
/// gradients of a mean. Panics if shapes disagree or a target is not below V.
#[expect(clippy::too_many_arguments, reason = "one slice for each tensor")]
pub fn linear_cross_entropy(
    x: &[f32],
    w: &[f32],
    targets: &[u32],
    loss_scale: f32,
    losses: &mut [f32],
    mut dx: Option<&mut [f32]>,
    mut dw: Option<&mut [f32]>,
    precision: Precision,
) {
    let n = targets.len();
    assert!(losses.len() == n, "linear_cross_entropy: shapes disagree");
    losses.fill(0.0);
    if let Some(dx) = dx.as_deref_mut() {
        assert!(dx.len() == x.len(), "linear_cross_entropy: dx is not (N, C)");
        dx.fill(0.0);
    }
    if x.is_empty() {
        return;
    }
    let c = x.len() / n;
    let vocab = w.len() / c;
    assert!(x.len() == n * c && w.len() == vocab * c, "linear_cross_entropy: shapes disagree");
    assert!(dw.as_ref().is_none_or(|dw| dw.len() == w.len()), "linear_cross_entropy: dw is not (V, C)");
    let kept: Vec<usize> = (0..n).filter(|&i| targets[i] != IGNORE).collect();
    assert!(
        kept.iter().all(|&i| (targets[i] as usize) < vocab),
        "linear_cross_entropy: a target is not below {vocab}"
    );
    let packer = Packer::new(precision);
    let right = packer.right(Mat::new(w, vocab, c).t());
    let back = dx.is_some().then(|| packer.right(Mat::new(w, vocab, c)));
    let work = Work { x, w, targets, c, vocab, loss_scale, packer, right, back };
    let at_once = match dw {
        Some(_) => (LOGITS / vocab.max(1) / STRIP * STRIP).clamp(HELD[0], HELD[1]),
        None => kept.len().max(1),
    };
    // Work for all threads; results do not depend on it.
    let rows = (n / (4 * rayon::current_num_threads())).next_multiple_of(STRIP).clamp(STRIP, ROWS);
    for kept in kept.chunks(at_once) {
        // Factors of the gradient of `w`, their K the rows.
        let mut factors =
            dw.as_ref().map(|_| (packer.panels(vocab, kept.len()), packer.panels(c, kept.len())));
        let shared = factors.as_mut().map(|(exps, xs)| (exps.shared(), xs.shared()));
        let mut dxs = Scratch::take(if dx.is_some() { kept.len() * c } else { 0 });
        let parts: Vec<&mut [f32]> = match dx {
            Some(_) => dxs.chunks_mut(rows * c).collect(),
            None => kept.chunks(rows).map(|_| &mut [][..]).collect(),
        };
        let blocks = kept.par_chunks(rows).zip(parts).with_max_len(1).enumerate();
        let found: Vec<Found> =
            blocks.map(|(block, (kept, dxs))| work.block(kept, dxs, shared, block * rows)).collect();
        if let (Some(dw), Some((exps, xs))) = (dw.as_deref_mut(), &factors) {
            packer.product(exps, xs, MatMut::new(dw, vocab, c), true);
        }
        for (kept, found) in kept.chunks(rows).zip(found) {
            for ((&i, loss), at_target) in kept.iter().zip(found.losses).zip(found.at_targets) {
                losses[i] = loss;
                if let Some(dw) = dw.as_deref_mut() {
                    let dw = &mut dw[targets[i] as usize * c..][..c];
                    dw.iter_mut().zip(&x[i * c..][..c]).for_each(|(dw, x)| *dw += x * at_target);
                }
            }
        }
        if let Some(dx) = dx.as_deref_mut() {
            for (dxs, &i) in dxs.chunks_exact(c).zip(kept) {
                dx[i * c..][..c].copy_from_slice(dxs);
            }
        }
    }
}

/// What all tasks read.
struct Work<'a> {
    x: &'a [f32],
    w: &'a [f32],
    targets: &'a [u32],
    c: usize,
    vocab: usize,
    loss_scale: f32,
    packer: Packer,
    /// The weights as columns.
    right: Panels,
    /// The weights as rows, where `dx` is wanted.
    back: Option<Panels>,
}

/// What is found for some rows.
struct Found {
    losses: Vec<f32>,
    /// Of each row `(p − 1) · scale`, p the probability of its target.
    at_targets: Vec<f32>,
}

/// Where the factors of the gradient of `w` go: exponentials (V by rows), and rows of `x` (C by rows).
type Factors<'a> = (SharedPanels<'a>, SharedPanels<'a>);

impl Work<'_> {
    /// Up to [`ROWS`] rows, which are terms from `term` of the factors; overwrites their `dxs` (rows, C) if there is `back`.
    fn block(&self, kept: &[usize], dxs: &mut [f32], factors: Option<Factors>, term: usize) -> Found {
        let (c, rows) = (self.c, kept.len());
        let mut xs = Scratch::take(rows * c);
        for (xs, &i) in xs.chunks_exact_mut(c).zip(kept) {
            xs.copy_from_slice(&self.x[i * c..][..c]);
        }
        let mut left = self.packer.panels(rows, c);
        self.packer.pack_left(Mat::new(&xs, rows, c), &mut left);
        let targets: Vec<usize> = kept.iter().map(|&i| self.targets[i] as usize).collect();
        let mut sums = RowSums::new(rows);
        self.sweep(&left, &targets, &mut sums, dxs, factors, term);
        if sums.start_again() {
            self.sweep(&left, &targets, &mut sums, dxs, factors, term);
        }
        let (mut losses, mut at_targets) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        for (row, &target) in targets.iter().enumerate() {
            let (others, of_target) = sums.of(row);
            let sum = others + of_target;
            losses.push(if others <= of_target {
                // As exact as small losses are.
                (others / of_target).ln_1p()
            } else {
                sum.ln() + (sums.shift[row] - sums.target[row])
            });
            let (by, at_target) = (self.loss_scale / sum, -self.loss_scale * others / sum);
            at_targets.push(at_target);
            if self.back.is_some() {
                let weights = &self.w[target * c..][..c];
                for (dx, w) in dxs[row * c..][..c].iter_mut().zip(weights) {
                    *dx = *dx * by + w * at_target;
                }
            }
            if factors.is_some() {
                xs[row * c..][..c].iter_mut().for_each(|x| *x *= by);
            }
        }
        if let Some((_, to)) = factors {
            // SAFETY: this task alone writes these rows' terms.
            unsafe { to.pack_right(self.packer, Mat::new(&xs, rows, c), 0, term) };
        }
        Found { losses, at_targets }
    }

    /// Goes through all columns: exponentials of logits, less each row's shift, into sums, `dxs` and factors. The target's
    /// does not enter them; what it adds is known exactly in the end.
    fn sweep(
        &self,
        left: &Panels,
        targets: &[usize],
        sums: &mut RowSums,
        dxs: &mut [f32],
        factors: Option<Factors>,
        term: usize,
    ) {
        let (c, vocab, packer, rows) = (self.c, self.vocab, self.packer, targets.len());
        let mut logits = Scratch::take(STRIP * COLUMNS);
        let mut part = packer.panels(rows, COLUMNS);
        let ready = packer.ready();
        for at in (0..vocab).step_by(COLUMNS) {
            let cols = COLUMNS.min(vocab - at);
            part.set_k(cols);
            for first in (0..rows).step_by(STRIP) {
                let rows = STRIP.min(rows - first);
                let logits = &mut logits[..rows.next_multiple_of(UNIT) * COLUMNS];
                let out = MatMut { data: &mut logits[..rows * COLUMNS], rows, cols, row_stride: COLUMNS };
                ready.product(left.at(first, 0), self.right.at(at, 0), c, out, false);
                logits[rows * COLUMNS..].fill(f32::NEG_INFINITY);
                for (logits, row) in logits.chunks_exact_mut(COLUMNS).zip(first..first + rows) {
                    logits[cols..].fill(f32::NEG_INFINITY);
                    if at == 0 {
                        sums.begin(row, &logits[..cols]);
                    }
                    if let Some(logit) = targets[row].checked_sub(at).and_then(|i| logits[..cols].get_mut(i))
                    {
                        sums.target[row] = std::mem::replace(logit, f32::NEG_INFINITY);
                    }
                }
                let part = self.back.is_some().then_some(&mut part);
                let factor = factors.map(|(to, _)| (to, at, term));
                exponentials(packer, logits, (first, rows, cols), sums, part, factor);
            }
            if let Some(back) = &self.back {
                ready.product(part.at(0, 0), back.at(0, at), cols, MatMut::new(dxs, rows, c), at > 0);
            }
        }
    }
}
