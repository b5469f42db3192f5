//! Quantised weights as the kernels read them: sixteen rows side by side.
//!
//! A *group* is sixteen rows. Its integers come first, then its scales, each for 32 columns at a time:
//!
//! - low plane: byte `4 · row + t` of vector v holds in its low half column 4v + t of that row, in its high half column
//!   4v + t + 16, four vectors in all; formats of 8 bits have a byte for each, eight vectors;
//! - high plane of 5 bits: one vector, bit j of byte `4 · row + t` belongs to column 4j + t; of 6 bits: two vectors, bits 2g
//!   and 2g + 1 of vector h belong to column 16h + 4g + t;
//! - scales: sixteen f16, then sixteen f16 minima where the format has them. The K formats have, for every 256 columns,
//!   sixteen f16 (and sixteen for the minima), then for each *part* of 16 or 32 columns sixteen i8 (and sixteen u8).
//!
//! A number is `scale · (integer − zero) + minimum`. Rows that fill up the last group are zero.

use super::Bytes;
use super::words::{self, Visit, Words};
use crate::pool::parallel;
use crate::quant::BlockType;
use std::sync::Arc;

/// Rows of a group.
pub(super) const ROWS: usize = 16;
/// Columns of a block.
pub(super) const BLOCK: usize = 32;
/// Blocks that share the scales of a K format.
pub(super) const SUPER: usize = 8;

/// How a format's integers become numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// Bits of an integer as they are packed: 4, 5, 6 or 8.
    pub(super) bits: usize,
    /// Columns that share a scale: 16 or 32.
    pub(super) part: usize,
    /// Whether scales are themselves integers with a scale for 256 columns.
    pub(super) nested: bool,
    /// Whether there are minima.
    pub(super) minima: bool,
}

impl Format {
    /// None for formats that are not packed.
    pub(super) fn of(kind: BlockType) -> Option<Self> {
        let format = |bits, part, nested, minima| Some(Self { bits, part, nested, minima });
        match kind {
            BlockType::F32 | BlockType::F16 | BlockType::Bf16 => None,
            BlockType::Q4_0 | BlockType::Iq4Nl => format(4, 32, false, false),
            BlockType::Q4_1 => format(4, 32, false, true),
            BlockType::Q5_0 => format(5, 32, false, false),
            BlockType::Q5_1 => format(5, 32, false, true),
            BlockType::Q8_0 => format(8, 32, false, false),
            BlockType::Q2K => format(4, 16, true, true),
            BlockType::Q3K => format(4, 16, true, false),
            BlockType::Q4K => format(4, 32, true, true),
            BlockType::Q5K => format(5, 32, true, true),
            BlockType::Q6K => format(6, 16, true, false),
        }
    }

    /// Bytes of the planes of a block.
    pub(super) const fn planes(self) -> usize {
        match self.bits {
            4 => 256,
            5 => 320,
            6 => 384,
            _ => 512,
        }
    }

    /// Bytes of the scales of a block, without those for 256 columns.
    pub(super) const fn scales(self) -> usize {
        let each = if self.nested { ROWS } else { 2 * ROWS };
        (BLOCK / self.part) * each * if self.minima { 2 } else { 1 }
    }

    /// Bytes of the scales for 256 columns.
    pub(super) const fn outer(self) -> usize {
        match (self.nested, self.minima) {
            (false, _) => 0,
            (true, false) => 2 * ROWS,
            (true, true) => 4 * ROWS,
        }
    }

    /// Bytes of a group of rows of `blocks` blocks, in whole lines.
    pub(super) const fn group(self, blocks: usize) -> usize {
        (blocks * (self.planes() + self.scales()) + blocks / SUPER * self.outer()).next_multiple_of(64)
    }
}

/// A line of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Rows of blocks in ggml's layout, and the places that they go to.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) kind: BlockType,
    pub(super) format: Format,
    pub(super) bytes: Bytes,
    pub(super) rows: usize,
    /// Which row is at each place; the same if there is none.
    pub(super) order: Option<Arc<[usize]>>,
}

impl Source {
    /// Blocks of 32 columns in a row.
    pub(super) fn blocks(&self) -> usize {
        self.bytes.len() / self.rows.max(1) / self.kind.bytes() * self.kind.elements() / BLOCK
    }

    /// Bytes of a packed group.
    fn size(&self) -> usize {
        self.format.group(self.blocks())
    }

