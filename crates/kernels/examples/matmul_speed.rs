//! Prints one JSON object: GFLOP/s of each matmul path that this CPU has, best of several runs.
//!
//! `cargo run --release -p shuyuan-kernels --example matmul_speed`

use shuyuan_kernels::{Mat, MatMut, Precision, matmul_on, matmul_paths};
use std::time::{Duration, Instant};

/// M, K, N, and which of A and B is the transpose of a row-major matrix.
const SHAPES: [(usize, usize, usize, [bool; 2]); 7] = [
    (4096, 128, 512, [false, true]),
    (4096, 512, 1408, [false, true]),
    (4096, 1408, 512, [false, false]),
    (1408, 4096, 512, [true, false]),
    (4096, 512, 4096, [false, true]),
    (1, 512, 2048, [false, true]),
    (8, 512, 2048, [false, true]),
];

fn lay(data: &[f32], rows: usize, cols: usize, transposed: bool) -> Mat<'_> {
    if transposed { Mat::new(data, cols, rows).t() } else { Mat::new(data, rows, cols) }
}

fn main() {
    let mut entries = Vec::new();
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        for (path, name) in matmul_paths().iter().enumerate() {
            for precision in [Precision::F32, Precision::Bf16] {
                for (m, k, n, [ta, tb]) in SHAPES {
                    let (a, b) = (vec![0.5; m * k], vec![0.25; k * n]);
                    let mut c = vec![0.0; m * n];
                    let (a, b) = (lay(&a, m, k, ta), lay(&b, k, n, tb));
                    let (mut best, start) = (f64::INFINITY, Instant::now());
                    let mut runs = 0;
                    let ran = pool.install(|| {
                        while runs < 5 || start.elapsed() < Duration::from_millis(300) {
                            let start = Instant::now();
                            if !matmul_on(path, a, b, MatMut::new(&mut c, m, n), false, precision) {
                                return false;
                            }
                            best = best.min(start.elapsed().as_secs_f64());
                            runs += 1;
                        }
                        true
                    });
                    if ran {
                        let speed = 2e-9 * (m * k * n) as f64 / best;
                        let [ta, tb] = [ta, tb].map(|t| if t { "t" } else { "" });
                        entries.push(format!(
                            "\"{name} {precision:?} {m}x{k}{ta} {k}x{n}{tb} {threads} threads\": {speed:.1}"
                        ));
                    }
                }
            }
        }
    }
    println!("{{{}}}", entries.join(", "));
}
