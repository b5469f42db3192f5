//! Attention of new positions to those in pages of a cache, for several sequences at once.

mod attend;
mod page;
#[cfg(test)]
mod tests;

pub use page::{PAGE, Page, PageShape};

use crate::pool::{parallel, threads};
use attend::{Found, MOST_ROWS, Tile, attend};
use std::sync::Arc;

/// What attention in one layer is like.
#[derive(Clone, Copy, Debug)]
pub struct PagedAttention {
    /// Which layer of the pages.
    pub layer: usize,
    /// H: query heads.
    pub heads: usize,
    /// Scores are multiplied by this.
    pub scale: f32,
    /// Scores are bent to ±cap: cap · tanh(score / cap).
    pub softcap: Option<f32>,
    /// A position sees this many, itself included; all before it where there is none.
    pub window: Option<usize>,
    /// Whether a position sees those after it, too: an encoder.
    pub both_ways: bool,
}

/// New positions of one sequence, whose keys and values are in its pages already.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// Pages of the positions from 0 on.
    pub pages: &'a [Arc<Page>],
    /// The first new position.
    pub first: usize,
    /// How many there are.
    pub tokens: usize,
}

/// Positions that a task goes through where there are few queries: about half a megabyte of a cache.
const CHUNK: usize = 8 * PAGE;

/// What each new position takes from those that it sees.
///
/// Shapes: `q` (N, `width`) whose first H·D numbers of a row are the queries of a position, N the sum of all spans' tokens;
/// `out` (N, H·D). The result does not depend on the threads, nor on the other spans.
/// Panics if shapes disagree or a span's pages do not reach its last position.
pub fn paged_attention(how: PagedAttention, spans: &[Span], q: &[f32], width: usize, out: &mut [f32]) {
    let n: usize = spans.iter().map(|span| span.tokens).sum();
    let Some(shape) = spans.iter().find_map(|span| span.pages.first()).map(|page| page.shape()) else {
        assert!(n == 0, "paged_attention: positions without pages");
        return;
    };
    let (kv_heads, d) = (shape.kv_heads, shape.head_dim);
    assert!(
        q.len() == n * width && out.len() == n * how.heads * d && width >= how.heads * d,
        "paged_attention: shapes disagree"
    );
    assert!(how.heads.is_multiple_of(kv_heads), "paged_attention: {} heads over {kv_heads}", how.heads);
    let group = how.heads / kv_heads;
    let together = (MOST_ROWS / group).max(1);
    let mut tiles = Vec::new();
    let mut row = 0;
    for span in spans {
        assert!(
            span.first + span.tokens <= span.pages.len() * PAGE && span.pages.iter().all(|p| p.shape() == shape),
            "paged_attention: {} pages for {} positions",
            span.pages.len(),
            span.first + span.tokens
        );
        for first in (0..span.tokens).step_by(together) {
            let count = together.min(span.tokens - first);
            let (from, to) = how.seen(span, span.first + first, count);
            // Long sequences are cut where one new position would leave threads without work.
            let step = if span.tokens <= 8 { CHUNK } else { usize::MAX / 2 };
            let from = from / PAGE * PAGE;
            let chunks = (to - from).div_ceil(step);
            for kv_head in 0..kv_heads {
                // More query heads than go together are cut, too.
                for head in (0..group).step_by(MOST_ROWS) {
                    for chunk in 0..chunks {
                        tiles.push(Tile {
                            pages: span.pages,
                            row: row + first,
                            position: span.first + first,
                            count,
                            kv_head,
                            heads: (kv_head * group + head, MOST_ROWS.min(group - head)),
                            from: from + chunk * step,
                            to: to.min(from + (chunk + 1) * step),
                            chunks,
                        });
                    }
                }
            }
        }
        row += span.tokens;
    }
    let out = Out(out.as_mut_ptr());
    let found: Vec<std::sync::OnceLock<Found>> = tiles.iter().map(|_| std::sync::OnceLock::new()).collect();
    let run = |index: usize| {
        let (tile, out) = (&tiles[index], &out);
        let result = attend(how, shape, tile, q, width);
        if tile.chunks == 1 {
            // SAFETY: this tile alone has these heads of these rows.
            unsafe { out.put(how, d, tile, &result) };
        } else {
            let _ = found[index].set(result);
        }
    };
    // A few short sequences are faster done than shared.
    let work: usize = tiles.iter().map(|tile| (tile.to - tile.from) * tile.count * tile.heads.1 * d).sum();
    if threads() == 1 || work < 1 << 14 { (0..tiles.len()).for_each(run) } else { parallel(tiles.len(), run) }
    let mut index = 0;
    while let Some(tile) = tiles.get(index) {
        if tile.chunks > 1 {
            let parts = found[index..index + tile.chunks].iter().filter_map(std::sync::OnceLock::get);
            if let Some(whole) = parts.cloned().reduce(Found::join) {
                // SAFETY: all tasks have ended.
                unsafe { out.put(how, d, tile, &whole) };
            }
        }
        index += tile.chunks;
    }
}

impl PagedAttention {
    /// From the first position that any of `count` positions from `position` on sees to past the last.
    fn seen(&self, span: &Span, position: usize, count: usize) -> (usize, usize) {
        if self.both_ways {
            return (0, span.first + span.tokens);
        }
        (self.window.map_or(0, |window| (position + 1).saturating_sub(window)), position + count)
    }
}

struct Out(*mut f32);

// SAFETY: tiles write disjoint parts.
unsafe impl Sync for Out {}

impl Out {
    /// SAFETY: nobody else writes these heads of these rows.
    unsafe fn put(&self, how: PagedAttention, d: usize, tile: &Tile, found: &Found) {
        for t in 0..tile.count {
            for h in 0..tile.heads.1 {
                let at = ((tile.row + t) * how.heads + tile.heads.0 + h) * d;
                // SAFETY: the caller's; the head lies inside `out`.
                let out = unsafe { std::slice::from_raw_parts_mut(self.0.add(at), d) };
                found.read(t * tile.heads.1 + h, out);
            }
        }
    }
}
