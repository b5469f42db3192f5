//! The general product: B packed once by all threads, then blocks of rows, each packed and multiplied by one.
//!
//! Work is split over C alone and every element is summed along K in the same order, so results do not
//! depend on the number of threads.

use super::buffer::with_blocks;
use super::kernel::{Kernel, Tile};
use super::pack::{Lanes, pack};
use super::{Mat, MatMut};
use rayon::prelude::*;
use std::ops::Range;

// Measured on 2026-11-24, one Sapphire Rapids core of a shared machine, AMX: 4096 × 512 × 1408 takes 5.1 ms with C
// written row by row of tiles and the kernel's `k_blocks` 8, 6.4 to 6.7 ms with 16; column by column with 16 took 6.4 ms, with
// 8 it was not tried. Tiles written to a small buffer first and copied from there, and prefetches of C, were slower in
// almost every case; prefetches of B rarely helped; streaming stores won one noisy case.

/// Blocks along K between two packings.
const K_BLOCKS: usize = 32;
/// Blocks of A that a task packs at once, at most: with those of B below, half of a 2 MiB cache.
const A_BLOCKS: usize = 512;
/// Blocks of B that a task goes through for each tile's rows.
const B_CHUNK: usize = 512;
/// Blocks of B packed at once, at most (64 MiB).
const B_BLOCKS: usize = 65536;

/// C as a pointer that several threads write through.
#[derive(Clone, Copy)]
struct Out {
    data: *mut f32,
    row_stride: usize,
}

// SAFETY: tasks write disjoint tiles of C.
unsafe impl Sync for Out {}
// SAFETY: as above.
unsafe impl Send for Out {}

impl Out {
    /// SAFETY: (row, col) lies inside C.
    unsafe fn at(&self, row: usize, col: usize) -> (*mut f32, usize) {
        // SAFETY: the caller's.
        (unsafe { self.data.add(row * self.row_stride + col) }, self.row_stride)
    }
}

/// Computes C on `threads` threads of the current pool.
///
/// # Safety
/// The kernel's path is available. Shapes agree and the matrices lie inside their slices.
pub(super) unsafe fn matmul(kernel: &Kernel, a: Mat, b: Mat, c: MatMut, accumulate: bool, threads: usize) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    let c = Out { data: c.data.as_mut_ptr(), row_stride: c.row_stride };
    let (a, b) = (Lanes::rows_of(a), Lanes::columns_of(b));
    let packer = (kernel.words, kernel.pack_block);
    let k_step = K_BLOCKS * kernel.words.k_per_block();
    for k0 in (0..k).step_by(k_step) {
        let ks = k0..k.min(k0 + k_step);
        let k_blocks = ks.len().div_ceil(kernel.words.k_per_block());
        let n_step = B_BLOCKS / k_blocks / 12 * 12 * 16;
        for n0 in (0..n).step_by(n_step) {
            let ns = n0..n.min(n0 + n_step);
            let panels = ns.len().div_ceil(16).next_multiple_of(panel_multiple(kernel));
            with_blocks(panels * k_blocks, |packed| {
                if threads == 1 {
                    // SAFETY: the caller's.
                    unsafe { pack(b, n0 / 16, ks.clone(), packer, packed) };
                } else {
                    let per_task = panels.div_ceil(4 * threads).max(4);
                    packed.par_chunks_mut(per_task * k_blocks).enumerate().for_each(|(i, out)| {
                        // SAFETY: the caller's.
                        unsafe { pack(b, n0 / 16 + i * per_task, ks.clone(), packer, out) };
                    });
                }
                let stage = Stage {
                    kernel,
                    a,
                    packed,
                    k: ks.clone(),
                    k_blocks,
                    first_col: n0,
                    c,
                    accumulate: accumulate || k0 > 0,
                };
                let (row_step, col_step) = split(kernel, m, ns.len(), k_blocks, threads);
                let row_tasks = m.div_ceil(row_step);
                let run = |task: usize| {
                    let (row, col) = (task % row_tasks * row_step, task / row_tasks * col_step);
                    let rows = row..m.min(row + row_step);
                    let cols = n0 + col..ns.end.min(n0 + col + col_step);
                    // SAFETY: the caller's; tasks are disjoint.
                    unsafe { stage.block(rows, cols) };
                };
                let tasks = row_tasks * ns.len().div_ceil(col_step);
                if threads == 1 {
                    (0..tasks).for_each(run);
                } else {
                    (0..tasks).into_par_iter().with_max_len(1).for_each(run);
                }
            });
        }
    }
}