    /// Packs a group into the bytes at `out`.
    ///
    /// # Safety
    /// There is room for a group, which nobody else reads or writes.
    unsafe fn pack(&self, group: usize, out: *mut u8) {
        let (blocks, size) = (self.blocks(), self.size());
        let rows = ROWS.min(self.rows - group * ROWS);
        // SAFETY: the caller's.
        let out = unsafe {
            // A whole group is written up to the gap at its end.
            let written = if rows < ROWS { 0 } else { size.saturating_sub(64) };
            out.add(written).write_bytes(0, size - written);
            std::slice::from_raw_parts_mut(out, size)
        };
        for lane in 0..rows {
            pack_row(self.kind, self.format, self.at(group * ROWS + lane), blocks, lane, out);
        }
    }

    /// Packs all groups, on all threads.
    pub(super) fn packed(&self) -> Packed {
        let (groups, size) = (self.rows.div_ceil(ROWS), self.size());
        let mut lines: Vec<Line> = Vec::with_capacity(groups * size / 64);
        let out = Out(lines.as_mut_ptr().cast());
        parallel(groups, |group| {
            let out = &out;
            // SAFETY: this task alone has this group, which lies inside the capacity.
            unsafe { self.pack(group, out.0.add(group * size)) };
        });
        // SAFETY: every group was written.
        unsafe { lines.set_len(groups * size / 64) };
        Packed { kind: self.kind, format: self.format, blocks: self.blocks(), lines }
    }

    /// Room for one group.
    pub(super) fn room(&self) -> Packed {
        let lines = vec![Line([0; 64]); self.size() / 64];
        Packed { kind: self.kind, format: self.format, blocks: self.blocks(), lines }
    }

    /// Packs a group into such room.
    pub(super) fn pack_into(&self, group: usize, room: &mut Packed) {
        assert!(room.lines.len() * 64 == self.size(), "room for another matrix");
        // SAFETY: the memory is the caller's alone, and a group long.
        unsafe { self.pack(group, room.lines.as_mut_ptr().cast()) };
    }

    /// The numbers of one row, as the kernels understand it.
    pub(super) fn row(&self, place: usize, out: &mut [f32]) {
        let mut room = self.room();
        let size = room.lines.len() * 64;
        // SAFETY: lines are bytes.
        let bytes = unsafe { std::slice::from_raw_parts_mut(room.lines.as_mut_ptr().cast(), size) };
        pack_row(self.kind, self.format, self.at(place), room.blocks, 0, bytes);
        room.row(0, out);
    }

    /// The blocks of the row at a place.
    fn at(&self, place: usize) -> &[u8] {
        let row = self.order.as_ref().map_or(place, |order| order[place]);
        let size = self.bytes.len() / self.rows;
        &self.bytes[row * size..][..size]
    }
}

/// Packed groups, one after another.
pub(super) struct Packed {
    pub(super) kind: BlockType,
    pub(super) format: Format,
    /// Blocks of a row.
    pub(super) blocks: usize,
    lines: Vec<Line>,
}

impl Packed {
    /// The integers of a group, and its scales.
    pub(super) fn group(&self, group: usize) -> (*const u8, *const u8) {
        let size = self.format.group(self.blocks);
        let start = &self.lines[group * size / 64..][..size / 64];
        let start: *const u8 = start.as_ptr().cast();
        // SAFETY: the planes end inside the group.
        (start, unsafe { start.add(self.blocks * self.format.planes()) })
    }

    /// The numbers of one row, as the kernels understand it.
    pub(super) fn row(&self, row: usize, out: &mut [f32]) {
        let (format, size) = (self.format, self.format.group(self.blocks));
        let lines = &self.lines[row / ROWS * size / 64..][..size / 64];
        // SAFETY: lines are bytes.
        let group: &[u8] = unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), size) };
        let (planes, scales) = group.split_at(self.blocks * format.planes());
        let (lane, zero) = (row % ROWS, zero(self.kind));
        let f16 = |at: usize| half::f16::from_le_bytes([scales[at], scales[at + 1]]).to_f32();
        for (block, out) in out.chunks_exact_mut(BLOCK).enumerate() {
            let planes = &planes[block * format.planes()..][..format.planes()];
            let (outer, inner) = scales_at(format, block);
            for (column, out) in out.iter_mut().enumerate() {
                let part = column / format.part;
                let each = if format.nested { ROWS } else { 2 * ROWS } * if format.minima { 2 } else { 1 };
                let at = inner + part * each;
                let (scale, minimum) = if format.nested {
                    let minimum = if format.minima {
                        f16(outer + 2 * ROWS + 2 * lane) * f32::from(scales[at + ROWS + lane])
                    } else {
                        0.0
                    };
                    (f16(outer + 2 * lane) * f32::from(scales[at + lane] as i8), minimum)
                } else {
                    let minimum = if format.minima { f16(at + 2 * ROWS + 2 * lane) } else { 0.0 };
                    (f16(at + 2 * lane), minimum)
                };
                let mut integer = i32::from(integer(format, planes, lane, column));
                if self.kind == BlockType::Iq4Nl {
                    integer = i32::from(words::IQ4_NL[integer as usize]);
                }
                *out = scale * (integer - zero) as f32 + minimum;
            }
        }
    }
}

