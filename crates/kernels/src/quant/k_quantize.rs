//! From numbers to blocks: the K formats, 256 numbers whose groups have quantized scales of their own.
//!
//! Each group is fitted by itself. The block's scale is then such that the largest group scale just fits, and each group
//! takes the rounded scale (and minimum) that leaves the least error, of those next to what it asked for.

use super::fit::{Line, Linear, Symmetric, inverse, largest, nearest};
use super::small_quantize::put_half;
use crate::simd::Simd;

type Block = [f32; 256];

/// `Q4K`: see `k_blocks::q4_k` for the layout.
#[inline(always)]
pub(super) fn q4_k<S: Simd>(x: &Block, w: &Block, out: &mut [u8; 144]) {
    let (head, nibbles) = out.split_at_mut(16);
    let q = lines::<S>(x, w, 15.0, head);
    put_nibbles(nibbles, &q);
}

/// `Q5K`: see `k_blocks::q5_k` for the layout.
#[inline(always)]
pub(super) fn q5_k<S: Simd>(x: &Block, w: &Block, out: &mut [u8; 176]) {
    let (head, rest) = out.split_at_mut(16);
    let (high, nibbles) = rest.split_at_mut(32);
    let q = lines::<S>(x, w, 31.0, head);
    put_nibbles(nibbles, &q);
    for (i, byte) in high.iter_mut().enumerate() {
        *byte = (0..8).fold(0, |bits, group| bits | (q[group * 32 + i] >> 4 & 1) << group);
    }
}

/// `Q6K`: see `k_blocks::q6_k` for the layout.
#[inline(always)]
pub(super) fn q6_k<S: Simd>(x: &Block, w: &Block, out: &mut [u8; 210]) {
    const HALF: f32 = 32.0;
    let (xs, ws) = (x.as_chunks::<16>().0, w.as_chunks::<16>().0);
    let mut wanted = [0.0; 16];
    for (scale, (x, w)) in wanted.iter_mut().zip(xs.iter().zip(ws)) {
        *scale = Symmetric { x, w, half: HALF }.best::<S>();
    }
    let d = put_half(&mut out[208..], largest(&wanted) / -128.0);
    let mut q = [0_u8; 256];
    for (group, (x, w)) in xs.iter().zip(ws).enumerate() {
        let middle = nearest(wanted[group] * inverse(d)).clamp(-128.0, 127.0);
        let near = [middle, middle - 1.0, middle + 1.0].map(|scale| scale.clamp(-128.0, 127.0));
        let fit = Symmetric { x, w, half: HALF };
        let (mut scale, mut least) = (near[0], f32::INFINITY);
        for candidate in near {
            let left = fit.error::<S>(d * candidate);
            if left < least {
                (scale, least) = (candidate, left);
            }
        }
        out[192 + group] = (scale as i8) as u8;
        let inverse = inverse(d * scale);
        for (q, x) in q[group * 16..].iter_mut().zip(x) {
            *q = (nearest(inverse * x).clamp(-HALF, HALF - 1.0) + HALF) as u8;
        }
    }
    for (half, q) in q.as_chunks::<128>().0.iter().enumerate() {
        for i in 0..64 {
            out[half * 64 + i] = q[i] & 15 | q[i + 64] << 4;
        }
        for i in 0..32 {
            out[128 + half * 32 + i] =
                (0..4).fold(0, |bits, plane| bits | (q[plane * 32 + i] >> 4) << (plane * 2));
        }
    }
}

/// Fits the eight groups of `Q4K` and `Q5K` with integers from 0 to `most`, which are returned; writes the 16 bytes of
/// d, dmin, scales and minima.
#[inline(always)]
fn lines<S: Simd>(x: &Block, w: &Block, most: f32, head: &mut [u8]) -> [u8; 256] {
    let (xs, ws) = (x.as_chunks::<32>().0, w.as_chunks::<32>().0);
    let mut wanted = [Line::default(); 8];
    for (line, (x, w)) in wanted.iter_mut().zip(xs.iter().zip(ws)) {
        *line = Linear { x, w, most, below_zero: true }.best::<S>();
    }
    let d = put_half(head, largest(&wanted.map(|line| line.scale)) / 63.0);
    // Minima are stored with the sign turned.
    let dmin = put_half(&mut head[2..], largest(&wanted.map(|line| -line.minimum)) / 63.0);
    let mut q = [0_u8; 256];
    let mut packed = [(0_u8, 0_u8); 8];
    for (group, (x, w)) in xs.iter().zip(ws).enumerate() {
        let around = |wanted: f32, unit: f32| {
            let middle = nearest(wanted * inverse(unit)).clamp(0.0, 63.0);
            [middle, middle - 1.0, middle + 1.0].map(|x| x.clamp(0.0, 63.0))
        };
        let scales = around(wanted[group].scale, d);
        let minima = around(-wanted[group].minimum, dmin);
        let fit = Linear { x, w, most, below_zero: true };
        let (mut line, mut least) = (Line::default(), f32::INFINITY);
        for scale in scales {
            for minimum in minima {
                let candidate = Line { scale: d * scale, minimum: -(dmin * minimum) };
                let left = fit.error::<S>(candidate);
                if left < least {
                    (line, least) = (candidate, left);
                    packed[group] = (scale as u8, minimum as u8);
                }
            }
        }
        let inverse = inverse(line.scale);
        for (q, x) in q[group * 32..].iter_mut().zip(x) {
            *q = line.integer(inverse, most, *x) as u8;
        }
    }
    put_scales(&mut head[4..16], &packed);
    q
}

/// The inverse of `k_blocks::scale_and_minimum`.
#[inline(always)]
fn put_scales(bytes: &mut [u8], groups: &[(u8, u8); 8]) {
    for i in 0..4 {
        let ((scale, minimum), (later_scale, later_minimum)) = (groups[i], groups[i + 4]);
        bytes[i] = scale | later_scale >> 4 << 6;
        bytes[i + 4] = minimum | later_minimum >> 4 << 6;
        bytes[i + 8] = later_scale & 15 | later_minimum << 4;
    }
}

#[inline(always)]
fn put_nibbles(bytes: &mut [u8], q: &[u8; 256]) {
    for (byte, i) in bytes.iter_mut().zip((0..256).filter(|i| i % 64 < 32)) {
        *byte = q[i] & 15 | q[i + 32] << 4;
    }
}
