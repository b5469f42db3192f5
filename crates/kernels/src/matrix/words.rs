//! Blocks of ggml's formats taken apart: 32 integers as eight words of four, and what scales them.

use crate::quant::BlockType;

/// 32 columns of a row.
#[derive(Default)]
pub(super) struct Words {
    /// Unsigned integers, four in a word.
    pub(super) w: [u32; 8],
    /// As f16: of the block, or of the 256 columns around it.
    pub(super) scale: u16,
    /// As f16, to be added.
    pub(super) minimum: u16,
    /// Integer scales and minima of its parts, one of 32 columns or two of 16.
    pub(super) parts: [(i8, u8); 2],
}

/// IQ4_NL's levels, raised by 128. Source: ggml-common.h of llama.cpp.
pub(super) const IQ4_NL: [u8; 16] = {
    let levels: [i16; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
    let mut raised = [0; 16];
    let mut i = 0;
    while i < 16 {
        raised[i] = (levels[i] + 128) as u8;
        i += 1;
    }
    raised
};

/// Eight words, without a call that the compiler may leave standing.
macro_rules! eight {
    ($j:ident => $word:expr) => {{
        let mut words = [0u32; 8];
        for $j in 0..8 {
            words[$j] = $word;
        }
        words
    }};
}

/// What is done with every 32 columns of a row.
pub(super) trait Visit {
    /// Block `index` of the row. To be inlined always.
    fn block(&mut self, index: usize, words: Words);
}

const LOW: u32 = 0x0f0f_0f0f;

#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[inline(always)]
fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// Sixteen bytes of two halves each: columns 0 to 15 are the low ones.
#[inline(always)]
fn halves(bytes: &[u8], at: usize) -> [u32; 8] {
    eight!(j => {
        let w = word(bytes, at + 4 * (j % 4));
        if j < 4 { w & LOW } else { w >> 4 & LOW }
    })
}

/// Adds bit `column` of `high` to each integer, as its fifth.
#[inline(always)]
fn fifth(w: [u32; 8], high: u32) -> [u32; 8] {
    eight!(j => {
        // Four bits to four bytes.
        let bits = (high >> (4 * j) & 15).wrapping_mul(0x0020_4081) & 0x0101_0101;
        w[j] | bits << 4
    })
}

/// Shows `visit` every 32 columns of a row in ggml's layout. Source: ggml-common.h and ggml-quants.c of llama.cpp.
#[inline(always)]
pub(super) fn for_blocks(kind: BlockType, row: &[u8], visit: &mut impl Visit) {
    // One loop for each format, in which the compiler sees the size of a block.
    macro_rules! each {
        ($size:literal, $b:ident, $words:expr) => {
            for (i, $b) in row.as_chunks::<$size>().0.iter().enumerate() {
                visit.block(i, $words);
            }
        };
        ($size:literal, $b:ident, $within:ident, $words:expr) => {
            for (i, $b) in row.as_chunks::<$size>().0.iter().enumerate() {
                for $within in 0..8 {
                    visit.block(8 * i + $within, $words);
                }
            }
        };
    }
    match kind {
        BlockType::Q4_0 | BlockType::Iq4Nl => {
            each!(18, b, Words { w: halves(b, 2), scale: short(b, 0), ..Words::default() });
        }
        BlockType::Q4_1 => {
            each!(
                20,
                b,
                Words { w: halves(b, 4), scale: short(b, 0), minimum: short(b, 2), ..Words::default() }
            );
        }
        BlockType::Q5_0 => {
            each!(
                22,
                b,
                Words { w: fifth(halves(b, 6), word(b, 2)), scale: short(b, 0), ..Words::default() }
            );
        }
        BlockType::Q5_1 => each!(24, b, {
            let w = fifth(halves(b, 8), word(b, 4));
            Words { w, scale: short(b, 0), minimum: short(b, 2), ..Words::default() }
        }),
        BlockType::Q8_0 => each!(34, b, {
            let w = eight!(j => word(b, 2 + 4 * j) ^ 0x8080_8080);
            Words { w, scale: short(b, 0), ..Words::default() }
        }),
        BlockType::Q2K => each!(84, b, within, q2_k(b, within)),
        BlockType::Q3K => each!(110, b, within, q3_k(b, within)),
        BlockType::Q4K => each!(144, b, within, q4_k_or_q5_k::<144>(b, within)),
        BlockType::Q5K => each!(176, b, within, q4_k_or_q5_k::<176>(b, within)),
        BlockType::Q6K => each!(210, b, within, q6_k(b, within)),
        BlockType::F32 | BlockType::F16 | BlockType::Bf16 => {}
    }
}

/// Two bits each: 16 scales, 64 bytes of integers, scale, minimum.
#[inline(always)]
fn q2_k(b: &[u8; 84], within: usize) -> Words {
    let (half, shift) = (within / 4, 2 * (within % 4));
    let part = |i: usize| {
        let scale = b[2 * within + i];
        ((scale & 15) as i8, scale >> 4)
    };
    Words {
        w: eight!(j => word(b, 16 + 32 * half + 4 * j) >> shift & 0x0303_0303),
        scale: short(b, 80),
        minimum: short(b, 82) ^ 0x8000,
        parts: [part(0), part(1)],
    }
}

/// Three bits each: 32 bytes of third bits, 64 of the others, 12 of scales, scale.
#[inline(always)]
fn q3_k(b: &[u8; 110], within: usize) -> Words {
    let (half, shift) = (within / 4, 2 * (within % 4));
    let scales = &b[96..108];
    let part = |i: usize| {
        let i = 2 * within + i;
        let low = if i < 8 { scales[i] & 15 } else { scales[i - 8] >> 4 };
        let high = scales[8 + i % 4] >> (2 * (i / 4)) & 3;
        ((low | high << 4) as i8 - 32, 0)
    };
    let third = |j: usize| (word(b, 4 * j) >> within & 0x0101_0101) << 2;
    Words {
        w: eight!(j => word(b, 32 + 32 * half + 4 * j) >> shift & 0x0303_0303 | third(j)),
        scale: short(b, 108),
        minimum: 0,
        parts: [part(0), part(1)],
    }
}

/// Four or five bits each: scale, minimum, 12 bytes of scales, (32 bytes of fifth bits,) 128 of the others.
#[inline(always)]
fn q4_k_or_q5_k<const SIZE: usize>(b: &[u8; SIZE], within: usize) -> Words {
    let scales = &b[4..16];
    let j = within;
    let (scale, minimum) = if j < 4 {
        (scales[j] & 63, scales[j + 4] & 63)
    } else {
        (scales[j + 4] & 15 | scales[j - 4] >> 6 << 4, scales[j + 4] >> 4 | scales[j] >> 6 << 4)
    };
    let five = SIZE == 176;
    let low = if five { 48 } else { 16 };
    let w = eight!(i => {
        let low = word(b, low + 32 * (within / 2) + 4 * i) >> (4 * (within % 2)) & LOW;
        if five { low | (word(b, 16 + 4 * i) >> within & 0x0101_0101) << 4 } else { low }
    });
    Words { w, scale: short(b, 0), minimum: short(b, 2) ^ 0x8000, parts: [(scale as i8, minimum), (0, 0)] }
}

/// Six bits each: 128 bytes of low halves, 64 of the others, 16 scales, scale.
#[inline(always)]
fn q6_k(b: &[u8; 210], within: usize) -> Words {
    let (half, quarter) = (within / 4, within % 4);
    let w = eight!(j => {
        let low = word(b, 64 * half + 32 * (quarter % 2) + 4 * j) >> (4 * (quarter / 2)) & LOW;
        low | (word(b, 128 + 32 * half + 4 * j) >> (2 * quarter) & 0x0303_0303) << 4
    });
    let part = |i: usize| (b[192 + 2 * within + i] as i8, 0);
    Words { w, scale: short(b, 208), minimum: 0, parts: [part(0), part(1)] }
}