/// Where the scales of a block are: those for 256 columns, and its own.
fn scales_at(format: Format, block: usize) -> (usize, usize) {
    if !format.nested {
        return (0, block * format.scales());
    }
    let outer = block / SUPER * (format.outer() + SUPER * format.scales());
    (outer, outer + format.outer() + block % SUPER * format.scales())
}

/// What is taken from a format's integers.
fn zero(kind: BlockType) -> i32 {
    1 << match kind {
        BlockType::Q4_0 => 3,
        BlockType::Q5_0 => 4,
        BlockType::Q8_0 | BlockType::Iq4Nl => 7,
        BlockType::Q3K => 2,
        BlockType::Q6K => 5,
        _ => return 0,
    }
}

fn integer(format: Format, planes: &[u8], lane: usize, column: usize) -> u8 {
    let (word, t) = (column / 4, column % 4);
    if format.bits == 8 {
        return planes[64 * word + 4 * lane + t];
    }
    let low = planes[64 * (word % 4) + 4 * lane + t] >> (4 * (word / 4)) & 15;
    match format.bits {
        5 => low | (planes[256 + 4 * lane + t] >> word & 1) << 4,
        6 => low | (planes[256 + 64 * (word / 4) + 4 * lane + t] >> (2 * (word % 4)) & 3) << 4,
        _ => low,
    }
}

struct Out(*mut u8);

// SAFETY: tasks write disjoint groups.
unsafe impl Sync for Out {}

#[inline(never)]
fn pack_row(kind: BlockType, format: Format, row: &[u8], blocks: usize, lane: usize, out: &mut [u8]) {
    let (planes, scales) = out.split_at_mut(blocks * format.planes());
    words::for_blocks(kind, row, &mut Row { format, lane, planes, scales });
}

/// A row on its way into its group.
struct Row<'a> {
    format: Format,
    lane: usize,
    planes: &'a mut [u8],
    scales: &'a mut [u8],
}

impl Visit for Row<'_> {
    #[inline(always)]
    fn block(&mut self, block: usize, words: Words) {
        let Self { format, lane, planes, scales } = self;
        let (format, lane) = (*format, *lane % ROWS);
        let Words { w, scale, minimum, parts } = words;
        let planes = &mut planes[block * format.planes()..][..format.planes()];
        let (lines, _) = planes.as_chunks_mut::<64>();
        macro_rules! put {
            ($line:expr, $word:expr) => {
                lines[$line].as_chunks_mut::<4>().0[lane] = u32::to_le_bytes($word)
            };
        }
        if format.bits == 8 {
            for j in 0..8 {
                put!(j, w[j]);
            }
        } else {
            for v in 0..4 {
                put!(v, w[v] & 0x0f0f_0f0f | (w[v + 4] & 0x0f0f_0f0f) << 4);
            }
        }
        if format.bits == 5 {
            put!(4, (0..8).fold(0, |high, j| high | (w[j] >> 4 & 0x0101_0101) << j));
        }
        if format.bits == 6 {
            for h in 0..2 {
                put!(4 + h, (0..4).fold(0, |high, g| high | (w[4 * h + g] >> 4 & 0x0303_0303) << (2 * g)));
            }
        }
        let (outer, inner) = scales_at(format, block);
        let at = if format.nested { outer } else { inner };
        if !format.nested || block.is_multiple_of(SUPER) {
            scales[at + 2 * lane..][..2].copy_from_slice(&scale.to_le_bytes());
            if format.minima {
                scales[at + 2 * ROWS + 2 * lane..][..2].copy_from_slice(&minimum.to_le_bytes());
            }
        }
        if format.nested {
            let each = ROWS * if format.minima { 2 } else { 1 };
            for (part, (scale, minimum)) in parts.into_iter().enumerate().take(BLOCK / format.part) {
                scales[inner + part * each + lane] = scale as u8;
                if format.minima {
                    scales[inner + part * each + ROWS + lane] = minimum;
                }
            }
        }
    }
}
