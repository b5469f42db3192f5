//! The scale (and minimum) with which a group of numbers is best told by few integers.
//!
//! Minimises Σ w (x - s q - m)² over s, m and the integers q. For fixed q the best s and m follow from a linear
//! equation; for fixed s and m the best q are the nearest. So: start from many scales around the one that just spans the
//! group, solve once from each, and polish the best by turns. As ggml's `make_qx_quants` and `make_qkx3_quants` search,
//! with two differences: every candidate is judged by the error that is left after choosing its q anew, and the best is
//! polished.
//!
//! All of it is inlined into `simd!`'s functions. No product and sum are fused, so that the blocks are the same on every
//! processor. 2026-11-27, EPYC with AVX-512, a model of 506 M weights to Q4_K_M, processor time: 19 s; llama-quantize 31 s,
//! and with 2 % more squared error. Loops over eight lanes that the compiler was to make vectors of took 1.5 to 1.7
//! times as long.

use crate::simd::{Simd, lanes};

/// Groups whose largest number is smaller are zeros: half precision could not hold their scale.
const NOTHING: f32 = 1e-15;

/// The nearest integer, as a number, of those that are small: adding 1.5 2^23 leaves no place for a fraction.
#[inline(always)]
pub(super) fn nearest(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0;
    (x + SHIFT) - SHIFT
}

/// 1 / s, or 0 if that is no number.
#[inline(always)]
pub(super) fn inverse(s: f32) -> f32 {
    let inverse = 1.0 / s;
    if inverse.is_finite() { inverse } else { 0.0 }
}

/// The number of largest magnitude, the first of several.
#[inline(always)]
pub(super) fn largest(x: &[f32]) -> f32 {
    x.iter().fold(0.0, |most: f32, &x| if x.abs() > most.abs() { x } else { most })
}

/// The least and the greatest number.
#[inline(always)]
pub(super) fn bounds(x: &[f32]) -> (f32, f32) {
    x.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), &x| {
        (if x < least { x } else { least }, if x > most { x } else { most })
    })
}

/// A way to tell a group by integers, with parameters to be found.
///
/// A trait, not closures, which the compiler would set apart and compile for the least of processors.
trait Fit {
    type Params: Copy;
    /// What is left with these parameters, when the integers are the nearest ones.
    fn error<S: Simd>(&self, params: Self::Params) -> f32;
    /// The best parameters for the integers that `from` gives, with `inverse` in place of one over its scale.
    fn solve<S: Simd>(&self, from: Self::Params, inverse: f32) -> Option<Self::Params>;
    /// One over the scale.
    fn inverse(params: Self::Params) -> f32;
}

/// Solves from `first` with each of `inverses`, then by turns from the best: four turns, since most groups stand still
/// after two.
#[inline(always)]
fn search<S: Simd, F: Fit>(fit: &F, first: F::Params, mut inverses: impl Iterator<Item = f32>) -> F::Params {
    let (mut best, mut least) = (first, f32::INFINITY);
    let mut candidate = Some(first);
    loop {
        if let Some(params) = candidate {
            let left = fit.error::<S>(params);
            if left < least {
                (best, least) = (params, left);
            }
        }
        let Some(inverse) = inverses.next() else { break };
        candidate = fit.solve::<S>(first, inverse);
    }
    for _ in 0..4 {
        let Some(next) = fit.solve::<S>(best, F::inverse(best)) else { break };
        let left = fit.error::<S>(next);
        // Not a number is no gain either.
        if left.is_nan() || left >= least {
            break;
        }
        (best, least) = (next, left);
    }
    best
}

/// Told by a scale times integers from -half to half - 1.
pub(super) struct Symmetric<'a> {
    pub x: &'a [f32],
    pub w: &'a [f32],
    pub half: f32,
}

impl Symmetric<'_> {
    /// The best scale. It may be negative: there is one negative integer more, and the largest number is best told by it.
    #[inline(always)]
    pub(super) fn best<S: Simd>(&self) -> f32 {
        let max = largest(self.x);
        if max.abs() < NOTHING {
            return 0.0;
        }
        search::<S, _>(self, max / -self.half, (-9..=12).map(|step| -(self.half + 0.1 * step as f32) / max))
    }

    /// What is left with the scale `s`.
    #[inline(always)]
    pub(super) fn error<S: Simd>(&self, s: f32) -> f32 {
        let (x, w) = (self.x, self.w);
        let (scale, inverse) = (S::splat(s), S::splat(inverse(s)));
        let (least, most) = (S::splat(-self.half), S::splat(self.half - 1.0));
        let mut error = S::splat(0.0);
        lanes!(S, (x, w) => () {
            let q = S::round(S::min(S::max(S::mul(inverse, x), least), most));
            let left = S::sub(x, S::mul(scale, q));
            error = S::add(error, S::mul(w, S::mul(left, left)));
            []
        });
        S::sum(error)
    }
}

