//! Products of packed weights with rounded rows: the loop in which generation spends its time.
//!
//! Sixteen rows of weights are multiplied with up to eight rows of the other factor: weights are unpacked once for all
//! of these. Sums of integers are exact; each block's is scaled and added in f32, in the order of the columns, so that the
//! result does not depend on how many rows go together.

use super::input::Rounded;
use super::lanes::{Lanes, lanes_fn};
use super::packed::{BLOCK, Packed, ROWS, SUPER};
use super::words::IQ4_NL;
use crate::quant::BlockType;

/// Most rows of the other factor that go together.
pub(super) const TOGETHER: usize = 8;
/// How far ahead of their use weights are fetched, in bytes.
const AHEAD: usize = 2048;

/// One row of the other factor.
#[derive(Clone, Copy)]
struct Row {
    x: *const i8,
    scale: *const f32,
    sum: *const i32,
    total: *const f32,
}

/// A group of weights and the rows that it is multiplied with.
#[derive(Clone, Copy)]
pub(super) struct Job {
    planes: *const u8,
    scales: *const u8,
    blocks: usize,
    rows: [Row; TOGETHER],
    out: *mut [[f32; ROWS]; TOGETHER],
}

/// Sixteen products with each of the rows `first..first + count` of `x`; `count` is at most [`TOGETHER`].
pub(super) fn dot(w: &Packed, group: usize, x: &Rounded, first: usize, count: usize) -> [[f32; ROWS]; TOGETHER] {
    let (planes, scales) = w.group(group);
    let parts = BLOCK / w.format.part;
    let (sums, totals) = if parts == 2 { (&x.sum16, &x.total16) } else { (&x.sum32, &x.total32) };
    let row = |i: usize| {
        // Rows beyond the last are the last once more.
        let row = first + i.min(count - 1);
        Row {
            x: x.x[row * w.blocks * BLOCK..][..w.blocks * BLOCK].as_ptr(),
            scale: x.scale[row * w.blocks..][..w.blocks].as_ptr(),
            sum: sums[row * w.blocks * parts..][..w.blocks * parts].as_ptr(),
            total: totals[row * w.blocks * parts..][..w.blocks * parts].as_ptr(),
        }
    };
    let mut out = [[0.0; ROWS]; TOGETHER];
    let job = Job { planes, scales, blocks: w.blocks, rows: std::array::from_fn(row), out: &raw mut out };
    // SAFETY: the group has its blocks, each row as many; the format is the group's.
    unsafe {
        match w.kind {
            BlockType::Q4_0 => count_of::<4, 32, false, false, 3, false>(job, count),
            BlockType::Iq4Nl => count_of::<4, 32, false, false, 7, true>(job, count),
            BlockType::Q4_1 => count_of::<4, 32, false, true, 0, false>(job, count),
            BlockType::Q5_0 => count_of::<5, 32, false, false, 4, false>(job, count),
            BlockType::Q5_1 => count_of::<5, 32, false, true, 0, false>(job, count),
            BlockType::Q8_0 => count_of::<8, 32, false, false, 7, false>(job, count),
            BlockType::Q2K => count_of::<4, 16, true, true, 0, false>(job, count),
            BlockType::Q3K => count_of::<4, 16, true, false, 2, false>(job, count),
            BlockType::Q4K => count_of::<4, 32, true, true, 0, false>(job, count),
            BlockType::Q5K => count_of::<5, 32, true, true, 0, false>(job, count),
            BlockType::Q6K => count_of::<6, 16, true, false, 5, false>(job, count),
            BlockType::F32 | BlockType::F16 | BlockType::Bf16 => unreachable!("not packed"),
        }
    }
    out
}

/// SAFETY: as [`dot16`].
unsafe fn count_of<const BITS: u32, const PART: usize, const NESTED: bool, const MINIMA: bool, const ZERO: u32, const TABLE: bool>(
    job: Job,
    count: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        match count {
            1 => dot16::<BITS, PART, NESTED, MINIMA, ZERO, TABLE, 1>(job),
            2 => dot16::<BITS, PART, NESTED, MINIMA, ZERO, TABLE, 2>(job),
            3 | 4 => dot16::<BITS, PART, NESTED, MINIMA, ZERO, TABLE, 4>(job),
            _ => dot16::<BITS, PART, NESTED, MINIMA, ZERO, TABLE, 8>(job),
        }
    }
}

