//! Products of packed weights with rounded rows: the loop in which generation spends its time.
//!
//! Sixteen rows of weights are multiplied with up to eight rows of the other factor: weights are unpacked once for all
//! of these. Sums of integers are exact; each block's is scaled and added in f32, in the order of the columns, so that the
//! result does not depend on how many rows go together.

use super::input::{Field, Tile, block_bytes, field_at};
use super::lanes::{Lanes, lanes_fn};
use super::packed::{BLOCK, Packed, ROWS, SUPER};
use super::words::IQ4_NL;
use crate::quant::BlockType;

/// How far ahead of their use weights are fetched, in bytes.
const AHEAD: usize = 8192;

/// A group of weights, the rows that it is multiplied with, and where products go.
#[derive(Clone, Copy)]
struct Job {
    planes: *const u8,
    scales: *const u8,
    blocks: usize,
    x: *const u8,
    /// Sixteen products for each row; numbers from one row to the next.
    out: (*mut f32, usize),
    count: usize,
    /// Sixteen numbers to add to each row's products; none if null.
    bias: *const f32,
    /// Whether products are added to what is there.
    add: bool,
    /// Whether weights are not in the first-level cache yet.
    fetch: bool,
}

/// Where products of a group go, and what is added to them.
#[derive(Clone, Copy)]
pub(super) struct Output {
    /// The first of sixteen of the tile's first row, and numbers from one row to the next.
    pub(super) first: (*mut f32, usize),
    /// Sixteen numbers, or null.
    pub(super) bias: *const f32,
    /// Whether products are added to what is there.
    pub(super) add: bool,
}

/// Sixteen products with each row of a tile. `fetch`: the group was not used just now.
///
/// # Safety
/// `out` has room for sixteen numbers in each of the tile's rows, and nobody else writes there.
pub(super) unsafe fn dot(w: &Packed, group: usize, x: &Tile, out: Output, fetch: bool) {
    let (planes, scales) = w.group(group);
    let job = Job {
        planes,
        scales,
        blocks: w.blocks,
        x: x.start(),
        out: out.first,
        count: x.count,
        bias: out.bias,
        add: out.add,
        fetch,
    };
    // SAFETY: the group has its blocks, the tile as many; the format is the group's; the rest is the caller's.
    unsafe {
        match w.kind {
            BlockType::Q4_0 => count_of::<4, 32, false, false, 3, false>(job, x.n),
            BlockType::Iq4Nl => count_of::<4, 32, false, false, 7, true>(job, x.n),
            BlockType::Q4_1 => count_of::<4, 32, false, true, 0, false>(job, x.n),
            BlockType::Q5_0 => count_of::<5, 32, false, false, 4, false>(job, x.n),
            BlockType::Q5_1 => count_of::<5, 32, false, true, 0, false>(job, x.n),
            BlockType::Q8_0 => count_of::<8, 32, false, false, 7, false>(job, x.n),
            BlockType::Q2K => count_of::<4, 16, true, true, 0, false>(job, x.n),
            BlockType::Q3K => count_of::<4, 16, true, false, 2, false>(job, x.n),
            BlockType::Q4K => count_of::<4, 32, true, true, 0, false>(job, x.n),
            BlockType::Q5K => count_of::<5, 32, true, true, 0, false>(job, x.n),
            BlockType::Q6K => count_of::<6, 16, true, false, 5, false>(job, x.n),
            BlockType::F32 | BlockType::F16 | BlockType::Bf16 => unreachable!("not packed"),
        }
    }
}

/// SAFETY: as [`dot16`].
unsafe fn count_of<
    const BITS: u32,
    const PART: usize,
    const NESTED: bool,
    const MINIMA: bool,
    const ZERO: u32,
    const TABLE: bool,
>(
    job: Job,
    n: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        match n {
            1 => dot16::<BITS, PART, NESTED, MINIMA, ZERO, TABLE, 1>(job),
            2 => dot16::<BITS, PART, NESTED, MINIMA, ZERO, TABLE, 2>(job),
            4 => dot16::<BITS, PART, NESTED, MINIMA, ZERO, TABLE, 4>(job),
            _ => dot16::<BITS, PART, NESTED, MINIMA, ZERO, TABLE, 8>(job),
        }
    }
}

