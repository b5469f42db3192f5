//! Against goldens/quant: what ggml makes of the same bytes and the same numbers.

use super::{BlockType, can_quantize, dequantize, quantize};

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

/// The error that ggml leaves, and a checksum of its bytes.
static GGML_ERRORS: &str = include_str!("../../../../goldens/quant/ggml_errors.txt");
const ROWS: usize = 64;
const COLUMNS: usize = 1024;

/// Number `i` of splitmix64 from `seed`, as goldens/quant/record.py draws it.
fn uniform(seed: u64, i: usize) -> f64 {
    let z = (i as u64 + 1).wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ z >> 31) >> 11) as f64 * 2_f64.powi(-53)
}

fn rows(kind: &str) -> Vec<f32> {
    let gaussian = |i: usize| (0..12).fold(0.0, |sum, j| sum + uniform(1, i * 12 + j)) - 6.0;
    let draw = |i: usize| {
        let g = gaussian(i);
        match kind {
            "gaussian" => g * 0.02,
            "heavy" => g * g * g * 0.02,
            "shifted" => g * 0.02 + 0.05,
            other => panic!("no such rows: {other}"),
        }
    };
    (0..ROWS * COLUMNS).map(|i| draw(i) as f32).collect()
}

fn importance() -> Vec<f32> {
    (0..COLUMNS).map(|i| uniform(2, i)).map(|u| (0.01 + u * u * u) as f32).collect()
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

/// Σ w (x - x̂)².
fn error(kind: BlockType, x: &[f32], bytes: &[u8], w: Option<&[f32]>) -> f64 {
    let mut y = vec![0.0; x.len()];
    dequantize(kind, bytes, &mut y);
    let weight = |i: usize| w.map_or(1.0, |w| f64::from(w[i % w.len()]));
    (x.iter().zip(&y).enumerate())
        .map(|(i, (x, y))| weight(i) * (f64::from(*x) - f64::from(*y)).powi(2))
        .sum()
}

#[test]
fn no_format_loses_more_than_ggml_does() {
    let mut seen = 0;
    for line in GGML_ERRORS.lines().filter(|line| !line.starts_with('#')) {
        let [name, shape, label, theirs, sum] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let kind = BlockType::ALL.into_iter().find(|kind| kind.to_string() == name).unwrap();
        let (x, w) = (rows(shape), importance());
        let w = (label == "columns").then_some(w.as_slice());
        let bytes = quantize(kind, &x, w);
        let (ours, theirs) = (error(kind, &x, &bytes, w), theirs.parse::<f64>().unwrap());
        println!("{name:5} {shape:8} {label:7} ours {ours:.4e}, ggml's {theirs:.4e}: {:.4}", ours / theirs);
        assert!(ours <= theirs * 1.0001, "{line}: {ours}");
        use BlockType::{Bf16, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
        if w.is_none() && matches!(kind, F16 | Bf16 | Q4_0 | Q4_1 | Q5_0 | Q5_1 | Q8_0) {
            assert_eq!(fnv(&bytes), u64::from_str_radix(sum, 16).unwrap(), "{line}: other bytes than ggml's");
        }
        seen += 1;
    }
    assert_eq!(seen, 60);
}

fn written() -> impl Iterator<Item = BlockType> {
    BlockType::ALL.into_iter().filter(|kind| can_quantize(*kind))
}

#[test]
fn odd_rows_come_through() {
    let spike = |at: usize, x: f32| (0..256).map(|i| if i == at { x } else { 0.0 }).collect::<Vec<f32>>();
    for kind in written() {
        for w in [None, Some([0.0; 256]), Some([f32::NAN; 256]), Some([-1.0; 256]), Some([1e30; 256])] {
            for x in [0.0, -0.0, 0.5, -3.0, 1e-30, 60_000.0] {
                for row in [vec![x; 256], spike(0, x), spike(255, -x)] {
                    let bytes = quantize(kind, &row, w.as_ref().map(|w| w.as_slice()));
                    let mut y = vec![f32::NAN; 256];
                    dequantize(kind, &bytes, &mut y);
                    for (told, y) in row.iter().zip(&y) {
                        // One value and zeros: each format can tell them to a step of 15, less what rounding its scale
                        // costs, and half precision has nothing below 6e-8.
                        assert!((told - y).abs() <= x.abs() / 15.0 + 1e-6, "{kind} {told} came back as {y}");
                    }
                }
            }
            for x in [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE, f32::from_bits(1)] {
                for row in [vec![x; 256], spike(7, x), spike(7, -x)] {
                    quantize(kind, &row, w.as_ref().map(|w| w.as_slice()));
                }
            }
        }
    }
}

#[test]
fn blocks_do_not_depend_on_their_neighbours() {
    let (x, w) = (rows("heavy"), importance());
    for kind in written().filter(|kind| kind.elements() > 1) {
        for w in [None, Some(w.as_slice())] {
            let whole = quantize(kind, &x, w);
            let n = kind.elements();
            for (i, (x, bytes)) in x.chunks(n).zip(whole.chunks(kind.bytes())).enumerate().step_by(13) {
                let own = w.map(|w| &w[i * n % COLUMNS..][..n]);
                assert_eq!(quantize(kind, x, own), bytes, "{kind} block {i}");
            }
        }
    }
}

#[test]
fn a_column_without_importance_pays_for_the_others() {
    let x = rows("gaussian");
    let w: Vec<f32> = (0..COLUMNS).map(|i| if i % 2 == 0 { 1.0 } else { 0.0 }).collect();
    for kind in written().filter(|kind| kind.elements() > 1 && *kind != BlockType::Q8_0) {
        let (plain, weighted) = (quantize(kind, &x, None), quantize(kind, &x, Some(&w)));
        let (before, after) = (error(kind, &x, &plain, Some(&w)), error(kind, &x, &weighted, Some(&w)));
        assert!(after < before * 0.9, "{kind}: {before} to {after}");
    }
}

#[test]
#[should_panic(expected = "Q4_K: 512 numbers are no whole rows of 128 columns")]
fn importance_of_other_rows_is_named() {
    quantize(BlockType::Q4K, &[0.0; 512], Some(&[1.0; 128]));
}
