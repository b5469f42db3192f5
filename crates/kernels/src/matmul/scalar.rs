//! The oracle: three loops.

use super::{Mat, MatMut, Precision};
use half::bf16;

pub(super) fn matmul(a: Mat, b: Mat, c: MatMut, accumulate: bool, precision: Precision) {
    assert!(a.cols == b.rows && a.rows == c.rows && b.cols == c.cols, "matmul: shapes disagree");
    let round = |x: f32| match precision {
        Precision::F32 => x,
        Precision::Bf16 => bf16::from_f32(x).to_f32(),
    };
    for i in 0..a.rows {
        for j in 0..b.cols {
            let sum: f32 = (0..a.cols)
                .map(|k| {
                    round(a.data[i * a.row_stride + k * a.col_stride])
                        * round(b.data[k * b.row_stride + j * b.col_stride])
                })
                .sum();
            let out = &mut c.data[i * c.row_stride + j];
            *out = if accumulate { *out + sum } else { sum };
        }
    }
}
