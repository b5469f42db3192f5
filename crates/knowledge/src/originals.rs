//! Files as they came, kept in a bucket: so that every server on a store can show them, whoever read them.

use crate::Result;
use crate::bucket::{Bucket, Opened};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// Where files are kept as they came.
pub(crate) struct Originals {
    bucket: Opened,
    /// Which bucket, for telling it from another.
    pub address: String,
}

impl Originals {
    /// In the bucket that `address` names: `s3://bucket/prefix?endpoint=URL`.
    pub fn at(address: &str) -> Result<Self> {
        Ok(Self { bucket: Bucket::at(address)?.open()?, address: address.into() })
    }

    /// Keeps what an item is now. It is read under its hash alone, so what it was before stays until [`Originals::sweep`].
    pub fn put(&self, source: i64, item: &str, hash: u64, bytes: Vec<u8>) -> Result<()> {
        self.bucket.put(&self.key(source, item, hash), bytes)
    }

    /// What an item was when it was read; `None` if it was not kept.
    pub fn get(&self, source: i64, item: &str, hash: u64) -> Result<Option<Vec<u8>>> {
        self.bucket.get(&self.key(source, item, hash))
    }

    /// Deletes what is kept of a source but for these items, each with its hash.
    pub fn sweep(&self, source: i64, items: &[(String, u64)]) -> Result<()> {
        let kept: HashSet<String> = items.iter().map(|(item, hash)| self.key(source, item, *hash)).collect();
        let there = self.bucket.list(&source.to_string(), usize::MAX)?;
        there
            .iter()
            .filter(|object| !kept.contains(&object.key))
            .try_for_each(|object| self.bucket.delete(&object.key))
    }

    fn key(&self, source: i64, item: &str, hash: u64) -> String {
        let digest = Sha256::digest(item.as_bytes());
        let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        self.bucket.within(&format!("{source}/{name}-{hash:016x}"))
    }
}
