//! Which tensor is stored in which format: llama-quantize's rules.

use crate::decoder::Role;
use shuyuan_kernels::BlockType;
use std::fmt;
use std::str::FromStr;

/// How a model's matrices are stored, by llama.cpp's names. Norms, biases and routers are always F32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Everything as it is computed: 32 bits a weight.
    F32,
    /// Half precision.
    F16,
    /// The upper halves of F32.
    Bf16,
    /// 8.5 bits a weight; hardly to be told from the original.
    Q8_0,
    /// 4.5 bits a weight, the output layer 6.6.
    Q4_0,
    /// 6.6 bits a weight.
    Q6K,
    /// 4.5 bits a weight; the output layer, and values and down projections of half the layers, 6.6.
    Q4KM,
    /// 5.5 bits a weight; the output layer, and values and down projections of half the layers, 6.6.
    Q5KM,
}

impl Mix {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::F32, Self::F16, Self::Bf16, Self::Q8_0, Self::Q4_0, Self::Q6K, Self::Q4KM, Self::Q5KM];

    /// `general.file_type`: llama.cpp's `enum llama_ftype`.
    pub(super) fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Bf16 => 32,
            Self::Q8_0 => 7,
            Self::Q4_0 => 2,
            Self::Q6K => 18,
            Self::Q4KM => 15,
            Self::Q5KM => 17,
        }
    }

    /// What most matrices are stored as.
    pub fn base(self) -> BlockType {
        match self {
            Self::F32 => BlockType::F32,
            Self::F16 => BlockType::F16,
            Self::Bf16 => BlockType::Bf16,
            Self::Q8_0 => BlockType::Q8_0,
            Self::Q4_0 => BlockType::Q4_0,
            Self::Q6K => BlockType::Q6K,
            Self::Q4KM => BlockType::Q4K,
            Self::Q5KM => BlockType::Q5K,
        }
    }

    /// The format that `role` should have, whatever its rows' length.
    pub(super) fn wanted(self, role: Role, model: Shape, importance: bool) -> BlockType {
        let base = self.base();
        // Plain formats are not mixed.
        if base.elements() == 1 {
            return if role == Role::Exact { BlockType::F32 } else { base };
        }
        let mixed = matches!(self, Self::Q4KM | Self::Q5KM);
        let Shape { layers, experts, .. } = model;
        match role {
            Role::Exact => BlockType::F32,
            Role::Output if base != BlockType::Q8_0 => BlockType::Q6K,
            // Next to eight experts, they weigh nothing.
            Role::Value(_) | Role::Key if experts == 8 => BlockType::Q8_0,
            Role::AttentionOutput if experts == 8 && self == Self::Q4KM => BlockType::Q5K,
            Role::Value(layer) | Role::Down(layer) if mixed && gets_more(layer, layers) => BlockType::Q6K,
            // Eight heads share what is small here.
            Role::Value(_) if self == Self::Q4KM && model.is_70b => BlockType::Q5K,
            Role::Down(layer) if self == Self::Q4_0 && importance && layer < layers / 8 => BlockType::Q4_1,
            _ => base,
        }
    }
}

/// What of a model's shape the rules ask for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    pub(super) layers: usize,
    /// 0 in a dense model.
    pub(super) experts: usize,
    /// Llama's 80 layers with fewer key than query heads.
    pub(super) is_70b: bool,
}

/// The first and the last eighth of the layers, and every third between.
fn gets_more(layer: usize, layers: usize) -> bool {
    let eighth = layers / 8;
    layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
}

/// What is used instead where rows of `columns` numbers are no whole blocks of `wanted`.
pub(super) fn fallback(wanted: BlockType, columns: usize) -> BlockType {
    let fits = |kind: BlockType| columns.is_multiple_of(kind.elements());
    if fits(wanted) {
        return wanted;
    }
    let smaller = match wanted {
        BlockType::Q4K => BlockType::Q5_0,
        BlockType::Q5K => BlockType::Q5_1,
        BlockType::Q6K => BlockType::Q8_0,
        other => other,
    };
    if fits(smaller) { smaller } else { BlockType::F16 }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::Q8_0 => "Q8_0",
            Self::Q4_0 => "Q4_0",
            Self::Q6K => "Q6_K",
            Self::Q4KM => "Q4_K_M",
            Self::Q5KM => "Q5_K_M",
        })
    }
}

impl FromStr for Mix {
    type Err = String;

    /// By llama.cpp's name, in capitals or not.
    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|mix| mix.to_string().eq_ignore_ascii_case(name)).ok_or_else(|| {
            let all = Self::ALL.map(|mix| mix.to_string()).join(", ");
            format!("expected one of {all}, found {name:?}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_layers_are_mixed_as_llama_quantize_mixes_them() {
        // Read off a file that llama-quantize wrote.
        let more: Vec<usize> = (0..12).filter(|layer| gets_more(*layer, 12)).collect();
        assert_eq!(more, [0, 3, 6, 9, 10, 11]);
        let twelve = Shape { layers: 12, ..Shape::default() };
        assert_eq!(Mix::Q4KM.wanted(Role::Down(3), twelve, false), BlockType::Q6K);
        assert_eq!(Mix::Q4KM.wanted(Role::Value(2), twelve, false), BlockType::Q4K);
        assert_eq!(Mix::Q4KM.wanted(Role::Output, twelve, false), BlockType::Q6K);
        assert_eq!(Mix::Q8_0.wanted(Role::Output, twelve, false), BlockType::Q8_0);
        assert_eq!(Mix::Q4_0.wanted(Role::Down(0), twelve, true), BlockType::Q4_1);
        let eight = Shape { experts: 8, ..twelve };
        assert_eq!(Mix::Q4KM.wanted(Role::Key, eight, false), BlockType::Q8_0);
    }

    #[test]
    fn rows_that_are_no_whole_blocks_fall_back() {
        assert_eq!(fallback(BlockType::Q4K, 512), BlockType::Q4K);
        assert_eq!(fallback(BlockType::Q4K, 320), BlockType::Q5_0);
        assert_eq!(fallback(BlockType::Q5K, 320), BlockType::Q5_1);
        assert_eq!(fallback(BlockType::Q6K, 320), BlockType::Q8_0);
        assert_eq!(fallback(BlockType::Q6K, 48), BlockType::F16);
        assert_eq!(fallback(BlockType::Q4_0, 48), BlockType::F16);
    }

    #[test]
    fn names_go_there_and_back() {
        for mix in Mix::ALL {
            assert_eq!(mix.to_string().to_lowercase().parse(), Ok(mix));
        }
        assert!("Q3_K".parse::<Mix>().unwrap_err().contains("Q4_K_M"));
    }
}
