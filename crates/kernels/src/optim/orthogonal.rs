//! The nearest matrix whose rows (or columns) are orthogonal and of length one, about.

use crate::matmul::buffer::Scratch;
use crate::matmul::packed::{Packer, Panels};
use crate::optim::sum_of_squares;
use crate::simd::{lanes, simd};
use crate::{Mat, MatMut, Precision};

/// Each step turns every singular value σ into aσ + bσ³ + cσ⁵: the polynomials that bring 0.005 to 1 closest to one, and
/// what they leave closer still, found by linear programming on a grid; all but the last for values 2 % larger, because
/// past its range a step lets rounding grow. The idea is that of arXiv:2505.16932.
pub const STEPS: [[f32; 3]; 4] = [
    [8.135989, -23.021437, 16.384973],
    [3.838452, -2.752646, 0.506506],
    [3.112357, -2.243135, 0.450896],
    [2.189462, -1.567_22, 0.407887],
];
/// Rows of a square that are worked out at once, and columns past the diagonal with them.
const STRIP: usize = 96;

/// Brings the singular values of `x` (rows, cols) close to one, by the calling thread, in bf16. A matrix of zeros stays.
pub(crate) fn orthogonalise(x: &mut [f32], rows: usize, cols: usize) {
    let packer = Packer::new(Precision::Bf16);
    let norm = (1.01 * sum_of_squares(x).sqrt() + 1e-7) as f32;
    scale(x, 1.0 / norm);
    // With s the smaller side: gram and poly (s, s). X·Xᵀ·X and X·(Xᵀ·X) are the same, so a tall X needs no copy.
    let (s, long, tall) = (rows.min(cols), rows.max(cols), rows > cols);
    let (mut gram, mut poly) = (Scratch::take(s * s), Scratch::take(s * s));
    let [mut left, mut right, mut square] = [0; 3].map(|_| packer.panels(s, s));
    let [mut wide_left, mut wide_right] = [0; 2].map(|_| packer.panels(s, long));
    let mut other = packer.panels(long, s);
    for step in STEPS {
        let m = Mat::new(x, rows, cols);
        let wide = if tall { m.t() } else { m };
        packer.pack_left(wide, &mut wide_left);
        packer.pack_right(wide.t(), &mut wide_right);
        symmetric(packer, &wide_left, &wide_right, long, &mut gram, s);
        packer.pack_left(Mat::new(&gram, s, s), &mut left);
        packer.pack_right(Mat::new(&gram, s, s), &mut right);
        symmetric(packer, &left, &right, s, &mut poly, s);
        combine(&gram, &mut poly, s, step);
        let p = Mat::new(&poly, s, s);
        if tall {
            packer.pack_left(m, &mut other);
            packer.pack_right(p, &mut square);
            packer.ready().product(other.at(0, 0), square.at(0, 0), s, MatMut::new(x, rows, cols), false);
        } else {
            packer.pack_left(p, &mut square);
            packer.pack_right(m, &mut other);
            packer.ready().product(square.at(0, 0), other.at(0, 0), s, MatMut::new(x, rows, cols), false);
        }
    }
}

/// A product (s, s) over `k` terms that is known to be symmetric: what lies above the diagonal is copied from below.
fn symmetric(packer: Packer, left: &Panels, right: &Panels, k: usize, out: &mut [f32], s: usize) {
    let ready = packer.ready();
    for row in (0..s).step_by(STRIP) {
        let rows = STRIP.min(s - row);
        let c = MatMut { data: &mut out[row * s..], rows, cols: row + rows, row_stride: s };
        ready.product(left.at(row, 0), right.at(0, 0), k, c, false);
    }
    // Squares of sixteen: a column of more would be as many lines of the cache.
    for top in (0..s).step_by(16) {
        for i in (0..s).step_by(16).take_while(|i| *i <= top).flat_map(|i| i..s.min(i + 16)) {
            for j in (i + 1).max(top)..s.min(top + 16) {
                out[i * s + j] = out[j * s + i];
            }
        }
    }
}

simd! {
    /// `poly = a · I + b · gram + c · poly`, for square matrices.
    fn combine<S>(gram: &[f32], poly: &mut [f32], side: usize, abc: [f32; 3]) {
        let [a, b, c] = abc;
        let (b, c) = (S::splat(b), S::splat(c));
        lanes!(S, (gram, poly) => (poly) { [S::fma(c, poly, S::mul(b, gram))] });
        poly.iter_mut().step_by(side + 1).for_each(|p| *p += a);
    }
}

simd! {
    /// `x *= by`.
    pub(crate) fn scale<S>(x: &mut [f32], by: f32) {
        let by = S::splat(by);
        lanes!(S, (x) => (x) { [S::mul(x, by)] });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::numbers;

    #[test]
    fn singular_values_come_close_to_one() {
        // Of a random matrix of which one side is twice the other, all singular values are within a factor of six.
        for (rows, cols) in [(8, 20), (20, 8), (100, 230), (230, 100), (1, 7), (97, 200)] {
            let mut x = numbers(rows * cols, 5);
            orthogonalise(&mut x, rows, cols);
            let (s, long) = (rows.min(cols), rows.max(cols));
            let at =
                |i: usize, k: usize| f64::from(if rows > cols { x[k * cols + i] } else { x[i * cols + k] });
            for i in 0..s {
                for j in 0..s {
                    let dot: f64 = (0..long).map(|k| at(i, k) * at(j, k)).sum();
                    let off = (dot - f64::from(u8::from(i == j))).abs();
                    assert!(off < 0.25, "{rows} × {cols}: rows {i} and {j} have {dot}");
                }
            }
        }
        let mut zeros = vec![0.0; 12];
        orthogonalise(&mut zeros, 3, 4);
        assert_eq!(zeros, [0.0; 12]);
    }
}
