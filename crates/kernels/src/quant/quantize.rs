//! From numbers to blocks: the front, and what every format needs.

use super::BlockType;
use super::k_quantize::{q4_k, q5_k, q6_k};
use super::small_quantize::{q4_0, q4_1, q5_0, q5_1, q8_0};
use crate::simd::{Simd, simd};
use half::{bf16, f16};
use rayon::prelude::*;

/// Numbers that one task takes: large enough that handing it out costs nothing, small enough for any row of blocks.
const TASK: usize = 1 << 14;

/// Whether [`quantize`] writes this format. The others are read only.
pub fn can_quantize(kind: BlockType) -> bool {
    !matches!(kind, BlockType::Q2K | BlockType::Q3K | BlockType::Iq4Nl)
}

/// Turns numbers into blocks, on all threads of the pool.
///
/// `x` holds whole rows one after the other, each a multiple of the block's elements long (a block must not cross rows).
/// `importance` has one number from 0 on for each column, the same for all rows: the mean square of what the column is
/// multiplied with, as in llama.cpp's imatrix. The blocks then minimise Σ importance (x - x̂)².
///
/// Without it, `F16`, `Bf16`, `Q8_0`, `Q4_0`, `Q4_1`, `Q5_0` and `Q5_1` are ggml's to the last bit, and the K formats give
/// large numbers somewhat more weight, as ggml does: (root mean square + |x|). `F32`, `F16`, `Bf16` and `Q8_0` pay no
/// attention to importance. Numbers that are not finite spoil their own block and nothing else.
///
/// Panics if `x` is not whole rows, or if [`can_quantize`] says no.
pub fn quantize(kind: BlockType, x: &[f32], importance: Option<&[f32]>) -> Vec<u8> {
    let size = kind
        .bytes_for(x.len())
        .unwrap_or_else(|| panic!("{kind}: {} numbers are no whole blocks of {}", x.len(), kind.elements()));
    let mut out = vec![0; size];
    quantize_into(kind, x, importance, &mut out);
    out
}

/// As [`quantize`], into `out`, which is as long as the blocks are.
///
/// Panics as [`quantize`], and if `out` is of another length.
pub fn quantize_into(kind: BlockType, x: &[f32], importance: Option<&[f32]>, out: &mut [u8]) {
    assert_eq!(
        kind.bytes_for(x.len()),
        Some(out.len()),
        "{kind}: {} numbers do not fill the output",
        x.len()
    );
    if let Some(importance) = importance {
        assert!(
            !importance.is_empty()
                && x.len().is_multiple_of(importance.len())
                && importance.len().is_multiple_of(kind.elements()),
            "{kind}: {} numbers are no whole rows of {} columns",
            x.len(),
            importance.len()
        );
    }
    let blocks = TASK / kind.elements();
    out.par_chunks_mut(blocks * kind.bytes())
        .zip(x.par_chunks(blocks * kind.elements()))
        .enumerate()
        .for_each(|(task, (out, x))| {
            quantize_task(kind, x, &Weights { importance, first: task * TASK }, out)
        });
}

/// A loop over blocks, with the position of the first number, the numbers, and where they go. No closure, which might be
/// compiled for another instruction set than the function around it.
macro_rules! each {
    ($x:ident, $out:ident, |$at:pat_param, $block:ident, $y:ident| $body:expr) => {{
        let mut at = 0;
        for ($block, $y) in $x.as_chunks().0.iter().zip($out.as_chunks_mut().0) {
            let $at = at;
            $body;
            at += $block.len();
        }
    }};
}

simd! {
    fn quantize_task<S>(kind: BlockType, x: &[f32], weights: &Weights<'_>, out: &mut [u8]) {
        quantize_blocks::<S>(kind, x, weights, out);
    }
}

