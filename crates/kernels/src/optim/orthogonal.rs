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

/// Smaller sides from which the Gram form saves time.
const GRAM_FROM: usize = 384;

/// Brings the singular values of `x` (rows, cols) close to one, by the calling thread, in bf16. A matrix of zeros stays.
pub(crate) fn orthogonalise(x: &mut [f32], rows: usize, cols: usize) {
    let norm = (1.01 * sum_of_squares(x).sqrt() + 1e-7) as f32;
    scale(x, 1.0 / norm);
    let mut room = Room::new(rows, cols);
    if by_gram(rows, cols) { room.in_gram_form(x) } else { room.step_by_step(x) }
}

fn by_gram(rows: usize, cols: usize) -> bool {
    rows != cols && rows.min(cols) >= GRAM_FROM
}

/// FLOP of orthogonalising a (rows, cols) matrix: of symmetric products half.
pub fn flops(rows: usize, cols: usize) -> f64 {
    let (s, long) = (rows.min(cols) as f64, rows.max(cols) as f64);
    2.0 * s * s * if by_gram(rows, cols) { 4.5 * long + 3.5 * s } else { 6.0 * long + 2.0 * s }
}

/// What orthogonalising a matrix needs room for. Of its sides `s` is the smaller.
struct Room {
    packer: Packer,
    rows: usize,
    cols: usize,
    s: usize,
    /// W·Wᵀ, with W the matrix laid wide (s, long).
    gram: Scratch,
    /// A polynomial of it.
    poly: Scratch,
    left: Panels,
    right: Panels,
    square: Panels,
    wide_left: Panels,
    wide_right: Panels,
    other: Panels,
}

impl Room {
    fn new(rows: usize, cols: usize) -> Self {
        let packer = Packer::new(Precision::Bf16);
        let (s, long) = (rows.min(cols), rows.max(cols));
        let [gram, poly] = [0; 2].map(|_| Scratch::take(s * s));
        let [left, right, square] = [0; 3].map(|_| packer.panels(s, s));
        let [wide_left, wide_right] = [0; 2].map(|_| packer.panels(s, long));
        let other = packer.panels(long, s);
        Self { packer, rows, cols, s, gram, poly, left, right, square, wide_left, wide_right, other }
    }

    /// Multiplies `x` by each polynomial in turn.
    fn step_by_step(&mut self, x: &mut [f32]) {
        for step in STEPS {
            self.gram_of(x);
            self.polynomial(step);
            self.multiply(x);
        }
    }

    /// Multiplies `x` by the first two polynomials, takes its Gram matrix alone through the others, and multiplies `x` by the
    /// product of these. With s the smaller side and l the greater that is 4.5 s² l + 3.5 s³ products for 6 s² l + 2 s³.
    ///
    /// Not sooner: the second step makes some great singular values small, by taking great numbers from each other that are
    /// rounded to bf16, and the Gram matrix has their squares. With one step before it they ended off by up to .6.
    fn in_gram_form(&mut self, x: &mut [f32]) {
        let Self { packer, s, .. } = *self;
        let [first, second, third, fourth] = STEPS;
        for step in [first, second] {
            self.gram_of(x);
            self.polynomial(step);
            self.multiply(x);
        }
        self.gram_of(x);
        self.polynomial(third);
        let [mut of_third, mut product] = [0; 2].map(|_| Scratch::take(s * s));
        std::mem::swap(&mut self.poly, &mut of_third);
        // The Gram matrix as if W had been multiplied: poly · gram · poly. All are polynomials of one matrix, so their
        // products are symmetric, and in whatever order the same.
        packer.pack_left(Mat::new(&of_third, s, s), &mut self.left);
        symmetric(packer, &self.left, &self.right, s, &mut product, s);
        packer.pack_right(Mat::new(&product, s, s), &mut self.right);
        symmetric(packer, &self.left, &self.right, s, &mut self.gram, s);
        self.polynomial(fourth);
        packer.pack_left(Mat::new(&self.poly, s, s), &mut self.left);
        packer.pack_right(Mat::new(&of_third, s, s), &mut self.square);
        symmetric(packer, &self.left, &self.square, s, &mut product, s);
        std::mem::swap(&mut self.poly, &mut product);
        self.multiply(x);
    }

