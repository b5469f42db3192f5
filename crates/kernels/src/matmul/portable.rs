//! Tiles in plain Rust, shaped so that the compiler keeps the sums in vector registers.

use super::kernel::Tile;

/// Computes a tile of 16 rows and 16 columns.
///
/// # Safety
/// The tile's pointers are valid for what it says.
pub(super) unsafe fn tile(t: Tile) {
    for row in (0..t.rows).step_by(4) {
        // SAFETY: the caller's.
        unsafe { rows(t, row) };
    }
}

/// Fused multiplication where it is an instruction; elsewhere it would be a call.
const FMA: bool = cfg!(target_arch = "aarch64");
/// Rows at a time: sixteen of aarch64's 32 registers.
const R: usize = 4;

unsafe fn rows(t: Tile, row: usize) {
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
