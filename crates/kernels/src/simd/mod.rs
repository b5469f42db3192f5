//! Sixteen f32 at a time, in the widest registers that the processor has.
//!
//! A kernel is written once over [`Simd`] with [`simd!`], compiled for each instruction set, and chosen at run time.
//! Every function of a [`Simd`] is inlined, so that its instructions land in a function that may use them.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;

/// Numbers in one [`Simd::V`].
pub(crate) const LANES: usize = 16;

/// An instruction set. Use one only inside a function that [`simd!`] compiled for it.
pub(crate) trait Simd {
    /// Sixteen f32.
    type V: Copy;
    /// Whether twenty of `V` fit into registers at once.
    const WIDE: bool;
    /// Below this, [`Simd::exp`] is 0.
    const EXP_MIN: f32;

    fn splat(x: f32) -> Self::V;
    /// # Safety
    /// `p` points to sixteen f32.
    unsafe fn load(p: *const f32) -> Self::V;
    /// # Safety
    /// `p` points to sixteen f32.
    unsafe fn store(p: *mut f32, v: Self::V);
    fn add(a: Self::V, b: Self::V) -> Self::V;
    fn sub(a: Self::V, b: Self::V) -> Self::V;
    fn mul(a: Self::V, b: Self::V) -> Self::V;
    fn div(a: Self::V, b: Self::V) -> Self::V;
    /// a · b + c, rounded once where the hardware can.
    fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The greater; `b` where either is not a number.
    fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; `b` where either is not a number.
    fn min(a: Self::V, b: Self::V) -> Self::V;
    fn sqrt(a: Self::V) -> Self::V;
    /// To the nearest whole number, for |a| < 2²².
    fn round(a: Self::V) -> Self::V;
    /// a · 2ⁿ for a whole `n` from -127 to 128.
    fn scale2(a: Self::V, n: Self::V) -> Self::V;
    /// The sum of the lanes, always in the same order.
    fn sum(a: Self::V) -> f32;
    /// The greatest lane.
    fn greatest(a: Self::V) -> f32;

    /// eˣ, to 2 units in the last place; 0 below about −88, infinite above about 88.4.
    ///
    /// With n = round(x / ln 2), eˣ = 2ⁿ · e^(x − n · ln 2), by the polynomial of Cephes' `expf`.
    #[inline(always)]
    fn exp(x: Self::V) -> Self::V {
        let s = Self::splat;
        // In this order, so that what is not a number stays so.
        let x = Self::min(s(88.9), Self::max(s(Self::EXP_MIN), x));
        let n = Self::round(Self::mul(x, s(std::f32::consts::LOG2_E)));
        // ln 2 in two parts, the first exact in few bits.
        let f = Self::fma(n, s(-0.693_359_4), x);
        let f = Self::fma(n, s(2.121_944_4e-4), f);
        let p = Self::fma(s(1.987_569_2e-4), f, s(1.398_2e-3));
        let p = Self::fma(p, f, s(8.333_452e-3));
        let p = Self::fma(p, f, s(4.166_579_6e-2));
        let p = Self::fma(p, f, s(1.666_666_5e-1));
        let p = Self::fma(p, f, s(0.5));
        let p = Self::fma(p, Self::mul(f, f), Self::add(f, s(1.0)));
        Self::scale2(p, n)
    }

    /// Sixteen numbers from `at`, `fill` past the end.
    #[inline(always)]
    fn load_part(x: &[f32], at: usize, fill: f32) -> Self::V {
        let mut lanes = [fill; LANES];
        let n = (x.len() - at).min(LANES);
        lanes[..n].copy_from_slice(&x[at..at + n]);
        // SAFETY: `lanes` are sixteen.
        unsafe { Self::load(lanes.as_ptr()) }
    }

    /// The first of the lanes from `at`, up to the end.
    #[inline(always)]
    fn store_part(x: &mut [f32], at: usize, v: Self::V) {
        let mut lanes = [0.0; LANES];
        // SAFETY: `lanes` are sixteen.
        unsafe { Self::store(lanes.as_mut_ptr(), v) };
        let n = (x.len() - at).min(LANES);
        x[at..at + n].copy_from_slice(&lanes[..n]);
    }
}

/// What the processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Portable,
}

/// The best level of this processor.
#[inline]
pub(crate) fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            return Level::Avx512;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Level::Avx2;
        }
        Level::Portable
    }
    #[cfg(target_arch = "aarch64")]
    return Level::Neon;
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    Level::Portable
}

