//! Products of a few rows with a transposed row-major matrix: decoding, where all time goes into reading
//! the weights once. Nothing of B is packed; each element of C is one dot product of two contiguous rows.

use super::buffer::{with_blocks, words_of};
use super::kernel::Kernel;
use super::pack::{Words, pair, round};
use super::{Mat, MatMut};
use rayon::prelude::*;

/// Most rows that go this way.
pub(super) const MAX_ROWS: usize = 8;
/// Rows of B that a task takes at once, at least.
const MIN_TASK: usize = 32;

/// Dot products of some rows of A with some rows of Bᵀ.
#[derive(Clone, Copy)]
pub(super) struct Dots {
    /// Rows of A as words, zero beyond K; words from one row to the next, a multiple of 16.
    a: (*const u32, usize),
    /// Rows of Bᵀ; elements from one to the next, and how many.
    b: (*const f32, usize, usize),
    k: usize,
    /// Where to write, and elements from one row to the next.
    c: (*mut f32, usize),
    rows: usize,
    accumulate: bool,
}

// SAFETY: tasks write disjoint columns of C.
unsafe impl Sync for Dots {}

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

macro_rules! plain {
    ($name:ident, $(#[$feature:meta])? $lanes:literal, $fma:expr, [$($m:literal by $n:literal),*]) => {
        /// The path's functions, of rows rounded to bf16 or not.
        pub(super) fn $name(rounded: bool) -> Kernels {
            $(#[$feature])?
            unsafe fn dots<const M: usize, const N: usize, const ROUND: bool>(t: Dots) {
                // SAFETY: the caller's.
                unsafe {
                    let mut at = 0;
                    while at + N <= t.b.2 {
                        plain_dots::<M, N, $lanes, { $fma }, ROUND>(&t, at);
                        at += N;
                    }
                    while at < t.b.2 {
                        plain_dots::<M, 1, $lanes, { $fma }, ROUND>(&t, at);
                        at += 1;
                    }
                }
            }
            if rounded { [$(dots::<$m, $n, true>),*] } else { [$(dots::<$m, $n, false>),*] }
        }
    };
}

plain!(portable, 8, cfg!(target_arch = "aarch64"), [1 by 4, 2 by 4, 4 by 2, 8 by 1]);
#[cfg(target_arch = "x86_64")]
plain!(avx2, #[target_feature(enable = "avx2,fma")] 8, true, [1 by 4, 2 by 4, 4 by 2, 8 by 1]);
#[cfg(target_arch = "x86_64")]
plain!(avx512, #[target_feature(enable = "avx512f")] 16, true, [1 by 4, 2 by 4, 4 by 4, 8 by 2]);

/// M rows of A with N rows of Bᵀ from `at`, L lanes at a time.
#[inline(always)]
unsafe fn plain_dots<const M: usize, const N: usize, const L: usize, const FMA: bool, const ROUND: bool>(
    t: &Dots,
    at: usize,
) {
    let mut acc = [[[0.0f32; L]; N]; M];
    // SAFETY: the caller's; rows of A are padded to whole vectors.
    unsafe {
        let mut step = |k: usize, b: [*const f32; N]| {
            let mut columns = [[0.0f32; L]; N];
            for n in 0..N {
                columns[n] = *b[n].cast::<[f32; L]>();
                if ROUND {
                    columns[n] = columns[n].map(round);
                }
            }
            for (m, acc) in acc.iter_mut().enumerate() {
                let x = *t.a.0.add(m * t.a.1 + k).cast::<[f32; L]>();
                for (acc, y) in acc.iter_mut().zip(&columns) {
                    for l in 0..L {
                        let sum = &mut acc[l];
                        let (x, y) = (x[l], y[l]);
                        *sum = if FMA { x.mul_add(y, *sum) } else { *sum + x * y };
                    }
                }
            }
        };
        let row = |n: usize| t.b.0.add((at + n) * t.b.1);
        let whole = t.k / L * L;
        for k in (0..whole).step_by(L) {
            step(k, std::array::from_fn(|n| row(n).add(k)));
        }
        if whole < t.k {
            let mut tails = [[0.0f32; L]; N];
            for (n, tail) in tails.iter_mut().enumerate() {
                for (l, x) in tail.iter_mut().enumerate().take(t.k - whole) {
                    *x = *row(n).add(whole + l);
                }
            }
            step(whole, std::array::from_fn(|n| tails[n].as_ptr()));
        }
        for (m, acc) in acc.iter().enumerate().take(t.rows) {
            for (n, acc) in acc.iter().enumerate() {
                write(t, m, at + n, acc.iter().sum());
            }
        }
    }
}

#[inline(always)]
unsafe fn write(t: &Dots, row: usize, col: usize, sum: f32) {
    // SAFETY: the caller's.
    unsafe {
        let c = t.c.0.add(row * t.c.1 + col);
        *c = if t.accumulate { *c + sum } else { sum };
    }
}

/// The functions for pairs of bf16.
#[cfg(target_arch = "x86_64")]
pub(super) fn avx512_bf16() -> Kernels {
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn dots<const M: usize, const N: usize>(t: Dots) {
        // SAFETY: the caller's.
        unsafe {
            let mut at = 0;
            while at + N <= t.b.2 {
                some::<M, N>(&t, at);
                at += N;
            }
            while at < t.b.2 {
                some::<M, 1>(&t, at);
                at += 1;
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn some<const M: usize, const N: usize>(t: &Dots, at: usize) {
        let mut acc = [[_mm512_setzero_ps(); N]; M];
        // SAFETY: the caller's; rows of A are padded to whole vectors, loads of B masked.
        unsafe {
            for k in (0..t.k).step_by(32) {
                let left = (t.k - k).min(32);
                let mask = (0xffff_ffff_u64 >> (32 - left)) as u32;
                let x: [__m512bh; M] = std::array::from_fn(|m| {
                    std::mem::transmute(_mm512_loadu_ps(t.a.0.add(m * t.a.1 + k / 2).cast::<f32>()))
                });
                let y: [__m512bh; N] = std::array::from_fn(|n| {
                    let b = t.b.0.add((at + n) * t.b.1 + k);
                    let (low, high) = if left == 32 {
                        (_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)))
                    } else {
                        (
                            _mm512_maskz_loadu_ps(mask as u16, b),
                            _mm512_maskz_loadu_ps((mask >> 16) as u16, b.wrapping_add(16)),
                        )
                    };
                    _mm512_cvtne2ps_pbh(high, low)
                });
                for (acc, x) in acc.iter_mut().zip(x) {
                    for (acc, y) in acc.iter_mut().zip(y) {
                        *acc = _mm512_dpbf16_ps(*acc, x, y);
                    }
                }
            }
            for (m, acc) in acc.iter().enumerate().take(t.rows) {
                for (n, &acc) in acc.iter().enumerate() {
                    write(t, m, at + n, _mm512_reduce_add_ps(acc));
                }
            }
        }
    }
    [dots::<1, 4>, dots::<2, 4>, dots::<4, 4>, dots::<8, 2>]
}
