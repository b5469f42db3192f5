//! From logits to exponentials and their sums, packed while they are in the cache.

use super::COLUMNS;
use crate::Mat;
use crate::matmul::packed::{Packer, Panels, SharedPanels, UNIT};
#[cfg(target_arch = "x86_64")]
use crate::matmul::square::Square;
#[cfg(target_arch = "x86_64")]
use crate::shifted::Shift;
use crate::shifted::{APART, exponentials_of_row};
use crate::simd::{LANES, lanes, simd};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// What is known of some rows so far.
pub(super) struct RowSums {
    /// What is taken from each logit before the exponential.
    pub(super) shift: Vec<f32>,
    /// The target's logit.
    pub(super) target: Vec<f32>,
    /// The greatest logit but the target's, lane by lane.
    max: Vec<[f32; LANES]>,
    /// The sum of exponentials but the target's, lane by lane.
    sum: Vec<[f32; LANES]>,
    /// Whether the shifts are final, not of the first columns.
    final_shifts: bool,
}

impl RowSums {
    /// Of `rows` rows, filled up to whole [`UNIT`]s.
    pub(super) fn new(rows: usize) -> Self {
        let filled = rows.next_multiple_of(UNIT);
        Self {
            shift: vec![0.0; filled],
            target: vec![f32::NEG_INFINITY; filled],
            max: vec![[f32::NEG_INFINITY; LANES]; filled],
            sum: vec![[0.0; LANES]; filled],
            final_shifts: false,
        }
    }

    /// Takes the shift of a row from its first logits, the target's among them.
    pub(super) fn begin(&mut self, row: usize, logits: &[f32]) {
        if !self.final_shifts {
            self.shift[row] = greatest(logits);
        }
    }

    /// If a logit lies too far over its row's shift, begins anew with a greater one; then all has to be gone through again.
    pub(super) fn start_again(&mut self) -> bool {
        let greatest = self.max.iter().zip(&self.target).map(|(max, target)| greatest(max).max(*target));
        let mut again = false;
        for (shift, max) in self.shift.iter_mut().zip(greatest) {
            if max > *shift + APART {
                (*shift, again) = (max, true);
            }
        }
        if again {
            let shift = std::mem::take(&mut self.shift);
            *self = Self { final_shifts: true, ..Self::new(shift.len()) };
            self.shift = shift;
        }
        again
    }

    /// The sum of a row's exponentials but the target's, and the target's.
    pub(super) fn of(&self, row: usize) -> (f32, f32) {
        (self.sum[row].iter().sum(), (self.target[row] - self.shift[row]).exp())
    }
}

simd! {
    fn greatest<S>(x: &[f32]) -> f32 {
        let mut max = S::splat(f32::NEG_INFINITY);
        lanes!(S, (x) or f32::NEG_INFINITY => () {
            max = S::max(max, x);
            []
        });
        S::greatest(max)
    }
}

/// Makes `logits` (rows filled up to whole [`UNIT`]s, [`COLUMNS`]) exponentials, adds them up, and packs them: as a left
/// factor by columns, and as one of columns by rows at the given lane and term, that of a task's first row. Of a task's rows
/// they are `rows` from `first`; `cols` columns count. What is filled up is minus infinity. Afterwards `logits` hold nothing
/// of use.
pub(super) fn exponentials(
    packer: Packer,
    logits: &mut [f32],
    (first, rows, cols): (usize, usize, usize),
    sums: &mut RowSums,
    part: Option<&mut Panels>,
    factor: Option<(SharedPanels, usize, usize)>,
) {
    assert!(logits.len() == rows.next_multiple_of(UNIT) * COLUMNS, "linear_cross_entropy: other rows");
    #[cfg(target_arch = "x86_64")]
    if packer.pairs() {
        // SAFETY: a packer of pairs is there where its instructions are; the rows' part of the factor is this task's.
        unsafe { in_registers(logits, (first, cols), sums, part, factor) };
        return;
    }
    for (logits, row) in logits.chunks_exact_mut(COLUMNS).zip(first..first + rows) {
        exponentials_of_row(&mut logits[..cols], sums.shift[row], &mut sums.max[row], &mut sums.sum[row]);
    }
    let exps = Mat { cols, ..Mat::new(&logits[..rows * COLUMNS], rows, COLUMNS) };
    if let Some(part) = part {
        // SAFETY: nobody else has it.
        unsafe { part.shared().pack_left(packer, exps, first, 0) };
    }
    if let Some((to, lane, term)) = factor {
        // SAFETY: this task alone writes these rows' terms.
        unsafe { to.pack_left(packer, exps.t(), lane, term + first) };
    }
}

/// The same in bf16, packed without writing them as f32 first.
///
/// # Safety
/// The processor has AVX-512 with BF16. No other task writes this part of the factor.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
unsafe fn in_registers(
    logits: &[f32],
    (first, cols): (usize, usize),
    sums: &mut RowSums,
    mut part: Option<&mut Panels>,
    factor: Option<(SharedPanels, usize, usize)>,
) {
    use crate::matmul::pack_avx512::pairs;
    use crate::simd::{Avx512, Simd};
    let mut square = Square::new();
    for (logits, first) in logits.chunks_exact(UNIT * COLUMNS).zip((first..).step_by(UNIT)) {
        for col in (0..cols).step_by(UNIT) {
            for pair in 0..UNIT / 2 {
                let mut rows = [[_mm512_setzero_ps(); 2]; 2];
                for (r, out) in rows.iter_mut().enumerate() {
                    let r = 2 * pair + r;
                    let row = first + r;
                    let at = &logits[r * COLUMNS + col..][..UNIT];
                    // SAFETY: 32 numbers of the row; sums and maxima are sixteen.
                    unsafe {
                        let (a, b) = (_mm512_loadu_ps(at.as_ptr()), _mm512_loadu_ps(at.as_ptr().add(LANES)));
                        let shift = Shift::new(sums.shift[row]);
                        let max = _mm512_loadu_ps(sums.max[row].as_ptr());
                        let max = Avx512::max(Avx512::max(max, a), b);
                        _mm512_storeu_ps(sums.max[row].as_mut_ptr(), max);
                        let (a, b) = (shift.exp(a), shift.exp(b));
                        let sum = _mm512_loadu_ps(sums.sum[row].as_ptr());
                        let sum = _mm512_add_ps(_mm512_add_ps(sum, a), b);
                        _mm512_storeu_ps(sums.sum[row].as_mut_ptr(), sum);
                        *out = [a, b];
                    }
                    if let Some(part) = part.as_deref_mut() {
                        part.store(row, col, pairs(out[0], out[1]));
                    }
                }
                square.set(pair, rows);
            }
            if let Some((to, lane, term)) = factor {
                // SAFETY: the caller's.
                unsafe { to.store_left(&square, lane + col, term + first) };
            }
        }
    }
}
