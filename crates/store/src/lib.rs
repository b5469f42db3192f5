//! Where bytes live: atomic publication of files and folders, downloads, checksums, locks.
//!
//! What a user would miss is written through this crate, so that a crash at any moment leaves the old file, or the
//! new one, and never a part of one.

mod checksum;
mod download;
mod error;
mod http;
mod lock;
mod publish;

pub use checksum::{checksum, checksum_file};
pub use download::{Download, Fetched, part_of};
pub use error::StoreError;
pub use http::{Client, DownloadError, HttpOptions, Page};
pub use lock::Lock;
pub use publish::{StagedDir, link_dir, link_files, remove_dir, write_atomic};
