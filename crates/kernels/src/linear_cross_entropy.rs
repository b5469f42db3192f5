//! The last layer and the loss in one, without ever holding all logits.

use crate::matmul::buffer::Scratch;
use crate::matmul::packed::{Packer, Panels};
use crate::simd::{lanes, simd};
use crate::{Mat, MatMut, Precision};
use rayon::prelude::*;

/// The target of a position that has no loss.
pub const IGNORE: u32 = u32::MAX;

/// Rows whose logits a task holds.
const ROWS: usize = 64;
/// Columns of logits that are worked on at a time: their weights then stay in the second-level cache.
const COLUMNS: usize = 768;
/// Gradients of logits held at a time, packed: 32 MiB in bf16. Each time, `dw` is read and written once.
const LOGITS: usize = 1 << 24;
/// Rows held at a time at least, so that there is work for many threads, and at most.
const HELD: [usize; 2] = [16 * ROWS, 64 * ROWS];

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
    let work = Work { x, targets, c, vocab, loss_scale, packer: Packer::new(precision) };
    let right = work.packer.right(Mat::new(w, vocab, c).t());
    let back = dx.is_some().then(|| work.packer.right(Mat::new(w, vocab, c)));
    let at_once = match dw {
        Some(_) => (LOGITS / vocab.max(1) / ROWS * ROWS).clamp(HELD[0], HELD[1]),
        None => kept.len().max(1),
    };
    for kept in kept.chunks(at_once) {
        // Factors of the gradient of `w`, their K the rows.
        let mut factors =
            dw.as_ref().map(|_| (work.packer.panels(vocab, kept.len()), work.packer.panels(c, kept.len())));
        for (i, loss) in work.rows(kept, &right, back.as_ref(), factors.as_mut(), dx.as_deref_mut()) {
            losses[i] = loss;
        }
        if let (Some(dw), Some((dlogits, xs))) = (dw.as_deref_mut(), &factors) {
            work.packer.product(dlogits, xs, MatMut::new(dw, vocab, c), true);
        }
    }
}

/// What all tasks read.
struct Work<'a> {
    x: &'a [f32],
    targets: &'a [u32],
    c: usize,
    vocab: usize,
    loss_scale: f32,
    packer: Packer,
}

impl Work<'_> {
    /// The losses of some rows; their part of `dx` through `back`, and the factors of the gradient of `w`.
    fn rows(
        &self,
        kept: &[usize],
        right: &Panels,
        back: Option<&Panels>,
        factors: Option<&mut (Panels, Panels)>,
        dx: Option<&mut [f32]>,
    ) -> Vec<(usize, f32)> {
        let (c, vocab, packer) = (self.c, self.vocab, self.packer);
        let scale = (back.is_some() || factors.is_some()).then_some(self.loss_scale);
        let shared = factors.map(|(dlogits, xs)| (dlogits.shared(), xs.shared()));
        let mut dxs = Scratch::take(if back.is_some() { kept.len() * c } else { 0 });
        let parts: Vec<&mut [f32]> = match back {
            Some(_) => dxs.chunks_mut(ROWS * c).collect(),
            None => kept.chunks(ROWS).map(|_| &mut [][..]).collect(),
        };
        let blocks = kept.par_chunks(ROWS).zip(parts).with_max_len(1).enumerate();
        let losses: Vec<(usize, f32)> = blocks
            .flat_map_iter(|(block, (kept, dxs))| {
                let rows = kept.len();
                let (mut xs, mut logits) = (Scratch::take(rows * c), Scratch::take(rows * vocab));
                for (xs, &i) in xs.chunks_exact_mut(c).zip(kept) {
                    xs.copy_from_slice(&self.x[i * c..][..c]);
                }
                let xs = Mat::new(&xs, rows, c);
                let mut left = packer.panels(rows, c);
                packer.pack_left(xs, &mut left);
                let ready = packer.ready();
                for at in (0..vocab).step_by(COLUMNS) {
                    let cols = COLUMNS.min(vocab - at);
                    let out = MatMut { data: &mut logits[at..], rows, cols, row_stride: vocab };
                    ready.product(left.at(0, 0), right.at(at, 0), c, out, false);
                }
                let losses: Vec<_> = logits
                    .chunks_exact_mut(vocab)
                    .zip(kept)
                    .map(|(logits, &i)| (i, softmax_loss(logits, self.targets[i] as usize, scale)))
                    .collect();
                let mut part = packer.panels(rows, COLUMNS);
                for at in (0..vocab).step_by(COLUMNS) {
                    let cols = COLUMNS.min(vocab - at);
                    let dlogits = Mat { rows, cols, ..Mat::new(&logits[at..], rows, vocab) };
                    if let Some(back) = back {
                        part.set_k(cols);
                        packer.pack_left(dlogits, &mut part);
                        let out = MatMut::new(dxs, rows, c);
                        ready.product(part.at(0, 0), back.at(0, at), cols, out, at > 0);
                    }
                    if let Some((to, _)) = shared {
                        // SAFETY: this task alone writes these rows' terms.
                        unsafe { to.pack_left(packer, dlogits.t(), at, block * ROWS) };
                    }
                }
                if let Some((_, to)) = shared {
                    // SAFETY: as above.
                    unsafe { to.pack_right(packer, xs, 0, block * ROWS) };
                }
                losses
            })
            .collect();
        if let Some(dx) = dx {
            for (dxs, &i) in dxs.chunks_exact(c).zip(kept) {
                dx[i * c..][..c].copy_from_slice(dxs);
            }
        }
        losses
    }
}

simd! {
    /// The loss of one row; with a scale, the logits become their gradients.
    fn softmax_loss<S>(logits: &mut [f32], target: usize, scale: Option<f32>) -> f32 {
        let mut max = S::splat(f32::NEG_INFINITY);
        lanes!(S, (logits) or f32::NEG_INFINITY => () {
            max = S::max(max, logits);
            []
        });
        let max = S::greatest(max);
        let at_target = logits[target];
        let (shift, mut sum) = (S::splat(max), S::splat(0.0));
        lanes!(S, (logits) or f32::NEG_INFINITY => (logits) {
            let p = S::exp(S::sub(logits, shift));
            sum = S::add(sum, p);
            [p]
        });
        let sum = S::sum(sum);
        if let Some(scale) = scale {
            let by = S::splat(scale / sum);
            lanes!(S, (logits) => (logits) { [S::mul(logits, by)] });
            logits[target] -= scale;
        }
        sum.ln() + max - at_target
    }
}
