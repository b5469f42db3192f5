//! Products of a few rows with a transposed row-major matrix: decoding, where all time goes into reading
//! the weights once. Nothing of B is packed; each element of C is one dot product of two contiguous rows.

use super::buffer::{with_blocks, words_of};
use super::kernel::Kernel;
use super::pack::{Words, pair, round};
use super::{Mat, MatMut};
use rayon::prelude::*;

/// Most rows that go this way.
pub(crate) const MAX_ROWS: usize = 8;
/// Rows of B that a task takes at once, at least.
const MIN_TASK: usize = 32;

/// Dot products of some rows of A with some rows of Bᵀ.
#[derive(Clone, Copy)]
pub(super) struct Dots {
    /// Rows of A as words, zero beyond K; words from one row to the next, a multiple of 16.
    pub(super) a: (*const u32, usize),
    /// Rows of Bᵀ; elements from one to the next, and how many.
    pub(super) b: (*const f32, usize, usize),
    pub(super) k: usize,
    /// Where to write, and elements from one row to the next.
    c: (*mut f32, usize),
    pub(super) rows: usize,
    accumulate: bool,
}

// SAFETY: tasks write disjoint columns of C.
unsafe impl Sync for Dots {}

impl Dots {
    /// SAFETY: the element lies inside C.
    #[inline(always)]
    pub(super) unsafe fn write(&self, row: usize, col: usize, sum: f32) {
        // SAFETY: the caller's.
        unsafe {
            let c = self.c.0.add(row * self.c.1 + col);
            *c = if self.accumulate { *c + sum } else { sum };
        }
    }
}

/// One function for 1, 2, 4 and 8 rows.
///
/// Unsafe: the pointers hold what [`Dots`] says, the CPU has the path's features.
pub(super) type Kernels = [unsafe fn(Dots); 4];

pub(super) fn fits(a: Mat, b: Mat) -> bool {
    a.rows <= MAX_ROWS && b.row_stride == 1 && b.rows > 1
}

/// Computes C on `threads` threads of the current pool.
///
/// # Safety
/// The kernel's path is available, [`fits`] said yes, shapes agree, the matrices lie inside their slices.
pub(super) unsafe fn matmul(kernel: &Kernel, a: Mat, b: Mat, c: MatMut, accumulate: bool, threads: usize) {
    let kernel_index = a.rows.next_power_of_two().trailing_zeros() as usize;
    let padded_rows = 1 << kernel_index;
    let stride = a.cols.next_multiple_of(32) / if kernel.words == Words::Pairs { 2 } else { 1 };
    with_blocks((padded_rows * stride).div_ceil(256), |blocks| {
        let words = words_of(blocks);
        words.fill(0);
        for (i, row) in words.chunks_exact_mut(stride).enumerate().take(a.rows) {
            let at = |k: usize| {
                if k < a.cols { a.data[i * a.row_stride + k * a.col_stride] } else { 0.0 }
            };
            for (w, word) in row.iter_mut().enumerate() {
                *word = match kernel.words {
                    Words::F32 => at(w).to_bits(),
                    Words::Rounded => round(at(w)).to_bits(),
                    Words::Pairs => pair(at(2 * w), at(2 * w + 1)),
                };
            }
        }
        let all = Dots {
            a: (words.as_ptr(), stride),
            b: (b.data.as_ptr(), b.col_stride, b.cols),
            k: a.cols,
            c: (c.data.as_mut_ptr(), c.row_stride),
            rows: a.rows,
            accumulate,
        };
        let dots = kernel.few_rows[kernel_index];
        let step = b.cols.div_ceil(4 * threads).next_multiple_of(8).max(MIN_TASK);
        let run = |task: usize| {
            let all = &all;
            let first = task * step;
            // SAFETY: the caller's; tasks write disjoint columns.
            unsafe {
                dots(Dots {
                    b: (all.b.0.add(first * all.b.1), all.b.1, step.min(all.b.2 - first)),
                    c: (all.c.0.add(first), all.c.1),
                    ..*all
                });
            }
        };
        if threads == 1 {
            // SAFETY: the caller's.
            unsafe { dots(all) };
        } else {
            (0..b.cols.div_ceil(step)).into_par_iter().with_max_len(1).for_each(run);
        }
    });
}

/// The functions of plain Rust, for factors rounded to bf16 or not.
pub(super) fn portable(rounded: bool) -> Kernels {
    unsafe fn dots<const ROUND: bool>(t: Dots) {
        for col in 0..t.b.2 {
            for row in 0..t.rows {
                // SAFETY: the caller's: K numbers in each row.
                unsafe {
                    let a = std::slice::from_raw_parts(t.a.0.add(row * t.a.1).cast::<f32>(), t.k);
                    let b = std::slice::from_raw_parts(t.b.0.add(col * t.b.1), t.k);
                    t.write(row, col, dot::<ROUND>(a, b));
                }
            }
        }
    }
    if rounded { [dots::<true>; 4] } else { [dots::<false>; 4] }
}

/// Sixteen sums side by side, which the compiler keeps in vectors.
fn dot<const ROUND: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let (a, a_rest) = a.as_chunks::<16>();
    let (b, b_rest) = b.as_chunks::<16>();
    let product = |x: f32, y: f32| x * if ROUND { round(y) } else { y };
    for (a, b) in a.iter().zip(b) {
        for l in 0..16 {
            sums[l] += product(a[l], b[l]);
        }
    }
    for ((sum, &x), &y) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum += product(x, y);
    }
    sums.iter().sum()
}
