//! The allocator: mimalloc, which keeps pages that come and go at every step. glibc gives them back each time.
#![expect(unsafe_code, reason = "the crate binds no option by name")]

use std::ffi::{c_int, c_long};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

unsafe extern "C" {
    /// mimalloc.h: a value for an option that the environment does not set.
    fn mi_option_set_default(option: c_int, value: c_long);
}

/// mimalloc.h: for how many milliseconds freed pages are kept before the system gets them back.
const MI_OPTION_PURGE_DELAY: c_int = 15;

/// Keeps freed pages for longer than a step takes: with mimalloc's own delay a step of a small model spends 2 % to 3 % of its
/// time clearing fresh ones.
pub(crate) fn keep_pages() {
    // SAFETY: an option of the allocator that is linked; it may be set at any time.
    unsafe { mi_option_set_default(MI_OPTION_PURGE_DELAY, 10_000) };
}