/// Defines a function, generic over a [`Simd`] named in brackets, that runs at the best level.
macro_rules! simd {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$S:ident>($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body<$S: $crate::simd::Simd>($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512($($arg: $ty),*) $(-> $ret)? {
                body::<$crate::simd::Avx512>($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) $(-> $ret)? {
                body::<$crate::simd::Avx2>($($arg),*)
            }
            match $crate::simd::level() {
                // SAFETY: the processor has the features.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: the processor has the features.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx2 => unsafe { avx2($($arg),*) },
                #[cfg(target_arch = "aarch64")]
                $crate::simd::Level::Neon => body::<$crate::simd::Neon>($($arg),*),
                $crate::simd::Level::Portable => body::<$crate::simd::Portable>($($arg),*),
            }
        }
    };
}

/// Walks slices of one length sixteen numbers at a time: `lanes!(S, (x, w) => (y) { [S::mul(x, w)] })`.
///
/// In the body each input's name is the vector of its numbers; the body's value is an array of vectors, one for each
/// output. An input may be an output too. Past the end, inputs read as zeros (or as what stands after `or`) and outputs
/// are not written.
macro_rules! lanes {
    ($S:ident, ($($x:ident),+) => ($($y:ident),*) $body:block) => {
        $crate::simd::lanes!($S, ($($x),+) or 0.0 => ($($y),*) $body)
    };
    ($S:ident, ($x0:ident $(, $x:ident)*) or $fill:expr => ($($y:ident),*) $body:block) => {{
        let len = $x0.len();
        assert!(true $(&& $x.len() == len)* $(&& $y.len() == len)*, "lengths disagree");
        let mut at = 0;
        while at + $crate::simd::LANES <= len {
            // SAFETY: every slice has sixteen numbers from `at`.
            let out = {
                let $x0 = unsafe { $S::load($x0.as_ptr().add(at)) };
                $(let $x = unsafe { $S::load($x.as_ptr().add(at)) };)*
                $body
            };
            let mut vectors = out.into_iter();
            $(if let Some(v) = vectors.next() {
                // SAFETY: as above.
                unsafe { $S::store($y.as_mut_ptr().add(at), v) }
            })*
            let _: Option<<$S as $crate::simd::Simd>::V> = vectors.next();
            at += $crate::simd::LANES;
        }
        if at < len {
            let out = {
                let $x0 = $S::load_part($x0, at, $fill);
                $(let $x = $S::load_part($x, at, $fill);)*
                $body
            };
            let mut vectors = out.into_iter();
            $(if let Some(v) = vectors.next() {
                $S::store_part($y, at, v);
            })*
            let _: Option<<$S as $crate::simd::Simd>::V> = vectors.next();
        }
    }};
}

pub(crate) use {lanes, simd};

#[cfg(test)]
mod tests {
    use super::*;

    simd! {
        fn exp_all<S>(x: &[f32], y: &mut [f32]) {
            lanes!(S, (x) => (y) { [S::exp(x)] });
        }
    }

    fn check(exp: impl Fn(&[f32], &mut [f32])) {
        let x: Vec<f32> = (-87_300..88_300).map(|i| i as f32 * 1e-3 + 1e-4).collect();
        let mut y = vec![0.0; x.len()];
        exp(&x, &mut y);
        for (x, y) in x.iter().zip(y) {
            let exact = f64::from(*x).exp();
            // Two units in the last place of an f32.
            assert!((f64::from(y) / exact - 1.0).abs() < 2.5e-7, "exp({x}) = {y}, not {exact}");
        }
        let x = [f32::NEG_INFINITY, -200.0, 0.0, 100.0, f32::INFINITY, f32::NAN];
        let mut y = [0.0; 6];
        exp(&x, &mut y);
        assert_eq!(y[..5], [0.0, 0.0, 1.0, f32::INFINITY, f32::INFINITY]);
        assert!(y[5].is_nan());
    }

    #[test]
    fn exp_is_accurate_at_every_level() {
        check(exp_all);
        check(|x, y| {
            for (x, y) in x.iter().zip(y) {
                *y = Portable::exp([*x; LANES])[3];
            }
        });
        #[cfg(target_arch = "x86_64")]
        if level() != Level::Portable {
            #[target_feature(enable = "avx2,fma")]
            fn avx2(x: &[f32], y: &mut [f32]) {
                lanes!(Avx2, (x) => (y) { [Avx2::exp(x)] });
            }
            // SAFETY: both levels above the portable one have these features.
            check(|x, y| unsafe { avx2(x, y) });
        }
    }

    #[test]
    fn tails_are_read_as_zeros_and_not_written() {
        simd! {
            fn double<S>(x: &[f32], y: &mut [f32]) -> f32 {
                let mut total = S::splat(0.0);
                lanes!(S, (x) => (y) {
                    total = S::add(total, x);
                    [S::add(x, x)]
                });
                S::sum(total)
            }
        }
        for n in 0..50 {
            let x: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let mut y = vec![0.0; n];
            assert_eq!(double(&x, &mut y), x.iter().sum::<f32>());
            assert!(x.iter().zip(y).all(|(x, y)| y == 2.0 * x));
        }
    }
}
