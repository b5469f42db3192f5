//! The other factor of a product: rows of f32, and the same rounded to 8 bits where weights are packed.

use super::Matrix;
use super::packed::BLOCK;
use crate::pool::parallel;
use crate::simd::{LANES, lanes, simd};

/// Rows that are multiplied with matrices. Shape: (N, K).
pub struct Input<'a> {
    pub(super) x: &'a [f32],
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) rounded: Option<Rounded>,
}

/// Rows as 8-bit integers, with a scale for 32 columns each.
#[derive(Default)]
pub(super) struct Rounded {
    /// (N, K)
    pub(super) x: Vec<i8>,
    /// (N, K / 32)
    pub(super) scale: Vec<f32>,
    /// (N, K / 16): less the sum of the integers.
    pub(super) sum16: Vec<i32>,
    /// (N, K / 32): the same.
    pub(super) sum32: Vec<i32>,
    /// (N, K / 16): scale times sum.
    pub(super) total16: Vec<f32>,
    /// (N, K / 32): the same.
    pub(super) total32: Vec<f32>,
}

impl<'a> Input<'a> {
    /// Rows of `cols` numbers, to be multiplied with `matrices`. Panics if `x` is not whole rows.
    pub fn new(x: &'a [f32], cols: usize, matrices: &[&Matrix]) -> Self {
        assert!(cols > 0 && x.len().is_multiple_of(cols), "{} numbers are not rows of {cols}", x.len());
        let packed = matrices.iter().any(|matrix| matrix.is_packed());
        let rounded = packed.then(|| Rounded::new(x, cols));
        Self { x, rows: x.len() / cols, cols, rounded }
    }
}

/// Rows that a task rounds.
const TASK: usize = 16;

impl Rounded {
    fn new(x: &[f32], cols: usize) -> Self {
        assert!(cols.is_multiple_of(BLOCK), "packed weights have whole blocks of {BLOCK} columns, not {cols}");
        let rows = x.len() / cols;
        let (b16, b32) = (cols / 16, cols / 32);
        let mut all = Self {
            x: vec![0; x.len()],
            scale: vec![0.0; rows * b32],
            sum16: vec![0; rows * b16],
            sum32: vec![0; rows * b32],
            total16: vec![0.0; rows * b16],
            total32: vec![0.0; rows * b32],
        };
        let tasks = std::sync::Mutex::new(
            (all.x.chunks_mut(TASK * cols))
                .zip(all.scale.chunks_mut(TASK * b32))
                .zip(all.sum16.chunks_mut(TASK * b16).zip(all.sum32.chunks_mut(TASK * b32)))
                .zip(all.total16.chunks_mut(TASK * b16).zip(all.total32.chunks_mut(TASK * b32)))
                .zip(x.chunks(TASK * cols)),
        );
        parallel(rows.div_ceil(TASK), |_| {
            let task = tasks.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next();
            if let Some(((((q, scale), (sum16, sum32)), (total16, total32)), x)) = task {
                round(x, q, scale, sum16);
                for (i, pair) in sum16.as_chunks::<2>().0.iter().enumerate() {
                    sum32[i] = pair[0] + pair[1];
                    total32[i] = -(sum32[i] as f32) * scale[i];
                    total16[2 * i] = -(pair[0] as f32) * scale[i];
                    total16[2 * i + 1] = -(pair[1] as f32) * scale[i];
                }
            }
        });
        all
    }
}

simd! {
    /// Blocks of 32 numbers: nearest integers of −127 to 127, scales, and less the sums of 16.
    fn round<S>(x: &[f32], q: &mut [i8], scale: &mut [f32], sums: &mut [i32]) {
        for (((x, q), scale), sums) in x
            .chunks_exact(BLOCK)
            .zip(q.chunks_exact_mut(BLOCK))
            .zip(scale.iter_mut())
            .zip(sums.as_chunks_mut::<2>().0)
        {
            let mut most = S::splat(0.0);
            lanes!(S, (x) => () {
                most = S::max(S::max(x, S::sub(S::splat(0.0), x)), most);
                []
            });
            let most = S::greatest(most);
            // What is no number, or endless, stays so by its scale.
            *scale = most / 127.0;
            let by = S::splat(if most > 0.0 && most.is_finite() { 127.0 / most } else { 0.0 });
            let mut near = [0.0f32; BLOCK];
            let out = &mut near[..];
            lanes!(S, (x) => (out) { [S::round(S::mul(x, by))] });
            for (half, (near, q)) in near.as_chunks::<LANES>().0.iter().zip(q.as_chunks_mut::<LANES>().0).enumerate() {
                let mut sum = 0;
                for (near, q) in near.iter().zip(q) {
                    *q = *near as i8;
                    sum += i32::from(*q);
                }
                sums[half] = -sum;
            }
        }
    }
}
