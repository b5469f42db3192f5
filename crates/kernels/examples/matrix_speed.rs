//! How fast weights are packed, and how fast they go by: a pass over the matrices of a model, as generating a token does, and one of many rows.
//!
//! cargo run --release --example matrix_speed -- [MiB of each format] [threads]

use shuyuan_kernels::{BlockType, Bytes, Input, Matrix, Precision, dequantize, project, threads};
use std::time::Instant;

const COLS: usize = 768;
const ROWS: usize = 16384;

fn main() {
    let mib: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(96);
    if let Some(count) = std::env::args().nth(2).and_then(|text| text.parse().ok()) {
        shuyuan_kernels::set_threads(count);
    }
    println!("{} threads, {ROWS} × {COLS}", threads());
    for kind in BlockType::ALL {
        let Some(row) = kind.bytes_for(COLS) else { continue };
        let mut state = 1u64;
        let mut bytes = vec![0u8; row * ROWS];
        for byte in &mut bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Small numbers everywhere, f16 fields included.
            *byte = (state >> 33) as u8 & 0x1f;
        }
        let mut numbers = vec![0.0; ROWS * COLS];
        dequantize(kind, &bytes, &mut numbers);
        let count = ((mib << 20) / bytes.len()).max(1);
        let copies: Vec<Bytes> = (0..count).map(|_| Bytes::from(bytes.clone())).collect();
        let start = Instant::now();
        let matrices: Vec<Matrix> =
            copies.into_iter().map(|bytes| Matrix::new(kind, bytes, ROWS, COLS)).collect();
        let packed = (count * bytes.len()) as f64 / start.elapsed().as_secs_f64() / 1e9;
        let size: usize = matrices.iter().map(Matrix::size).sum();
        let time = |n: usize, matrices: &[Matrix]| {
            let x = vec![0.5; n * COLS];
            let mut out = vec![0.0; n * ROWS];
            let mut best = f64::INFINITY;
            for _ in 0..7 {
                let start = Instant::now();
                for matrix in matrices {
                    let input = Input::new(&x, COLS, &[matrix]);
                    project(&input, &[matrix.into()], &mut out, false, Precision::Bf16);
                }
                best = best.min(start.elapsed().as_secs_f64());
            }
            best
        };
        let one = size as f64 / time(1, &matrices) / 1e9;
        let eight = size as f64 / time(8, &matrices) / 1e9;
        let few = &matrices[..4.min(count)];
        let many = 512.0 * 2.0 * (few.len() * ROWS * COLS) as f64 / time(512, few) / 1e9;
        println!(
            "{kind:>7}: packed {packed:5.1} GB/s, one row {one:6.1} GB/s, eight {eight:6.1} GB/s, 512 rows {many:6.0} GFLOP/s"
        );
    }
}
