//! What the kernels should compute: plain loops in f64, and gradients of them by central differences.

mod attention;
mod rows;

use rayon::prelude::*;

/// Numbers between −1 and 1, the same for the same seed.
pub(crate) fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

pub(crate) fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// The gradient of `Σ weights · f(x)` by central differences. In f64 with a step of 1e-5 it is exact to about 1e-9.
///
/// Of more than 300 numbers every few are worked out; the others are NaN, which [`assert_close`] passes over.
pub(crate) fn gradient(x: &[f32], weights: &[f32], f: impl Fn(&[f64]) -> Vec<f64> + Sync) -> Vec<f64> {
    let total = |x: &[f64]| f(x).iter().zip(weights).map(|(y, &w)| y * f64::from(w)).sum::<f64>();
    let step = 1e-5;
    let every = x.len().div_ceil(300);
    (0..x.len())
        .into_par_iter()
        .map(|i| {
            if i % every != 0 {
                return f64::NAN;
            }
            let mut x = wide(x);
            let middle = x[i];
            x[i] = middle + step;
            let above = total(&x);
            x[i] = middle - step;
            (above - total(&x)) / (2.0 * step)
        })
        .collect()
}

/// Fails if any element is off by more than `tolerance` of the largest.
#[track_caller]
pub(crate) fn assert_close(name: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{name}: length");
    let largest = expected.iter().fold(1e-3f64, |m, x| m.max(x.abs()));
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate().filter(|(_, (_, e))| !e.is_nan()) {
        let error = (f64::from(found) - expected).abs();
        assert!(error <= tolerance * largest, "{name}[{i}]: {found}, not {expected} (largest {largest})");
    }
}

/// Sums of some hundred f32 products, or a gradient made of them.
pub(crate) const F32: f64 = 1e-5;
/// Factors rounded to bf16: 2⁻⁹ each, some of it averaged away.
pub(crate) const BF16: f64 = 2e-2;