    /// `gram = W·Wᵀ`.
    fn gram_of(&mut self, x: &[f32]) {
        let m = Mat::new(x, self.rows, self.cols);
        let wide = if self.rows > self.cols { m.t() } else { m };
        self.packer.pack_left(wide, &mut self.wide_left);
        self.packer.pack_right(wide.t(), &mut self.wide_right);
        symmetric(self.packer, &self.wide_left, &self.wide_right, wide.cols, &mut self.gram, self.s);
    }

    /// `poly = a · I + b · gram + c · gram²`; `right` is then `gram`.
    fn polynomial(&mut self, step: [f32; 3]) {
        let gram = Mat::new(&self.gram, self.s, self.s);
        self.packer.pack_left(gram, &mut self.left);
        self.packer.pack_right(gram, &mut self.right);
        symmetric(self.packer, &self.left, &self.right, self.s, &mut self.poly, self.s);
        combine(&self.gram, &mut self.poly, self.s, step);
    }

    /// `W = poly · W`. X·Xᵀ·X and X·(Xᵀ·X) are the same, so a tall matrix needs no copy.
    fn multiply(&mut self, x: &mut [f32]) {
        let Self { packer, rows, cols, s, .. } = *self;
        let (m, p) = (Mat::new(x, rows, cols), Mat::new(&self.poly, s, s));
        let (long, short) = (&mut self.other, &mut self.square);
        let (left, right) = if rows > cols {
            packer.pack_left(m, long);
            packer.pack_right(p, short);
            (long, short)
        } else {
            packer.pack_left(p, short);
            packer.pack_right(m, long);
            (short, long)
        };
        packer.ready().product(left.at(0, 0), right.at(0, 0), s, MatMut::new(x, rows, cols), false);
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
    /// Singular values from .4 to .002 of the whole, in both forms: those from .006 on come close to one, their vectors where
    /// they were.
    #[test]
    fn small_singular_values_come_as_close() {
        for (rows, cols) in [(64, 64), (64, 160), (160, 64), (96, 100)] {
            let s = rows.min(cols);
            let (u, v) = (orthonormal(s, rows, 3), orthonormal(s, cols, 4));
            let sigma = |i: usize| 0.005f64.powf(i as f64 / (s - 1) as f64);
            let length = 1.01 * (0..s).map(|i| sigma(i).powi(2)).sum::<f64>().sqrt();
            let mut x = vec![0.0; rows * cols];
            for (i, (u, v)) in u.iter().zip(&v).enumerate() {
                for (row, u) in x.chunks_exact_mut(cols).zip(u) {
                    row.iter_mut().zip(v).for_each(|(x, v)| *x += (sigma(i) / length * u * v) as f32);
                }
            }
            for run in [Room::step_by_step, Room::in_gram_form] {
                let mut x = x.clone();
                run(&mut Room::new(rows, cols), &mut x);
                let value = |i: usize| {
                    let along =
                        |row: &[f32]| row.iter().zip(&v[i]).map(|(&x, v)| f64::from(x) * v).sum::<f64>();
                    x.chunks_exact(cols).zip(&u[i]).map(|(row, u)| u * along(row)).sum::<f64>()
                };
                let off: Vec<f64> =
                    (0..s).filter(|&i| sigma(i) / length > 0.006).map(|i| (value(i) - 1.0).abs()).collect();
                let (mean, most) =
                    (off.iter().sum::<f64>() / off.len() as f64, off.iter().copied().fold(0.0, f64::max));
                println!("{rows} × {cols}: off by {mean:.3}, {most:.3} at most");
                assert!(mean < 0.08 && most < 0.25, "{rows} × {cols}: off by {mean}, {most} at most");
            }
        }
    }

    /// `count` vectors of `len` numbers, of length one and at right angles.
    fn orthonormal(count: usize, len: usize, seed: u64) -> Vec<Vec<f64>> {
        let random = numbers(count * len, seed);
        let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
        for chunk in random.chunks_exact(len) {
            let mut vector: Vec<f64> = chunk.iter().map(|&x| f64::from(x)).collect();
            // Twice is enough to take out what rounding left.
            for other in basis.iter().chain(&basis) {
                let dot: f64 = other.iter().zip(&vector).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(other).for_each(|(x, other)| *x -= dot * other);
            }
            let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
            basis.push(vector.iter().map(|x| x / length).collect());
        }
        basis
    }
}
