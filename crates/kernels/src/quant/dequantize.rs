//! From blocks to numbers: the front, and the formats of 32 numbers with one scale.

use super::BlockType;
use super::k_blocks::{q2_k, q3_k, q4_k, q5_k, q6_k};
use half::{bf16, f16};

/// The levels that the four bits of `Iq4Nl` choose from.
pub(super) const IQ4_NL_LEVELS: [i8; 16] =
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// Turns blocks into the numbers they stand for.
///
/// `bytes` holds whole blocks of `kind`, `out` is as long as they have elements. One thread, no intrinsics: cut long
/// rows at block borders to use more. The results are ggml's to the last bit, so long as its compiler fused nothing.
/// Any bytes are valid blocks; scales that are NaN or infinite come out as such numbers.
///
/// Panics if the two lengths do not belong together.
pub fn dequantize(kind: BlockType, bytes: &[u8], out: &mut [f32]) {
    assert_eq!(
        kind.bytes_for(out.len()),
        Some(bytes.len()),
        "{kind}: {} bytes do not stand for {} numbers",
        bytes.len(),
        out.len()
    );
    match kind {
        BlockType::F32 => each(bytes, out, |x: &[u8; 4], y: &mut [f32; 1]| y[0] = f32::from_le_bytes(*x)),
        BlockType::F16 => each(bytes, out, |x: &[u8; 2], y: &mut [f32; 1]| y[0] = half_at(x, 0)),
        BlockType::Bf16 => {
            each(bytes, out, |x: &[u8; 2], y: &mut [f32; 1]| y[0] = bf16::from_le_bytes(*x).to_f32());
        }
        BlockType::Q4_0 => each(bytes, out, q4_0),
        BlockType::Q4_1 => each(bytes, out, q4_1),
        BlockType::Q5_0 => each(bytes, out, q5_0),
        BlockType::Q5_1 => each(bytes, out, q5_1),
        BlockType::Q8_0 => each(bytes, out, q8_0),
        BlockType::Q2K => each(bytes, out, q2_k),
        BlockType::Q3K => each(bytes, out, q3_k),
        BlockType::Q4K => each(bytes, out, q4_k),
        BlockType::Q5K => each(bytes, out, q5_k),
        BlockType::Q6K => each(bytes, out, q6_k),
        BlockType::Iq4Nl => each(bytes, out, iq4_nl),
    }
}

fn each<const BYTES: usize, const ELEMENTS: usize>(
    bytes: &[u8],
    out: &mut [f32],
    block: impl Fn(&[u8; BYTES], &mut [f32; ELEMENTS]),
) {
    for (x, y) in bytes.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
        block(x, y);
    }
}

/// The half-precision number in the bytes `at` and `at + 1` of a block.
pub(super) fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Numbers 0 to 15 are in the low four bits of the bytes, 16 to 31 in the high four.
fn nibble(bytes: &[u8], i: usize) -> u8 {
    if i < 16 { bytes[i] & 15 } else { bytes[i - 16] >> 4 }
}

/// d (f16) | 16 bytes of nibbles: d (q - 8).
fn q4_0(block: &[u8; 18], y: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for (i, y) in y.iter_mut().enumerate() {
        *y = d * (f32::from(nibble(&block[2..], i)) - 8.0);
    }
}

/// d (f16) | m (f16) | 16 bytes of nibbles: d q + m.
fn q4_1(block: &[u8; 20], y: &mut [f32; 32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for (i, y) in y.iter_mut().enumerate() {
        *y = d * f32::from(nibble(&block[4..], i)) + m;
    }
}

/// The fifth bit of number `i`: bit `i` of the four bytes.
fn fifth_bit(high: &[u8], i: usize) -> u8 {
    (high[i / 8] >> (i % 8) & 1) << 4
}

/// d (f16) | 32 fifth bits | 16 bytes of nibbles: d (q - 16).
fn q5_0(block: &[u8; 22], y: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for (i, y) in y.iter_mut().enumerate() {
        let q = nibble(&block[6..], i) | fifth_bit(&block[2..6], i);
        *y = d * (f32::from(q) - 16.0);
    }
}

/// d (f16) | m (f16) | 32 fifth bits | 16 bytes of nibbles: d q + m.
fn q5_1(block: &[u8; 24], y: &mut [f32; 32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for (i, y) in y.iter_mut().enumerate() {
        let q = nibble(&block[8..], i) | fifth_bit(&block[4..8], i);
        *y = d * f32::from(q) + m;
    }
}

/// d (f16) | 32 signed bytes: d q.
fn q8_0(block: &[u8; 34], y: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for (y, &q) in y.iter_mut().zip(&block[2..]) {
        *y = d * f32::from(q as i8);
    }
}

/// d (f16) | 16 bytes of nibbles: d level(q).
fn iq4_nl(block: &[u8; 18], y: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for (i, y) in y.iter_mut().enumerate() {
        *y = d * f32::from(IQ4_NL_LEVELS[usize::from(nibble(&block[2..], i))]);
    }
}
