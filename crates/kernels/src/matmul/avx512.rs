//! AVX-512 tiles: sixteen rows by up to three panels, eight rows at a time in 24 of the 32 registers.

use super::kernel::Tile;
use std::arch::x86_64::*;

macro_rules! tiles {
    ($tile:ident, $rows:ident, $features:literal, $multiply:expr) => {
        /// Computes a tile of 16 rows and up to 48 columns.
        ///
        /// # Safety
        /// The tile's pointers are valid for what it says; the CPU has the features.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $tile(t: Tile) {
            // SAFETY: the caller's.
            unsafe {
                match t.cols.div_ceil(16) {
                    1 => $rows::<1>(t),
                    2 => $rows::<2>(t),
                    _ => $rows::<3>(t),
                }
            }
        }

        #[target_feature(enable = $features)]
        unsafe fn $rows<const P: usize>(t: Tile) {
            let multiply = $multiply;
            for row in (0..t.rows).step_by(8) {
                let mut acc = [[_mm512_setzero_ps(); P]; 8];
                // SAFETY: the caller's: k_blocks blocks in each of P panels, and rows × cols of C.
                unsafe {
                    let mut a = t.a.0.cast::<f32>().add(row * 16);
                    let mut b = t.b.0.cast::<f32>();
                    let panel = t.b.1 * 256;
                    for _ in 0..t.k_blocks {
                        for word in 0..16 {
                            let mut columns = [_mm512_setzero_ps(); P];
                            for (p, columns) in columns.iter_mut().enumerate() {
                                *columns = _mm512_load_ps(b.add(p * panel + word * 16));
                            }
                            for (r, acc) in acc.iter_mut().enumerate() {
                                let x = _mm512_set1_ps(*a.add(r * 16 + word));
                                for (acc, columns) in acc.iter_mut().zip(columns) {
                                    *acc = multiply(*acc, x, columns);
                                }
                            }
                        }
                        a = a.add(256);
                        b = b.add(256);
                    }
                    for (r, acc) in acc.iter().enumerate().take(t.rows - row) {
                        for (p, &acc) in acc.iter().enumerate() {
                            let c = t.c.0.add((row + r) * t.c.1 + p * 16);
                            let mask = (0xffff_u32 >> (16 - (t.cols - p * 16).min(16))) as u16;
                            let acc = if t.accumulate {
                                _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), acc)
                            } else {
                                acc
                            };
                            _mm512_mask_storeu_ps(c, mask, acc);
                        }
                    }
                }
            }
        }
    };
}

tiles!(tile_f32, rows_f32, "avx512f", |acc, x, y| _mm512_fmadd_ps(x, y, acc));
tiles!(tile_bf16, rows_bf16, "avx512f,avx512bf16", |acc, x: __m512, y: __m512| {
    // SAFETY: all three types are 512 plain bits.
    let bf16 = |v| unsafe { std::mem::transmute::<__m512, __m512bh>(v) };
    _mm512_dpbf16_ps(acc, bf16(x), bf16(y))
});
