//! The tiles of the backward pass in bf16, with everything but the probabilities packed once.

use super::backward::Head;
use super::in_registers;
use super::tiles::{Seen, TILE, padded};
use crate::matmul::packed::{Packer, Panels, UNIT};
use crate::{Mat, MatMut};

/// All tiles of one key head; `seen(i, j)` says what queries of tile `i` see if they see keys of tile `j`.
pub(super) fn run<'a>(
    heads: &mut [Head],
    (k, v): (&[f32], &[f32]),
    d: usize,
    bf16: Packer,
    seen: impl Fn(usize, usize) -> Option<Seen<'a>>,
    dk: &mut [f32],
    dv: &mut [f32],
) {
    let tokens = k.len() / d;
    let width = padded(d);
    let k = Mat::new(k, tokens, d);
    // Whole tiles of keys are read, also where the tokens end before.
    let whole = tokens.next_multiple_of(TILE);
    let k_columns = right(bf16, k.t(), whole);
    let v_columns = right(bf16, Mat::new(v, tokens, d).t(), whole);
    let k_rows = right(bf16, k, d);
    let queries: Vec<Packed> = heads.iter().map(|head| Packed::new(head, width, bf16)).collect();
    let (mut p, mut ds) = (vec![0.0; TILE * TILE], vec![0.0; TILE * TILE]);
    let tile = || bf16.panels(TILE, TILE);
    let mut tile = in_registers::Packed { p_right: tile(), ds_right: tile(), ds_left: tile() };
    // Transposed, (width, TILE): the probabilities then are a right factor as they lie, queries following each other.
    let (mut dk_tile, mut dv_tile) = (vec![0.0; width * TILE], vec![0.0; width * TILE]);
    let ready = bf16.ready();
    for (j, (dk, dv)) in dk.chunks_mut(TILE * d).zip(dv.chunks_mut(TILE * d)).enumerate() {
        dk_tile.fill(0.0);
        dv_tile.fill(0.0);
        for (head, packed) in heads.iter_mut().zip(&queries) {
            for i in j..head.tiles() {
                let Some(seen) = seen(i, j) else { continue };
                let (query, key) = (i * TILE, j * TILE);
                let terms = packed.q.k();
                let square = |x| MatMut::new(x, TILE, TILE);
                ready.product(packed.q.at(query, 0), k_columns.at(key, 0), terms, square(&mut p), false);
                ready.product(packed.dout.at(query, 0), v_columns.at(key, 0), terms, square(&mut ds), false);
                // SAFETY: a packer of bf16 is there where its instructions are.
                unsafe {
                    in_registers::probabilities(&p, &ds, seen, j, head.lse, &head.delta, &mut tile);
                }
                let tall = |x| MatMut::new(x, width, TILE);
                ready.product(
                    packed.dout_columns.at(0, query),
                    tile.p_right.at(0, 0),
                    TILE,
                    tall(&mut dv_tile),
                    true,
                );
                ready.product(
                    packed.q_columns.at(0, query),
                    tile.ds_right.at(0, 0),
                    TILE,
                    tall(&mut dk_tile),
                    true,
                );
                let dq = MatMut::new(&mut head.dq[query * width..][..TILE * width], TILE, width);
                let keys = (tokens - key).next_multiple_of(UNIT).min(TILE);
                ready.product(tile.ds_left.at(0, 0), k_rows.at(0, key), keys, dq, true);
            }
        }
        take_columns(&dk_tile, d, dk);
        take_columns(&dv_tile, d, dv);
    }
}

/// One head's queries and their gradients, the ways that the products read them.
struct Packed {
    /// Queries by D.
    q: Panels,
    dout: Panels,
    /// D by queries.
    q_columns: Panels,
    dout_columns: Panels,
}

impl Packed {
    fn new(head: &Head, width: usize, bf16: Packer) -> Self {
        let rows = |x: &'_ [f32]| left(bf16, Mat::new(x, x.len() / width, width));
        let columns = |x: &'_ [f32]| left(bf16, Mat::new(x, x.len() / width, width).t());
        Self {
            q: rows(&head.q),
            dout: rows(&head.dout),
            q_columns: columns(&head.q),
            dout_columns: columns(&head.dout),
        }
    }
}

fn left(bf16: Packer, a: Mat) -> Panels {
    let mut panels = bf16.panels(a.rows, a.cols);
    bf16.pack_left(a, &mut panels);
    panels
}

/// With room for `lanes` columns, those beyond the matrix's own zero.
fn right(bf16: Packer, b: Mat, lanes: usize) -> Panels {
    let mut panels = bf16.panels(lanes, b.rows);
    if b.cols.next_multiple_of(UNIT) < lanes {
        panels.clear();
    }
    bf16.pack_right(b, &mut panels);
    panels
}

/// Rows of `d` numbers out of (width, TILE).
fn take_columns(x: &[f32], d: usize, out: &mut [f32]) {
    for (t, out) in out.chunks_exact_mut(d).enumerate() {
        for (j, out) in out.iter_mut().enumerate() {
            *out = x[j * TILE + t];
        }
    }
}
