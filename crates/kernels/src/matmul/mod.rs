//! C = A·B and C += A·B, in f32 or in bf16 with f32 accumulation.

mod scalar;

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

/// `c = a · b`, or `c += a · b` with `accumulate`, on all threads of the current pool.
///
/// Shapes: `a` (M, K), `b` (K, N), `c` (M, N). The result does not depend on the number of threads.
/// Panics if shapes disagree or a matrix reaches past its slice.
pub fn matmul(a: Mat, b: Mat, c: MatMut, accumulate: bool, precision: Precision) {
    scalar::matmul(a, b, c, accumulate, precision);
}

/// [`matmul`] on the calling thread, for use inside a parallel region.
pub fn matmul_serial(a: Mat, b: Mat, c: MatMut, accumulate: bool, precision: Precision) {
    scalar::matmul(a, b, c, accumulate, precision);
}
