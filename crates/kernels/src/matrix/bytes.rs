//! Bytes that somebody owns: a mapped file, or memory.

use std::ops::{Deref, Range};
use std::sync::Arc;

/// A part of shared bytes. Cheap to clone.
#[derive(Clone)]
pub struct Bytes {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl Bytes {
    /// The bytes `range` of `owner`. Panics if they are not there.
    pub fn new(owner: Arc<dyn AsRef<[u8]> + Send + Sync>, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= (*owner).as_ref().len(), "bytes {range:?} are not there");
        Self { owner, range }
    }

    /// Some of them. Panics if they are not there.
    pub fn part(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len(), "bytes {range:?} of {}", self.len());
        Self { owner: self.owner.clone(), range: self.range.start + range.start..self.range.start + range.end }
    }

    /// The bytes of numbers.
    pub(crate) fn from_f32(x: Vec<f32>) -> Self {
        struct Numbers(Vec<f32>);
        impl AsRef<[u8]> for Numbers {
            fn as_ref(&self) -> &[u8] {
                // SAFETY: every f32 is four bytes.
                unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * 4) }
            }
        }
        let end = x.len() * 4;
        Self { owner: Arc::new(Numbers(x)), range: 0..end }
    }

    /// The same bytes, at an address that numbers of `size` bytes can have: copied if they are not there yet.
    pub(crate) fn aligned(self, size: usize) -> Self {
        if (self.as_ptr() as usize).is_multiple_of(size) {
            return self;
        }
        let mut copy = vec![0.0f32; self.len().div_ceil(4)];
        let end = self.len();
        // SAFETY: every f32 is four bytes.
        let bytes = unsafe { std::slice::from_raw_parts_mut(copy.as_mut_ptr().cast::<u8>(), copy.len() * 4) };
        bytes[..end].copy_from_slice(&self);
        Self { range: 0..end, ..Self::from_f32(copy) }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        let end = bytes.len();
        Self { owner: Arc::new(bytes), range: 0..end }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.range.clone()]
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bytes({})", self.len())
    }
}
