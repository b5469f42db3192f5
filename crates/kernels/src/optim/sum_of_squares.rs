//! The square of a norm.

use crate::split::{map, rows_per_task};

/// Σ x², for the global norm of the gradients. Does not depend on the thread count.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    let len = rows_per_task(1);
    map(x.len().div_ceil(len), |i| {
        x[i * len..x.len().min((i + 1) * len)].iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>()
    })
    .iter()
    .sum()
}
