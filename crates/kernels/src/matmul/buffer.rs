//! Scratch memory that outlives a call: a small stack of buffers per thread.
//!
//! A buffer is taken out while in use, never borrowed: a thread that waits for its pool may be handed
//! another product meanwhile, which then takes or makes a buffer of its own.

use std::cell::RefCell;

/// Sixteen lanes by sixteen words, 1 KiB: what one AMX tile holds, and the unit of every packed layout.
///
/// A word is one f32, or two bf16 that follow each other in K.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Block(pub(super) [[u32; 16]; 16]);

thread_local! {
    static SPARE: RefCell<Vec<Vec<Block>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with `len` blocks of unspecified contents.
pub(super) fn with_blocks<R>(len: usize, f: impl FnOnce(&mut [Block]) -> R) -> R {
    let mut blocks = SPARE.with_borrow_mut(|spare| spare.pop()).unwrap_or_default();
    if blocks.len() < len {
        blocks.resize(len, Block([[0; 16]; 16]));
    }
    let result = f(&mut blocks[..len]);
    SPARE.with_borrow_mut(|spare| spare.push(blocks));
    result
}

/// The same memory as words.
pub(super) fn words_of(blocks: &mut [Block]) -> &mut [u32] {
    // SAFETY: a block is 256 words and nothing else.
    unsafe { std::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast(), blocks.len() * 256) }
}
