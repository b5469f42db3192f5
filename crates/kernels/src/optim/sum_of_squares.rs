//! The square of a norm.

use crate::simd::{LANES, lanes, simd};
use crate::split::{map, rows_per_task};

/// Σ x², for the global norm of the gradients. Does not depend on the thread count.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    let len = rows_per_task(1);
    map(x.len().div_ceil(len), |i| run(&x[i * len..x.len().min((i + 1) * len)])).iter().sum()
}

simd! {
    fn run<S>(x: &[f32]) -> f64 {
        let mut total = 0.0;
        // Few enough squares in a lane that f32 does for them.
        for x in x.chunks(64 * LANES) {
            let mut sum = S::splat(0.0);
            lanes!(S, (x) => () {
                sum = S::fma(x, x, sum);
                []
            });
            total += f64::from(S::sum(sum));
        }
        total
    }
}
