//! Weights of any format, multiplied with rows of f32: `y = x · Wᵀ`, for inference.
//!
//! f32, f16 and bf16 stay as they lie, a mapped file included, and are multiplied exactly. Quantised formats are packed anew,
//! sixteen rows side by side, and multiplied with `x` rounded to 8 bits in blocks of 32, as llama.cpp does.

mod bytes;
mod dense;
mod dot;
mod input;
pub(crate) mod lanes;
#[cfg(target_arch = "x86_64")]
mod lanes_avx2;
#[cfg(target_arch = "x86_64")]
mod lanes_avx512;
mod lanes_portable;
mod linear;
mod packed;
mod register;
#[cfg(test)]
mod tests;
mod words;

pub use bytes::Bytes;
pub use input::Input;
pub use linear::{Part, project};

use crate::quant::BlockType;
use packed::{Format, Packed};

/// A matrix of weights. Shape: (R, K); multiplied with rows of K numbers it gives R.
pub struct Matrix {
    rows: usize,
    cols: usize,
    store: Store,
}

enum Store {
    Dense(BlockType, Bytes),
    Packed(Packed),
}

impl std::fmt::Debug for Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Matrix({} × {}, {})", self.rows, self.cols, self.kind())
    }
}

impl Matrix {
    /// Of bytes in ggml's layout, row after row. Panics if they are not `rows` rows of `cols` numbers.
    pub fn new(kind: BlockType, bytes: Bytes, rows: usize, cols: usize) -> Self {
        Self::reordered(kind, bytes, rows, cols, |row| row)
    }

    /// The same, with row `order(i)` at place i.
    pub fn reordered(
        kind: BlockType,
        bytes: Bytes,
        rows: usize,
        cols: usize,
        order: impl Fn(usize) -> usize + Sync,
    ) -> Self {
        let row = kind.bytes_for(cols).filter(|row| row.checked_mul(rows) == Some(bytes.len()));
        assert!(row.is_some(), "{} bytes of {kind} are not {rows} × {cols}", bytes.len());
        match Format::of(kind) {
            None => {
                let same = (0..rows).all(|row| order(row) == row);
                let row = bytes.len() / rows.max(1);
                let copy = || {
                    (0..rows)
                        .flat_map(|i| bytes[order(i) * row..][..row].iter().copied())
                        .collect::<Vec<u8>>()
                };
                let bytes = if same { bytes } else { copy().into() };
                Self { rows, cols, store: Store::Dense(kind, bytes.aligned(kind.bytes())) }
            }
            Some(format) => {
                let packed = Packed::new(kind, format, &bytes, rows, order);
                Self { rows, cols, store: Store::Packed(packed) }
            }
        }
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
            Store::Packed(packed) => packed.kind,
        }
    }

    /// Bytes that a product reads.
    pub fn size(&self) -> usize {
        match &self.store {
            Store::Dense(_, bytes) => bytes.len(),
            Store::Packed(packed) => packed.size(),
        }
    }

    pub(crate) fn is_packed(&self) -> bool {
        matches!(self.store, Store::Packed(_))
    }

    /// One row as f32. Panics if there is no such row or `out` is not K long.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.cols, "row {row} of {self:?} into {}", out.len());
        match &self.store {
            Store::Dense(kind, bytes) => {
                let size = self.cols * kind.bytes();
                crate::quant::dequantize(*kind, &bytes[row * size..][..size], out);
            }
            Store::Packed(packed) => packed.row(row, out),
        }
    }
}