lanes_fn! {
    /// The products of sixteen rows of weights with a tile of `N` rows. An integer is raised by 2^`ZERO` where that is not 0.
    ///
    /// # Safety
    /// Group and tile have `job.blocks` blocks, the group of the format that the parameters describe, the tile of `N` rows;
    /// the output has sixteen numbers for each of `job.count` rows.
    unsafe fn dot16<S, const BITS: u32, const PART: usize, const NESTED: bool, const MINIMA: bool, const ZERO: u32, const TABLE: bool, const N: usize>(job: Job) {
        // SAFETY of all that follows: the caller's.
        let mut sums = [S::splat(0.0); N];
        let (mut planes, mut scales, mut x) = (job.planes, job.scales, job.x);
        let (mut outer, mut outer_minimum) = (S::splat(0.0), S::splat(0.0));
        for block in 0..job.blocks {
            if job.fetch {
                for line in 0..BITS as usize {
                    S::prefetch(planes.wrapping_add(AHEAD + 64 * line));
                }
                S::prefetch(scales.wrapping_add(256));
            }
            if NESTED && block % SUPER == 0 {
                outer = unsafe { S::f16(scales) };
                scales = scales.wrapping_add(2 * ROWS);
                if MINIMA {
                    outer_minimum = unsafe { S::f16(scales) };
                    scales = scales.wrapping_add(2 * ROWS);
                }
            }
            for part in 0..BLOCK / PART {
                let (sum, total) = if PART == 16 { (Field::HalfSum, Field::HalfTotal) } else { (Field::Sum, Field::Total) };
                let (sum, total) = (field_at(N, sum) + 4 * N * part, field_at(N, total) + 4 * N * part);
                let mut integers = [S::zero(); N];
                if ZERO > 0 {
                    for i in 0..N {
                        integers[i] = unsafe { S::shifted::<ZERO>(x.add(sum + 4 * i).cast()) };
                    }
                }
                macro_rules! word {
                    ($j:literal) => {
                        if $j / (PART / 4) == part {
                            let w = unsafe { word::<S, BITS, TABLE, $j, { $j % 4 }, { 2 * ($j % 4) }>(planes) };
                            for i in 0..N {
                                // What a table gives has 8 bits.
                                integers[i] = unsafe {
                                    let x = x.add(BLOCK * i + 4 * $j).cast();
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
                    let by = unsafe { x.add(field_at(N, Field::Scale) + 4 * i).cast::<f32>().read() };
                    sums[i] = S::fma(S::to_f32(integers[i]), S::mul(scale, S::splat(by)), sums[i]);
                }
                if MINIMA {
                    let minimum = if NESTED {
                        S::mul(unsafe { S::u8(scales) }, outer_minimum)
                    } else {
                        unsafe { S::f16(scales) }
                    };
                    scales = scales.wrapping_add(if NESTED { ROWS } else { 2 * ROWS });
                    for i in 0..N {
                        let total = unsafe { x.add(total + 4 * i).cast::<f32>().read() };
                        sums[i] = S::fma(minimum, S::splat(total), sums[i]);
                    }
                }
            }
            planes = planes.wrapping_add(match BITS {
                4 => 256,
                5 => 320,
                6 => 384,
                _ => 512,
            });
            x = x.wrapping_add(block_bytes(N));
        }
        for i in 0..N.min(job.count) {
            unsafe {
                let out = job.out.0.add(i * job.out.1);
                let mut sum = sums[i];
                if !job.bias.is_null() {
                    sum = S::add(sum, S::load(job.bias));
                }
                if job.add {
                    sum = S::add(S::load(out), sum);
                }
                S::store(out, sum);
            }
        }
    }
}

/// Columns 4J to 4J + 3 of a block: `V` is J mod 4, `PAIR` twice that.
///
/// SAFETY: a block's planes at `planes`.
#[inline(always)]
unsafe fn word<S: Lanes, const BITS: u32, const TABLE: bool, const J: u32, const V: usize, const PAIR: u32>(
    planes: *const u8,
) -> S::W {
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
