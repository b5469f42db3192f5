//! The small products inside attention, from registers and the first-level cache.

use crate::simd::{LANES, Simd};
use std::ops::Range;

/// The left factor: element (i, k) is at `data + i · row + k · col`.
#[derive(Clone, Copy)]
pub(super) struct Left {
    pub(super) data: *const f32,
    pub(super) row: usize,
    pub(super) col: usize,
}

/// `c (+)= left · right`, for `m` rows, `n` columns and `k` terms; `right` and `c` are row-major with the given strides.
///
/// # Safety
/// The pointers are valid for these sizes, `c` overlaps nothing, `m` is a multiple of 8 and `n` of 16.
#[inline(always)]
pub(super) unsafe fn product<S: Simd>(
    [m, n, k]: [usize; 3],
    left: Left,
    right: (*const f32, usize),
    c: (*mut f32, usize),
    accumulate: bool,
) {
    debug_assert!(m.is_multiple_of(8) && n.is_multiple_of(LANES));
    let mut j = 0;
    while j < n {
        // SAFETY: inside the caller's sizes.
        unsafe {
            let right = (right.0.add(j), right.1);
            let c = (c.0.add(j), c.1);
            // The sums of a block fill most of the registers: 16 of 32 wide ones, or 12 of 16 narrow ones.
            j += match (n - j) / LANES {
                4.. if S::WIDE => strip::<S, 4, 4>(0..m, k, left, right, c, accumulate),
                2.. if S::WIDE => strip::<S, 8, 2>(0..m, k, left, right, c, accumulate),
                _ if S::WIDE => strip::<S, 8, 1>(0..m, k, left, right, c, accumulate),
                _ => {
                    // As many sixes as leave fours.
                    let sixes = m - [0, 8, 4][m % 6 / 2];
                    strip::<S, 6, 1>(0..sixes, k, left, right, c, accumulate);
                    strip::<S, 4, 1>(sixes..m, k, left, right, c, accumulate)
                }
            };
        }
    }
}

/// `W` vectors of columns, `R` rows at a time; returns the columns done.
#[inline(always)]
unsafe fn strip<S: Simd, const R: usize, const W: usize>(
    rows: Range<usize>,
    k: usize,
    left: Left,
    right: (*const f32, usize),
    c: (*mut f32, usize),
    accumulate: bool,
) -> usize {
    for i in rows.step_by(R) {
        // SAFETY: inside the caller's sizes.
        unsafe {
            let mut sums = [[S::splat(0.0); W]; R];
            let mut a = left.data.add(i * left.row);
            let mut b = right.0;
            for _ in 0..k {
                let mut b_row = [S::splat(0.0); W];
                for (w, v) in b_row.iter_mut().enumerate() {
                    *v = S::load(b.add(w * LANES));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let a = S::splat(*a.add(r * left.row));
                    for (sum, b) in sums.iter_mut().zip(b_row) {
                        *sum = S::fma(a, b, *sum);
                    }
                }
                a = a.add(left.col);
                b = b.add(right.1);
            }
            for (r, sums) in sums.into_iter().enumerate() {
                for (w, sum) in sums.into_iter().enumerate() {
                    let c = c.0.add((i + r) * c.1 + w * LANES);
                    S::store(c, if accumulate { S::add(S::load(c), sum) } else { sum });
                }
            }
        }
    }
    W * LANES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{F32, assert_close, numbers};
    use crate::simd::{Portable, simd};

    fn check(product: impl Fn([usize; 3], Left, (*const f32, usize), (*mut f32, usize), bool)) {
        for (m, n, k) in [(8, 16, 1), (16, 32, 7), (8, 48, 33), (24, 112, 64)] {
            let (a, b, old) = (numbers(m * k, 1), numbers(k * (n + 3), 2), numbers(m * (n + 5), 3));
            for (row, col) in [(k, 1), (1, m)] {
                for accumulate in [false, true] {
                    let mut c = old.clone();
                    let left = Left { data: a.as_ptr(), row, col };
                    product([m, n, k], left, (b.as_ptr(), n + 3), (c.as_mut_ptr(), n + 5), accumulate);
                    let expected: Vec<f64> = (0..m * (n + 5))
                        .map(|at| {
                            let (i, j) = (at / (n + 5), at % (n + 5));
                            let term = |p| f64::from(a[i * row + p * col]) * f64::from(b[p * (n + 3) + j]);
                            let before = if accumulate || j >= n { f64::from(old[at]) } else { 0.0 };
                            before + if j < n { (0..k).map(term).sum() } else { 0.0 }
                        })
                        .collect();
                    assert_close("c", &c, &expected, F32);
                }
            }
        }
    }

    simd! {
        fn best<S>(sizes: [usize; 3], left: Left, right: (*const f32, usize), c: (*mut f32, usize), accumulate: bool) {
            // SAFETY: the caller's slices have these sizes.
            unsafe { product::<S>(sizes, left, right, c, accumulate) }
        }
    }

    #[test]
    fn every_level_agrees_with_f64() {
        check(best);
        // SAFETY: the slices have these sizes.
        check(|sizes, left, right, c, accumulate| unsafe {
            product::<Portable>(sizes, left, right, c, accumulate);
        });
        #[cfg(target_arch = "x86_64")]
        if crate::simd::level() != crate::simd::Level::Portable {
            use crate::simd::Avx2;
            #[target_feature(enable = "avx2,fma")]
            fn avx2(
                s: [usize; 3],
                left: Left,
                right: (*const f32, usize),
                c: (*mut f32, usize),
                accumulate: bool,
            ) {
                // SAFETY: the caller's slices have these sizes.
                unsafe { product::<Avx2>(s, left, right, c, accumulate) }
            }
            // SAFETY: both levels above the portable one have these features.
            check(|s, left, right, c, accumulate| unsafe { avx2(s, left, right, c, accumulate) });
        }
    }
}
