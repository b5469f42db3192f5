//! Quantised weights as they are used: at first as the file has them, then packed.
//!
//! To pack a model takes as long as several products with it, or many where the system has to find the memory. The first
//! token need not wait for that: in the first product with a matrix each task packs the group that it is about to multiply
//! into memory of its own, which stays in the cache. The second packs the matrix. Results are the same to the last bit.

use super::Bytes;
use super::packed::{Format, Packed, ROWS, Source};
use crate::quant::BlockType;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A quantised matrix.
pub(super) struct Quantised {
    pub(super) kind: BlockType,
    size: usize,
    packed: OnceLock<Packed>,
    /// None once it is packed, so that a mapped file may go.
    source: Mutex<Option<Source>>,
    /// Products that have begun with it: none, one, more.
    uses: AtomicU8,
}

/// What a product reads.
pub(super) enum Weights<'a> {
    Packed(&'a Packed),
    Loose(Source),
}

impl Weights<'_> {
    /// For a task to read them, group by group.
    pub(super) fn groups(&self) -> Groups<'_> {
        match self {
            Self::Packed(packed) => Groups::Packed(packed),
            Self::Loose(source) => Groups::Loose(source, source.room()),
        }
    }
}

/// A task's way to packed groups.
pub(super) enum Groups<'a> {
    Packed(&'a Packed),
    /// Packed one at a time, into this room.
    Loose(&'a Source, Packed),
}

impl Groups<'_> {
    /// Where a group is, its number there, and whether that may be out of the cache.
    pub(super) fn at(&mut self, group: usize) -> (&Packed, usize, bool) {
        match self {
            Self::Packed(packed) => (packed, group, true),
            Self::Loose(source, room) => {
                source.pack_into(group, room);
                (room, 0, false)
            }
        }
    }
}

impl Quantised {
    /// Of rows in ggml's layout; the row `order[i]` is at place i.
    pub(super) fn new(
        kind: BlockType,
        format: Format,
        bytes: Bytes,
        rows: usize,
        order: Option<Vec<usize>>,
    ) -> Self {
        let source = Source { kind, format, bytes, rows, order: order.map(Into::into) };
        Self {
            kind,
            size: rows.div_ceil(ROWS) * format.group(source.blocks()),
            packed: OnceLock::new(),
            source: Mutex::new(Some(source)),
            uses: AtomicU8::new(0),
        }
    }

    /// Bytes of it once it is packed.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    #[cfg(test)]
    pub(super) fn is_packed(&self) -> bool {
        self.packed.get().is_some()
    }

    /// For a product: packs it if this is its second.
    pub(super) fn use_once(&self) -> Weights<'_> {
        let second = self.uses.fetch_update(Relaxed, Relaxed, |uses| (uses < 2).then_some(uses + 1)) == Ok(1);
        // Others who come meanwhile do not wait.
        if second && let Weights::Loose(source) = self.weights() {
            let packed = self.packed.get_or_init(|| source.packed());
            *self.source.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return Weights::Packed(packed);
        }
        self.weights()
    }

    fn weights(&self) -> Weights<'_> {
        if let Some(packed) = self.packed.get() {
            return Weights::Packed(packed);
        }
        let source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*source, self.packed.get()) {
            (Some(source), _) => Weights::Loose(source.clone()),
            (None, Some(packed)) => Weights::Packed(packed),
            (None, None) => unreachable!("only what is packed has no source"),
        }
    }

    /// The numbers of one row, as products understand it.
    pub(super) fn row(&self, row: usize, out: &mut [f32]) {
        match self.weights() {
            Weights::Packed(packed) => packed.row(row, out),
            Weights::Loose(source) => source.row(row, out),
        }
    }
}
