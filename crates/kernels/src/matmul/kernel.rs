//! What a path is made of, and how one is chosen at run time.

use super::Precision;
use super::buffer::Block;
use super::pack::{self, PackBlock, Words};
use super::{few_rows, portable};
use std::sync::OnceLock;

/// Which instructions a product runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// Plain Rust; on aarch64 this is NEON with FMA, which every such CPU has.
    Portable,
    /// 256-bit FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512-bit FMA.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// Two bf16 products per lane and instruction.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    /// Products of whole bf16 tiles.
    #[cfg(target_arch = "x86_64")]
    Amx,
}

/// One tile of C to compute from packed panels.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// Blocks along K.
    pub(super) k_blocks: usize,
    /// First panel of A, and blocks from one to the next.
    pub(super) a: (*const Block, usize),
    /// First panel of B, and blocks from one to the next.
    pub(super) b: (*const Block, usize),
    /// Where to write, and elements from one row to the next.
    pub(super) c: (*mut f32, usize),
    /// How much of the tile lies inside C.
    pub(super) rows: usize,
    /// How much of the tile lies inside C.
    pub(super) cols: usize,
    /// Add to what C holds.
    pub(super) accumulate: bool,
}

/// A path at one precision.
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    pub(super) path: Path,
    pub(super) words: Words,
    pub(super) pack_block: PackBlock,
    /// Panels of A in a tile.
    pub(super) a_panels: usize,
    /// Panels of B in a tile, at most; AMX reads exactly this many.
    pub(super) b_panels: usize,
    /// Blocks along K per call, so that a tile's part of A and the next one's of B fit the first-level cache.
    pub(super) k_blocks: usize,
    /// Computes a tile. Unsafe: needs valid pointers and the path's CPU features.
    pub(super) tile: unsafe fn(Tile),
    /// Products of few rows.
    pub(super) few_rows: few_rows::Kernels,
}

impl Path {
    /// Every path that this CPU can run, slowest first.
    pub(super) fn available() -> &'static [Path] {
        static PATHS: OnceLock<Vec<Path>> = OnceLock::new();
        PATHS.get_or_init(|| {
            #[cfg(not(target_arch = "x86_64"))]
            return vec![Path::Portable];
            #[cfg(target_arch = "x86_64")]
            {
                let mut paths = vec![Path::Portable];
                let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
                let avx512 = avx2 && is_x86_feature_detected!("avx512f");
                let bf16 = crate::simd::level() == crate::simd::Level::Avx512
                    && avx512
                    && is_x86_feature_detected!("avx512bf16");
                let amx = bf16 && super::amx::request();
                paths.extend(avx2.then_some(Path::Avx2));
                paths.extend(avx512.then_some(Path::Avx512));
                paths.extend(bf16.then_some(Path::Avx512Bf16));
                paths.extend(amx.then_some(Path::Amx));
                paths
            }
        })
    }

    /// What has to live on a thread while it computes tiles.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn state(self) -> Option<super::amx::Tiles> {
        (self == Path::Amx).then(super::amx::Tiles::configure)
    }

    /// What has to live on a thread while it computes tiles: nothing here.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn state(self) -> Option<()> {
        None
    }

    /// The fastest kernel for `precision`.
    pub(super) fn best(precision: Precision) -> Kernel {
        static BEST: OnceLock<[Kernel; 2]> = OnceLock::new();
        let best = BEST.get_or_init(|| {
            [Precision::F32, Precision::Bf16].map(|precision| {
                let mut paths = Path::available().iter().rev();
                paths.find_map(|path| path.kernel(precision)).expect("the portable path has both")
            })
        });
        best[usize::from(precision == Precision::Bf16)]
    }

    /// This path's kernel, if it multiplies in `precision`. To be run only if the path is available.
    pub(super) fn kernel(self, precision: Precision) -> Option<Kernel> {
        let words = pack::words_in_f32(precision);
        let rounded = words == Words::Rounded;
        let portable = Kernel {
            path: self,
            words,
            pack_block: if rounded { pack::block_portable::<true> } else { pack::block_portable::<false> },
            a_panels: 1,
            b_panels: 1,
            k_blocks: 16,
            tile: portable::tile,
            few_rows: few_rows::portable(rounded),
        };
        Some(match self {
            Path::Portable => portable,
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => Kernel {
                pack_block: if rounded {
                    super::pack_avx2::block_f32::<true>
                } else {
                    super::pack_avx2::block_f32::<false>
                },
                tile: super::avx2::tile,
                few_rows: super::few_rows_x86::avx2(rounded),
                ..portable
            },
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 => Kernel {
                pack_block: if rounded {
                    super::pack_avx512::block_f32::<true>
                } else {
                    super::pack_avx512::block_f32::<false>
                },
                b_panels: 3,
                k_blocks: 8,
                tile: super::avx512::tile_f32,
                few_rows: super::few_rows_x86::avx2(rounded),
                ..portable
            },
            #[cfg(target_arch = "x86_64")]
            Path::Avx512Bf16 | Path::Amx => {
                if precision == Precision::F32 {
                    return None;
                }
                let kernel = Kernel {
                    words: Words::Pairs,
                    pack_block: super::pack_avx512::block_pairs,
                    b_panels: 3,
                    k_blocks: 8,
                    tile: super::avx512::tile_bf16,
                    few_rows: super::few_rows_x86::avx512_bf16(),
                    ..portable
                };
                if self == Path::Avx512Bf16 {
                    return Some(kernel);
                }
                Kernel { a_panels: 2, b_panels: 2, k_blocks: 8, tile: super::amx::tile, ..kernel }
            }
        })
    }
}
