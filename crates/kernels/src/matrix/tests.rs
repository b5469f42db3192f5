//! Packed products against the oracle: the block's own meaning, in f64.

use super::lanes::FORCED;
use super::*;
use crate::quant::dequantize;
use crate::simd::Level;
use crate::{Precision, project};

const KINDS: [BlockType; 11] = [
    BlockType::Q4_0,
    BlockType::Q4_1,
    BlockType::Q5_0,
    BlockType::Q5_1,
    BlockType::Q8_0,
    BlockType::Q2K,
    BlockType::Q3K,
    BlockType::Q4K,
    BlockType::Q5K,
    BlockType::Q6K,
    BlockType::Iq4Nl,
];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
    fn number(&mut self) -> f32 {
        self.next() as f32 / (1u64 << 30) as f32 - 1.0
    }
}

/// Where a block has f16.
fn fields(kind: BlockType) -> &'static [usize] {
    match kind {
        BlockType::Q4_1 | BlockType::Q5_1 | BlockType::Q4K | BlockType::Q5K => &[0, 2],
        BlockType::Q2K => &[80, 82],
        BlockType::Q3K => &[108],
        BlockType::Q6K => &[208],
        _ => &[0],
    }
}

/// Random blocks whose f16 fields are ordinary numbers.
fn blocks(kind: BlockType, count: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..count * kind.bytes()).map(|_| random.next() as u8).collect();
    for block in bytes.chunks_exact_mut(kind.bytes()) {
        for &at in fields(kind) {
            let scale = half::f16::from_f32(random.number() * 0.1);
            block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
        }
    }
    bytes
}

fn matrix(kind: BlockType, rows: usize, cols: usize, random: &mut Random) -> (Matrix, Vec<f32>) {
    let bytes = blocks(kind, rows * cols / kind.elements(), random);
    let mut numbers = vec![0.0; rows * cols];
    dequantize(kind, &bytes, &mut numbers);
    (Matrix::new(kind, bytes.into(), rows, cols), numbers)
}

#[test]
fn packing_keeps_every_number() {
    let mut random = Random(1);
    for kind in KINDS {
        let (rows, cols) = (21, 512);
        let (matrix, numbers) = matrix(kind, rows, cols, &mut random);
        let mut row = vec![0.0; cols];
        for (i, expected) in numbers.chunks_exact(cols).enumerate() {
            matrix.row(i, &mut row);
            for (j, (&found, &expected)) in row.iter().zip(expected).enumerate() {
                // The same factors in another order: one rounding of each of two products.
                assert!(
                    (found - expected).abs() <= 4e-7 * (1.0 + expected.abs()),
                    "{kind} ({i}, {j}): {found} for {expected}"
                );
            }
        }
    }
}

/// What rounding `x` to 8 bits in blocks of 32 makes of it.
fn rounded(x: &[f32]) -> Vec<f64> {
    x.chunks(32)
        .flat_map(|x| {
            let most = x.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let by = if most > 0.0 { 127.0 / most } else { 0.0 };
            x.iter().map(move |x| f64::from((x * by).round_ties_even()) * f64::from(most / 127.0))
        })
        .collect()
}

/// Blocks all of whose integers are the greatest, or the least, by their bytes: sums of products are as large as they can be.
fn extremes_agree(level: Level) {
    FORCED.set(Some(level));
    let mut random = Random(5);
    for kind in KINDS {
        for byte in [0xff, 0x00, 0x7f, 0x80] {
            let (n, rows, cols) = (5, 16, 256);
            let mut bytes = vec![byte; rows * cols / kind.elements() * kind.bytes()];
            for block in bytes.chunks_exact_mut(kind.bytes()) {
                for &at in fields(kind) {
                    let scale = half::f16::from_f32(random.number() * 0.1);
                    block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
                }
            }
            let mut numbers = vec![0.0; rows * cols];
            dequantize(kind, &bytes, &mut numbers);
            let matrix = Matrix::new(kind, bytes.into(), rows, cols);
            let x: Vec<f32> = (0..n * cols).map(|i| if i / cols % 2 == 0 { 1.0 } else { -1.0 }).collect();
            let mut out = vec![0.0; n * rows];
            let input = Input::new(&x, cols, &[&matrix]);
            crate::pool::alone(|| project(&input, &[(&matrix).into()], &mut out, false, Precision::F32));
            for (i, x) in x.chunks_exact(cols).enumerate() {
                for (r, w) in numbers.chunks_exact(cols).enumerate() {
                    let exact: f64 = x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum();
                    let size: f64 = w.iter().map(|&w| f64::from(w).abs()).sum();
                    let found = f64::from(out[i * rows + r]);
                    // Integers and what is taken from them cancel in f32.
                    assert!(
                        (found - exact).abs() < 1e-4 * size + 1e-4,
                        "{level:?} {kind} {byte:#x}: {found} for {exact}"
                    );
                }
            }
        }
    }
    FORCED.set(None);
}

/// Checks every level that this processor has.
fn at_every_level(check: fn(Level)) {
    check(Level::Portable);
    #[cfg(target_arch = "x86_64")]
    {
        if lanes::level() != Level::Portable {
            check(Level::Avx2);
        }
        if lanes::level() == Level::Avx512 {
            check(Level::Avx512);
        }
    }
    #[cfg(target_arch = "aarch64")]
    if lanes::level() == Level::Neon {
        check(Level::Neon);
    }
}

#[test]
fn the_greatest_products_do_not_overflow() {
    at_every_level(extremes_agree);
}

