//! SwiGLU in bf16, packed as it is worked out.

use super::Back;
use crate::matmul::pack_avx512::pairs;
use crate::matmul::packed::{Panels, UNIT};
use crate::matmul::square::Square;
use crate::shifted::Shift;
use crate::simd::LANES;
use std::arch::x86_64::*;

/// `h` as a left factor, of (rows, `width`) gates and ups; these in bf16 into `kept`, gates first, if there is room.
///
/// # Safety
/// The processor has AVX-512 with BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(crate) unsafe fn forward(
    gate: &[f32],
    up: &[f32],
    width: usize,
    h: &mut Panels,
    kept: Option<&mut [u16]>,
) {
    assert!(up.len() == gate.len() && kept.as_ref().is_none_or(|kept| kept.len() == 2 * gate.len()));
    let (mut kept_gate, mut kept_up) =
        kept.map_or((None, None), |kept| Some(kept.split_at_mut(gate.len())).unzip());
    for (row, (gate, up)) in gate.chunks_exact(width).zip(up.chunks_exact(width)).enumerate() {
        for col in (0..width).step_by(UNIT) {
            let inside = mask(width - col);
            let (g, u) = (load(&gate[col..], inside), load(&up[col..], inside));
            for (kept, x) in [(&mut kept_gate, g), (&mut kept_up, u)] {
                if let Some(kept) = kept {
                    let at = kept[row * width + col..].as_mut_ptr();
                    // SAFETY: as many numbers as the mask says are inside the row.
                    unsafe { _mm512_mask_storeu_epi16(at.cast(), inside, pairs(x[0], x[1])) };
                }
            }
            let h_of = |i: usize| _mm512_mul_ps(_mm512_mul_ps(g[i], sigmoid(g[i])), u[i]);
            h.store(row, col, pairs(h_of(0), h_of(1)));
        }
    }
}

/// The gradient of [`forward`]: `kept` holds gates and ups, `dh` is (rows, `width`).
///
/// # Safety
/// The processor has AVX-512 with BF16. No other task writes this part of the shared factors.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(crate) unsafe fn backward(dh: &[f32], kept: &[u16], width: usize, out: Back) {
    let rows = dh.len() / width;
    let (gate, up) = kept.split_at(dh.len());
    let one = _mm512_set1_ps(1.0);
    let Back { left: [left_gate, left_up], columns, h, at: (lane, term) } = out;
    let mut squares = [Square::new(), Square::new(), Square::new()];
    for first in (0..rows).step_by(UNIT) {
        for col in (0..width).step_by(UNIT) {
            let inside = mask(width - col);
            for pair in 0..UNIT / 2 {
                let [mut dgates, mut dups, mut hs] = [[[_mm512_setzero_ps(); 2]; 2]; 3];
                let two = dgates.iter_mut().zip(&mut dups).zip(&mut hs);
                for (row, ((dgate, dup), h)) in (first + 2 * pair..).zip(two) {
                    if row < rows {
                        let at = row * width + col;
                        let d = load(&dh[at..], inside);
                        let (g, u) = (widen(&gate[at..], inside), widen(&up[at..], inside));
                        for half in 0..2 {
                            let (d, g, u) = (d[half], g[half], u[half]);
                            let s = sigmoid(g);
                            let slope = _mm512_mul_ps(s, _mm512_fmadd_ps(g, _mm512_sub_ps(one, s), one));
                            let silu = _mm512_mul_ps(g, s);
                            dgate[half] = _mm512_mul_ps(_mm512_mul_ps(d, u), slope);
                            dup[half] = _mm512_mul_ps(d, silu);
                            h[half] = _mm512_mul_ps(silu, u);
                        }
                    }
                    left_gate.store(row, col, pairs(dgate[0], dgate[1]));
                    left_up.store(row, col, pairs(dup[0], dup[1]));
                }
                for (square, rows) in squares.iter_mut().zip([dgates, dups, hs]) {
                    square.set(pair, rows);
                }
            }
            // SAFETY: the caller's.
            unsafe {
                columns[0].store_left(&squares[0], lane + col, term + first);
                columns[1].store_left(&squares[1], lane + col, term + first);
                h.store_right(&squares[2], lane + col, term + first);
            }
        }
    }
}

/// A bit for each of the first `n` of 32.
fn mask(n: usize) -> u32 {
    ((1_u64 << n.min(UNIT)) - 1) as u32
}

/// 32 numbers in halves, zeros where the mask has no bit.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(x: &[f32], inside: u32) -> [__m512; 2] {
    assert!(x.len() >= inside.count_ones() as usize);
    // SAFETY: what the masks let through is inside.
    unsafe {
        [
            _mm512_maskz_loadu_ps(inside as u16, x.as_ptr()),
            _mm512_maskz_loadu_ps((inside >> LANES) as u16, x.as_ptr().wrapping_add(LANES)),
        ]
    }
}

/// 32 numbers in bf16, likewise.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn widen(x: &[u16], inside: u32) -> [__m512; 2] {
    assert!(x.len() >= inside.count_ones() as usize);
    // SAFETY: what the mask lets through is inside.
    let x = unsafe { _mm512_maskz_loadu_epi16(inside, x.as_ptr().cast()) };
    let wide = |half| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)));
    [wide(_mm512_castsi512_si256(x)), wide(_mm512_extracti64x4_epi64::<1>(x))]
}

/// 1 / (1 + e^−x): the reciprocal to 14 bits, then one step of Newton's.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn sigmoid(x: __m512) -> __m512 {
    // Below, it is 0: the sum would be infinite, and its reciprocal's step not a number.
    let inside = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(x, _mm512_set1_ps(-88.0));
    let minus = _mm512_sub_ps(_mm512_setzero_ps(), x);
    let y = _mm512_add_ps(_mm512_set1_ps(1.0), Shift::new(0.0).exp(minus));
    let r = _mm512_rcp14_ps(y);
    _mm512_maskz_mul_ps(inside, r, _mm512_fnmadd_ps(y, r, _mm512_set1_ps(2.0)))
}
