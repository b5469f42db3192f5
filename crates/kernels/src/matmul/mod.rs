//! C = A·B and C += A·B, in f32 or in bf16 with f32 accumulation.
//!
//! Run-time paths, fastest first: AMX (bf16), AVX-512 BF16, AVX-512, AVX2, plain Rust (NEON on aarch64).
//! A path without bf16 arithmetic rounds the factors and multiplies them in f32. The hardware's bf16
//! instructions take denormals for zero.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod blocked;
pub(crate) mod buffer;
mod few_rows;
#[cfg(target_arch = "x86_64")]
mod few_rows_x86;
mod kernel;
mod pack;
#[cfg(target_arch = "x86_64")]
mod pack_avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod pack_avx512;
pub(crate) mod packed;
mod portable;
#[cfg(test)]
mod scalar;
#[cfg(target_arch = "x86_64")]
pub(crate) mod square;
#[cfg(test)]
mod tests;

pub(crate) use few_rows::MAX_ROWS;
use kernel::{Kernel, Path};
pub(crate) use pack::round;

/// What a product is multiplied in. Sums are always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// f32 · f32.
    F32,
    /// Both factors rounded to bf16 (nearest, ties to even) first.
    Bf16,
}

/// A matrix laid over a slice: element (i, j) is `data[i * row_stride + j * col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a> {
    /// What it is laid over.
    pub data: &'a [f32],
    /// Its height.
    pub rows: usize,
    /// Its width.
    pub cols: usize,
    /// Elements from one row to the next.
    pub row_stride: usize,
    /// Elements from one column to the next.
    pub col_stride: usize,
}

impl<'a> Mat<'a> {
    /// `rows` × `cols`, row after row without gaps.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transpose, of the same slice.
    pub fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// A matrix to write: row-major, element (i, j) is `data[i * row_stride + j]`.
#[derive(Debug)]
pub struct MatMut<'a> {
    /// What it is laid over.
    pub data: &'a mut [f32],
    /// Its height.
    pub rows: usize,
    /// Its width.
    pub cols: usize,
    /// Elements from one row to the next.
    pub row_stride: usize,
}

impl<'a> MatMut<'a> {
    /// `rows` × `cols`, row after row without gaps.
    pub fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self { data, rows, cols, row_stride: cols }
    }
}

/// Products below this many multiplications run on the calling thread: waking others takes longer.
const PARALLEL_FROM: usize = 1 << 21;

/// `c = a · b`, or `c += a · b` with `accumulate`, on all threads of the current pool.
///
/// Shapes: `a` (M, K), `b` (K, N), `c` (M, N). The result does not depend on the number of threads.
/// Panics if shapes disagree or a matrix reaches past its slice.
pub fn matmul(a: Mat, b: Mat, c: MatMut, accumulate: bool, precision: Precision) {
    let few_rows = few_rows::fits(a, b);
    let from = if few_rows { PARALLEL_FROM / 16 } else { PARALLEL_FROM };
    let big = a.rows.saturating_mul(a.cols).saturating_mul(b.cols) >= from;
    let threads = if big { rayon::current_num_threads() } else { 1 };
    run(&Path::best(precision), a, b, c, accumulate, threads);
}

/// `c = a · b` on the calling thread alone, for callers that cut the work themselves.
pub(crate) fn matmul_serial(a: Mat, b: Mat, c: MatMut, precision: Precision) {
    run(&Path::best(precision), a, b, c, false, 1);
}

/// The paths that this CPU can run, slowest first. For benchmarks.
#[doc(hidden)]
pub fn matmul_paths() -> Vec<String> {
    Path::available().iter().map(|path| format!("{path:?}")).collect()
}

/// [`matmul`] on one of [`matmul_paths`] if it multiplies in `precision`; says whether it does. For benchmarks.
#[doc(hidden)]
pub fn matmul_on(path: usize, a: Mat, b: Mat, c: MatMut, accumulate: bool, precision: Precision) -> bool {
    let kernel = Path::available()[path].kernel(precision);
    if let Some(kernel) = kernel {
        run(&kernel, a, b, c, accumulate, rayon::current_num_threads());
    }
    kernel.is_some()
}

/// The product on a given kernel, whose path must be available.
fn run(kernel: &Kernel, a: Mat, b: Mat, c: MatMut, accumulate: bool, threads: usize) {
    assert!(
        a.cols == b.rows && a.rows == c.rows && b.cols == c.cols,
        "matmul: ({}, {}) · ({}, {}) does not give ({}, {})",
        a.rows,
        a.cols,
        b.rows,
        b.cols,
        c.rows,
        c.cols,
    );
    check("a", a);
    check("b", b);
    check("c", Mat { row_stride: c.row_stride, ..Mat::new(c.data, c.rows, c.cols) });
    assert!(c.rows < 2 || c.row_stride >= c.cols, "matmul: rows of c overlap");
    if c.rows == 0 || c.cols == 0 {
        return;
    }
    if a.cols == 0 {
        if !accumulate {
            for row in c.data.chunks_mut(c.row_stride.max(1)).take(c.rows) {
                row[..c.cols].fill(0.0);
            }
        }
        return;
    }
    let go = if few_rows::fits(a, b) { few_rows::matmul } else { blocked::matmul };
    // SAFETY: shapes agree and the matrices lie inside their slices, checked above; the kernel is available.
    unsafe { go(kernel, a, b, c, accumulate, threads) };
}

fn check(name: &str, x: Mat) {
    if x.rows > 0 && x.cols > 0 {
        let reach = ((x.rows - 1).checked_mul(x.row_stride))
            .zip((x.cols - 1).checked_mul(x.col_stride))
            .and_then(|(row, col)| row.checked_add(col));
        assert!(
            reach.is_some_and(|last| last < x.data.len()),
            "matmul: {name} ({}, {}) with strides ({}, {}) reaches past its {} elements",
            x.rows,
            x.cols,
            x.row_stride,
            x.col_stride,
            x.data.len(),
        );
    }
}
