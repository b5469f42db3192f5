//! What a layer does to rows between its products, for inference: norms, gates, rotations.

use crate::pool::parallel;
use crate::simd::{lanes, simd};
use std::sync::{Mutex, PoisonError};

/// Numbers that a task should touch, at least: waking a thread takes longer than fewer.
const GRAIN: usize = 16 * 1024;

/// Calls `f(first row, rows of out)` for pieces of `out`, whose rows have `width` numbers, on all threads where that pays.
pub fn for_rows(out: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    let rows = (GRAIN / width.max(1)).max(1);
    if out.len() <= rows * width {
        f(0, out);
        return;
    }
    let tasks = out.len().div_ceil(rows * width);
    let pieces = Mutex::new(out.chunks_mut(rows * width).enumerate());
    parallel(tasks, |_| {
        let piece = pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
        if let Some((piece, out)) = piece {
            f(piece * rows, out);
        }
    });
}

/// How rows are brought to one length.
#[derive(Clone, Copy, Debug)]
pub struct NormRows<'a> {
    /// (C)
    pub weight: &'a [f32],
    /// (C), added at the end.
    pub bias: Option<&'a [f32]>,
    /// Added to the mean square.
    pub eps: f32,
    /// Whether the mean is taken away first: LayerNorm rather than RMSNorm.
    pub centred: bool,
}

/// Normalises rows: `y = (x − mean) / √(mean square + eps) · weight + bias`. Shapes: `x` and `y` (N, C). Panics if they are not.
pub fn norm_rows(norm: NormRows, x: &[f32], y: &mut [f32]) {
    let c = norm.weight.len();
    assert!(x.len() == y.len() && x.len().is_multiple_of(c.max(1)), "norm_rows: shapes disagree");
    for_rows(y, c, |first, y| {
        for (y, x) in y.chunks_exact_mut(c).zip(x[first * c..].chunks_exact(c)) {
            y.copy_from_slice(x);
            norm_row(norm, y);
        }
    });
}

/// Normalises one row in place. Panics if it is not as long as the weight.
pub fn norm_row(norm: NormRows, x: &mut [f32]) {
    assert!(x.len() == norm.weight.len(), "norm_row: shapes disagree");
    if norm.centred {
        let mean = sum(x) / x.len() as f32;
        x.iter_mut().for_each(|x| *x -= mean);
    }
    scale_row(x, norm.weight, norm.eps);
    if let Some(bias) = norm.bias {
        x.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
    }
}

simd! {
    fn sum<S>(x: &[f32]) -> f32 {
        let mut total = S::splat(0.0);
        lanes!(S, (x) => () {
            total = S::add(total, x);
            []
        });
        S::sum(total)
    }
}

simd! {
    fn scale_row<S>(x: &mut [f32], weight: &[f32], eps: f32) {
        let mut squares = S::splat(0.0);
        lanes!(S, (x) => () {
            squares = S::fma(x, x, squares);
            []
        });
        let by = S::splat(1.0 / (S::sum(squares) / x.len() as f32 + eps).sqrt());
        lanes!(S, (x, weight) => (x) { [S::mul(S::mul(x, by), weight)] });
    }
}

/// The curve in a feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x / (1 + e^−x).
    Silu,
    /// GELU by its approximation with tanh. Source: arXiv:1606.08415.
    GeluTanh,
    /// GELU with the error function, to 2e-7.
    Gelu,
    /// max(x, 0).
    Relu,
}

/// `h = activation(gate) · up`. Shapes: `gate_up` (N, 2I), each row [gate | up]; `h` (N, I). Panics if they are not.
pub fn gate_rows(activation: Activation, gate_up: &[f32], width: usize, h: &mut [f32]) {
    assert!(gate_up.len() == 2 * h.len() && h.len().is_multiple_of(width.max(1)), "gate_rows: shapes disagree");
    for_rows(h, width, |first, h| {
        for (h, both) in h.chunks_exact_mut(width).zip(gate_up[2 * first * width..].chunks_exact(2 * width)) {
            let (gate, up) = both.split_at(width);
            if activation == Activation::Silu {
                crate::swiglu::forward(gate, up, h);
            } else {
                h.copy_from_slice(gate);
                curve(activation, h);
                h.iter_mut().zip(up).for_each(|(h, up)| *h *= up);
            }
        }
    });
}

/// Applies the curve in place. Shape: (N, `width`).
pub fn activate_rows(activation: Activation, x: &mut [f32], width: usize) {
    for_rows(x, width, |_, x| curve(activation, x));
}

fn curve(activation: Activation, x: &mut [f32]) {
    match activation {
        Activation::Silu => silu(x),
        Activation::GeluTanh => gelu_tanh(x),
        Activation::Gelu => x.iter_mut().for_each(|x| *x *= 0.5 * (1.0 + erf(*x * std::f32::consts::FRAC_1_SQRT_2))),
        Activation::Relu => x.iter_mut().for_each(|x| *x = x.max(0.0)),
    }
}

simd! {
    fn silu<S>(x: &mut [f32]) {
        lanes!(S, (x) => (x) { [S::div(x, S::add(S::splat(1.0), S::exp(S::sub(S::splat(0.0), x))))] });
    }
}

