//! Looks up rows of a table by token id.

use rayon::prelude::*;

/// `y[n] = weight[ids[n]]`.
///
/// Shapes: `weight` (V, C), `ids` (N), `y` (N, C). Panics if N·C disagrees or an id is not below V.
pub fn embedding(weight: &[f32], ids: &[u32], y: &mut [f32]) {
    let Some(c) = width(ids, y.len()) else { return };
    for (y, &id) in y.chunks_exact_mut(c).zip(ids) {
        y.copy_from_slice(&weight[id as usize * c..][..c]);
    }
}

/// The gradient of [`embedding`]: `dweight[ids[n]] += dy[n]`.
///
/// Shapes: `dy` (N, C), `ids` (N), `dweight` (V, C). Each row is summed in the order of n, whatever the thread
/// count. Panics if N·C disagrees or an id is not below V.
pub fn embedding_backward(dy: &[f32], ids: &[u32], dweight: &mut [f32]) {
    let Some(c) = width(ids, dy.len()) else { return };
    let vocab = dweight.len() / c;
    assert!(ids.iter().all(|&id| (id as usize) < vocab), "embedding_backward: an id is not below {vocab}");
    // Every task reads all ids and adds those in its own range of rows. Frequent ids are often neighbours, so
    // there are more ranges than threads.
    let rows = vocab.div_ceil(8 * rayon::current_num_threads()).max(1);
    dweight.par_chunks_mut(rows * c).enumerate().for_each(|(task, dweight)| {
        let first = task * rows;
        for (dy, &id) in dy.chunks_exact(c).zip(ids) {
            let row = (id as usize).wrapping_sub(first);
            if let Some(dw) = dweight.get_mut(row.saturating_mul(c)..).and_then(|d| d.get_mut(..c)) {
                for (dw, dy) in dw.iter_mut().zip(dy) {
                    *dw += dy;
                }
            }
        }
    });
}

/// C, or nothing if there is nothing to do.
fn width(ids: &[u32], elements: usize) -> Option<usize> {
    if ids.is_empty() || elements == 0 {
        assert!(elements == 0, "embedding: {elements} elements for no ids");
        return None;
    }
    assert!(elements.is_multiple_of(ids.len()), "embedding: {elements} elements for {} ids", ids.len());
    Some(elements / ids.len())
}
