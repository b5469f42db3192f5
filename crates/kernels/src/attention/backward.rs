//! The gradient of attention, with the scores computed again tile by tile.

use super::AttentionShape;
#[cfg(target_arch = "x86_64")]
use super::backward_bf16;
use super::keys::{Rows, transposed_tiles};
use super::product::{Left, product};
use super::tiles::{Seen, TILE, dot, pad_rows, padded};
use crate::Precision;
use crate::matmul::buffer::Scratch;
use crate::matmul::packed::Packer;
use crate::simd::{lanes, simd};
use rayon::prelude::*;

/// The gradient of [`attention`](super::attention): overwrites `dq`, `dk`, `dv`.
///
/// Shapes: as in the forward pass; `out` and `dout` (B·T, H·D), `lse` (B, H, T), `dq` (B, H, T, D), `dk` and `dv`
/// (B, K, T, D), summed over the query heads of a group in order. Panics if shapes disagree.
/// With P the probabilities and δ = Σ dout · out: dv = Pᵀ · dout, dS = P · (dout · vᵀ − δ), dq = dS · k · scale,
/// dk = dSᵀ · q · scale.
#[expect(clippy::too_many_arguments, reason = "one slice for each tensor")]
pub fn attention_backward(
    shape: AttentionShape,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    starts: &[u32],
    scale: f32,
    out: &[f32],
    lse: &[f32],
    dout: &[f32],
    dq: &mut [f32],
    dk: &mut [f32],
    dv: &mut [f32],
    precision: Precision,
) {
    let AttentionShape { batch, tokens, heads, kv_heads, head_dim: d } = shape;
    let group = shape.group();
    shape.check_starts(starts);
    assert!(
        [q.len(), out.len(), dout.len(), dq.len()].iter().all(|&n| n == shape.q_len())
            && [k.len(), v.len(), dk.len(), dv.len()].iter().all(|&n| n == shape.kv_len())
            && lse.len() == batch * heads * tokens,
        "attention_backward: shapes disagree"
    );
    if q.is_empty() {
        return;
    }
    let bf16 = if precision == Precision::Bf16 { Packer::bf16() } else { None };
    let len = tokens * d;
    let inputs = q
        .par_chunks(group * len)
        .zip(lse.par_chunks(group * tokens))
        .zip(k.par_chunks(len).zip(v.par_chunks(len)));
    let outputs = dq.par_chunks_mut(group * len).zip(dk.par_chunks_mut(len).zip(dv.par_chunks_mut(len)));
    inputs.zip(outputs).enumerate().for_each(|(i, (((q, lse), (k, v)), (dq, (dk, dv))))| {
        let (b, first_head) = (i / kv_heads, i % kv_heads * group);
        let mut heads: Vec<Head> = (0..group)
            .map(|g| {
                let at = (b * tokens * heads + first_head + g) * d;
                Head::new(
                    shape,
                    &q[g * len..][..len],
                    scale,
                    &lse[g * tokens..][..tokens],
                    &out[at..],
                    &dout[at..],
                )
            })
            .collect();
        let seen = |i: usize, j: usize| {
            let seen = Seen::of(shape, starts, b, i * TILE, TILE);
            seen.any(j * TILE, TILE).then_some(seen)
        };
        match bf16 {
            #[cfg(target_arch = "x86_64")]
            Some(bf16) => backward_bf16::run(&mut heads, (k, v), d, bf16, seen, dk, dv),
            _ => run(&mut heads, (k, v), d, seen, dk, dv),
        }
        for (head, dq) in heads.iter().zip(dq.chunks_mut(len)) {
            take_rows(&head.dq, d, scale, dq);
        }
    });
}

/// All tiles of one key head, in f32; `seen(i, j)` says what queries of tile `i` see if they see keys of tile `j`.
fn run<'a>(
    heads: &mut [Head],
    (k, v): (&[f32], &[f32]),
    d: usize,
    seen: impl Fn(usize, usize) -> Option<Seen<'a>>,
    dk: &mut [f32],
    dv: &mut [f32],
) {
    let keys = Keys {
        k: Rows::new(k, d),
        k_transposed: transposed_tiles(k, d),
        v_transposed: transposed_tiles(v, d),
    };
    let width = padded(d);
    let (mut dk_tile, mut dv_tile) = (vec![0.0; TILE * width], vec![0.0; TILE * width]);
    for (j, (dk, dv)) in dk.chunks_mut(TILE * d).zip(dv.chunks_mut(TILE * d)).enumerate() {
        dk_tile.fill(0.0);
        dv_tile.fill(0.0);
        for head in heads.iter_mut() {
            for i in j..head.tiles() {
                if let Some(seen) = seen(i, j) {
                    add_tile(head, &keys, seen, j, &mut dk_tile, &mut dv_tile);
                }
            }
        }
        take_rows(&dk_tile, d, 1.0, dk);
        take_rows(&dv_tile, d, 1.0, dv);
    }
}

/// Rows of `d` numbers out of wider ones.
fn take_rows(x: &[f32], d: usize, scale: f32, out: &mut [f32]) {
    for (out, x) in out.chunks_exact_mut(d).zip(x.chunks_exact(padded(d))) {
        for (out, x) in out.iter_mut().zip(x) {
            *out = x * scale;
        }
    }
}