impl Fit for Symmetric<'_> {
    type Params = f32;

    #[inline(always)]
    fn error<S: Simd>(&self, s: f32) -> f32 {
        self.error::<S>(s)
    }

    #[inline(always)]
    fn solve<S: Simd>(&self, _: f32, inverse: f32) -> Option<f32> {
        let (x, w, inverse) = (self.x, self.w, S::splat(inverse));
        let (least, most) = (S::splat(-self.half), S::splat(self.half - 1.0));
        let (mut xq, mut qq) = (S::splat(0.0), S::splat(0.0));
        lanes!(S, (x, w) => () {
            let q = S::round(S::min(S::max(S::mul(inverse, x), least), most));
            let wq = S::mul(w, q);
            xq = S::add(xq, S::mul(wq, x));
            qq = S::add(qq, S::mul(wq, q));
            []
        });
        let (xq, qq) = (S::sum(xq), S::sum(qq));
        if qq > 0.0 { Some(xq / qq) } else { None }
    }

    #[inline(always)]
    fn inverse(s: f32) -> f32 {
        inverse(s)
    }
}

/// A scale from 0 on, and what is added to it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Line {
    pub scale: f32,
    pub minimum: f32,
}

impl Line {
    /// The integer from 0 to `most` that tells `x` best; `inverse` is one over the scale.
    #[inline(always)]
    pub(super) fn integer(self, inverse: f32, most: f32, x: f32) -> f32 {
        nearest(inverse * (x - self.minimum)).clamp(0.0, most)
    }
}

/// Told by a line with integers from 0 to `most`.
pub(super) struct Linear<'a> {
    pub x: &'a [f32],
    pub w: &'a [f32],
    pub most: f32,
    /// Whether the minimum is at most 0, as the K formats need it.
    pub below_zero: bool,
}

impl Linear<'_> {
    /// The best line.
    #[inline(always)]
    pub(super) fn best<S: Simd>(&self) -> Line {
        let (least, greatest) = bounds(self.x);
        let minimum = if self.below_zero && least > 0.0 { 0.0 } else { least };
        let span = greatest - minimum;
        if span.is_nan() || span < NOTHING {
            return Line { scale: 0.0, minimum };
        }
        let first = Line { scale: span / self.most, minimum };
        search::<S, _>(self, first, (-10..=15).map(|step| (self.most + 0.1 * step as f32) / span))
    }

    /// What is left with this line.
    #[inline(always)]
    pub(super) fn error<S: Simd>(&self, line: Line) -> f32 {
        let (x, w) = (self.x, self.w);
        let (scale, minimum) = (S::splat(line.scale), S::splat(line.minimum));
        let inverse = S::splat(inverse(line.scale));
        let (zero, most) = (S::splat(0.0), S::splat(self.most));
        let mut error = zero;
        lanes!(S, (x, w) => () {
            let q = S::round(S::min(S::max(S::mul(inverse, S::sub(x, minimum)), zero), most));
            let left = S::sub(x, S::add(S::mul(scale, q), minimum));
            error = S::add(error, S::mul(w, S::mul(left, left)));
            []
        });
        S::sum(error)
    }
}

impl Fit for Linear<'_> {
    type Params = Line;

    #[inline(always)]
    fn error<S: Simd>(&self, line: Line) -> f32 {
        self.error::<S>(line)
    }

    #[inline(always)]
    fn solve<S: Simd>(&self, from: Line, inverse: f32) -> Option<Line> {
        let (x, w) = (self.x, self.w);
        let (inverse, minimum) = (S::splat(inverse), S::splat(from.minimum));
        let (zero, most) = (S::splat(0.0), S::splat(self.most));
        let (mut n, mut sx, mut sq, mut sqq, mut sxq) = (zero, zero, zero, zero, zero);
        lanes!(S, (x, w) => () {
            let q = S::round(S::min(S::max(S::mul(inverse, S::sub(x, minimum)), zero), most));
            let wq = S::mul(w, q);
            n = S::add(n, w);
            sx = S::add(sx, S::mul(w, x));
            sq = S::add(sq, wq);
            sqq = S::add(sqq, S::mul(wq, q));
            sxq = S::add(sxq, S::mul(wq, x));
            []
        });
        let (n, sx, sq) = (S::sum(n), S::sum(sx), S::sum(sq));
        let (sqq, sxq) = (S::sum(sqq), S::sum(sxq));
        let determinant = n * sqq - sq * sq;
        let mut line =
            Line { scale: (n * sxq - sx * sq) / determinant, minimum: (sqq * sx - sq * sxq) / determinant };
        if self.below_zero && line.minimum > 0.0 {
            line = Line { scale: sxq / sqq, minimum: 0.0 };
        }
        if determinant > 0.0 && line.scale > 0.0 { Some(line) } else { None }
    }

    #[inline(always)]
    fn inverse(line: Line) -> f32 {
        inverse(line.scale)
    }
}
