//! Against goldens/quant: what ggml makes of the same bytes and the same numbers.

use super::{BlockType, dequantize};

/// Blocks of every type, and the numbers that gguf's numpy code and ggml's C code both make of them.
static BLOCKS: &[u8] = include_bytes!("../../../../goldens/quant/blocks.bin");

#[test]
fn every_format_means_what_ggml_means() {
    let mut rest = BLOCKS;
    let mut seen = Vec::new();
    let u32_at = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
    while !rest.is_empty() {
        let kind = BlockType::from_ggml(u32_at(rest)).unwrap();
        let blocks = u32_at(&rest[4..]) as usize;
        let (bytes, after) = rest[8..].split_at(blocks * kind.bytes());
        let (numbers, after) = after.split_at(blocks * kind.elements() * 4);
        rest = after;
        let mut out = vec![f32::NAN; blocks * kind.elements()];
        dequantize(kind, bytes, &mut out);
        for (i, (x, golden)) in out.iter().zip(numbers.as_chunks().0).enumerate() {
            // Equal bits: one multiplication and one addition leave no room for another rounding.
            assert_eq!(x.to_bits(), u32::from_le_bytes(*golden), "{kind} number {i}: {x}");
        }
        seen.push(kind.ggml());
    }
    seen.sort_unstable();
    let mut all = BlockType::ALL.map(BlockType::ggml);
    all.sort_unstable();
    assert_eq!(seen, all);
}

#[test]
#[should_panic(expected = "Q8_0: 33 bytes do not stand for 32 numbers")]
fn a_length_that_does_not_belong_is_named() {
    dequantize(BlockType::Q8_0, &[0; 33], &mut [0.0; 32]);
}