fn products_agree(level: Level) {
    FORCED.set(Some(level));
    let mut random = Random(2);
    for kind in KINDS {
        for (n, rows, cols) in [(1, 16, 256), (2, 40, 512), (3, 17, 256), (8, 64, 768), (11, 33, 256)] {
            let (matrix, numbers) = matrix(kind, rows, cols, &mut random);
            let x: Vec<f32> = (0..n * cols).map(|_| random.number()).collect();
            let bias: Vec<f32> = (0..rows).map(|_| random.number()).collect();
            let mut out = vec![1.0; n * rows];
            let part = Part { matrix: &matrix, bias: Some(&bias) };
            // One task stays on this thread, where the level is forced.
            let input = Input::new(&x, cols, &[&matrix]);
            crate::pool::alone(|| project(&input, &[part], &mut out, true, Precision::F32));
            for (i, x) in x.chunks_exact(cols).enumerate() {
                let x = rounded(x);
                for (r, w) in numbers.chunks_exact(cols).enumerate() {
                    let exact: f64 = x.iter().zip(w).map(|(x, &w)| x * f64::from(w)).sum();
                    let size: f64 = x.iter().zip(w).map(|(x, &w)| (x * f64::from(w)).abs()).sum();
                    let found = f64::from(out[i * rows + r] - bias[r] - 1.0);
                    // Sums of blocks in f32, and minima apart from the integers that they cancel.
                    assert!(
                        (found - exact).abs() < 2e-6 * size + 1e-5,
                        "{level:?} {kind} {n}: {found} for {exact}"
                    );
                }
            }
        }
    }
    FORCED.set(None);
}

#[test]
fn packed_products_are_those_of_the_blocks() {
    at_every_level(products_agree);
}

#[test]
fn plain_products_are_exact() {
    let mut random = Random(3);
    for kind in [BlockType::F32, BlockType::F16, BlockType::Bf16] {
        for (n, rows, cols) in [(1, 1, 1), (1, 100, 77), (2, 5, 40), (3, 7, 96), (8, 300, 33), (20, 200, 50)]
        {
            let x: Vec<f32> = (0..n * cols).map(|_| random.number()).collect();
            let numbers: Vec<f32> = (0..rows * cols).map(|_| random.number()).collect();
            let bytes: Vec<u8> = numbers
                .iter()
                .flat_map(|&x| match kind {
                    BlockType::F16 => half::f16::from_f32(x).to_le_bytes().to_vec(),
                    BlockType::Bf16 => half::bf16::from_f32(x).to_le_bytes().to_vec(),
                    _ => x.to_le_bytes().to_vec(),
                })
                .collect();
            let mut numbers = vec![0.0; rows * cols];
            dequantize(kind, &bytes, &mut numbers);
            let matrix = Matrix::new(kind, bytes.into(), rows, cols);
            let mut out = vec![0.0; n * rows];
            project(&Input::new(&x, cols, &[&matrix]), &[(&matrix).into()], &mut out, false, Precision::F32);
            for (i, x) in x.chunks_exact(cols).enumerate() {
                for (r, w) in numbers.chunks_exact(cols).enumerate() {
                    let exact: f64 = x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum();
                    let found = f64::from(out[i * rows + r]);
                    // f32 sums of up to 96 numbers below 1.
                    assert!(
                        (found - exact).abs() < 1e-5,
                        "{kind} ({n}, {rows}, {cols}): {found} for {exact}"
                    );
                }
            }
        }
    }
}

#[test]
fn matrices_side_by_side_are_those_alone() {
    let mut random = Random(4);
    let (a, _) = matrix(BlockType::Q8_0, 24, 256, &mut random);
    let (b, _) = matrix(BlockType::Q6K, 100, 256, &mut random);
    let x: Vec<f32> = (0..3 * 256).map(|_| random.number()).collect();
    let input = Input::new(&x, 256, &[&a, &b]);
    let mut both = vec![0.0; 3 * 124];
    project(&input, &[(&a).into(), (&b).into()], &mut both, false, Precision::F32);
    for (matrix, from) in [(&a, 0), (&b, 24)] {
        let mut alone = vec![0.0; 3 * matrix.rows()];
        project(&input, &[matrix.into()], &mut alone, false, Precision::F32);
        for (i, alone) in alone.chunks_exact(matrix.rows()).enumerate() {
            assert_eq!(alone, &both[i * 124 + from..][..matrix.rows()]);
        }
    }
}

#[test]
fn packing_on_the_way_changes_nothing() {
    let mut random = Random(6);
    for kind in KINDS {
        // A group that is not whole; rows in another order; a prompt and a token.
        for (n, rows, cols) in [(11, 37, 512), (1, 64, 256)] {
            let bytes = blocks(kind, rows * cols / kind.elements(), &mut random);
            let order = |row: usize| (row * 7 + 3) % rows;
            let matrix = Matrix::reordered(kind, bytes.into(), rows, cols, order);
            let x: Vec<f32> = (0..n * cols).map(|_| random.number()).collect();
            let read = |row: usize| {
                let mut out = vec![0.0; cols];
                matrix.row(row, &mut out);
                out
            };
            let row = read(rows - 1);
            let product = || {
                let mut out = vec![0.0; n * rows];
                let input = Input::new(&x, cols, &[&matrix]);
                project(&input, &[(&matrix).into()], &mut out, false, Precision::F32);
                out
            };
            let first = product();
            assert!(!matrix.is_packed(), "{kind}: packed by its first use");
            assert_eq!(product(), first, "{kind}");
            assert!(matrix.is_packed(), "{kind}: not packed by its second use");
            assert_eq!(read(rows - 1), row, "{kind}");
        }
    }
}
