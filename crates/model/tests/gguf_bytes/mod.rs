//! GGUF files byte by byte, wrong ones too: what the reader is judged by must not come from our writer.

/// Appends what GGUF is made of.
#[derive(Clone, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    pub fn header(version: u32, tensors: u64, keys: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(version).u64(tensors).u64(keys)
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn u32(self, x: u32) -> Self {
        self.raw(&x.to_le_bytes())
    }

    pub fn u64(self, x: u64) -> Self {
        self.raw(&x.to_le_bytes())
    }

    pub fn string(self, text: &str) -> Self {
        self.u64(text.len() as u64).raw(text.as_bytes())
    }

    /// A key and the type of its value, which follows.
    pub fn key(self, key: &str, kind: u32) -> Self {
        self.string(key).u32(kind)
    }

    /// Dims the fastest first, `kind` as ggml numbers it.
    pub fn tensor(mut self, name: &str, dims: &[u64], kind: u32, offset: u64) -> Self {
        self = self.string(name).u32(dims.len() as u32);
        for dim in dims {
            self = self.u64(*dim);
        }
        self.u32(kind).u64(offset)
    }

    pub fn padded(mut self, alignment: usize) -> Self {
        self.0.resize(self.0.len().next_multiple_of(alignment), 0);
        self
    }
}

/// A small file with a value of every type, an array of every type, and three tensors.
pub fn small() -> Vec<u8> {
    Bytes::header(3, 3, 18)
        .key("u8", 0)
        .raw(&[200])
        .key("i8", 1)
        .raw(&[0x80])
        .key("u16", 2)
        .raw(&60_000_u16.to_le_bytes())
        .key("i16", 3)
        .raw(&(-7_i16).to_le_bytes())
        .key("llama.block_count", 4)
        .u32(12)
        .key("i32", 5)
        .raw(&(-8_i32).to_le_bytes())
        .key("f32", 6)
        .raw(&1.5_f32.to_le_bytes())
        .key("bool", 7)
        .raw(&[1])
        .key("general.architecture", 8)
        .string("llama 书")
        .key("u64", 10)
        .u64(u64::MAX)
        .key("i64", 11)
        .raw(&(-9_i64).to_le_bytes())
        .key("f64", 12)
        .raw(&2.5_f64.to_le_bytes())
        .key("strings", 9)
        .u32(8)
        .u64(2)
        .string("a")
        .string("")
        .key("numbers", 9)
        .u32(6)
        .u64(2)
        .raw(&0.5_f32.to_le_bytes())
        .raw(&0.25_f32.to_le_bytes())
        .key("integers", 9)
        .u32(5)
        .u64(3)
        .u32(1)
        .u32(u32::MAX)
        .u32(3)
        .key("bools", 9)
        .u32(7)
        .u64(2)
        .raw(&[1, 0])
        .key("nested", 9)
        .u32(9)
        .u64(2)
        .u32(4)
        .u64(1)
        .u32(5)
        .u32(12)
        .u64(0)
        .key("none", 9)
        .u32(8)
        .u64(0)
        .tensor("blk.0.attn_q.weight", &[32, 2], 8, 0)
        .tensor("output_norm.weight", &[3], 0, 96)
        .tensor("cube", &[2, 3, 4], 30, 128)
        .padded(32)
        .raw(&[1; 68])
        .padded(32)
        .raw(&1.0_f32.to_le_bytes())
        .raw(&2.0_f32.to_le_bytes())
        .raw(&3.0_f32.to_le_bytes())
        .padded(32)
        .raw(&[0x80, 0x3f].repeat(24))
        .0
}
