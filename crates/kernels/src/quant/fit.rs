//! The scale (and minimum) with which a group of numbers is best told by few integers.
//!
//! Minimises Σ w (x - s q - m)² over s, m and the integers q. For fixed q the best s and m follow from a linear
//! equation; for fixed s and m the best q are the nearest. So: start from many scales around the one that just spans the
//! group, solve once from each, and polish the best by turns. As ggml's `make_qx_quants` and `make_qkx3_quants` search,
//! with two differences: every candidate is judged by the error that is left after choosing its q anew, and the best is
//! polished.

/// Lanes of a sum. Fixed, so that the compiler may use vectors, and so that results are the same on every machine.
const LANES: usize = 8;

/// Groups whose largest number is smaller are zeros: half precision could not hold their scale.
const NOTHING: f32 = 1e-15;

/// The nearest integer, as a number, of those that are small: adding 1.5 2^23 leaves no place for a fraction.
pub(super) fn nearest(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0;
    (x + SHIFT) - SHIFT
}

/// 1 / s, or 0 if that is no number.
pub(super) fn inverse(s: f32) -> f32 {
    let inverse = 1.0 / s;
    if inverse.is_finite() { inverse } else { 0.0 }
}

/// Sums `f(x, w)`, which gives `K` numbers, over the group.
fn sums<const N: usize, const K: usize>(
    x: &[f32; N],
    w: &[f32; N],
    f: impl Fn(f32, f32) -> [f32; K],
) -> [f32; K] {
    let mut lanes = [[0.0; LANES]; K];
    for (x, w) in x.as_chunks::<LANES>().0.iter().zip(w.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            let terms = f(x[lane], w[lane]);
            for (sum, term) in lanes.iter_mut().zip(terms) {
                sum[lane] += term;
            }
        }
    }
    lanes.map(|lanes| lanes.iter().sum())
}

/// The number of largest magnitude, the first of several.
pub(super) fn largest(x: &[f32]) -> f32 {
    x.iter().fold(0.0, |most: f32, &x| if x.abs() > most.abs() { x } else { most })
}

/// The least and the greatest number.
pub(super) fn bounds(x: &[f32]) -> (f32, f32) {
    x.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), &x| {
        (if x < least { x } else { least }, if x > most { x } else { most })
    })
}

/// Weighs candidates, then solves by turns from the best: four turns, since most groups stand still after two.
fn search<P: Copy>(
    first: P,
    candidates: impl Iterator<Item = Option<P>>,
    error: impl Fn(P) -> f32,
    solve_again: impl Fn(P) -> Option<P>,
) -> P {
    let (mut best, mut least) = (first, error(first));
    for candidate in candidates.flatten() {
        let left = error(candidate);
        if left < least {
            (best, least) = (candidate, left);
        }
    }
    for _ in 0..4 {
        let Some(next) = solve_again(best) else { break };
        let left = error(next);
        if left >= least {
            break;
        }
        (best, least) = (next, left);
    }
    best
}

/// What is left of the group when told by `s` times integers from -half to half - 1.
pub(super) fn scale_error<const N: usize>(x: &[f32; N], w: &[f32; N], half: f32, s: f32) -> f32 {
    let inverse = inverse(s);
    let [error] = sums(x, w, |x, w| {
        let left = x - s * nearest(inverse * x).clamp(-half, half - 1.0);
        [w * left * left]
    });
    error
}

/// The best scale for integers from -half to half - 1. It may be negative: there is one negative integer more, and the
/// largest number is best told by it.
pub(super) fn fit_scale<const N: usize>(x: &[f32; N], w: &[f32; N], half: f32) -> f32 {
    let max = largest(x);
    if max.abs() < NOTHING {
        return 0.0;
    }
    let solve = |inverse: f32| {
        let [xq, qq] = sums(x, w, |x, w| {
            let q = nearest(inverse * x).clamp(-half, half - 1.0);
            [w * x * q, w * q * q]
        });
        (qq > 0.0).then(|| xq / qq)
    };
    search(
        max / -half,
        (-9..=12).map(|step| solve(-(half + 0.1 * step as f32) / max)),
        |s| scale_error(x, w, half, s),
        |s| solve(inverse(s)),
    )
}

/// A scale from 0 on, and what is added to it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Line {
    pub scale: f32,
    pub minimum: f32,
}

impl Line {
    /// The integer from 0 to `most` that tells `x` best.
    pub(super) fn integer(self, inverse: f32, most: f32, x: f32) -> f32 {
        nearest(inverse * (x - self.minimum)).clamp(0.0, most)
    }

    /// What is left of the group when told by integers from 0 to `most` on this line.
    pub(super) fn error<const N: usize>(self, x: &[f32; N], w: &[f32; N], most: f32) -> f32 {
        let inverse = inverse(self.scale);
        let [error] = sums(x, w, |x, w| {
            let left = x - (self.scale * self.integer(inverse, most, x) + self.minimum);
            [w * left * left]
        });
        error
    }
}

/// The best line for integers from 0 to `most`; its minimum is at most 0 if `below_zero`, as the K formats need it.
pub(super) fn fit_line<const N: usize>(x: &[f32; N], w: &[f32; N], most: f32, below_zero: bool) -> Line {
    let (least, greatest) = bounds(x);
    let minimum = if below_zero { least.min(0.0) } else { least };
    let span = greatest - minimum;
    if span.is_nan() || span < NOTHING {
        return Line { scale: 0.0, minimum };
    }
    let solve = |from: Line, inverse: f32| {
        let [n, sx, sq, sqq, sxq] = sums(x, w, |x, w| {
            let q = from.integer(inverse, most, x);
            [w, w * x, w * q, w * q * q, w * x * q]
        });
        let determinant = n * sqq - sq * sq;
        let line =
            Line { scale: (n * sxq - sx * sq) / determinant, minimum: (sqq * sx - sq * sxq) / determinant };
        let line =
            if below_zero && line.minimum > 0.0 { Line { scale: sxq / sqq, minimum: 0.0 } } else { line };
        (determinant > 0.0 && line.scale > 0.0).then_some(line)
    };
    let first = Line { scale: span / most, minimum };
    search(
        first,
        (-10..=15).map(|step| solve(first, (most + 0.1 * step as f32) / span)),
        |line| line.error(x, w, most),
        |line| solve(line, inverse(line.scale)),
    )
}