lanes_fn! {
    /// The products of sixteen rows of weights with `N` rows. An integer is raised by 2^`ZERO` where that is not 0.
    ///
    /// # Safety
    /// Group and rows have `job.blocks` blocks of the format that the parameters describe.
    unsafe fn dot16<S, const BITS: u32, const PART: usize, const NESTED: bool, const MINIMA: bool, const ZERO: u32, const TABLE: bool, const N: usize>(job: Job) {
        // SAFETY of all that follows: the caller's.
        let mut sums = [S::splat(0.0); N];
        let (mut planes, mut scales) = (job.planes, job.scales);
        let (mut outer, mut outer_minimum) = (S::splat(0.0), S::splat(0.0));
        for block in 0..job.blocks {
            if NESTED && block % SUPER == 0 {
                outer = unsafe { S::f16(scales) };
                scales = scales.wrapping_add(2 * ROWS);
                if MINIMA {
                    outer_minimum = unsafe { S::f16(scales) };
                    scales = scales.wrapping_add(2 * ROWS);
                }
            }
            for line in 0..BITS as usize {
                S::prefetch(planes.wrapping_add(AHEAD + 64 * line));
            }
            for part in 0..BLOCK / PART {
                let at = block * (BLOCK / PART) + part;
                let mut integers = [S::zero(); N];
                if ZERO > 0 {
                    for i in 0..N {
                        integers[i] = unsafe { S::shifted::<ZERO>(job.rows[i].sum.add(at)) };
                    }
                }
                macro_rules! word {
                    ($j:literal) => {
                        if $j / (PART / 4) == part {
                            let w = unsafe { word::<S, BITS, TABLE, $j, { $j % 4 }, { 2 * ($j % 4) }>(planes) };
                            for i in 0..N {
                                let x = job.rows[i].x.wrapping_add(BLOCK * block + 4 * $j);
                                // What a table gives has 8 bits.
                                integers[i] = unsafe {
                                    if TABLE { S::dot::<8>(integers[i], w, x) } else { S::dot::<BITS>(integers[i], w, x) }
                                };
                            }
                        }
                    };
                }
                word!(0);
                word!(1);
                word!(2);
                word!(3);
                word!(4);
                word!(5);
                word!(6);
                word!(7);
                let scale = if NESTED { S::mul(unsafe { S::i8(scales) }, outer) } else { unsafe { S::f16(scales) } };
                scales = scales.wrapping_add(if NESTED { ROWS } else { 2 * ROWS });
                for i in 0..N {
                    let by = S::mul(scale, S::splat(unsafe { job.rows[i].scale.add(block).read() }));
                    sums[i] = S::fma(S::to_f32(integers[i]), by, sums[i]);
                }
                if MINIMA {
                    let minimum = if NESTED {
                        S::mul(unsafe { S::u8(scales) }, outer_minimum)
                    } else {
                        unsafe { S::f16(scales) }
                    };
                    scales = scales.wrapping_add(if NESTED { ROWS } else { 2 * ROWS });
                    for i in 0..N {
                        let total = S::splat(unsafe { job.rows[i].total.add(at).read() });
                        sums[i] = S::fma(minimum, total, sums[i]);
                    }
                }
            }
            planes = planes.wrapping_add(match BITS {
                4 => 256,
                5 => 320,
                6 => 384,
                _ => 512,
            });
        }
        for i in 0..N {
            unsafe { S::store((&raw mut (*job.out)[i]).cast(), sums[i]) };
        }
    }
}

/// Columns 4J to 4J + 3 of a block: `V` is J mod 4, `PAIR` twice that.
///
/// SAFETY: a block's planes at `planes`.
#[inline(always)]
unsafe fn word<S: Lanes, const BITS: u32, const TABLE: bool, const J: u32, const V: usize, const PAIR: u32>(planes: *const u8) -> S::W {
    // SAFETY: the caller's.
    unsafe {
        if BITS == 8 {
            return S::bytes(planes.add(64 * J as usize));
        }
        let both = S::bytes(planes.add(64 * V));
        let low = if J < 4 { S::low(both) } else { S::high(both) };
        if TABLE {
            return S::look_up(low, &IQ4_NL);
        }
        match BITS {
            5 => S::or(low, S::bits::<J, 1, 4>(S::bytes(planes.add(256)))),
            6 => S::or(low, S::bits::<PAIR, 2, 4>(S::bytes(planes.add(256 + 64 * (J as usize / 4))))),
            _ => low,
        }
    }
}