/// One query head; tokens filled up to whole tiles, head_dim to whole vectors.
pub(super) struct Head<'a> {
    /// Times the scale.
    pub(super) q: Scratch,
    pub(super) dout: Scratch,
    /// Not yet times the scale.
    pub(super) dq: Scratch,
    pub(super) lse: &'a [f32],
    /// Σ dout · out of each token.
    pub(super) delta: Vec<f32>,
}

impl<'a> Head<'a> {
    /// Tiles of queries.
    pub(super) fn tiles(&self) -> usize {
        self.lse.len().div_ceil(TILE)
    }

    /// `out` and `dout` begin at this head of the row's first token.
    fn new(shape: AttentionShape, q: &[f32], scale: f32, lse: &'a [f32], out: &[f32], dout: &[f32]) -> Self {
        let d = shape.head_dim;
        let width = padded(d);
        let len = shape.tokens.next_multiple_of(TILE) * width;
        let [q_rows, dout_rows, mut dq] = [0; 3].map(|_| Scratch::take(len));
        dq.fill(0.0);
        let delta = Vec::with_capacity(shape.tokens);
        let mut head = Self { q: q_rows, dout: dout_rows, dq, lse, delta };
        pad_rows(q, d, width, scale, &mut head.q);
        head.q[shape.tokens * width..].fill(0.0);
        head.dout[shape.tokens * width..].fill(0.0);
        let stride = shape.heads * d;
        let rows = dout.chunks(stride).zip(out.chunks(stride)).zip(head.dout.chunks_exact_mut(width));
        for ((dout, out), row) in rows.take(shape.tokens) {
            row[..d].copy_from_slice(&dout[..d]);
            row[d..].fill(0.0);
            head.delta.push(dot(&dout[..d], &out[..d]));
        }
        head
    }
}

/// The keys and values of one head.
struct Keys<'a> {
    k: Rows<'a>,
    k_transposed: Vec<f32>,
    v_transposed: Vec<f32>,
}

simd! {
    /// What the queries and key tile `j` add to each other's gradients.
    fn add_tile<S>(
        head: &mut Head, keys: &Keys, queries: Seen, j: usize, dk: &mut [f32], dv: &mut [f32],
    ) {
        let width = dk.len() / TILE;
        let m = queries.rows.next_multiple_of(8);
        let (mut p, mut ds) = ([0.0; TILE * TILE], [0.0; TILE * TILE]);
        let tile = queries.first * width..(queries.first + TILE) * width;
        let (q, dout, dq) = (&head.q[tile.clone()], &head.dout[tile.clone()], &mut head.dq[tile]);
        let kt = &keys.k_transposed[j * TILE * width..][..TILE * width];
        let vt = &keys.v_transposed[j * TILE * width..][..TILE * width];
        let rows = |x: &[f32]| Left { data: x.as_ptr(), row: width, col: 1 };
        // SAFETY: (m, width) · (width, TILE), all inside their slices.
        unsafe {
            product::<S>([m, TILE, width], rows(q), (kt.as_ptr(), TILE), (p.as_mut_ptr(), TILE), false);
            product::<S>([m, TILE, width], rows(dout), (vt.as_ptr(), TILE), (ds.as_mut_ptr(), TILE), false);
        }
        probabilities(&mut p, &mut ds, queries, j, head.lse, &head.delta);
        let n = queries.rows;
        let columns = |x: &[f32]| Left { data: x.as_ptr(), row: 1, col: TILE };
        let keys_here = (keys.k.get().len() / width - j * TILE).min(TILE);
        let k = &keys.k.get()[j * TILE * width..][..keys_here * width];
        // SAFETY: (TILE, n) · (n, width) and (m, keys_here) · (keys_here, width), all inside their slices.
        unsafe {
            product::<S>([TILE, width, n], columns(&p), (dout.as_ptr(), width), (dv.as_mut_ptr(), width), true);
            product::<S>([TILE, width, n], columns(&ds), (q.as_ptr(), width), (dk.as_mut_ptr(), width), true);
            let ds = Left { data: ds.as_ptr(), row: TILE, col: 1 };
            product::<S>([m, width, keys_here], ds, (k.as_ptr(), width), (dq.as_mut_ptr(), width), true);
        }
    }
}

simd! {
    /// Scores `p` and products `ds = dout · vᵀ`, both (TILE, TILE), into probabilities and gradients of the scores.
    fn probabilities<S>(p: &mut [f32], ds: &mut [f32], seen: Seen, j: usize, lse: &[f32], delta: &[f32]) {
        let rows = p.chunks_exact_mut(TILE).zip(ds.chunks_exact_mut(TILE)).take(seen.rows);
        for (i, (p, ds)) in rows.enumerate() {
            let (from, to) = seen.by(i, j * TILE, TILE);
            p[..from].fill(f32::NEG_INFINITY);
            p[to..].fill(f32::NEG_INFINITY);
            let (lse, delta) = (S::splat(lse[seen.first + i]), S::splat(delta[seen.first + i]));
            lanes!(S, (p, ds) => (p, ds) {
                let p = S::exp(S::sub(p, lse));
                [p, S::mul(p, S::sub(ds, delta))]
            });
        }
    }
}
