//! Damage seen before it is used.

use crate::StoreError;
use std::io::{BufRead, BufReader};
use std::path::Path;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// A checksum of `bytes` (XXH3, 64 bits): it detects damage, not malice.
pub fn checksum(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// The [`checksum`] of a file's bytes, read piece by piece.
///
/// # Errors
/// If it cannot be read.
pub fn checksum_file(path: &Path) -> Result<u64, StoreError> {
    let read = || {
        let mut reader = BufReader::with_capacity(1 << 20, std::fs::File::open(path)?);
        let mut sum = Xxh3::new();
        loop {
            let piece = reader.fill_buf()?;
            if piece.is_empty() {
                return Ok(sum.digest());
            }
            sum.update(piece);
            let length = piece.len();
            reader.consume(length);
        }
    };
    read().map_err(StoreError::io("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_checksum_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        for length in [0, 1, 300, (1 << 20) + 7] {
            let bytes: Vec<u8> =
                (0..length).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(checksum_file(&path).unwrap(), checksum(&bytes));
        }
    }
}
