//! Scratch memory that outlives a call: a small stack of buffers per thread, and one of large buffers for all.
//!
//! A buffer is taken out while in use, never borrowed: a thread that waits for its pool may be handed
//! another product meanwhile, which then takes or makes a buffer of its own.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// Sixteen lanes by sixteen words, 1 KiB: what one AMX tile holds, and the unit of every packed layout.
///
/// A word is one f32, or two bf16 that follow each other in K.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Block(pub(super) [[u32; 16]; 16]);

/// Buffers that a thread keeps, at most.
const SPARES: usize = 24;
/// From so many blocks on, a buffer is everybody's: what one thread packs, another may multiply next time.
const LARGE: usize = 256;

static SHARED: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

thread_local! {
    static SPARE: RefCell<Vec<Vec<Block>>> = const { RefCell::new(Vec::new()) };
}

/// Blocks of unspecified contents, given back when dropped.
pub(crate) struct Blocks {
    blocks: Vec<Block>,
    len: usize,
}

impl Blocks {
    /// `len` of them.
    pub(crate) fn take(len: usize) -> Self {
        let spare = spares(len, |spare| {
            // The smallest that is large enough, but not one that a larger need will look for.
            let fits = |&i: &usize| (len..=len + len / 4 + 16).contains(&spare[i].len());
            let best = (0..spare.len()).filter(fits).min_by_key(|&i| spare[i].len())?;
            Some(spare.remove(best))
        });
        let blocks = spare.flatten().unwrap_or_else(|| vec![Block([[0; 16]; 16]); len]);
        Self { blocks, len }
    }

    /// The same memory as numbers.
    pub(crate) fn f32s(&mut self) -> &mut [f32] {
        // SAFETY: a block is 256 words of plain bits, and any bits are an f32.
        unsafe { std::slice::from_raw_parts_mut(self.blocks.as_mut_ptr().cast(), self.len * 256) }
    }
}

/// The buffers among which one of `len` blocks belongs; none while the thread ends.
fn spares<R>(len: usize, f: impl FnOnce(&mut Vec<Vec<Block>>) -> R) -> Option<R> {
    if len >= LARGE {
        return Some(f(&mut SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())));
    }
    SPARE.try_with(|spare| f(&mut spare.borrow_mut())).ok()
}

/// Gives the large buffers that nobody uses back to the system: after training, which needs many.
pub fn release_buffers() {
    spares(LARGE, Vec::clear);
}

impl Drop for Blocks {
    fn drop(&mut self) {
        let blocks = std::mem::take(&mut self.blocks);
        let large = self.len >= LARGE;
        spares(self.len, |spare| {
            spare.push(blocks);
            if !large && spare.len() > SPARES {
                spare.remove(0);
            }
        });
    }
}

impl Deref for Blocks {
    type Target = [Block];

    fn deref(&self) -> &[Block] {
        &self.blocks[..self.len]
    }
}

impl DerefMut for Blocks {
    fn deref_mut(&mut self) -> &mut [Block] {
        &mut self.blocks[..self.len]
    }
}

/// Numbers of unspecified contents, given back when dropped.
pub(crate) struct Scratch {
    blocks: Blocks,
    len: usize,
}

impl Scratch {
    /// `len` of them.
    pub(crate) fn take(len: usize) -> Self {
        Self { blocks: Blocks::take(len.div_ceil(256)), len }
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: as in [`Blocks::f32s`].
        unsafe { std::slice::from_raw_parts(self.blocks.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.blocks.f32s()[..self.len]
    }
}

/// Calls `f` with `len` blocks of unspecified contents.
pub(super) fn with_blocks<R>(len: usize, f: impl FnOnce(&mut [Block]) -> R) -> R {
    f(&mut Blocks::take(len))
}

/// The same memory as words.
pub(super) fn words_of(blocks: &mut [Block]) -> &mut [u32] {
    // SAFETY: a block is 256 words and nothing else.
    unsafe { std::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast(), blocks.len() * 256) }
}
