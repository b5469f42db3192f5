//! Bytes to metadata and tensor places. Everything is checked against the bytes that are there before it is believed.
//!
//! A count is never allocated for before that many of the smallest possible elements fit into the rest of the file, so
//! memory stays within a small multiple of the file's size.

use super::{Array, Metadata, Value};
use shuyuan_kernels::BlockType;
use std::collections::HashMap;
use std::ops::Range;

/// What the format allows; llama.cpp's limit too.
const MOST_DIMS: u32 = 4;
/// No known file nests arrays at all.
const DEEPEST: usize = 4;
const DEFAULT_ALIGNMENT: u64 = 32;

/// A file's content, less the bytes themselves.
#[derive(Debug)]
pub(super) struct Parsed {
    pub version: u32,
    pub alignment: u64,
    pub metadata: Metadata,
    pub tensors: Vec<Place>,
    /// Tensor names to positions in `tensors`.
    pub index: HashMap<String, usize>,
}

/// Where a tensor is.
#[derive(Debug)]
pub(super) struct Place {
    pub name: String,
    /// Row-major: the last is the fastest.
    pub shape: Vec<usize>,
    pub kind: BlockType,
    /// Its bytes, counted from the start of the file.
    pub bytes: Range<usize>,
}

/// Reads all but the tensors' bytes. The error says what was expected, what was found, and what to do.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, String> {
    let mut cursor = Cursor { bytes, at: 0 };
    let magic = cursor.take(4, "the magic number")?;
    if magic != b"GGUF" {
        return Err(format!("expected it to begin with \"GGUF\", found \"{}\"", magic.escape_ascii()));
    }
    let version = cursor.u32("the version")?;
    match version {
        2 | 3 => {}
        1 => {
            return Err(
                "expected version 2 or 3, found 1: convert the model again with a newer llama.cpp".into()
            );
        }
        other if (1..=3).contains(&other.swap_bytes()) => {
            return Err(
                "expected little-endian numbers, found big-endian: convert the model on this kind of machine"
                    .into(),
            );
        }
        other => return Err(format!("expected version 2 or 3, found {other}")),
    }
    let tensor_count = cursor.u64("the count of tensors")?;
    let key_count = cursor.u64("the count of metadata keys")?;

    // The shortest: a key of one byte and a value of one.
    cursor.check_count(key_count, 8 + 1 + 4 + 1, "metadata keys")?;
    let mut metadata = Metadata::default();
    for nth in 0..key_count {
        let key = cursor.string(&format!("the name of metadata key {nth}"))?;
        let kind = cursor.u32("a type").map_err(|what| format!("metadata key {:?}: {what}", short(&key)))?;
        let value = cursor.value(kind).map_err(|what| format!("metadata key {:?}: {what}", short(&key)))?;
        metadata.insert(key, value).map_err(|error| error.to_string())?;
    }
    let alignment = match metadata.get("general.alignment") {
        None => DEFAULT_ALIGNMENT,
        Some(Value::U32(x)) if x.is_power_of_two() => u64::from(*x),
        Some(other) => {
            let found = other.describe();
            return Err(format!("general.alignment: expected a power of two, as u32, found {found}"));
        }
    };

    // The shortest: a name of one byte, a count of dims, one dim, type, offset.
    cursor.check_count(tensor_count, 8 + 1 + 4 + 8 + 4 + 8, "tensors")?;
    let mut places = Vec::with_capacity(cursor.count(tensor_count)?);
    for nth in 0..tensor_count {
        places.push(cursor.tensor(nth)?);
    }
    let tensors = locate(places, cursor.at as u64, alignment, bytes.len() as u64)?;
    let mut index = HashMap::with_capacity(tensors.len());
    for (at, tensor) in tensors.iter().enumerate() {
        if index.insert(tensor.name.clone(), at).is_some() {
            return Err(format!("tensor {:?} is there twice", short(&tensor.name)));
        }
    }
    Ok(Parsed { version, alignment, metadata, tensors, index })
}

/// A tensor as the header describes it.
struct Described {
    name: String,
    shape: Vec<usize>,
    kind: BlockType,
    offset: u64,
    size: u64,
}

