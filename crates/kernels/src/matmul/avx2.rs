//! AVX2 tiles: six rows (the last four) by sixteen columns, twelve of the sixteen registers for sums.

use super::kernel::Tile;
use std::arch::x86_64::*;

/// Computes a tile of 16 rows and 16 columns.
///
/// # Safety
/// The tile's pointers are valid for what it says; the CPU has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn tile(t: Tile) {
    // SAFETY: the caller's; a block holds 6 + 6 + 4 rows.
    unsafe {
        rows::<6>(&t, 0);
        if t.rows > 6 {
            rows::<6>(&t, 6);
        }
        if t.rows > 12 {
            rows::<4>(&t, 12);
        }
    }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn rows<const R: usize>(t: &Tile, row: usize) {
    let mut acc = [[_mm256_setzero_ps(); 2]; R];
    // SAFETY: the caller's.
    unsafe {
        let mut a = t.a.0.cast::<f32>().add(row * 16);
        let mut b = t.b.0.cast::<f32>();
        for _ in 0..t.k_blocks {
            for _ in 0..16 {
                let columns = [_mm256_load_ps(b), _mm256_load_ps(b.add(8))];
                for (r, acc) in acc.iter_mut().enumerate() {
                    let x = _mm256_broadcast_ss(&*a.add(r * 16));
                    acc[0] = _mm256_fmadd_ps(x, columns[0], acc[0]);
                    acc[1] = _mm256_fmadd_ps(x, columns[1], acc[1]);
                }
                a = a.add(1);
                b = b.add(16);
            }
            a = a.add(240);
        }
        for (r, acc) in acc.iter().enumerate().take(t.rows.saturating_sub(row)) {
            let mut sums = [0.0f32; 16];
            _mm256_storeu_ps(sums.as_mut_ptr(), acc[0]);
            _mm256_storeu_ps(sums.as_mut_ptr().add(8), acc[1]);
            let c = std::slice::from_raw_parts_mut(t.c.0.add((row + r) * t.c.1), t.cols);
            for (c, &sum) in c.iter_mut().zip(&sums) {
                *c = if t.accumulate { *c + sum } else { sum };
            }
        }
    }
}
