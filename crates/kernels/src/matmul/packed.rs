//! Factors that are packed once and multiplied many times.
//!
//! A left factor is cut into panels of sixteen rows, a right one into panels of sixteen columns; both are runs of blocks
//! along K. Sums go along K in the same order whatever the number of threads.

use super::buffer::{Block, Blocks};
use super::kernel::{Kernel, Path, Tile};
use super::pack::{Lanes, Words, pack};
#[cfg(target_arch = "x86_64")]
use super::square::Square;
use super::{Mat, MatMut, Precision};
use rayon::prelude::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m512i, _mm512_store_si512};
use std::marker::PhantomData;

/// Lanes are filled up to this, and so is K in bf16.
pub(crate) const UNIT: usize = 32;

/// Packs factors for one path, and multiplies them.
#[derive(Clone, Copy)]
pub(crate) struct Packer(Kernel);

/// A factor in panels.
pub(crate) struct Panels {
    blocks: Blocks,
    k_blocks: usize,
    depth: usize,
}

impl Panels {
    /// How far K reaches, filled up.
    pub(crate) fn k(&self) -> usize {
        self.k_blocks * self.depth
    }

    /// Makes K shorter, or as long again as it was made.
    pub(crate) fn set_k(&mut self, k: usize) {
        self.k_blocks = k.div_ceil(self.depth);
    }

    /// Fills it with zeros.
    pub(crate) fn clear(&mut self) {
        self.blocks.fill(Block([[0; 16]; 16]));
    }

    /// Writes 32 terms in bf16 of lane `lane` of a left factor, from term `k`, a multiple of 32.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(crate) fn store(&mut self, lane: usize, k: usize, terms: __m512i) {
        let block = &mut self.blocks[lane / 16 * self.k_blocks + k / 32];
        // SAFETY: a row of a block is 64 bytes, aligned to them.
        unsafe { _mm512_store_si512(block.0[lane % 16].as_mut_ptr().cast(), terms) };
    }

    /// Writes terms `k` and `k + 1` in bf16, `k` even, of sixteen lanes of a right factor from `lane`, a multiple of 16.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(crate) fn store_words(&mut self, lane: usize, k: usize, words: __m512i) {
        let block = &mut self.blocks[lane / 16 * self.k_blocks + k / 32];
        // SAFETY: a row of a block is 64 bytes, aligned to them.
        unsafe { _mm512_store_si512(block.0[k % 32 / 2].as_mut_ptr().cast(), words) };
    }

    /// From lane `lane` and term `k` onwards; multiples of 16 and of a block's depth.
    pub(crate) fn at(&self, lane: usize, k: usize) -> Factor<'_> {
        Factor { blocks: &self.blocks[lane / 16 * self.k_blocks + k / self.depth..], k_blocks: self.k_blocks }
    }

    /// For several tasks to fill, each its own part.
    pub(crate) fn shared(&mut self) -> SharedPanels<'_> {
        SharedPanels {
            data: self.blocks.as_mut_ptr(),
            len: self.blocks.len(),
            k_blocks: self.k_blocks,
            depth: self.depth,
            life: PhantomData,
        }
    }
}

/// Part of some [`Panels`].
#[derive(Clone, Copy)]
pub(crate) struct Factor<'a> {
    blocks: &'a [Block],
    /// From one panel to the next.
    k_blocks: usize,
}

/// Panels that several tasks fill, each its own lanes and terms.
#[derive(Clone, Copy)]
pub(crate) struct SharedPanels<'a> {
    data: *mut Block,
    len: usize,
    k_blocks: usize,
    depth: usize,
    life: PhantomData<&'a mut [Block]>,
}

// SAFETY: who writes promises that no other task writes the same part.
unsafe impl Send for SharedPanels<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedPanels<'_> {}

