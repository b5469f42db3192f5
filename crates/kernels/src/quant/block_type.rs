//! The formats by name, number and size.

use std::fmt;

/// How a block of numbers is stored. The names, numbers and layouts are ggml's.
///
/// `Q4_0` and its kin hold 32 numbers and one scale; with a `1` at the end they also hold a minimum. The `K` formats
/// hold 256 numbers in groups of 16 or 32, and the scales of the groups are themselves quantized. Source:
/// `ggml-common.h` and `ggml-quants.c` of llama.cpp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockType {
    /// Plain f32, 32 bits a number.
    F32,
    /// IEEE half precision, 16 bits a number.
    F16,
    /// The upper half of an f32, 16 bits a number.
    Bf16,
    /// 4 bits and a scale for 32 numbers, 4.5 bits a number.
    Q4_0,
    /// 4 bits, a scale and a minimum for 32 numbers, 5 bits a number.
    Q4_1,
    /// 5 bits and a scale for 32 numbers, 5.5 bits a number.
    Q5_0,
    /// 5 bits, a scale and a minimum for 32 numbers, 6 bits a number.
    Q5_1,
    /// 8 bits and a scale for 32 numbers, 8.5 bits a number.
    Q8_0,
    /// 2 bits, scales and minima for 16 groups of 16 numbers, 2.625 bits a number.
    Q2K,
    /// 3 bits and scales for 16 groups of 16 numbers, 3.4375 bits a number.
    Q3K,
    /// 4 bits, scales and minima for 8 groups of 32 numbers, 4.5 bits a number.
    Q4K,
    /// 5 bits, scales and minima for 8 groups of 32 numbers, 5.5 bits a number.
    Q5K,
    /// 6 bits and scales for 16 groups of 16 numbers, 6.5625 bits a number.
    Q6K,
    /// 4 bits that choose from 16 unevenly spaced levels, and a scale for 32 numbers, 4.5 bits a number.
    Iq4Nl,
}

impl BlockType {
    /// All of them, in ggml's order.
    pub const ALL: [Self; 14] = [
        Self::F32,
        Self::F16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Iq4Nl,
        Self::Bf16,
    ];

    /// Numbers in a block.
    pub const fn elements(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 | Self::Iq4Nl => 32,
            Self::Q2K | Self::Q3K | Self::Q4K | Self::Q5K | Self::Q6K => 256,
        }
    }

    /// Bytes in a block.
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q4_0 | Self::Iq4Nl => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q2K => 84,
            Self::Q3K => 110,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// Bytes that `elements` numbers take; `None` if they do not fill whole blocks, or if no machine could hold them.
    pub const fn bytes_for(self, elements: usize) -> Option<usize> {
        if elements.is_multiple_of(self.elements()) {
            (elements / self.elements()).checked_mul(self.bytes())
        } else {
            None
        }
    }

    /// The format with this number in ggml, if it is one of these.
    pub fn from_ggml(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.ggml() == number)
    }

    /// The number in ggml (`enum ggml_type`).
    pub const fn ggml(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q5_0 => 6,
            Self::Q5_1 => 7,
            Self::Q8_0 => 8,
            Self::Q2K => 10,
            Self::Q3K => 11,
            Self::Q4K => 12,
            Self::Q5K => 13,
            Self::Q6K => 14,
            Self::Iq4Nl => 20,
            Self::Bf16 => 30,
        }
    }
}

impl fmt::Display for BlockType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q2K => "Q2_K",
            Self::Q3K => "Q3_K",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
            Self::Iq4Nl => "IQ4_NL",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_there_and_back() {
        for kind in BlockType::ALL {
            assert_eq!(BlockType::from_ggml(kind.ggml()), Some(kind), "{kind}");
        }
        for number in [4, 5, 9, 15, 16, 31, u32::MAX] {
            assert_eq!(BlockType::from_ggml(number), None);
        }
    }

    #[test]
    fn only_whole_blocks_have_a_size() {
        assert_eq!(BlockType::Q4_0.bytes_for(64), Some(36));
        assert_eq!(BlockType::Q4_0.bytes_for(33), None);
        assert_eq!(BlockType::Q6K.bytes_for(0), Some(0));
        assert_eq!(BlockType::F32.bytes_for(usize::MAX), None);
    }
}