/// Turns offsets into places in the file, each within it and none upon another.
fn locate(described: Vec<Described>, header: u64, alignment: u64, file: u64) -> Result<Vec<Place>, String> {
    let start = header.next_multiple_of(alignment);
    let mut tensors = Vec::with_capacity(described.len());
    for Described { name, shape, kind, offset, size } in described {
        if !offset.is_multiple_of(alignment) {
            return Err(format!(
                "tensor {:?}: expected an offset that is a multiple of {alignment}, found {offset}",
                short(&name)
            ));
        }
        let place = start.checked_add(offset).and_then(|from| Some(from..from.checked_add(size)?));
        let place = place.filter(|place| place.end <= file).ok_or_else(|| {
            format!(
                "tensor {:?} should have {size} bytes from offset {offset} on, but the file ends {} bytes after the \
                 header: was the download cut off?",
                short(&name),
                file.saturating_sub(start)
            )
        })?;
        // Both ends are at most the length of a slice.
        let bytes = place.start as usize..place.end as usize;
        tensors.push(Place { name, shape, kind, bytes });
    }
    let mut order: Vec<&Place> = tensors.iter().collect();
    order.sort_by_key(|place| place.bytes.start);
    for pair in order.windows(2) {
        if pair[1].bytes.start < pair[0].bytes.end {
            return Err(format!(
                "tensors {:?} and {:?} lie on the same bytes",
                short(&pair[0].name),
                short(&pair[1].name)
            ));
        }
    }
    Ok(tensors)
}