simd! {
    /// x · (1 + tanh u) / 2 = x / (1 + e^−2u) with u = √(2/π) · (x + .044715 x³).
    fn gelu_tanh<S>(x: &mut [f32]) {
        let by = S::splat(-2.0 * 0.797_884_6);
        lanes!(S, (x) => (x) {
            let cube = S::mul(S::mul(x, x), x);
            let u = S::mul(by, S::fma(S::splat(0.044_715), cube, x));
            [S::div(x, S::add(S::splat(1.0), S::exp(u)))]
        });
    }
}

/// The error function, to 1.5e-7. Source: Abramowitz and Stegun, 7.1.26.
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * f64::from(x.abs()));
    let p = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let p = p.into_iter().fold(0.0, |sum, p| sum * t + p) * t;
    let y = 1.0 - p * (-f64::from(x) * f64::from(x)).exp();
    (y as f32).copysign(x)
}

simd! {
    /// Rotates the first 2·R numbers of each head of one position in place (RoPE, split-half as in Hugging Face Llama).
    ///
    /// Shapes: `heads` (H, `d`), `cos` and `sin` of the position's angles (R). Panics if 2·R is more than `d`.
    pub fn rotate<S>(heads: &mut [f32], d: usize, cos: &[f32], sin: &[f32]) {
        let r = cos.len();
        assert!(2 * r <= d && sin.len() == r, "rotate: {r} angles for heads of {d}");
        for head in heads.chunks_exact_mut(d) {
            let (a, b) = head[..2 * r].split_at_mut(r);
            lanes!(S, (a, b, cos, sin) => (a, b) {
                [S::sub(S::mul(a, cos), S::mul(b, sin)), S::fma(b, cos, S::mul(a, sin))]
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_what_they_say() {
        let x: Vec<f32> = (-400..400).map(|i| i as f32 * 0.02 + 0.001).collect();
        let exact = |activation, x: f64| match activation {
            Activation::Silu => x / (1.0 + (-x).exp()),
            Activation::GeluTanh => {
                0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())
            }
            // By its series, which converges fast enough for |x| < 8 in f64.
            Activation::Gelu => {
                let z = x / std::f64::consts::SQRT_2;
                let (mut term, mut sum) = (z, z);
                for n in 1..200 {
                    term *= -z * z / f64::from(n);
                    sum += term / f64::from(2 * n + 1);
                }
                let erf = if z.abs() > 4.0 { z.signum() } else { sum * 2.0 / std::f64::consts::PI.sqrt() };
                0.5 * x * (1.0 + erf)
            }
            Activation::Relu => x.max(0.0),
        };
        for activation in [Activation::Silu, Activation::GeluTanh, Activation::Gelu, Activation::Relu] {
            let mut y = x.clone();
            activate_rows(activation, &mut y, x.len());
            for (x, y) in x.iter().zip(y) {
                let exact = exact(activation, f64::from(*x));
                assert!((f64::from(y) - exact).abs() < 2e-6, "{activation:?}({x}) = {y}, not {exact}");
            }
        }
    }

    #[test]
    fn norms_of_many_rows_are_those_of_one() {
        let (n, c) = (700, 100);
        let x: Vec<f32> = (0..n * c).map(|i| ((i * 37) % 101) as f32 * 0.1 - 3.0).collect();
        let weight: Vec<f32> = (0..c).map(|i| 1.0 + i as f32 * 0.01).collect();
        for centred in [false, true] {
            let norm = NormRows { weight: &weight, bias: centred.then_some(&weight), eps: 1e-5, centred };
            let mut y = vec![0.0; n * c];
            norm_rows(norm, &x, &mut y);
            for (x, y) in x.chunks(c).zip(y.chunks(c)) {
                let mean = if centred { x.iter().map(|&x| f64::from(x)).sum::<f64>() / c as f64 } else { 0.0 };
                let square = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / c as f64;
                for (i, y) in y.iter().enumerate() {
                    let w = f64::from(weight[i]);
                    let exact = (f64::from(x[i]) - mean) / (square + 1e-5).sqrt() * w + if centred { w } else { 0.0 };
                    assert!((f64::from(*y) - exact).abs() < 1e-5, "{y} for {exact}");
                }
            }
        }
    }

    #[test]
    fn rotation_keeps_lengths_and_what_is_beyond() {
        let d = 20;
        let mut heads: Vec<f32> = (0..3 * d).map(|i| i as f32).collect();
        let before = heads.clone();
        let (sin, cos): (Vec<f32>, Vec<f32>) = (0..6).map(|i| (i as f32 * 0.7).sin_cos()).unzip();
        rotate(&mut heads, d, &cos, &sin);
        for (before, after) in before.chunks(d).zip(heads.chunks(d)) {
            assert_eq!(before[12..], after[12..]);
            for i in 0..6 {
                let (a, b) = (before[i] * cos[i] - before[i + 6] * sin[i], before[i + 6] * cos[i] + before[i] * sin[i]);
                assert!((after[i] - a).abs() < 1e-4 && (after[i + 6] - b).abs() < 1e-4);
            }
        }
    }
}
