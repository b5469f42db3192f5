//! Writes a GGUF file of version 3: all at once for whoever reads it, tensor by tensor for whoever writes it.

use super::{Array, Gguf, GgufError, Metadata, Value};
use shuyuan_kernels::BlockType;
use shuyuan_store::StoreError;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// llama.cpp reads no longer names: 64 bytes with the zero at the end.
const LONGEST_NAME: usize = 63;
const ALIGNMENT: u64 = 32;

/// A tensor that will be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name, at most 63 bytes.
    pub name: String,
    /// Its shape in row-major order: a matrix is (rows, columns). One to four dims.
    pub shape: Vec<usize>,
    /// How its rows are stored. A row must be whole blocks.
    pub kind: BlockType,
}

impl TensorSpec {
    /// Bytes of its blocks.
    fn size(&self) -> Result<usize, GgufError> {
        let refused = |what: &str| GgufError::Tensor { name: self.name.clone(), what: what.into() };
        if self.name.is_empty() || self.name.len() > LONGEST_NAME {
            return Err(refused("a name must have 1 to 63 bytes"));
        }
        let Some(row) = self.shape.last().filter(|_| self.shape.len() <= 4 && !self.shape.contains(&0))
        else {
            return Err(refused(&format!("expected 1 to 4 dims, none of them 0, found {:?}", self.shape)));
        };
        if !row.is_multiple_of(self.kind.elements()) {
            let blocks = self.kind.elements();
            let what = format!("{} needs rows of a multiple of {blocks} numbers, found {row}", self.kind);
            return Err(refused(&what));
        }
        let elements = self.shape.iter().try_fold(1_usize, |product, dim| product.checked_mul(*dim));
        let size = elements.and_then(|elements| self.kind.bytes_for(elements));
        size.ok_or_else(|| refused("it has more bytes than a machine can hold"))
    }
}

/// A GGUF file in the making. It appears under its name, whole, with [`GgufWriter::finish`]; if that is never reached, an
/// older file of that name stays as it was.
///
/// Nothing but the header is held in memory. Tensors may come in any order.
#[derive(Debug)]
pub struct GgufWriter {
    path: PathBuf,
    temp: PathBuf,
    file: Option<File>,
    /// Where the rest of each tensor that is not there yet goes, and how many bytes that is.
    missing: HashMap<String, (u64, usize)>,
    size: u64,
}

impl GgufWriter {
    /// Starts the file that will be `path`. Tensors lie in the order of `tensors`, aligned to 32 bytes.
    ///
    /// # Errors
    /// If a tensor's name, shape or type cannot be, a name is there twice, `metadata` asks for another alignment, or what
    /// the file system says.
    pub fn create(path: &Path, metadata: &Metadata, tensors: &[TensorSpec]) -> Result<Self, GgufError> {
        if metadata.get("general.alignment").is_some_and(|value| *value != Value::U32(ALIGNMENT as u32)) {
            let what = format!("files are written with an alignment of {ALIGNMENT}: leave the key out");
            return Err(GgufError::Key { key: "general.alignment".into(), what });
        }
        let mut header = b"GGUF".to_vec();
        put(&mut header, 3_u32.to_le_bytes());
        put(&mut header, (tensors.len() as u64).to_le_bytes());
        put(&mut header, (metadata.iter().len() as u64).to_le_bytes());
        for (key, value) in metadata.iter() {
            put_string(&mut header, key);
            put_value(&mut header, value);
        }
        let mut missing = HashMap::with_capacity(tensors.len());
        let mut offset = 0_u64;
        for tensor in tensors {
            let size = tensor.size()?;
            put_string(&mut header, &tensor.name);
            put(&mut header, (tensor.shape.len() as u32).to_le_bytes());
            for dim in tensor.shape.iter().rev() {
                put(&mut header, (*dim as u64).to_le_bytes());
            }
            put(&mut header, tensor.kind.ggml().to_le_bytes());
            put(&mut header, offset.to_le_bytes());
            if missing.insert(tensor.name.clone(), (offset, size)).is_some() {
                return Err(GgufError::Tensor {
                    name: tensor.name.clone(),
                    what: "it is there twice".into(),
                });
            }
            let end = offset.checked_add(size as u64).and_then(|end| end.checked_next_multiple_of(ALIGNMENT));
            offset = end.filter(|end| *end <= i64::MAX as u64 / 2).ok_or_else(|| GgufError::Tensor {
                name: tensor.name.clone(),
                what: "the file would have more bytes than a disk can hold".into(),
            })?;
        }
        header.resize(header.len().next_multiple_of(ALIGNMENT as usize), 0);
        let start = header.len() as u64;
        for (from, _) in missing.values_mut() {
            *from += start;
        }

        let parent = parent(path);
        std::fs::create_dir_all(parent).map_err(io("create folder", parent))?;
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let temp = parent.join(format!(".{name}.tmp"));
        let file = File::create(&temp).map_err(io("create", &temp))?;
        let mut writer = Self { path: path.into(), temp, file: Some(file), missing, size: start + offset };
        // At its full length from the start: what lies between tensors is then zeros, and a full disk may show early.
        let size = writer.size;
        writer.with_file(|file| file.set_len(size).and_then(|()| file.write_all(&header)))?;
        Ok(writer)
    }

    /// Writes the blocks of a tensor.
    ///
    /// # Errors
    /// If it was not announced, has been written already, or has another size; or what the file system says.
    pub fn tensor(&mut self, name: &str, bytes: &[u8]) -> Result<(), GgufError> {
        let refused = |what: String| GgufError::Tensor { name: name.into(), what };
        match self.missing.get(name) {
            Some((_, size)) if *size != bytes.len() => {
                Err(refused(format!("expected {size} bytes, found {}", bytes.len())))
            }
            _ => self.append(name, bytes),
        }
    }

