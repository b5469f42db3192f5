//! The gate of the feed-forward layer.

#[cfg(target_arch = "x86_64")]
mod in_registers;

use crate::Mat;
use crate::kept::{Kept, Part};
use crate::matmul::packed::{Packer, Panels, SharedPanels};
use crate::simd::{Simd, lanes, simd};

simd! {
    /// `h = silu(gate) · up`, with `silu(g) = g / (1 + e^−g)`. Panics if lengths disagree. Source: arXiv:2002.05202.
    pub(crate) fn forward<S>(gate: &[f32], up: &[f32], h: &mut [f32]) {
        lanes!(S, (gate, up) => (h) { [S::mul(S::mul(gate, sigmoid::<S>(gate)), up)] });
    }
}

simd! {
    /// The gradient of [`forward`], and `h` once more. Panics if lengths disagree.
    ///
    /// With s = 1 / (1 + e^−g): dgate = dh · up · s · (1 + g · (1 − s)), dup = dh · g · s.
    pub(crate) fn backward<S>(
        dh: &[f32], gate: &[f32], up: &[f32], dgate: &mut [f32], dup: &mut [f32], h: &mut [f32],
    ) {
        let one = S::splat(1.0);
        lanes!(S, (dh, gate, up) => (dgate, dup, h) {
            let s = sigmoid::<S>(gate);
            let slope = S::mul(s, S::fma(gate, S::sub(one, s), one));
            let silu = S::mul(gate, s);
            [S::mul(S::mul(dh, up), slope), S::mul(dh, silu), S::mul(silu, up)]
        });
    }
}

/// Gates and ups (rows, `width`) into `h` as a left factor; kept, if `kept` says where. `room` is for `h` in f32, where it is
/// not packed from registers.
pub(crate) fn pack_forward(
    packer: Packer,
    (gate, up, room): (&[f32], &[f32], &mut [f32]),
    width: usize,
    h: &mut Panels,
    kept: Option<(&mut Part, usize)>,
) {
    #[cfg(target_arch = "x86_64")]
    if packer.pairs() {
        let kept = kept.and_then(|(part, at)| part.halves(at, 2 * gate.len()));
        // SAFETY: a packer of pairs is there where its instructions are.
        unsafe { in_registers::forward(gate, up, width, h, kept) };
        return;
    }
    if let Some((part, at)) = kept {
        part.write(at, gate);
        part.write(at + gate.len(), up);
    }
    let room = &mut room[..gate.len()];
    forward(gate, up, room);
    packer.pack_left(Mat::new(room, gate.len() / width, width), h);
}

/// The gradient of [`pack_forward`] from `dh` (rows, `width`) and what was kept. `gate_up` and `rest`, twice and three times as
/// long as `dh`, are room in f32, where it is not packed from registers.
///
/// # Safety
/// No other task writes this part of the shared factors.
pub(crate) unsafe fn pack_backward(
    packer: Packer,
    dh: &[f32],
    (kept, at): (&Kept, usize),
    (gate_up, rest): (&mut [f32], &mut [f32]),
    width: usize,
    out: Back,
) {
    let size = dh.len();
    #[cfg(target_arch = "x86_64")]
    if packer.pairs()
        && let Some(kept) = kept.halves(at, 2 * size)
    {
        // SAFETY: a packer of pairs is there where its instructions are; and the caller's.
        unsafe { in_registers::backward(dh, kept, width, out) };
        return;
    }
    kept.read(at, gate_up);
    let (gate, up) = gate_up.split_at(size);
    let (dgate, rest) = rest.split_at_mut(size);
    let (dup, h) = rest.split_at_mut(size);
    backward(dh, gate, up, dgate, dup, h);
    let (rows, (lane, term)) = (size / width, out.at);
    for ((d, left), to) in [&*dgate, &*dup].into_iter().zip(out.left).zip(out.columns) {
        let d = Mat::new(d, rows, width);
        packer.pack_left(d, left);
        // SAFETY: the caller's.
        unsafe { to.pack_left(packer, d.t(), lane, term) };
    }
    // SAFETY: the caller's.
    unsafe { out.h.pack_right(packer, Mat::new(h, rows, width), lane, term) };
}

/// Gradients of gates and ups (rows, width), and `h` once more, as factors.
pub(crate) struct Back<'a> {
    /// Left factors, rows by columns.
    pub(crate) left: [&'a mut Panels; 2],
    /// Left factors, columns by rows.
    pub(crate) columns: [SharedPanels<'a>; 2],
    /// A right factor, columns by rows.
    pub(crate) h: SharedPanels<'a>,
    /// The first column and the first row among the shared factors' lanes and terms.
    pub(crate) at: (usize, usize),
}

#[inline(always)]
fn sigmoid<S: Simd>(x: S::V) -> S::V {
    S::div(S::splat(1.0), S::add(S::splat(1.0), S::exp(S::sub(S::splat(0.0), x))))
}
