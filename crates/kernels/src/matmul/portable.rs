//! Tiles in plain Rust, shaped so that the compiler keeps the sums in vector registers.

use super::kernel::Tile;

/// Computes a tile of 16 rows and 16 columns.
///
/// # Safety
/// The tile's pointers are valid for what it says.
pub(super) unsafe fn tile(t: Tile) {
    // SAFETY: the caller's. Only where fused multiplication is an instruction does it pay.
    unsafe { tile_of::<4, { cfg!(target_arch = "aarch64") }>(t) };
}

/// [`tile`] with 256-bit vectors: six rows are twelve of the sixteen registers.
///
/// # Safety
/// As [`tile`]; needs AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn tile_avx2(t: Tile) {
    // SAFETY: the caller's.
    unsafe { tile_of::<6, true>(t) };
}

#[inline(always)]
unsafe fn tile_of<const R: usize, const FMA: bool>(t: Tile) {
    let mut row = 0;
    // SAFETY: the caller's; blocks hold 16 rows, so whole groups of R and the last of 4 stay inside.
    unsafe {
        while row + R <= 16 && row < t.rows {
            rows::<R, FMA>(t, row);
            row += R;
        }
        if row < t.rows {
            rows::<4, FMA>(t, row);
        }
    }
}

#[inline(always)]
unsafe fn rows<const R: usize, const FMA: bool>(t: Tile, row: usize) {
    let mut acc = [[0.0f32; 16]; R];
    // SAFETY: the caller's.
    unsafe {
        for kb in 0..t.k_blocks {
            let a = &(*t.a.0.add(kb)).0;
            let b = &(*t.b.0.add(kb)).0;
            for word in 0..16 {
                let columns = b[word].map(f32::from_bits);
                for r in 0..R {
                    let x = f32::from_bits(a[row + r][word]);
                    for j in 0..16 {
                        let sum = &mut acc[r][j];
                        *sum = if FMA { x.mul_add(columns[j], *sum) } else { *sum + x * columns[j] };
                    }
                }
            }
        }
        for (r, acc) in acc.iter().enumerate().take(t.rows - row) {
            let c = std::slice::from_raw_parts_mut(t.c.0.add((row + r) * t.c.1), t.cols);
            for (c, &sum) in c.iter_mut().zip(acc) {
                *c = if t.accumulate { *c + sum } else { sum };
            }
        }
    }
}