impl SharedPanels<'_> {
    /// Packs a left factor whose first row is lane `lane`, and whose first column is term `k`.
    ///
    /// # Safety
    /// No other task writes these lanes and terms.
    pub(crate) unsafe fn pack_left(&self, packer: Packer, a: Mat, lane: usize, k: usize) {
        // SAFETY: the caller's.
        unsafe { self.pack(packer, a, Lanes::rows_of(a), (a.rows, a.cols), lane, k) };
    }

    /// Packs a right factor whose first column is lane `lane`, and whose first row is term `k`.
    ///
    /// # Safety
    /// No other task writes these lanes and terms.
    pub(crate) unsafe fn pack_right(&self, packer: Packer, b: Mat, lane: usize, k: usize) {
        // SAFETY: the caller's.
        unsafe { self.pack(packer, b, Lanes::columns_of(b), (b.cols, b.rows), lane, k) };
    }

    /// Writes a square, its columns the lanes of a left factor from `lane`, its rows the terms from `k`; multiples of 32.
    ///
    /// # Safety
    /// No other task writes these lanes and terms; the panels are pairs of bf16.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(crate) unsafe fn store_left(&self, square: &Square, lane: usize, k: usize) {
        // SAFETY: the caller's.
        unsafe { self.store(square, lane, k, true) };
    }

    /// The same into a right factor.
    ///
    /// # Safety
    /// As [`Self::store_left`].
    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(crate) unsafe fn store_right(&self, square: &Square, lane: usize, k: usize) {
        // SAFETY: the caller's.
        unsafe { self.store(square, lane, k, false) };
    }

    /// SAFETY: as above.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn store(&self, square: &Square, lane: usize, k: usize, left: bool) {
        debug_assert!(lane.is_multiple_of(32) && k.is_multiple_of(32));
        for half in 0..2 {
            let at = (lane / 16 + half) * self.k_blocks + k / 32;
            assert!(k / 32 < self.k_blocks && at < self.len, "packed: a square lies outside its panels");
            // SAFETY: inside the panels, and this task's alone.
            square.write(half, left, unsafe { &mut *self.data.add(at) });
        }
    }

    /// SAFETY: as above.
    unsafe fn pack(
        &self,
        packer: Packer,
        mat: Mat,
        src: Lanes,
        (lanes, terms): (usize, usize),
        lane: usize,
        k: usize,
    ) {
        check(mat);
        let blocks = terms.div_ceil(self.depth);
        for panel in 0..lanes.div_ceil(16) {
            let at = (lane / 16 + panel) * self.k_blocks + k / self.depth;
            let inside = k / self.depth + blocks <= self.k_blocks && at + blocks <= self.len;
            assert!(inside, "packed: a part reaches past its panels");
            // SAFETY: inside the panels, and this task's alone; the matrix lies inside its slice.
            unsafe {
                let out = std::slice::from_raw_parts_mut(self.data.add(at), blocks);
                pack(src, panel, 0..terms, (packer.0.words, packer.0.pack_block), out);
            }
        }
    }
}

fn check(mat: Mat) {
    let last = (mat.rows - 1) * mat.row_stride + (mat.cols - 1) * mat.col_stride;
    assert!(last < mat.data.len(), "packed: a matrix reaches past its slice");
}

impl Packer {
    /// For the fastest path of `precision`.
    pub(crate) fn new(precision: Precision) -> Self {
        Self(Path::best(precision))
    }

    /// `None` where the processor has no products of bf16.
    pub(crate) fn bf16() -> Option<Self> {
        let packer = Self::new(Precision::Bf16);
        packer.pairs().then_some(packer)
    }

    /// Whether it packs pairs of bf16.
    pub(crate) fn pairs(&self) -> bool {
        self.0.words == Words::Pairs
    }

    /// Room for a factor of `lanes` by `k`, of unspecified contents.
    pub(crate) fn panels(&self, lanes: usize, k: usize) -> Panels {
        let depth = self.0.words.k_per_block();
        let k_blocks = k.div_ceil(depth);
        Panels { blocks: Blocks::take(lanes.div_ceil(UNIT) * 2 * k_blocks), k_blocks, depth }
    }

    pub(crate) fn pack_left(&self, a: Mat, out: &mut Panels) {
        self.pack(a, Lanes::rows_of(a), a.rows, a.cols, out);
    }

    pub(crate) fn pack_right(&self, b: Mat, out: &mut Panels) {
        self.pack(b, Lanes::columns_of(b), b.cols, b.rows, out);
    }

    /// A right factor, packed by all threads.
    pub(crate) fn right(&self, b: Mat) -> Panels {
        let mut panels = self.panels(b.cols, b.rows);
        check(b);
        let (src, k_blocks) = (Lanes::columns_of(b), panels.k_blocks);
        let (words, block, at_once) = (self.0.words, self.0.pack_block, 4);
        panels.blocks.par_chunks_mut(at_once * k_blocks).enumerate().for_each(|(i, out)| {
            // SAFETY: kernel and packing belong together, and the matrix lies inside its slice.
            unsafe { pack(src, i * at_once, 0..b.rows, (words, block), out) };
        });
        panels
    }

