//! Numbers that are packed as they come out of registers, for factors whose K is their rows.

use super::buffer::Block;
use super::pack_avx512::{interleave, pairs, store};
use std::arch::x86_64::*;

/// 32 rows by 32 columns in bf16: of each half of the columns, words of two rows each.
pub(crate) struct Square([[__m512i; 16]; 2]);

impl Square {
    /// Zeros.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(crate) fn new() -> Self {
        Self([[_mm512_setzero_si512(); 16]; 2])
    }

    /// Rows `2 · pair` and `2 · pair + 1`, each in halves of sixteen columns.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub(crate) fn set(&mut self, pair: usize, rows: [[__m512; 2]; 2]) {
        for (half, words) in self.0.iter_mut().enumerate() {
            words[pair] = interleave(pairs(rows[0][half], rows[1][half]));
        }
    }

    /// Writes half of the columns as lanes of a left factor's block, the rows its terms; or of a right one's.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn write(&self, half: usize, left: bool, out: &mut Block) {
        // SAFETY: AVX-512F is there.
        unsafe { store(self.0[half], left, out) };
    }
}
