//! A model's first weights, from a seed of their own: nothing else that draws can change them.

use crate::ParamMapper;
use burn::tensor::Tensor;

/// Fills each tensor by its name: embeddings and output layer with deviation 0.02, projections with 1/√in, those back
/// into the state with zeros, so that every layer starts as the identity. Norms stay at one.
pub(crate) struct Fill {
    pub(crate) seed: u64,
}

impl ParamMapper for Fill {
    fn map<const D: usize>(&mut self, name: &str, value: Tensor<D>) -> Tensor<D> {
        let input = value.dims()[D - 1];
        let std = match () {
            () if D < 2 || name.contains("o_proj") || name.contains("down_proj") => return value,
            () if name.contains(".layers.") => 1.0 / (input as f64).sqrt(),
            () => 0.02,
        };
        let mut state = name.bytes().fold(self.seed, |hash, byte| mix(hash ^ u64::from(byte)));
        shuyuan_tensor::update(value, |numbers| {
            for pair in numbers.chunks_mut(2) {
                let (u, v) = (uniform(&mut state), uniform(&mut state));
                // Two normal numbers of two uniform ones: Box and Muller, doi.org/10.1214/aoms/1177706645.
                let (radius, angle) = ((-2.0 * u.ln()).sqrt() * std, std::f64::consts::TAU * v);
                for (number, part) in pair.iter_mut().zip([angle.cos(), angle.sin()]) {
                    *number = (radius * part) as f32;
                }
            }
        })
    }
}

/// Above 0, at most 1.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    ((mix(*state) >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// SplitMix64's finish; source: doi.org/10.1145/2714064.2660195.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
