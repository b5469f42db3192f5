//! `y = x · Wᵀ (+ b)` of several matrices side by side, on all threads.

use super::dense::{self, Dots, FEW, PANEL};
use super::dot::{Output, dot};
use super::input::{Rounded, TOGETHER};
use super::packed::ROWS;
use super::quantised::Weights;
use super::{Bytes, Input, Matrix, Store};
use crate::Precision;
use crate::pool::{parallel, threads};
use crate::quant::BlockType;

/// One of several matrices that share an input.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// (R, K)
    pub matrix: &'a Matrix,
    /// (R), added to each row.
    pub bias: Option<&'a [f32]>,
}

impl<'a> From<&'a Matrix> for Part<'a> {
    fn from(matrix: &'a Matrix) -> Self {
        Self { matrix, bias: None }
    }
}

/// Groups of quantised rows in a task where there are many rows of the other factor.
const GROUPS: usize = 4;

/// A range of rows of one of the matrices.
struct Task {
    part: usize,
    first: usize,
    rows: usize,
    /// Where its first product goes within a row of the output.
    column: usize,
}

#[derive(Clone, Copy)]
struct Out {
    data: *mut f32,
    width: usize,
    add: bool,
}

// SAFETY: tasks write disjoint columns.
unsafe impl Sync for Out {}

/// Multiplies the rows of `x` with each matrix; products lie side by side, in place of what `out` holds or added to it.
///
/// Shapes: `x` (N, K), matrices (R, K), `out` (N, ΣR). `precision` is that of plain formats where there are many rows.
/// The result does not depend on the threads, nor for quantised formats on N. Panics if shapes disagree, or if `x` was not made
/// for one of the matrices.
pub fn project(x: &Input, parts: &[Part], out: &mut [f32], add: bool, precision: Precision) {
    let width: usize = parts.iter().map(|part| part.matrix.rows).sum();
    assert!(out.len() == x.rows * width, "project: {} numbers are not {} rows of {width}", out.len(), x.rows);
    for Part { matrix, bias } in parts {
        assert!(matrix.cols == x.cols, "project: {matrix:?} with rows of {}", x.cols);
        assert!(
            bias.is_none_or(|bias| bias.len() == matrix.rows),
            "project: a bias is not as long as {matrix:?}"
        );
    }
    if x.rows == 0 {
        return;
    }
    // Before the tasks, since some of these are packed now.
    let factors: Vec<Factor> = parts.iter().map(|part| Factor::of(part.matrix, x)).collect();
    let tasks = tasks(x.rows, width, parts);
    let out = Out { data: out.as_mut_ptr(), width, add };
    parallel(tasks.len(), |index| {
        let (task, out) = (&tasks[index], out);
        let bias = parts[task.part].bias;
        let bias = bias.map(|bias| &bias[task.first..][..task.rows]);
        match &factors[task.part] {
            Factor::Quantised(weights, rounded) => quantised(weights, rounded, task, bias, out),
            Factor::Dense(kind, bytes) => plain(x, (*kind, bytes), task, bias, out, precision),
        }
    });
}

/// A matrix as a product reads it.
enum Factor<'a> {
    Dense(BlockType, &'a Bytes),
    Quantised(Weights<'a>, &'a Rounded),
}

impl<'a> Factor<'a> {
    fn of(matrix: &'a Matrix, x: &'a Input) -> Self {
        match (&matrix.store, &x.rounded) {
            (Store::Dense(kind, bytes), _) => Self::Dense(*kind, bytes),
            (Store::Quantised(weights), Some(rounded)) => Self::Quantised(weights.use_once(), rounded),
            (Store::Quantised(_), None) => panic!("project: the input was not made for {matrix:?}"),
        }
    }
}