#[inline(always)]
fn quantize_blocks<S: Simd>(kind: BlockType, x: &[f32], weights: &Weights<'_>, out: &mut [u8]) {
    match kind {
        BlockType::F32 => each!(x, out, |_, x, y| *y = plain(x).to_le_bytes()),
        BlockType::F16 => each!(x, out, |_, x, y| *y = f16::from_f32(plain(x)).to_le_bytes()),
        BlockType::Bf16 => each!(x, out, |_, x, y| *y = bf16::from_f32(plain(x)).to_le_bytes()),
        BlockType::Q4_0 => each!(x, out, |at, x, y| q4_0::<S>(x, weights.given(at).as_ref(), y)),
        BlockType::Q4_1 => each!(x, out, |at, x, y| q4_1::<S>(x, weights.given(at).as_ref(), y)),
        BlockType::Q5_0 => each!(x, out, |at, x, y| q5_0::<S>(x, weights.given(at).as_ref(), y)),
        BlockType::Q5_1 => each!(x, out, |at, x, y| q5_1::<S>(x, weights.given(at).as_ref(), y)),
        BlockType::Q8_0 => each!(x, out, |_, x, y| q8_0(x, y)),
        BlockType::Q4K => each!(x, out, |at, x, y| q4_k::<S>(x, &weights.of(at, x), y)),
        BlockType::Q5K => each!(x, out, |at, x, y| q5_k::<S>(x, &weights.of(at, x), y)),
        BlockType::Q6K => each!(x, out, |at, x, y| q6_k::<S>(x, &weights.of(at, x), y)),
        BlockType::Q2K | BlockType::Q3K | BlockType::Iq4Nl => panic!("{kind} is read, not written"),
    }
}

/// The number in a block of one.
#[inline(always)]
fn plain([x]: &[f32; 1]) -> f32 {
    *x
}

/// How much each number of a block counts.
struct Weights<'a> {
    importance: Option<&'a [f32]>,
    /// Position of the task's first number.
    first: usize,
}

impl Weights<'_> {
    /// The importance of the `N` numbers from `at` on, scaled to a mean of 1, so that no sum of them leaves f32's range.
    /// Where nothing is important, or what is said is no weight, all count the same.
    fn given<const N: usize>(&self, at: usize) -> Option<[f32; N]> {
        let importance = self.importance?;
        let column = (self.first + at) % importance.len();
        let given = importance[column..column + N].iter();
        let sum: f64 = given.clone().map(|&w| f64::from(w)).sum();
        let usable = sum > 0.0 && sum.is_finite() && given.clone().all(|&w| w >= 0.0);
        let mut weights = [1.0; N];
        if usable {
            for (weight, &w) in weights.iter_mut().zip(given) {
                *weight = (f64::from(w) * N as f64 / sum) as f32;
            }
        }
        Some(weights)
    }

    /// As `given`; without importance, root mean square + |x|.
    fn of<const N: usize>(&self, at: usize, x: &[f32; N]) -> [f32; N] {
        self.given(at).unwrap_or_else(|| {
            let square: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            let root = (square / N as f64).sqrt();
            if !(root > 0.0 && root.is_finite()) {
                return [1.0; N];
            }
            x.map(|x| (1.0 + f64::from(x).abs() / root) as f32)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_gives_the_same_blocks() {
        let x: Vec<f32> = (0..4096).map(|i| ((i * 7919 % 4093) as f32 / 4093.0 - 0.5).powi(3)).collect();
        let importance: Vec<f32> = (0..512).map(|i| (i * 31 % 97) as f32).collect();
        for kind in BlockType::ALL.into_iter().filter(|kind| can_quantize(*kind)) {
            for importance in [None, Some(importance.as_slice())] {
                let mut plain = vec![0; kind.bytes_for(x.len()).unwrap()];
                let weights = Weights { importance, first: 0 };
                quantize_blocks::<crate::simd::Portable>(kind, &x, &weights, &mut plain);
                assert_eq!(plain, quantize(kind, &x, importance), "{kind}");
            }
        }
    }
}
