//! Products of f32, f16 and bf16 weights, row after row as they lie.

use super::lanes::lanes_fn;
use crate::matmul::{Mat, MatMut, matmul_serial};
use crate::quant::{BlockType, dequantize};
use crate::Precision;
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
    let bytes = job.kind.bytes();
    for row in 0..job.w_rows {
        let mut sums = [0.0; FEW];
        let one = One {
            w: job.w.wrapping_add(row * job.cols * bytes),
            x: job.x,
            cols: job.cols,
            count: job.count,
            sums: &raw mut sums,
        };
        // SAFETY: the caller's.
        unsafe {
            match job.kind {
                BlockType::F16 => counted::<1>(one),
                BlockType::Bf16 => counted::<2>(one),
                _ => counted::<0>(one),
            }
            for (i, sum) in sums.iter().enumerate().take(job.count) {
                *job.out.0.add(i * job.out.1 + row) = *sum;
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
    sums: *mut [f32; FEW],
}

/// SAFETY: as [`row`].
unsafe fn counted<const KIND: u8>(one: One) {
    // SAFETY: the caller's.
    unsafe {
        match one.count {
            1 => row::<KIND, 1>(one),
            2 => row::<KIND, 2>(one),
            3 | 4 => row::<KIND, 4>(one),
            _ => row::<KIND, 8>(one),
        }
    }
}

lanes_fn! {
    /// The products of one row of weights with `count` of up to `N` rows. `KIND`: 0 f32, 1 f16, 2 bf16.
    ///
    /// # Safety
    /// `cols` weights at `w`, `count` rows of as many numbers at `x`.
    unsafe fn row<S, const KIND: u8, const N: usize>(one: One) {
        // Two sums each, since an addition takes as long as several loads.
        let mut sums = [[S::splat(0.0); 2]; N];
        let whole = one.cols / LANES * LANES;
        let size = if KIND == 0 { 4 } else { 2 };
        // SAFETY of all that follows: the caller's.
        let load = |at: usize| unsafe {
            let p = one.w.add(at * size);
            match KIND {
                0 => S::load(p.cast()),
                1 => S::f16(p),
                _ => S::bf16(p),
            }
        };
        // Rows beyond the last are the last once more.
        let x = |i: usize| one.x.wrapping_add(i.min(one.count - 1) * one.cols);
        let mut at = 0;
        while at + 2 * LANES <= whole {
            S::prefetch(one.w.wrapping_add(at * size + 4096));
            let w = [load(at), load(at + LANES)];
            for i in 0..N {
                for half in 0..2 {
                    sums[i][half] = S::fma(w[half], unsafe { S::load(x(i).add(at + half * LANES)) }, sums[i][half]);
                }
            }
            at += 2 * LANES;
        }
        if at < whole {
            let w = load(at);
            for i in 0..N {
                sums[i][0] = S::fma(w, unsafe { S::load(x(i).add(at)) }, sums[i][0]);
            }
        }
        for i in 0..N {
            let mut sum = S::sum(S::add(sums[i][0], sums[i][1]));
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
            unsafe { (*one.sums)[i] = sum };
        }
    }
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
