//! Every path that this CPU has, against the three loops.

use super::kernel::{Kernel, Path};
use super::{Mat, MatMut, Precision, run, scalar};

const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Bf16];

fn kernels() -> impl Iterator<Item = (Kernel, Precision)> {
    let paths = Path::available().iter();
    paths.flat_map(|path| {
        PRECISIONS.iter().filter_map(|&precision| Some((path.kernel(precision)?, precision)))
    })
}

/// Uniform in [-1, 1).
fn random(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug)]
enum Layout {
    Rows,
    Columns,
    /// Rows with gaps between them and between their elements.
    Sparse,
}

const LAYOUTS: [Layout; 3] = [Layout::Rows, Layout::Columns, Layout::Sparse];

fn lay(data: &[f32], rows: usize, cols: usize, layout: Layout) -> Mat<'_> {
    match layout {
        Layout::Rows => Mat::new(data, rows, cols),
        Layout::Columns => Mat::new(data, cols, rows).t(),
        Layout::Sparse => Mat { data, rows, cols, row_stride: 2 * cols + 3, col_stride: 2 },
    }
}

/// Compares one product with the oracle, at its edges too: what lies between C's rows stays as it was.
fn compare(
    kernel: &Kernel,
    precision: Precision,
    (m, k, n): (usize, usize, usize),
    of: [Layout; 2],
    accumulate: bool,
) {
    let a = random(m * (2 * k + 3), (m * 7 + k) as u64);
    let b = random(k * (2 * n + 3), (n * 11 + k) as u64);
    let stride = n + 5;
    let before = random(m * stride, 3);
    let (mut got, mut want) = (before.clone(), before);
    let (a, b) = (lay(&a, m, k, of[0]), lay(&b, k, n, of[1]));
    run(kernel, a, b, MatMut { data: &mut got, rows: m, cols: n, row_stride: stride }, accumulate, 1);
    let out = MatMut { data: &mut want, rows: m, cols: n, row_stride: stride };
    scalar::matmul(a, b, out, accumulate, precision);
    // Sums of K terms below 1 in another order: the error grows like a random walk.
    let tolerance = 1e-5 * (k as f32).sqrt() + 1e-6;
    for (i, (&got, &want)) in got.iter().zip(&want).enumerate() {
        assert!(
            (got - want).abs() <= if i % stride < n { tolerance } else { 0.0 },
            "{:?} {precision:?} ({m}, {k}, {n}) {of:?} accumulate {accumulate}: ({}, {}) is {got}, not {want}",
            kernel.path,
            i / stride,
            i % stride,
        );
    }
}

#[test]
fn every_path_agrees_with_the_oracle() {
    const SIZES: [usize; 9] = [1, 2, 3, 5, 17, 31, 33, 65, 127];
    for (kernel, precision) in kernels() {
        let mut turn = 0;
        for m in SIZES {
            for k in SIZES {
                for n in SIZES {
                    // Nine layout pairs by two, in turn; 729 shapes meet each many times.
                    let of = [LAYOUTS[turn % 3], LAYOUTS[turn / 3 % 3]];
                    compare(&kernel, precision, (m, k, n), of, turn / 9 % 2 == 1);
                    turn += 1;
                    if turn % 7 == 0 {
                        turn += 1;
                    }
                }
            }
        }
    }
}

#[test]
fn whole_blocks_and_several_stages_agree_with_the_oracle() {
    for (kernel, precision) in kernels() {
        for of in [[Layout::Rows, Layout::Columns], [Layout::Columns, Layout::Rows]] {
            compare(&kernel, precision, (64, 256, 96), of, false);
            compare(&kernel, precision, (32, 64, 64), of, true);
            // More of K than is packed at once, for pairs too, twice.
            compare(&kernel, precision, (33, 2100, 50), of, true);
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("three threads");
    for (kernel, _) in kernels() {
        for (m, k, n) in [(300, 200, 130), (70, 1100, 400), (3, 200, 900), (1, 64, 77)] {
            let (a, b) = (random(m * k, 1), random(n * k, 2));
            let result = |threads: usize| {
                let mut c = vec![1.0; m * n];
                let (a, b) = (Mat::new(&a, m, k), Mat::new(&b, n, k).t());
                pool.install(|| run(&kernel, a, b, MatMut::new(&mut c, m, n), true, threads));
                c.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
            };
            let one = result(1);
            assert!(one == result(2) && one == result(3), "{:?} ({m}, {k}, {n})", kernel.path);
        }
    }
}

#[test]
fn bf16_rounds_to_nearest_even_and_keeps_what_is_not_finite() {
    let halfway_down = f32::from_bits(0x3f80_8000); // 1 + 2⁻⁸, between 1 and 1 + 2⁻⁷
    let halfway_up = f32::from_bits(0x3f81_8000);
    for (kernel, precision) in kernels() {
        if precision == Precision::F32 {
            continue;
        }
        for m in [1, 9] {
            for (x, want) in [(halfway_down, 1.0), (halfway_up, 1.015625), (f32::INFINITY, f32::INFINITY)] {
                let (a, b) = (vec![x; m], [1.0]);
                let mut c = vec![0.0; m];
                run(&kernel, Mat::new(&a, m, 1), Mat::new(&b, 1, 1), MatMut::new(&mut c, m, 1), false, 1);
                assert_eq!(c, vec![want; m], "{:?}", kernel.path);
            }
            let (a, mut c) = (vec![f32::NAN; m], vec![0.0; m]);
            run(&kernel, Mat::new(&a, m, 1), Mat::new(&[1.0], 1, 1), MatMut::new(&mut c, m, 1), false, 1);
            assert!(c.iter().all(|x| x.is_nan()), "{:?}", kernel.path);
        }
    }
}

#[test]
fn an_empty_inner_dimension_gives_zeros() {
    let mut c = [1.0; 4];
    super::matmul(Mat::new(&[], 2, 0), Mat::new(&[], 0, 2), MatMut::new(&mut c, 2, 2), true, Precision::F32);
    assert_eq!(c, [1.0; 4]);
    super::matmul(Mat::new(&[], 2, 0), Mat::new(&[], 0, 2), MatMut::new(&mut c, 2, 2), false, Precision::F32);
    assert_eq!(c, [0.0; 4]);
}

#[test]
#[should_panic(expected = "reaches past")]
fn a_slice_too_short_is_refused() {
    let mut c = [0.0; 4];
    super::matmul(
        Mat::new(&[1.0; 3], 2, 2),
        Mat::new(&[1.0; 4], 2, 2),
        MatMut::new(&mut c, 2, 2),
        false,
        Precision::F32,
    );
}