fn panel_multiple(kernel: &Kernel) -> usize {
    if kernel.a_panels == 2 { 2 } else { 1 }
}

/// Rows and columns of C per task: whole rows where there are enough of them, about equal tasks.
fn split(kernel: &Kernel, m: usize, n: usize, k_blocks: usize, threads: usize) -> (usize, usize) {
    let unit = 16 * kernel.a_panels;
    let cap = (A_BLOCKS / k_blocks * 16 / unit * unit).clamp(unit, 512);
    let row_tasks = m.div_ceil(cap).next_multiple_of(threads);
    let row_step = m.div_ceil(row_tasks).next_multiple_of(unit).max(unit.max(64));
    let row_tasks = m.div_ceil(row_step);
    let col_unit = 96;
    let col_tasks = if row_tasks < threads { threads.div_ceil(row_tasks) } else { 1 };
    (row_step, n.div_ceil(col_tasks).next_multiple_of(col_unit))
}

/// One range of K and of columns, with B packed.
struct Stage<'a> {
    kernel: &'a Kernel,
    a: Lanes<'a>,
    packed: &'a [super::buffer::Block],
    k: Range<usize>,
    k_blocks: usize,
    first_col: usize,
    c: Out,
    accumulate: bool,
}

impl Stage<'_> {
    /// Packs some rows of A and multiplies them with some columns of B.
    ///
    /// SAFETY: as [`matmul`]; no other thread writes this part of C.
    unsafe fn block(&self, rows: Range<usize>, cols: Range<usize>) {
        let kernel = self.kernel;
        let a_panels = rows.len().div_ceil(16).next_multiple_of(kernel.a_panels);
        with_blocks(a_panels * self.k_blocks, |a| {
            let packer = (kernel.words, kernel.pack_block);
            // SAFETY: the caller's.
            unsafe { pack(self.a, rows.start / 16, self.k.clone(), packer, a) };
            let _state = kernel.path.state();
            let tile_rows = 16 * kernel.a_panels;
            let tile_cols = 16 * kernel.b_panels;
            let chunk = (B_CHUNK / self.k_blocks * 16 / tile_cols).max(1) * tile_cols;
            for first in cols.clone().step_by(chunk) {
                let chunk = first..cols.end.min(first + chunk);
                for row in rows.clone().step_by(tile_rows) {
                    for kb in (0..self.k_blocks).step_by(kernel.k_blocks) {
                        for col in chunk.clone().step_by(tile_cols) {
                            let a_at = (row - rows.start) / 16 * self.k_blocks + kb;
                            let b_at = (col - self.first_col) / 16 * self.k_blocks + kb;
                            // SAFETY: the caller's; panels are padded to what a tile reads.
                            unsafe {
                                (kernel.tile)(Tile {
                                    k_blocks: kernel.k_blocks.min(self.k_blocks - kb),
                                    a: (a.as_ptr().add(a_at), self.k_blocks),
                                    b: (self.packed.as_ptr().add(b_at), self.k_blocks),
                                    c: self.c.at(row, col),
                                    rows: (rows.end - row).min(tile_rows),
                                    cols: (chunk.end - col).min(tile_cols),
                                    accumulate: self.accumulate || kb > 0,
                                });
                            }
                        }
                    }
                }
            }
        });
    }
}
