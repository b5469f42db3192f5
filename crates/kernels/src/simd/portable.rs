//! An array of sixteen, for the compiler to fit to the registers that there are.

use super::{LANES, Simd};

/// Any processor.
pub(crate) struct Portable;

type V = [f32; LANES];

/// Added and taken away, it rounds to whole numbers: where f32 lie one apart.
const WHOLE: f32 = 12_582_912.0;

#[inline(always)]
fn zip(a: V, b: V, f: impl Fn(f32, f32) -> f32) -> V {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Simd for Portable {
    type V = V;
    const WIDE: bool = false;
    const EXP_MIN: f32 = -88.0;

    #[inline(always)]
    fn splat(x: f32) -> V {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> V {
        // SAFETY: the caller's; alignment is an f32's.
        unsafe { p.cast::<V>().read() }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: V) {
        // SAFETY: the caller's; alignment is an f32's.
        unsafe { p.cast::<V>().write(v) }
    }
    #[inline(always)]
    fn add(a: V, b: V) -> V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(a: V, b: V) -> V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(a: V, b: V) -> V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(a: V, b: V) -> V {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(a: V, b: V, c: V) -> V {
        // Without the instruction, mul_add is a call into the C library.
        if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
            std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
        } else {
            std::array::from_fn(|i| a[i] * b[i] + c[i])
        }
    }
    #[inline(always)]
    fn max(a: V, b: V) -> V {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(a: V, b: V) -> V {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn sqrt(a: V) -> V {
        a.map(f32::sqrt)
    }
    #[inline(always)]
    fn round(a: V) -> V {
        a.map(|a| a + WHOLE - WHOLE)
    }
    #[inline(always)]
    fn scale2(a: V, n: V) -> V {
        zip(a, n, |a, n| {
            let n = (n + WHOLE).to_bits().wrapping_sub(WHOLE.to_bits());
            a * f32::from_bits(n.wrapping_add(127) << 23)
        })
    }
    #[inline(always)]
    fn sum(a: V) -> f32 {
        let a: [f32; 8] = std::array::from_fn(|i| a[i] + a[i + 8]);
        let a: [f32; 4] = std::array::from_fn(|i| a[i] + a[i + 4]);
        (a[0] + a[2]) + (a[1] + a[3])
    }
    #[inline(always)]
    fn greatest(a: V) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}
