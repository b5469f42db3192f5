//! Weights of any format, multiplied with rows of f32: `y = x · Wᵀ`, for inference.
//!
//! f32, f16 and bf16 stay as they lie, a mapped file included, and are multiplied exactly. Quantised formats are packed anew
//! once they are in use, sixteen rows side by side, and multiplied with `x` rounded to 8 bits in blocks of 32, as llama.cpp
//! does.

mod bytes;
mod dense;
mod dot;
mod input;
pub(crate) mod lanes;
#[cfg(target_arch = "x86_64")]
mod lanes_avx2;
#[cfg(target_arch = "x86_64")]
mod lanes_avx512;
#[cfg(target_arch = "aarch64")]
mod lanes_neon;
mod lanes_portable;
mod linear;
mod packed;
mod quantised;
mod register;
#[cfg(test)]
mod tests;
mod words;

pub use bytes::Bytes;
pub use input::Input;
pub use linear::{Part, project};

use crate::quant::BlockType;
use packed::Format;
use quantised::Quantised;

/// A matrix of weights. Shape: (R, K); multiplied with rows of K numbers it gives R.
pub struct Matrix {
    rows: usize,
    cols: usize,
    store: Store,
}

enum Store {
    Dense(BlockType, Bytes),
    Quantised(Quantised),
}

impl std::fmt::Debug for Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Matrix({} × {}, {})", self.rows, self.cols, self.kind())
    }
}

impl Matrix {
    /// Of bytes in ggml's layout, row after row. Panics if they are not `rows` rows of `cols` numbers.
    pub fn new(kind: BlockType, bytes: Bytes, rows: usize, cols: usize) -> Self {
        Self::ordered(kind, bytes, rows, cols, None)
    }

    /// The same, with row `order(i)` at place i.
    pub fn reordered(
        kind: BlockType,
        bytes: Bytes,
        rows: usize,
        cols: usize,
        order: impl Fn(usize) -> usize,
    ) -> Self {
        let order: Vec<usize> = (0..rows).map(order).collect();
        let same = order.iter().enumerate().all(|(place, row)| place == *row);
        Self::ordered(kind, bytes, rows, cols, (!same).then_some(order))
    }

    fn ordered(kind: BlockType, bytes: Bytes, rows: usize, cols: usize, order: Option<Vec<usize>>) -> Self {
        let row = kind.bytes_for(cols).filter(|row| row.checked_mul(rows) == Some(bytes.len()));
        let Some(row) = row else { panic!("{} bytes of {kind} are not {rows} × {cols}", bytes.len()) };
        let store = match (Format::of(kind), order) {
            (Some(format), order) => Store::Quantised(Quantised::new(kind, format, bytes, rows, order)),
            (None, None) => Store::Dense(kind, bytes.aligned(kind.bytes())),
            (None, Some(order)) => {
                let copy: Vec<u8> =
                    order.iter().flat_map(|from| &bytes[from * row..][..row]).copied().collect();
                Store::Dense(kind, Bytes::from(copy).aligned(kind.bytes()))
            }
        };
        Self { rows, cols, store }
    }

    /// Of f32, row after row. Panics if they are not whole rows of `cols`.
    pub fn from_f32(x: Vec<f32>, cols: usize) -> Self {
        assert!(cols > 0 && x.len().is_multiple_of(cols), "{} numbers are not rows of {cols}", x.len());
        Self { rows: x.len() / cols, cols, store: Store::Dense(BlockType::F32, Bytes::from_f32(x)) }
    }

    /// R: numbers that a product has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// K: numbers that a row has.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// How it is stored.
    pub fn kind(&self) -> BlockType {
        match &self.store {
            Store::Dense(kind, _) => *kind,
            Store::Quantised(weights) => weights.kind,
        }
    }

    /// Bytes that a product reads.
    pub fn size(&self) -> usize {
        match &self.store {
            Store::Dense(_, bytes) => bytes.len(),
            Store::Quantised(weights) => weights.size(),
        }
    }

    #[cfg(test)]
    fn is_packed(&self) -> bool {
        matches!(&self.store, Store::Quantised(weights) if weights.is_packed())
    }

    /// Whether `x` is rounded for it.
    pub(crate) fn is_quantised(&self) -> bool {
        matches!(self.store, Store::Quantised(_))
    }

    /// One row as f32. Panics if there is no such row or `out` is not K long.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.cols, "row {row} of {self:?} into {}", out.len());
        match &self.store {
            Store::Dense(kind, bytes) => {
                let size = self.cols * kind.bytes();
                crate::quant::dequantize(*kind, &bytes[row * size..][..size], out);
            }
            Store::Quantised(weights) => weights.row(row, out),
        }
    }
}
