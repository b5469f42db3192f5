//! How the rows of a layer's state are cut into blocks, each of which one task takes through several operations.
//!
//! What a block holds between two operations stays in the second-level cache: nothing of it goes to memory and comes back.

use crate::matmul::packed::UNIT;
use rayon::prelude::*;

/// Rows of a block for a state of `c` numbers: what a task holds of them beside its weights fits into a megabyte.
pub(crate) fn rows_per_block(c: usize) -> usize {
    if c <= 256 { 4 * UNIT } else { 2 * UNIT }
}

/// Rows of a block where nothing is kept: fewer, where there would be too few blocks for the threads. Results do not
/// depend on it.
pub(crate) fn rows_for_threads(n: usize, c: usize) -> usize {
    let even = n.div_ceil(2 * rayon::current_num_threads()).next_multiple_of(UNIT);
    even.clamp(UNIT, rows_per_block(c))
}

/// Calls `f(first row, state, extra)` for each block of `rows` rows, and returns the results in order.
pub(crate) fn for_blocks<E: Send, R: Send>(
    rows: usize,
    width: usize,
    out: &mut [f32],
    extra: Vec<E>,
    f: impl Fn(usize, &mut [f32], E) -> R + Sync + Send,
) -> Vec<R> {
    let blocks = out.par_chunks_mut(rows * width).zip(extra);
    blocks.with_max_len(1).enumerate().map(|(i, (out, extra))| f(i * rows, out, extra)).collect()
}
