//! AMX tiles: 32 × 32 of C in four tile registers, two of A and two of B beside them.
//!
//! The intrinsics are unstable, so this is assembly with fixed tile registers. The compiler never touches
//! them, hence they keep their contents between the blocks. Unlike scalar arithmetic, AMX takes denormal
//! factors and results for zero.

use super::kernel::Tile;
use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

/// Whether the CPU has AMX for bf16 and the kernel lets this process use it (asks, on Linux).
pub(super) fn request() -> bool {
    // SAFETY of the bits: leaf 1 ECX 27 OSXSAVE; leaf 7 EDX 22 amx-bf16, 24 amx-tile.
    let os = __cpuid(1).ecx >> 27 & 1 == 1;
    let edx = if __cpuid(0).eax >= 7 { __cpuid_count(7, 0).edx } else { 0 };
    if !(os && edx >> 22 & 1 == 1 && edx >> 24 & 1 == 1 && cfg!(target_os = "linux")) {
        return false;
    }
    // SAFETY: OSXSAVE says that XGETBV is there. Bits 17 and 18: tile configuration and data.
    if unsafe { xcr0() } >> 17 & 3 != 3 {
        return false;
    }
    let mut result = 158_i64; // arch_prctl
    // SAFETY: ARCH_REQ_XCOMP_PERM for feature 18 touches no memory of ours.
    unsafe {
        asm!("syscall", inlateout("rax") result, in("rdi") 0x1023, in("rsi") 18,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result == 0
}

#[target_feature(enable = "xsave")]
unsafe fn xcr0() -> u64 {
    // SAFETY: the caller's.
    unsafe { _xgetbv(0) }
}

/// This thread's tile registers, configured while it lives: eight tiles of 16 rows of 64 bytes.
pub(super) struct Tiles(());

impl Tiles {
    /// Only to be called where [`request`] answered yes.
    pub(super) fn configure() -> Self {
        #[repr(C, align(64))]
        struct Config([u8; 64]);
        const CONFIG: Config = {
            let mut bytes = [0; 64];
            bytes[0] = 1; // palette
            let mut tile = 0;
            while tile < 8 {
                bytes[16 + 2 * tile] = 64; // bytes a row
                bytes[48 + tile] = 16; // rows
                tile += 1;
            }
            Config(bytes)
        };
        // SAFETY: the CPU has AMX, and the configuration is a valid one.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &CONFIG, options(nostack, readonly)) };
        Self(())
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: the CPU has AMX.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// Computes a tile of 32 × 32.
///
/// # Safety
/// A [`Tiles`] lives on this thread. The tile's pointers are valid for what it says, with two panels each.
pub(super) unsafe fn tile(t: Tile) {
    // SAFETY: the caller's.
    unsafe {
        if t.rows == 32 && t.cols == 32 {
            multiply(&t, t.c.0, t.c.1, t.accumulate);
            return;
        }
        let mut edge = [0.0; 32 * 32];
        multiply(&t, edge.as_mut_ptr(), 32, false);
        for (row, edge) in edge.chunks_exact(32).enumerate().take(t.rows) {
            let c = std::slice::from_raw_parts_mut(t.c.0.add(row * t.c.1), t.cols);
            for (c, &sum) in c.iter_mut().zip(edge) {
                *c = if t.accumulate { *c + sum } else { sum };
            }
        }
    }
}

#[inline]
unsafe fn multiply(t: &Tile, c: *mut f32, c_stride: usize, accumulate: bool) {
    let c_bytes = 4 * c_stride;
    // SAFETY: the caller's: k_blocks of 1 KiB in each panel, 32 rows of 32 numbers at `c`.
    unsafe {
        let c_below = c.add(16 * c_stride);
        if accumulate {
            asm!(
                "tileloadd tmm0, [{c} + {s}]",
                "tileloadd tmm1, [{c} + {s} + 64]",
                "tileloadd tmm2, [{d} + {s}]",
                "tileloadd tmm3, [{d} + {s} + 64]",
                c = in(reg) c, d = in(reg) c_below, s = in(reg) c_bytes,
                options(nostack, readonly)
            );
        } else {
            asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem));
        }
        asm!(
            "2:",
            "tileloadd tmm6, [{b0} + {s}]",
            "tileloadd tmm4, [{a0} + {s}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b1} + {s}]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a1} + {s}]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a0}, 1024",
            "add {a1}, 1024",
            "add {b0}, 1024",
            "add {b1}, 1024",
            "dec {n}",
            "jnz 2b",
            a0 = inout(reg) t.a.0 => _,
            a1 = inout(reg) t.a.0.add(t.a.1) => _,
            b0 = inout(reg) t.b.0 => _,
            b1 = inout(reg) t.b.0.add(t.b.1) => _,
            n = inout(reg) t.k_blocks => _,
            s = in(reg) 64_usize,
            options(nostack, readonly)
        );
        asm!(
            "tilestored [{c} + {s}], tmm0",
            "tilestored [{c} + {s} + 64], tmm1",
            "tilestored [{d} + {s}], tmm2",
            "tilestored [{d} + {s} + 64], tmm3",
            c = in(reg) c, d = in(reg) c_below, s = in(reg) c_bytes,
            options(nostack)
        );
    }
}
