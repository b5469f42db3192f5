//! Products of f32, f16 and bf16 weights, row after row as they lie.

#![expect(
    clippy::needless_range_loop,
    reason = "several arrays of registers go side by side, unrolled by the compiler"
)]

use super::lanes::{Lanes, lanes_fn};
use crate::Precision;
use crate::matmul::{Mat, MatMut, matmul_serial};
use crate::quant::{BlockType, dequantize};
use crate::simd::LANES;
use std::cell::RefCell;

/// Most rows of the other factor that go through the weights as they lie; more are worth packing for.
pub(super) const FEW: usize = 8;
/// Rows of weights that are made f32 at a time.
pub(super) const PANEL: usize = 128;

/// Products of rows of weights with up to [`FEW`] rows of `x`.
#[derive(Clone, Copy)]
pub(super) struct Dots {
    pub(super) kind: BlockType,
    /// Rows of weights, one after another.
    pub(super) w: *const u8,
    pub(super) w_rows: usize,
    /// Rows of f32, one after another.
    pub(super) x: *const f32,
    pub(super) count: usize,
    pub(super) cols: usize,
    /// `w_rows` products for each row of `x`; numbers from one row to the next.
    pub(super) out: (*mut f32, usize),
}

/// # Safety
/// The pointers hold what [`Dots`] says, in one of the three plain formats.
pub(super) unsafe fn dots(job: Dots) {
    // SAFETY: the caller's.
    unsafe {
        match job.kind {
            BlockType::F16 => rows::<1>(job),
            BlockType::Bf16 => rows::<2>(job),
            _ => rows::<0>(job),
        }
    }
}

lanes_fn! {
    /// Row after row of weights. `KIND`: 0 f32, 1 f16, 2 bf16.
    ///
    /// # Safety
    /// The pointers hold what [`Dots`] says.
    unsafe fn rows<S, const KIND: u8>(job: Dots) {
        let bytes = job.kind.bytes();
        for row in 0..job.w_rows {
            let w = job.w.wrapping_add(row * job.cols * bytes);
            let mut done = 0;
            while done < job.count {
                let one = One { w, x: job.x.wrapping_add(done * job.cols), cols: job.cols, count: job.count - done };
                let out = job.out.0.wrapping_add(done * job.out.1 + row);
                // As many rows and sums of each as there are registers for: an addition takes as long as several loads.
                // SAFETY of all that follows: the caller's.
                done += unsafe {
                    match one.count {
                        1 => one_row::<S, KIND, 1, 4>(one, out, job.out.1),
                        2 => one_row::<S, KIND, 2, 2>(one, out, job.out.1),
                        3.. if !S::WIDE => one_row::<S, KIND, 4, 1>(one, out, job.out.1),
                        3 | 4 => one_row::<S, KIND, 4, 2>(one, out, job.out.1),
                        _ => one_row::<S, KIND, 8, 2>(one, out, job.out.1),
                    }
                };
            }
        }
    }
}

/// One row of weights.
#[derive(Clone, Copy)]
struct One {
    w: *const u8,
    x: *const f32,
    cols: usize,
    count: usize,
}

/// The products of one row of weights with up to `N` rows, `SUMS` sums for each. Returns how many rows.
///
/// SAFETY: `cols` weights at `w`, `count` rows of as many numbers at `x`; `out` has room for a product of each, `apart` from
/// one to the next.
#[inline(always)]
unsafe fn one_row<S: Lanes, const KIND: u8, const N: usize, const SUMS: usize>(
    one: One,
    out: *mut f32,
    apart: usize,
) -> usize {
    let mut sums = [[S::splat(0.0); SUMS]; N];
    let whole = one.cols / LANES * LANES;
    let size = if KIND == 0 { 4 } else { 2 };
    // SAFETY of all that follows: the caller's.
    let load = |at: usize| unsafe {
        let p = one.w.add(at * size);
        match KIND {
            0 => S::load(p.cast()),
            1 => S::halves(p),
            _ => S::bf16(p),
        }
    };
    // Rows beyond the last are the last once more.
    let x = |i: usize| one.x.wrapping_add(i.min(one.count - 1) * one.cols);
    let mut at = 0;
    while at + SUMS * LANES <= whole {
        for line in 0..(SUMS * LANES * size).div_ceil(64) {
            S::prefetch(one.w.wrapping_add(at * size + 4096 + 64 * line));
        }
        for s in 0..SUMS {
            let w = load(at + s * LANES);
            for i in 0..N {
                sums[i][s] = S::fma(w, unsafe { S::load(x(i).add(at + s * LANES)) }, sums[i][s]);
            }
        }
        at += SUMS * LANES;
    }
    while at < whole {
        let w = load(at);
        for i in 0..N {
            sums[i][0] = S::fma(w, unsafe { S::load(x(i).add(at)) }, sums[i][0]);
        }
        at += LANES;
    }
    for i in 0..N.min(one.count) {
        let together = sums[i].into_iter().reduce(S::add).unwrap_or(S::splat(0.0));
        let mut sum = S::sum(together);
        for k in whole..one.cols {
            let w = unsafe {
                let p = one.w.add(k * size);
                match KIND {
                    0 => p.cast::<f32>().read_unaligned(),
                    1 => half::f16::from_bits(p.cast::<u16>().read_unaligned()).to_f32(),
                    _ => half::bf16::from_bits(p.cast::<u16>().read_unaligned()).to_f32(),
                }
            };
            sum += w * unsafe { x(i).add(k).read() };
        }
        unsafe { *out.wrapping_add(i * apart) = sum };
    }
    N.min(one.count)
}

/// Products of up to [`PANEL`] rows of weights with many rows of `x` (N, K), into `out`, whose rows are `width` apart.
pub(super) fn panel(
    kind: BlockType,
    w: &[u8],
    w_rows: usize,
    x: &[f32],
    cols: usize,
    out: (&mut [f32], usize),
    precision: Precision,
) {
    thread_local! {
        static NUMBERS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    }
    NUMBERS.with_borrow_mut(|numbers| {
        numbers.resize(w_rows * cols, 0.0);
        dequantize(kind, w, numbers);
        let b = Mat::new(numbers, w_rows, cols).t();
        let a = Mat::new(x, x.len() / cols, cols);
        let c = MatMut { data: out.0, rows: a.rows, cols: w_rows, row_stride: out.1 };
        matmul_serial(a, b, c, precision);
    });
}