/// A name for an error, without what would flood or confuse a terminal.
fn short(name: &str) -> String {
    name.chars().take(100).collect()
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], String> {
        if count > self.rest() {
            return Err(format!(
                "expected {count} bytes for {what} at byte {}, found {}: was the download cut off?",
                self.at,
                self.rest()
            ));
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, what)?);
        Ok(out)
    }

    fn u32(&mut self, what: &str) -> Result<u32, String> {
        self.array(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &str) -> Result<u64, String> {
        self.array(what).map(u64::from_le_bytes)
    }

    fn count(&self, count: u64) -> Result<usize, String> {
        usize::try_from(count).map_err(|_| format!("{count} is more than this machine can count"))
    }

    /// Checks that `count` things of at least `smallest` bytes fit into the rest of the file.
    fn check_count(&self, count: u64, smallest: usize, what: &str) -> Result<(), String> {
        if count > (self.rest() / smallest) as u64 {
            return Err(format!(
                "{count} {what} are announced, more than the {} bytes that follow could hold: was the download cut off?",
                self.rest()
            ));
        }
        Ok(())
    }

    fn string(&mut self, what: &str) -> Result<String, String> {
        let length = self.u64(what)?;
        self.check_count(length, 1, "bytes of text")?;
        let length = self.count(length)?;
        let bytes = self.take(length, what)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_string()),
            Err(_) => Err(format!(
                "expected UTF-8 for {what}, found \"{}\"",
                bytes[..length.min(100)].escape_ascii()
            )),
        }
    }

    fn bool(&mut self) -> Result<bool, String> {
        match self.array("a bool")? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(format!("expected a bool, 0 or 1, found {other}")),
        }
    }

    fn value(&mut self, kind: u32) -> Result<Value, String> {
        Ok(match kind {
            0 => Value::U8(u8::from_le_bytes(self.array("a u8")?)),
            1 => Value::I8(i8::from_le_bytes(self.array("an i8")?)),
            2 => Value::U16(u16::from_le_bytes(self.array("a u16")?)),
            3 => Value::I16(i16::from_le_bytes(self.array("an i16")?)),
            4 => Value::U32(u32::from_le_bytes(self.array("a u32")?)),
            5 => Value::I32(i32::from_le_bytes(self.array("an i32")?)),
            6 => Value::F32(f32::from_le_bytes(self.array("an f32")?)),
            7 => Value::Bool(self.bool()?),
            8 => Value::String(self.string("a string")?),
            9 => Value::Array(self.values(1)?),
            10 => Value::U64(u64::from_le_bytes(self.array("a u64")?)),
            11 => Value::I64(i64::from_le_bytes(self.array("an i64")?)),
            12 => Value::F64(f64::from_le_bytes(self.array("an f64")?)),
            other => return Err(format!("expected a type from 0 to 12, found {other}")),
        })
    }

    /// An array at depth `depth`, the first being 1.
    fn values(&mut self, depth: usize) -> Result<Array, String> {
        if depth > DEEPEST {
            return Err(format!("expected arrays at most {DEEPEST} deep, found deeper ones"));
        }
        let kind = self.u32("an array's type")?;
        let count = self.u64("an array's length")?;
        Ok(match kind {
            0 => Array::U8(self.take_exactly(count)?.to_vec()),
            1 => Array::I8(self.numbers(count, i8::from_le_bytes)?),
            2 => Array::U16(self.numbers(count, u16::from_le_bytes)?),
            3 => Array::I16(self.numbers(count, i16::from_le_bytes)?),
            4 => Array::U32(self.numbers(count, u32::from_le_bytes)?),
            5 => Array::I32(self.numbers(count, i32::from_le_bytes)?),
            6 => Array::F32(self.numbers(count, f32::from_le_bytes)?),
            7 => Array::Bool(self.each(count, 1, Self::bool)?),
            8 => Array::String(self.each(count, 8, |cursor| cursor.string("a string"))?),
            9 => Array::Array(self.each(count, 4 + 8, |cursor| cursor.values(depth + 1))?),
            10 => Array::U64(self.numbers(count, u64::from_le_bytes)?),
            11 => Array::I64(self.numbers(count, i64::from_le_bytes)?),
            12 => Array::F64(self.numbers(count, f64::from_le_bytes)?),
            other => return Err(format!("expected an array's type from 0 to 12, found {other}")),
        })
    }

    fn take_exactly(&mut self, count: u64) -> Result<&'a [u8], String> {
        self.check_count(count, 1, "array elements")?;
        let count = self.count(count)?;
        self.take(count, "an array")
    }

    fn numbers<T, const N: usize>(
        &mut self,
        count: u64,
        read: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, String> {
        self.check_count(count, N, "array elements")?;
        let bytes = self.take_exactly(count * N as u64)?;
        Ok(bytes.as_chunks().0.iter().map(|chunk| read(*chunk)).collect())
    }

    fn each<T>(
        &mut self,
        count: u64,
        smallest: usize,
        read: impl Fn(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        self.check_count(count, smallest, "array elements")?;
        (0..count).map(|_| read(self)).collect()
    }

    fn tensor(&mut self, nth: u64) -> Result<Described, String> {
        let name = self.string(&format!("the name of tensor {nth}"))?;
        if name.is_empty() {
            return Err(format!("tensor {nth} has no name"));
        }
        let about = |what: String| format!("tensor {:?}: {what}", short(&name));
        let dims = self.u32("the count of dims").map_err(about)?;
        if dims == 0 || dims > MOST_DIMS {
            return Err(about(format!("expected 1 to {MOST_DIMS} dims, found {dims}")));
        }
        let mut shape = Vec::with_capacity(dims as usize);
        let mut elements = 1_usize;
        for _ in 0..dims {
            let dim = self.u64("a dim").map_err(about)?;
            if dim == 0 {
                return Err(about("expected dims from 1 on, found 0".into()));
            }
            let dim = self.count(dim).map_err(about)?;
            elements = elements
                .checked_mul(dim)
                .ok_or_else(|| about("its dims multiply to more numbers than a machine can hold".into()))?;
            shape.push(dim);
        }
        let number = self.u32("a type").map_err(about)?;
        let kind = BlockType::from_ggml(number).ok_or_else(|| {
            about(format!(
                "it is stored as {}, which is not supported: use a file in F16, Q8_0, Q6_K, Q5_K, Q4_K or Q4_0",
                type_name(number)
            ))
        })?;
        // Blocks lie along rows, and never across two.
        if !shape[0].is_multiple_of(kind.elements()) {
            return Err(about(format!(
                "{kind} needs rows of a multiple of {} numbers, found {}",
                kind.elements(),
                shape[0]
            )));
        }
        let size = kind
            .bytes_for(elements)
            .ok_or_else(|| about("it has more bytes than a machine can hold".into()))?;
        let offset = self.u64("an offset").map_err(about)?;
        shape.reverse();
        Ok(Described { name, shape, kind, offset, size: size as u64 })
    }
}

/// What ggml calls a type that we do not read.
fn type_name(number: u32) -> String {
    let name = match number {
        4 => "Q4_2",
        5 => "Q4_3",
        9 => "Q8_1",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        31 => "Q4_0_4_4",
        32 => "Q4_0_4_8",
        33 => "Q4_0_8_8",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        40 => "NVFP4",
        other => return format!("an unknown type (number {other})"),
    };
    name.into()
}
