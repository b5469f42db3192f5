//! Factors that are packed once and multiplied many times, for attention: bf16 in hardware, on the calling thread.

use super::buffer::Block;
use super::kernel::{Kernel, Path, Tile};
use super::pack::{Lanes, Words, pack};
use super::{Mat, MatMut, Precision};
use std::marker::PhantomData;

/// Panels and K are filled up with zeros to this.
pub(crate) const UNIT: usize = 32;

/// The processor's bf16 products.
#[derive(Clone, Copy)]
pub(crate) struct Bf16(Kernel);

/// A factor, cut into panels of sixteen lanes: rows of a left one, columns of a right one.
pub(crate) struct Panels {
    blocks: Vec<Block>,
    k_blocks: usize,
}

impl Panels {
    /// Room for `lanes` by `k`.
    pub(crate) fn new(lanes: usize, k: usize) -> Self {
        let k_blocks = k.div_ceil(UNIT);
        Self { blocks: vec![Block([[0; 16]; 16]); lanes.div_ceil(UNIT) * 2 * k_blocks], k_blocks }
    }

    /// How far K reaches, filled up.
    pub(crate) fn k(&self) -> usize {
        self.k_blocks * UNIT
    }

    /// Makes K shorter, or as long again as it was made.
    pub(crate) fn set_k(&mut self, k: usize) {
        self.k_blocks = k.div_ceil(UNIT);
    }

    /// All of K from lane `lane`, a multiple of [`UNIT`], onwards.
    pub(crate) fn lanes(&self, lane: usize) -> Factor<'_> {
        Factor { blocks: &self.blocks[lane / 16 * self.k_blocks..], k_blocks: self.k_blocks }
    }

    /// All lanes from `k`, a multiple of [`UNIT`], onwards.
    pub(crate) fn terms(&self, k: usize) -> Factor<'_> {
        Factor { blocks: &self.blocks[k / UNIT..], k_blocks: self.k_blocks }
    }
}

/// Part of some [`Panels`].
#[derive(Clone, Copy)]
pub(crate) struct Factor<'a> {
    blocks: &'a [Block],
    /// From one panel to the next.
    k_blocks: usize,
}

impl Bf16 {
    /// `None` where the processor has no products of bf16.
    pub(crate) fn available() -> Option<Self> {
        let kernel = Path::best(Precision::Bf16);
        (kernel.words == Words::Pairs).then_some(Self(kernel))
    }

    pub(crate) fn pack_left(&self, a: Mat, out: &mut Panels) {
        self.pack(a, Lanes::rows_of(a), a.rows, a.cols, out);
    }

    pub(crate) fn pack_right(&self, b: Mat, out: &mut Panels) {
        self.pack(b, Lanes::columns_of(b), b.cols, b.rows, out);
    }

    fn pack(&self, mat: Mat, src: Lanes, lanes: usize, k: usize, out: &mut Panels) {
        assert!(k.div_ceil(UNIT) == out.k_blocks, "packed: {k} terms in {} blocks", out.k_blocks);
        let blocks = lanes.div_ceil(UNIT) * 2 * out.k_blocks;
        let last = (mat.rows - 1) * mat.row_stride + (mat.cols - 1) * mat.col_stride;
        assert!(last < mat.data.len(), "packed: a matrix reaches past its slice");
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
}

/// A thread that is ready to multiply.
pub(crate) struct Ready<'a> {
    kernel: &'a Kernel,
    #[cfg(target_arch = "x86_64")]
    _tiles: Option<super::amx::Tiles>,
    this_thread: PhantomData<*const ()>,
}

impl Ready<'_> {
    /// `c (+)= left · right` over `k` terms, a multiple of [`UNIT`].
    pub(crate) fn product(&self, left: Factor, right: Factor, k: usize, c: MatMut, accumulate: bool) {
        let kernel = self.kernel;
        let k_blocks = k / UNIT;
        let reach = |f: Factor, lanes: usize| (lanes.div_ceil(UNIT) * 2 - 1) * f.k_blocks + k_blocks;
        assert!(
            reach(left, c.rows) <= left.blocks.len()
                && reach(right, c.cols) <= right.blocks.len()
                && (c.rows - 1) * c.row_stride + c.cols <= c.data.len(),
            "packed: a product reaches past its factors"
        );
        let (rows, cols) = (16 * kernel.a_panels, 16 * kernel.b_panels);
        for row in (0..c.rows).step_by(rows) {
            for col in (0..c.cols).step_by(cols) {
                for kb in (0..k_blocks).step_by(kernel.k_blocks) {
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
