//! From blocks to numbers: the K formats, 256 numbers whose groups have quantized scales of their own.

use super::dequantize::half_at;

/// 16 bytes of (scale | minimum << 4) | 64 bytes of 2 bits | d (f16) | dmin (f16): d scale q - dmin minimum.
///
/// Each half of 128 numbers has 32 bytes; the first 32 numbers are in their lowest two bits, the next in bits 2 and 3.
pub(super) fn q2_k(block: &[u8; 84], y: &mut [f32; 256]) {
    let (scales, q) = (&block[..16], &block[16..80]);
    let (d, dmin) = (half_at(block, 80), half_at(block, 82));
    for (group, y) in y.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(scales[group] & 15);
        let minimum = dmin * f32::from(scales[group] >> 4);
        for (i, y) in y.iter_mut().enumerate() {
            *y = scale * f32::from(two_bits(q, group * 16 + i)) - minimum;
        }
    }
}

/// Two bits of number `i`: 32 bytes for each 128 numbers, four planes of 32 in each.
fn two_bits(bytes: &[u8], i: usize) -> u8 {
    bytes[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3
}

/// 32 bytes of third bits | 64 bytes of 2 bits | 12 bytes of 6-bit scales | d (f16): d (scale - 32) (q - 4).
///
/// Bit k of third-bit byte j belongs to number 32 k + j.
pub(super) fn q3_k(block: &[u8; 110], y: &mut [f32; 256]) {
    let (high, q, scales) = (&block[..32], &block[32..96], &block[96..108]);
    let d = half_at(block, 108);
    for (group, y) in y.chunks_exact_mut(16).enumerate() {
        // Low four bits of scales 0 to 7 in the low nibbles of bytes 0 to 7, of 8 to 15 in the high ones; the upper
        // two bits of scale g in byte 8 + g % 4 at bit 2 (g / 4).
        let low = scales[group % 8] >> (group / 8 * 4) & 15;
        let upper = scales[8 + group % 4] >> (group / 4 * 2) & 3;
        let scale = d * (f32::from(low | upper << 4) - 32.0);
        for (i, y) in y.iter_mut().enumerate() {
            let i = group * 16 + i;
            let third = high[i % 32] >> (i / 32) & 1;
            *y = scale * (f32::from(two_bits(q, i) | third << 2) - 4.0);
        }
    }
}

/// The 6-bit scale and minimum of group `group` (0 to 7) from the 12 bytes of `Q4K` and `Q5K`.
///
/// Groups 0 to 3: the low six bits of bytes g and 4 + g. Groups 4 to 7: their low four bits are the nibbles of byte
/// 4 + g, their upper two are the top bits of bytes g - 4 and g.
pub(super) fn scale_and_minimum(bytes: &[u8], group: usize) -> (u8, u8) {
    if group < 4 {
        (bytes[group] & 63, bytes[group + 4] & 63)
    } else {
        let nibbles = bytes[group + 4];
        (nibbles & 15 | bytes[group - 4] >> 6 << 4, nibbles >> 4 | bytes[group] >> 6 << 4)
    }
}

/// The low four bits of number `i`: 32 bytes for each 64 numbers, the first 32 in their low nibbles.
fn nibble(bytes: &[u8], i: usize) -> u8 {
    bytes[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15
}

/// d (f16) | dmin (f16) | 12 bytes of scales and minima | 128 bytes of nibbles: d scale q - dmin minimum.
pub(super) fn q4_k(block: &[u8; 144], y: &mut [f32; 256]) {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    let (scales, q) = (&block[4..16], &block[16..]);
    for (group, y) in y.chunks_exact_mut(32).enumerate() {
        let (scale, minimum) = scale_and_minimum(scales, group);
        let (scale, minimum) = (d * f32::from(scale), dmin * f32::from(minimum));
        for (i, y) in y.iter_mut().enumerate() {
            *y = scale * f32::from(nibble(q, group * 32 + i)) - minimum;
        }
    }
}

/// As `q4_k`, with 32 bytes of fifth bits between scales and nibbles: bit g of byte i belongs to number 32 g + i.
pub(super) fn q5_k(block: &[u8; 176], y: &mut [f32; 256]) {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    let (scales, high, q) = (&block[4..16], &block[16..48], &block[48..]);
    for (group, y) in y.chunks_exact_mut(32).enumerate() {
        let (scale, minimum) = scale_and_minimum(scales, group);
        let (scale, minimum) = (d * f32::from(scale), dmin * f32::from(minimum));
        for (i, y) in y.iter_mut().enumerate() {
            let fifth = high[i] >> group & 1;
            *y = scale * f32::from(nibble(q, group * 32 + i) | fifth << 4) - minimum;
        }
    }
}

/// 128 bytes of low nibbles | 64 bytes of upper 2 bits | 16 signed scales | d (f16): d scale (q - 32).
///
/// Each half of 128 numbers has 64 bytes of nibbles: numbers 0 to 63 in the low ones, 64 to 127 in the high ones.
pub(super) fn q6_k(block: &[u8; 210], y: &mut [f32; 256]) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let d = half_at(block, 208);
    for (group, y) in y.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(scales[group] as i8);
        for (i, y) in y.iter_mut().enumerate() {
            let i = group * 16 + i;
            let low = low[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4) & 15;
            *y = scale * (f32::from(low | two_bits(high, i) << 4) - 32.0);
        }
    }
}
