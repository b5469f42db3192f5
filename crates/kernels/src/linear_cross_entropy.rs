//! The last layer and the loss in one, without ever holding all logits.

use crate::simd::{lanes, simd};
use crate::{Mat, MatMut, Precision, matmul};
use rayon::prelude::*;

/// The target of a position that has no loss.
pub const IGNORE: u32 = u32::MAX;

/// Rows whose logits are held at a time, at most: each time, `dw` is read and written once and `w` packed again
/// (2026-11, Xeon with AMX, V 6400: 34.6 ms with 256, 26.8 with 1024).
const ROWS: usize = 1024;
/// Logits held at a time, if that leaves 64 rows: 32 MiB.
const LOGITS: usize = 1 << 23;

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
    let want_gradients = dx.is_some() || dw.is_some();
    let at_once = (LOGITS / vocab.max(1)).clamp(64, ROWS);
    let rows = at_once.min(kept.len());
    let (mut xs, mut dxs) = (vec![0.0; rows * c], vec![0.0; rows * c]);
    let mut logits = vec![0.0; rows * vocab];
    for kept in kept.chunks(at_once) {
        let rows = kept.len();
        let (xs, dxs, logits) = (&mut xs[..rows * c], &mut dxs[..rows * c], &mut logits[..rows * vocab]);
        for (xs, &i) in xs.chunks_exact_mut(c).zip(kept) {
            xs.copy_from_slice(&x[i * c..][..c]);
        }
        let xs = Mat::new(xs, rows, c);
        let w = Mat::new(w, vocab, c);
        matmul(xs, w.t(), MatMut::new(logits, rows, vocab), false, precision);
        let found: Vec<f32> = logits
            .par_chunks_mut(vocab)
            .zip(kept)
            .map(|(logits, &i)| {
                softmax_loss(logits, targets[i] as usize, want_gradients.then_some(loss_scale))
            })
            .collect();
        for (&i, loss) in kept.iter().zip(found) {
            losses[i] = loss;
        }
        let dlogits = Mat::new(logits, rows, vocab);
        if let Some(dx) = dx.as_deref_mut() {
            matmul(dlogits, w, MatMut::new(dxs, rows, c), false, precision);
            for (dxs, &i) in dxs.chunks_exact(c).zip(kept) {
                dx[i * c..][..c].copy_from_slice(dxs);
            }
        }
        if let Some(dw) = dw.as_deref_mut() {
            matmul(dlogits.t(), xs, MatMut::new(dw, vocab, c), true, precision);
        }
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