    fn pack(&self, mat: Mat, src: Lanes, lanes: usize, k: usize, out: &mut Panels) {
        assert!(k.div_ceil(out.depth) == out.k_blocks, "packed: {k} terms in {} blocks", out.k_blocks);
        let blocks = lanes.div_ceil(UNIT) * 2 * out.k_blocks;
        check(mat);
        assert!(blocks <= out.blocks.len(), "packed: {lanes} lanes by {k} do not fit");
        // SAFETY: kernel and packing belong together, and the matrix lies inside its slice.
        unsafe { pack(src, 0, 0..k, (self.0.words, self.0.pack_block), &mut out.blocks[..blocks]) };
    }

    /// Gets this thread ready to multiply, until the value is dropped.
    pub(crate) fn ready(&self) -> Ready<'_> {
        Ready {
            kernel: &self.0,
            #[cfg(target_arch = "x86_64")]
            _tiles: (self.0.path == Path::Amx).then(super::amx::Tiles::configure),
            this_thread: PhantomData,
        }
    }

    /// `c (+)= left · right` over all of K, by all threads.
    pub(crate) fn product(&self, left: &Panels, right: &Panels, c: MatMut, accumulate: bool) {
        assert!(left.k_blocks == right.k_blocks, "packed: factors disagree");
        let MatMut { data, rows, cols, row_stride } = c;
        // Two tasks a thread at least, of 32 to 96 rows: their part of C stays in the second-level cache.
        let step = (rows / (2 * rayon::current_num_threads())).next_multiple_of(UNIT).clamp(UNIT, 96);
        let terms = self.0.k_blocks * left.depth;
        data[..(rows - 1) * row_stride + cols].par_chunks_mut(step * row_stride).enumerate().for_each(
            |(i, data)| {
                let ready = self.ready();
                let rows = (rows - i * step).min(step);
                for k in (0..left.k()).step_by(terms) {
                    let c = MatMut { data: &mut *data, rows, cols, row_stride };
                    let n = terms.min(left.k() - k);
                    ready.product(left.at(i * step, k), right.at(0, k), n, c, accumulate || k > 0);
                }
            },
        );
    }
}

/// A thread that is ready to multiply.
pub(crate) struct Ready<'a> {
    kernel: &'a Kernel,
    #[cfg(target_arch = "x86_64")]
    _tiles: Option<super::amx::Tiles>,
    this_thread: PhantomData<*const ()>,
}

impl Ready<'_> {
    /// `c (+)= left · right` over `k` terms, filled up to whole blocks.
    pub(crate) fn product(&self, left: Factor, right: Factor, k: usize, c: MatMut, accumulate: bool) {
        let kernel = self.kernel;
        let k_blocks = k.div_ceil(kernel.words.k_per_block());
        let reach = |f: Factor, lanes: usize| (lanes.div_ceil(UNIT) * 2 - 1) * f.k_blocks + k_blocks;
        assert!(
            reach(left, c.rows) <= left.blocks.len()
                && reach(right, c.cols) <= right.blocks.len()
                && (c.rows - 1) * c.row_stride + c.cols <= c.data.len(),
            "packed: a product reaches past its factors"
        );
        // As many columns in each tile of a row as may be: one panel alone multiplies slower than two or three.
        let panels = c.cols.div_ceil(16);
        let cols = 16 * panels.div_ceil(panels.div_ceil(kernel.b_panels));
        let rows = 16 * kernel.a_panels;
        for row in (0..c.rows).step_by(rows) {
            for kb in (0..k_blocks).step_by(kernel.k_blocks) {
                for col in (0..c.cols).step_by(cols) {
                    // SAFETY: `self` prepared the thread. Panels come in pairs, so all that a tile reads is there.
                    unsafe {
                        (kernel.tile)(Tile {
                            k_blocks: kernel.k_blocks.min(k_blocks - kb),
                            a: (left.blocks.as_ptr().add(row / 16 * left.k_blocks + kb), left.k_blocks),
                            b: (right.blocks.as_ptr().add(col / 16 * right.k_blocks + kb), right.k_blocks),
                            c: (c.data.as_mut_ptr().add(row * c.row_stride + col), c.row_stride),
                            rows: (c.rows - row).min(rows),
                            cols: (c.cols - col).min(cols),
                            accumulate: accumulate || kb > 0,
                        });
                    }
                }
            }
        }
    }
}
