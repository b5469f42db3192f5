//! What a forward pass keeps for the backward pass: numbers in bf16 where products are.

use crate::Precision;
use crate::matmul::buffer::Blocks;
use crate::matmul::round;
use crate::simd::simd;

/// Numbers kept from forward to backward: f32, or rounded to bf16 where products are multiplied in bf16.
pub struct Kept {
    blocks: Blocks,
    len: usize,
    precision: Precision,
}

/// Some of them, to be written.
pub(crate) enum Part<'a> {
    F32(&'a mut [f32]),
    Bf16(&'a mut [u16]),
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept({} numbers, {:?})", self.len, self.precision)
    }
}

impl Kept {
    /// Room for `len` numbers, of unspecified contents.
    pub(crate) fn new(len: usize, precision: Precision) -> Self {
        let words = if precision == Precision::Bf16 { len.div_ceil(2) } else { len };
        Self { blocks: Blocks::take(words.div_ceil(256)), len, precision }
    }

    /// Cut into parts of `size` numbers, the last one what is left.
    pub(crate) fn parts(&mut self, size: usize) -> Vec<Part<'_>> {
        let (len, words) = (self.len, self.blocks.f32s());
        match self.precision {
            Precision::F32 => words[..len].chunks_mut(size).map(Part::F32).collect(),
            Precision::Bf16 => {
                // SAFETY: plain bits, and two u16 for each word.
                let halves = unsafe {
                    std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u16>(), 2 * words.len())
                };
                halves[..len].chunks_mut(size).map(Part::Bf16).collect()
            }
        }
    }

    /// `len` numbers from `at` as they are kept, if in bf16.
    pub(crate) fn halves(&self, at: usize, len: usize) -> Option<&[u16]> {
        assert!(at + len <= self.len, "kept: {at} and {len} of {}", self.len);
        // SAFETY: inside the blocks, checked above; plain bits.
        let halves =
            || unsafe { std::slice::from_raw_parts(self.blocks.as_ptr().cast::<u16>().add(at), len) };
        (self.precision == Precision::Bf16).then(halves)
    }

    /// Reads the numbers from `at`.
    pub(crate) fn read(&self, at: usize, out: &mut [f32]) {
        match self.halves(at, out.len()) {
            Some(halves) => widen(halves, out),
            // SAFETY: inside the blocks, which `halves` checks; plain bits.
            None => out.copy_from_slice(unsafe {
                std::slice::from_raw_parts(self.blocks.as_ptr().cast::<f32>().add(at), out.len())
            }),
        }
    }
}

impl Part<'_> {
    /// `len` numbers from `at`, if they are kept in bf16.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn halves(&mut self, at: usize, len: usize) -> Option<&mut [u16]> {
        match self {
            Self::F32(_) => None,
            Self::Bf16(part) => Some(&mut part[at..at + len]),
        }
    }

    /// Writes `x` from `at`.
    pub(crate) fn write(&mut self, at: usize, x: &[f32]) {
        match self {
            Self::F32(part) => part[at..at + x.len()].copy_from_slice(x),
            Self::Bf16(part) => narrow(x, &mut part[at..at + x.len()]),
        }
    }
}

simd! {
    /// The nearest bf16, ties to even.
    fn narrow<S>(x: &[f32], out: &mut [u16]) {
        let _ = S::WIDE;
        for (out, x) in out.iter_mut().zip(x) {
            *out = (round(*x).to_bits() >> 16) as u16;
        }
    }
}

simd! {
    fn widen<S>(x: &[u16], out: &mut [f32]) {
        let _ = S::WIDE;
        for (out, x) in out.iter_mut().zip(x) {
            *out = f32::from_bits(u32::from(*x) << 16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;

    #[test]
    fn what_is_kept_is_what_was_written() {
        for len in [1, 15, 256, 1000] {
            let x = numbers(len, 1);
            for precision in [Precision::F32, Precision::Bf16] {
                let mut kept = Kept::new(len, precision);
                for (part, x) in kept.parts(100).iter_mut().zip(x.chunks(100)) {
                    part.write(0, x);
                }
                let mut found = vec![0.0; len];
                kept.read(0, &mut found);
                let rounded = |x: &f32| match precision {
                    Precision::F32 => *x,
                    Precision::Bf16 => half::bf16::from_f32(*x).to_f32(),
                };
                assert_eq!(found, x.iter().map(rounded).collect::<Vec<_>>());
                let tail = len / 3;
                kept.read(tail, &mut found[tail..]);
                assert_eq!(found[tail..], x[tail..].iter().map(rounded).collect::<Vec<_>>());
            }
        }
    }
}
