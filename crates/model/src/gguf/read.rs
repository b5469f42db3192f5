//! A GGUF file, open.

use super::parse::{Parsed, Place, parse};
use super::{GgufError, Metadata};
use crate::mapped::map;
use memmap2::Mmap;
use shuyuan_kernels::{BlockType, dequantize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A GGUF file whose header has been read and checked; the weights stay where they are. Clones share it.
#[derive(Clone, Debug)]
pub struct Gguf {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    bytes: Bytes,
    parsed: Parsed,
}

#[derive(Debug)]
enum Bytes {
    Map(Mmap),
    Memory(Vec<u8>),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Map(map) => map,
            Self::Memory(bytes) => bytes,
        }
    }
}

impl Gguf {
    /// Opens a file over a memory map: weights are read from the disk when they are first used.
    ///
    /// The file must not be changed or cut short while it is open; one replaced by renaming is no danger.
    ///
    /// # Errors
    /// If the file cannot be read, is not GGUF of version 2 or 3, contradicts itself, or holds a format that
    /// [`BlockType`] does not have.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let map = map(path).map_err(|source| GgufError::Read { path: path.to_path_buf(), source })?;
        let Some(map) = map else {
            return Err(GgufError::Invalid {
                path: path.to_path_buf(),
                what: "expected a file, found a folder or device".into(),
            });
        };
        Self::new(path.to_path_buf(), Bytes::Map(map))
    }

    /// Reads a file that is in memory already.
    ///
    /// # Errors
    /// As [`Gguf::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, GgufError> {
        Self::new("(memory)".into(), Bytes::Memory(bytes))
    }

    fn new(path: PathBuf, bytes: Bytes) -> Result<Self, GgufError> {
        let parsed = parse(&bytes).map_err(|what| GgufError::Invalid { path, what })?;
        Ok(Self { inner: Arc::new(Inner { bytes, parsed }) })
    }

    /// The format's version, 2 or 3.
    pub fn version(&self) -> u32 {
        self.inner.parsed.version
    }

    /// What the tensors' offsets are multiples of, in bytes.
    pub fn alignment(&self) -> u64 {
        self.inner.parsed.alignment
    }

    /// The settings.
    pub fn metadata(&self) -> &Metadata {
        &self.inner.parsed.metadata
    }

    /// All tensors, in the order of the file.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = GgufTensor> {
        (0..self.inner.parsed.tensors.len()).map(|at| GgufTensor { file: self.clone(), at })
    }

    /// The tensor of that name.
    ///
    /// # Errors
    /// If there is none.
    pub fn tensor(&self, name: &str) -> Result<GgufTensor, GgufError> {
        self.opt_tensor(name).ok_or_else(|| GgufError::NoTensor { name: name.into() })
    }

    /// The tensor of that name, if there is one.
    pub fn opt_tensor(&self, name: &str) -> Option<GgufTensor> {
        let at = *self.inner.parsed.index.get(name)?;
        Some(GgufTensor { file: self.clone(), at })
    }
}

/// A tensor of an open file. Keeps the file open; clones share it.
#[derive(Clone)]
pub struct GgufTensor {
    file: Gguf,
    at: usize,
}

impl GgufTensor {
    fn place(&self) -> &Place {
        &self.file.inner.parsed.tensors[self.at]
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.place().name
    }

    /// Its shape in row-major order, as in PyTorch: a matrix is (rows, columns). One to four dims, none of them 0.
    pub fn shape(&self) -> &[usize] {
        &self.place().shape
    }

    /// Its shape as it is in the file, the fastest dim first.
    pub fn ggml_shape(&self) -> Vec<usize> {
        self.shape().iter().rev().copied().collect()
    }

    /// How its rows are stored.
    pub fn kind(&self) -> BlockType {
        self.place().kind
    }

    /// Numbers in it.
    pub fn elements(&self) -> usize {
        self.shape().iter().product()
    }

    /// Its blocks, row after row.
    pub fn bytes(&self) -> &[u8] {
        &self.file.inner.bytes[self.place().bytes.clone()]
    }

    /// Its numbers, row after row.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.elements()];
        dequantize(self.kind(), self.bytes(), &mut out);
        out
    }
}

impl std::fmt::Debug for GgufTensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} {}", self.name(), self.shape(), self.kind())
    }
}
