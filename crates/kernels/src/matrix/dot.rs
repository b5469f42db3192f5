//! Products of packed weights with rounded rows: the loop in which generation spends its time.
//!
//! Sixteen rows of weights are multiplied with up to eight rows of the other factor: weights are unpacked once for all
//! of these. Sums of integers are exact; each block's is scaled and added in f32, in the order of the columns, so that the
//! result does not depend on how many rows go together.

#![expect(
    clippy::needless_range_loop,
    reason = "several arrays of registers go side by side, unrolled by the compiler"
)]

use super::input::{Field, Tile, block_bytes, field_at};
use super::lanes::lanes_fn;
use super::packed::{BLOCK, Packed, ROWS, SUPER};
use super::register::Register;
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
        // SAFETY: the caller's.
        unsafe {
            // Eight sums at once are as many as all processors have registers for.
            if ROWS / S::ROWS * N > 8 {
                dot_registers::<S, BITS, PART, NESTED, MINIMA, ZERO, TABLE, N, 4>(job)
            } else {
                dot_registers::<S, BITS, PART, NESTED, MINIMA, ZERO, TABLE, N, N>(job)
            }
        }
    }
}

/// `M` of the `N` rows go side by side.
///
/// SAFETY: as [`dot16`].
#[inline(always)]
unsafe fn dot_registers<
    R: Register,
    const BITS: u32,
    const PART: usize,
    const NESTED: bool,
    const MINIMA: bool,
    const ZERO: u32,
    const TABLE: bool,
    const N: usize,
    const M: usize,
>(
    job: Job,
) {
    // SAFETY of all that follows: the caller's.
    // A group is one register or two. What a table gives has 8 bits.
    let (registers, bits) = (ROWS / R::ROWS, if TABLE { 8 } else { BITS });
    let mut sums = [[R::all(0.0); N]; 2];
    let (mut planes, mut scales, mut x) = (job.planes, job.scales, job.x);
    let (mut outer, mut outer_minimum) = ([R::all(0.0); 2], [R::all(0.0); 2]);
    for block in 0..job.blocks {
        if job.fetch {
            for line in 0..BITS as usize {
                R::prefetch(planes.wrapping_add(AHEAD + 64 * line));
            }
            R::prefetch(scales.wrapping_add(256));
        }
        if NESTED && block % SUPER == 0 {
            for r in 0..registers {
                let at = scales.wrapping_add(2 * R::ROWS * r);
                outer[r] = unsafe { R::f16(at) };
                if MINIMA {
                    outer_minimum[r] = unsafe { R::f16(at.wrapping_add(2 * ROWS)) };
                }
            }
            scales = scales.wrapping_add(if MINIMA { 4 * ROWS } else { 2 * ROWS });
        }
        for part in 0..BLOCK / PART {
            let (sum, total) =
                if PART == 16 { (Field::HalfSum, Field::HalfTotal) } else { (Field::Sum, Field::Total) };
            let (sum, total) = (field_at(N, sum) + 4 * N * part, field_at(N, total) + 4 * N * part);
            let each = if NESTED { ROWS } else { 2 * ROWS };
            for from in (0..N).step_by(M) {
                let mut integers = [[R::zero(); M]; 2];
                if ZERO > 0 && !(bits == 8 && R::SIGNED) {
                    for i in 0..M {
                        let raised = unsafe { R::shifted::<ZERO>(x.add(sum + 4 * (from + i)).cast()) };
                        integers[0][i] = raised;
                        integers[1][i] = raised;
                    }
                }
                let mut open = [[R::open(R::zero()); M]; 2];
                for r in 0..registers {
                    for i in 0..M {
                        open[r][i] = R::open(integers[r][i]);
                    }
                }
                macro_rules! word {
                    ($j:literal) => {
                        if $j / (PART / 4) == part {
                            let second = planes.wrapping_add(4 * R::ROWS * (registers - 1));
                            let w = unsafe {
                                [
                                    word::<R, BITS, TABLE, $j, { $j % 4 }, { 2 * ($j % 4) }>(planes),
                                    word::<R, BITS, TABLE, $j, { $j % 4 }, { 2 * ($j % 4) }>(second),
                                ]
                            };
                            for i in 0..M {
                                let x = x.wrapping_add(BLOCK * (from + i) + 4 * $j).cast();
                                for r in 0..registers {
                                    let sum = &mut open[r][i];
                                    *sum = unsafe {
                                        if TABLE {
                                            R::dot::<8>(*sum, w[r], x)
                                        } else {
                                            R::dot::<BITS>(*sum, w[r], x)
                                        }
                                    };
                                }
                            }
                            let last = $j % (PART / 4) == PART / 4 - 1;
                            if last || ($j + 1) % R::words(bits) == 0 {
                                for r in 0..registers {
                                    for i in 0..M {
                                        integers[r][i] = if TABLE {
                                            R::close::<8>(integers[r][i], open[r][i])
                                        } else {
                                            R::close::<BITS>(integers[r][i], open[r][i])
                                        };
                                        open[r][i] = R::open(integers[r][i]);
                                    }
                                }
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
                for r in 0..registers {
                    let at = scales.wrapping_add(each / ROWS * R::ROWS * r);
                    let scale = unsafe { if NESTED { R::times(R::i8(at), outer[r]) } else { R::f16(at) } };
                    for i in 0..M {
                        let row = from + i;
                        let by = unsafe { x.add(field_at(N, Field::Scale) + 4 * row).cast::<f32>().read() };
                        let by = R::times(scale, R::all(by));
                        sums[r][row] = R::times_plus(R::to_f32(integers[r][i]), by, sums[r][row]);
                    }
                    if MINIMA {
                        let at = at.wrapping_add(each);
                        let minimum = unsafe {
                            if NESTED { R::times(R::u8(at), outer_minimum[r]) } else { R::f16(at) }
                        };
                        for i in 0..M {
                            let row = from + i;
                            let total = unsafe { x.add(total + 4 * row).cast::<f32>().read() };
                            sums[r][row] = R::times_plus(minimum, R::all(total), sums[r][row]);
                        }
                    }
                }
            }
            scales = scales.wrapping_add(if MINIMA { 2 * each } else { each });
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
        for r in 0..registers {
            unsafe {
                let out = job.out.0.add(i * job.out.1 + R::ROWS * r);
                let mut sum = sums[r][i];
                if !job.bias.is_null() {
                    sum = R::plus(sum, R::read(job.bias.add(R::ROWS * r)));
                }
                if job.add {
                    sum = R::plus(R::read(out), sum);
                }
                R::write(out, sum);
            }
        }
    }
}

/// Columns 4J to 4J + 3 of a block: `V` is J mod 4, `PAIR` twice that.
///
/// SAFETY: a block's planes at `planes`.
#[inline(always)]
unsafe fn word<
    R: Register,
    const BITS: u32,
    const TABLE: bool,
    const J: u32,
    const V: usize,
    const PAIR: u32,
>(
    planes: *const u8,
) -> R::W {
    // SAFETY: the caller's.
    unsafe {
        if BITS == 8 {
            return R::bytes(planes.add(64 * J as usize));
        }
        let both = R::bytes(planes.add(64 * V));
        let low = if J < 4 { R::low(both) } else { R::high(both) };
        if TABLE {
            return R::look_up(low, &IQ4_NL);
        }
        match BITS {
            5 => R::or(low, R::bits::<J, 1, 4>(R::bytes(planes.add(256)))),
            6 => R::or(low, R::bits::<PAIR, 2, 4>(R::bytes(planes.add(256 + 64 * (J as usize / 4))))),
            _ => low,
        }
    }
}