fn tasks(n: usize, width: usize, parts: &[Part]) -> Vec<Task> {
    // Few rows: equal shares, several for each thread, since another program may take one of them away.
    let share = (width / (8 * threads())).next_multiple_of(ROWS).max(ROWS);
    let mut tasks = Vec::new();
    let mut column = 0;
    for (part, Part { matrix, .. }) in parts.iter().enumerate() {
        let step = match (n <= FEW, matrix.is_quantised()) {
            (true, _) => share,
            (false, true) => GROUPS * ROWS,
            (false, false) => PANEL,
        };
        for first in (0..matrix.rows).step_by(step) {
            let rows = step.min(matrix.rows - first);
            tasks.push(Task { part, first, rows, column: column + first });
        }
        column += matrix.rows;
    }
    tasks
}

impl Out {
    /// SAFETY: no other task writes these columns.
    #[inline]
    unsafe fn put(&self, row: usize, column: usize, products: &[f32], bias: Option<&[f32]>) {
        // SAFETY: the caller's; the columns lie inside a row.
        let out = unsafe {
            std::slice::from_raw_parts_mut(self.data.add(row * self.width + column), products.len())
        };
        for (i, (out, &product)) in out.iter_mut().zip(products).enumerate() {
            let product = product + bias.map_or(0.0, |bias| bias[i]);
            *out = if self.add { *out + product } else { product };
        }
    }
}

fn quantised(weights: &Weights, rounded: &Rounded, task: &Task, bias: Option<&[f32]>, out: Out) {
    let mut groups = weights.groups();
    for group in 0..task.rows.div_ceil(ROWS) {
        let rows = ROWS.min(task.rows - group * ROWS);
        let bias = bias.map(|bias| &bias[group * ROWS..][..rows]);
        let (packed, index, far) = groups.at(task.first / ROWS + group);
        for (i, tile) in rounded.tiles.iter().enumerate() {
            let (row, column) = (i * TOGETHER, task.column + group * ROWS);
            let fetch = far && i == 0;
            if rows == ROWS {
                let bias = bias.map_or(std::ptr::null(), <[f32]>::as_ptr);
                // SAFETY: inside the output; tasks have disjoint columns.
                let first = unsafe { out.data.add(row * out.width + column) };
                let output = Output { first: (first, out.width), bias, add: out.add };
                // SAFETY: as above.
                unsafe { dot(packed, index, tile, output, fetch) };
                continue;
            }
            // The last group has fewer rows than there is room for beside it.
            let mut products = [[0.0; ROWS]; TOGETHER];
            let first = products.as_mut_ptr().cast();
            let output = Output { first: (first, ROWS), bias: std::ptr::null(), add: false };
            // SAFETY: `products` has room for all.
            unsafe { dot(packed, index, tile, output, fetch) };
            for (i, products) in products.iter().enumerate().take(tile.count) {
                // SAFETY: tasks have disjoint columns.
                unsafe { out.put(row + i, column, &products[..rows], bias) };
            }
        }
    }
}

fn plain(
    x: &Input,
    (kind, bytes): (BlockType, &[u8]),
    task: &Task,
    bias: Option<&[f32]>,
    out: Out,
    precision: Precision,
) {
    let size = x.cols * kind.bytes();
    let weights = &bytes[task.first * size..][..task.rows * size];
    let mut products = vec![0.0; x.rows * task.rows];
    if x.rows <= FEW {
        // SAFETY: as many weights, inputs and products as it says.
        unsafe {
            dense::dots(Dots {
                kind,
                w: weights.as_ptr(),
                w_rows: task.rows,
                x: x.x.as_ptr(),
                count: x.rows,
                cols: x.cols,
                out: (products.as_mut_ptr(), task.rows),
            });
        }
    } else {
        dense::panel(kind, weights, task.rows, x.x, x.cols, (&mut products, task.rows), precision);
    }
    for (row, products) in products.chunks_exact(task.rows).enumerate() {
        // SAFETY: tasks have disjoint columns.
        unsafe { out.put(row, task.column, products, bias) };
    }
}
