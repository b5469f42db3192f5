//! Where bytes live: atomic publication of files and folders, checksums, locks.
//!
//! What a user would miss is written through this crate, so that a crash at any moment leaves the old file, or the
//! new one, and never a part of one.

mod error;
mod lock;
mod publish;

pub use error::StoreError;
pub use lock::Lock;
pub use publish::{StagedDir, write_atomic};

/// A checksum of `bytes` (XXH3, 64 bits): it detects damage, not malice.
pub fn checksum(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}
