//! AVX2 tiles: six, five and five rows by sixteen columns, up to twelve of the sixteen registers for sums.

use super::kernel::Tile;
use std::arch::x86_64::*;

/// Computes a tile of 16 rows and 16 columns.
///
/// # Safety
/// The tile's pointers are valid for what it says; the CPU has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn tile(t: Tile) {
    // SAFETY: the caller's; a block holds 6 + 5 + 5 rows.
    unsafe {
        rows::<6>(&t, 0);
        if t.rows > 6 {
            rows::<5>(&t, 6);
        }
        if t.rows > 11 {
            rows::<5>(&t, 11);
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
        let c = t.c.0.add(row * t.c.1);
        if t.rows >= row + R && t.cols == 16 {
            for (r, [low, high]) in acc.into_iter().enumerate() {
                add(c.add(r * t.c.1), low, t.accumulate);
                add(c.add(r * t.c.1 + 8), high, t.accumulate);
            }
        } else {
            let mut sums = [[0.0; 16]; R];
            for (sums, [low, high]) in sums.iter_mut().zip(acc) {
                add(sums.as_mut_ptr(), low, false);
                add(sums.as_mut_ptr().add(8), high, false);
            }
            edge(t, row, &sums);
        }
    }
}

/// Writes eight sums, or adds them.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn add(c: *mut f32, sums: __m256, accumulate: bool) {
    // SAFETY: the caller has eight numbers there.
    unsafe { _mm256_storeu_ps(c, if accumulate { _mm256_add_ps(_mm256_loadu_ps(c), sums) } else { sums }) }
}

/// Writes what of the sums from `row` lies inside C.
unsafe fn edge(t: &Tile, row: usize, sums: &[[f32; 16]]) {
    for (r, sums) in sums.iter().enumerate().take(t.rows - row) {
        // SAFETY: the row lies inside C.
        let c = unsafe { std::slice::from_raw_parts_mut(t.c.0.add((row + r) * t.c.1), t.cols) };
        for (c, &sum) in c.iter_mut().zip(sums) {
            *c = if t.accumulate { *c + sum } else { sum };
        }
    }
}
