//! From numbers to blocks: the formats of 32 numbers with one scale.
//!
//! Without importance, the arithmetic is ggml's reference, rounding for rounding: the scale is chosen so that the largest
//! number is told exactly, before it is rounded to half precision. With importance, the scale is searched for.

use super::fit::{Line, Linear, Symmetric, bounds, inverse, largest, nearest};
use crate::simd::Simd;
use half::f16;

type Group = [f32; 32];

/// Writes a half-precision number and returns what it came out as.
#[inline(always)]
pub(super) fn put_half(bytes: &mut [u8], x: f32) -> f32 {
    let half = f16::from_f32(x);
    bytes[..2].copy_from_slice(&half.to_le_bytes());
    half.to_f32()
}

/// Numbers 0 to 15 go to the low nibbles, 16 to 31 to the high ones.
#[inline(always)]
fn put_nibbles(bytes: &mut [u8], q: &[u8; 32]) {
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = q[i] & 15 | q[i + 16] << 4;
    }
}

#[inline(always)]
fn put_fifth_bits(bytes: &mut [u8], q: &[u8; 32]) {
    let bits = q.iter().enumerate().fold(0_u32, |bits, (i, q)| bits | u32::from(q >> 4 & 1) << i);
    bytes.copy_from_slice(&bits.to_le_bytes());
}

/// Writes the scale for integers from -half to half - 1; returns the integers plus half.
#[inline(always)]
fn symmetric<S: Simd>(x: &Group, importance: Option<&Group>, half: f32, d: &mut [u8]) -> [u8; 32] {
    match importance {
        None => {
            let scale = largest(x) / -half;
            put_half(d, scale);
            let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
            x.map(|x| (x * inverse + (half + 0.5)).clamp(0.0, 2.0 * half - 1.0) as u8)
        }
        Some(w) => {
            let inverse = inverse(put_half(d, Symmetric { x, w, half }.best::<S>()));
            x.map(|x| (nearest(inverse * x).clamp(-half, half - 1.0) + half) as u8)
        }
    }
}

/// Writes scale and minimum for integers from 0 to `most`; returns the integers.
#[inline(always)]
fn with_minimum<S: Simd>(x: &Group, importance: Option<&Group>, most: f32, d: &mut [u8]) -> [u8; 32] {
    match importance {
        None => {
            let (least, greatest) = bounds(x);
            let scale = (greatest - least) / most;
            put_half(d, scale);
            put_half(&mut d[2..], least);
            let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
            x.map(|x| ((x - least) * inverse + 0.5).clamp(0.0, most) as u8)
        }
        Some(w) => {
            let line = Linear { x, w, most, below_zero: false }.best::<S>();
            let line = Line { scale: put_half(d, line.scale), minimum: put_half(&mut d[2..], line.minimum) };
            let inverse = inverse(line.scale);
            x.map(|x| line.integer(inverse, most, x) as u8)
        }
    }
}

#[inline(always)]
pub(super) fn q4_0<S: Simd>(x: &Group, importance: Option<&Group>, out: &mut [u8; 18]) {
    let q = symmetric::<S>(x, importance, 8.0, &mut out[..2]);
    put_nibbles(&mut out[2..], &q);
}

#[inline(always)]
pub(super) fn q4_1<S: Simd>(x: &Group, importance: Option<&Group>, out: &mut [u8; 20]) {
    let q = with_minimum::<S>(x, importance, 15.0, &mut out[..4]);
    put_nibbles(&mut out[4..], &q);
}

#[inline(always)]
pub(super) fn q5_0<S: Simd>(x: &Group, importance: Option<&Group>, out: &mut [u8; 22]) {
    let q = symmetric::<S>(x, importance, 16.0, &mut out[..2]);
    put_fifth_bits(&mut out[2..6], &q);
    put_nibbles(&mut out[6..], &q);
}

#[inline(always)]
pub(super) fn q5_1<S: Simd>(x: &Group, importance: Option<&Group>, out: &mut [u8; 24]) {
    let q = with_minimum::<S>(x, importance, 31.0, &mut out[..4]);
    put_fifth_bits(&mut out[4..8], &q);
    put_nibbles(&mut out[8..], &q);
}

#[inline(always)]
pub(super) fn q8_0(x: &Group, out: &mut [u8; 34]) {
    let scale = largest(x).abs() / 127.0;
    put_half(out, scale);
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    for (byte, x) in out[2..].iter_mut().zip(x) {
        // Halves away from zero, as C's roundf.
        *byte = ((x * inverse).round() as i8) as u8;
    }
}