    /// Writes the next blocks of a tensor.
    ///
    /// # Errors
    /// If it was not announced, or has fewer bytes left; or what the file system says.
    pub fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), GgufError> {
        let refused = |what: String| GgufError::Tensor { name: name.into(), what };
        let Some((at, left)) = self.missing.get(name).copied() else {
            return Err(refused("it was not announced, or has been written already".into()));
        };
        if bytes.len() > left {
            return Err(refused(format!("expected {left} bytes, found {}", bytes.len())));
        }
        self.with_file(|file| file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(bytes)))?;
        if bytes.len() == left {
            self.missing.remove(name);
        } else if let Some(rest) = self.missing.get_mut(name) {
            *rest = (at + bytes.len() as u64, left - bytes.len());
        }
        Ok(())
    }

    /// The file as it is by now; tensors that are missing are zeros. To be closed before it goes on.
    pub(super) fn so_far(&self) -> Result<Gguf, GgufError> {
        Gguf::open(&self.temp)
    }

    /// Flushes the file to the disk and puts it in its place. Returns its size in bytes.
    ///
    /// # Errors
    /// If a tensor is missing, or what the file system says.
    pub fn finish(mut self) -> Result<u64, GgufError> {
        if let Some(name) = self.missing.keys().min() {
            let what = format!("it was announced and not written, as {} others", self.missing.len() - 1);
            return Err(GgufError::Tensor { name: name.clone(), what });
        }
        self.with_file(|file| file.sync_all())?;
        self.file = None;
        let placed = std::fs::rename(&self.temp, &self.path);
        if placed.is_err() {
            // Best effort: the error worth reporting is the first one.
            let _ = std::fs::remove_file(&self.temp);
        }
        placed.map_err(io("replace", &self.path))?;
        let dir = parent(&self.path);
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(io("flush folder", dir))?;
        Ok(self.size)
    }

    fn with_file(&mut self, f: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<(), GgufError> {
        let Some(file) = &mut self.file else {
            unreachable!("the file is closed by finish, which takes the writer")
        };
        Ok(f(file).map_err(io("write", &self.path))?)
    }
}

impl Drop for GgufWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = std::fs::remove_file(&self.temp);
        }
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_path_buf();
    move |source| StoreError::Io { action, path, source }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

fn put<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.extend_from_slice(&bytes);
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    put(out, (text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The type's number, then the value.
fn put_value(out: &mut Vec<u8>, value: &Value) {
    let mut tag = |number: u32| put(out, number.to_le_bytes());
    match value {
        Value::U8(_) => tag(0),
        Value::I8(_) => tag(1),
        Value::U16(_) => tag(2),
        Value::I16(_) => tag(3),
        Value::U32(_) => tag(4),
        Value::I32(_) => tag(5),
        Value::F32(_) => tag(6),
        Value::Bool(_) => tag(7),
        Value::String(_) => tag(8),
        Value::Array(_) => tag(9),
        Value::U64(_) => tag(10),
        Value::I64(_) => tag(11),
        Value::F64(_) => tag(12),
    }
    match value {
        Value::U8(x) => put(out, x.to_le_bytes()),
        Value::I8(x) => put(out, x.to_le_bytes()),
        Value::U16(x) => put(out, x.to_le_bytes()),
        Value::I16(x) => put(out, x.to_le_bytes()),
        Value::U32(x) => put(out, x.to_le_bytes()),
        Value::I32(x) => put(out, x.to_le_bytes()),
        Value::F32(x) => put(out, x.to_le_bytes()),
        Value::Bool(x) => put(out, [u8::from(*x)]),
        Value::String(x) => put_string(out, x),
        Value::Array(x) => put_array(out, x),
        Value::U64(x) => put(out, x.to_le_bytes()),
        Value::I64(x) => put(out, x.to_le_bytes()),
        Value::F64(x) => put(out, x.to_le_bytes()),
    }
}

/// The elements' type, how many, and each of them.
fn put_array(out: &mut Vec<u8>, array: &Array) {
    fn each<T>(out: &mut Vec<u8>, number: u32, values: &[T], mut one: impl FnMut(&mut Vec<u8>, &T)) {
        put(out, number.to_le_bytes());
        put(out, (values.len() as u64).to_le_bytes());
        for value in values {
            one(out, value);
        }
    }
    match array {
        Array::U8(x) => each(out, 0, x, |out, x| put(out, x.to_le_bytes())),
        Array::I8(x) => each(out, 1, x, |out, x| put(out, x.to_le_bytes())),
        Array::U16(x) => each(out, 2, x, |out, x| put(out, x.to_le_bytes())),
        Array::I16(x) => each(out, 3, x, |out, x| put(out, x.to_le_bytes())),
        Array::U32(x) => each(out, 4, x, |out, x| put(out, x.to_le_bytes())),
        Array::I32(x) => each(out, 5, x, |out, x| put(out, x.to_le_bytes())),
        Array::F32(x) => each(out, 6, x, |out, x| put(out, x.to_le_bytes())),
        Array::Bool(x) => each(out, 7, x, |out, x| put(out, [u8::from(*x)])),
        Array::String(x) => each(out, 8, x, |out, x| put_string(out, x)),
        Array::Array(x) => each(out, 9, x, put_array),
        Array::U64(x) => each(out, 10, x, |out, x| put(out, x.to_le_bytes())),
        Array::I64(x) => each(out, 11, x, |out, x| put(out, x.to_le_bytes())),
        Array::F64(x) => each(out, 12, x, |out, x| put(out, x.to_le_bytes())),
    }
}
