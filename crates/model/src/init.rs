//! A model's first weights, from a seed of their own: nothing else that draws can change them.

use crate::{Config, ParamMapper};
use burn::tensor::Tensor;

/// Fills each tensor by its name: embeddings and output layer with deviation 0.02, projections with 1/√in, those back
/// into the state with zeros, so that every layer starts as the identity. Norms stay at one.
///
/// The first layer alone starts with a habit: its queries equal its keys, and it hands on what it finds. A state is most
/// like itself, so each token looks at itself and at earlier places of the same word, sharply from the first step.
/// Without, a model of two million parameters did not learn in ten million tokens which of three people ate what; with
/// it, in three. What was tried, and that the reason is not fully known: docs/LOG.md, 2026-11-27. In the spirit of
/// mimetic initialisation, <https://arxiv.org/abs/2305.09828>.
pub(crate) struct Fill<'c> {
    pub(crate) seed: u64,
    pub(crate) config: &'c Config,
}

impl ParamMapper for Fill<'_> {
    fn map<const D: usize>(&mut self, name: &str, value: Tensor<D>) -> Tensor<D> {
        let input = value.dims()[D - 1];
        let narrow = 1.0 / (input as f64).sqrt();
        let first = name.contains(".layers.0.self_attn.");
        let std = match () {
            () if D < 2 => return value,
            () if first && name.contains("o_proj") => 0.5 * narrow,
            () if name.contains("o_proj") || name.contains("down_proj") => return value,
            () if name.contains(".layers.") => narrow,
            () => 0.02,
        };
        if first && name.contains("q_proj") {
            let (heads, kv_heads) = (self.config.num_attention_heads, self.config.num_key_value_heads);
            let keys =
                self.draw(&name.replace("q_proj", "k_proj"), std, kv_heads * self.config.head_dim * input);
            let of_head = keys.chunks_exact(self.config.head_dim * input);
            let queries: Vec<f32> = of_head.flat_map(|head| head.repeat(heads / kv_heads)).collect();
            return shuyuan_tensor::update(value, |numbers| numbers.copy_from_slice(&queries));
        }
        let drawn = self.draw(name, std, value.dims().iter().product());
        shuyuan_tensor::update(value, |numbers| numbers.copy_from_slice(&drawn))
    }
}

impl Fill<'_> {
    /// `count` normal numbers of deviation `std`: the same for a name at any time.
    fn draw(&self, name: &str, std: f64, count: usize) -> Vec<f32> {
        let mut state = name.bytes().fold(self.seed, |hash, byte| mix(hash ^ u64::from(byte)));
        let mut numbers = vec![0.0; count];
        for pair in numbers.chunks_mut(2) {
            let (u, v) = (uniform(&mut state), uniform(&mut state));
            // Two normal numbers of two uniform ones: Box and Muller, doi.org/10.1214/aoms/1177706645.
            let (radius, angle) = ((-2.0 * u.ln()).sqrt() * std, std::f64::consts::TAU * v);
            for (number, part) in pair.iter_mut().zip([angle.cos(), angle.sin()]) {
                *number = (radius * part) as f32;
            }
        }
        numbers
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

#[cfg(test)]
mod tests {
    use crate::{Config, Qwen3ForCausalLM};

    #[test]
    fn queries_of_the_first_layer_start_as_its_keys() {
        let text = r#"{"model_type": "qwen3", "vocab_size": 50, "hidden_size": 24, "intermediate_size": 8, "head_dim": 4,
            "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 9}"#;
        let config = Config::from_json(text).unwrap();
        let model = Qwen3ForCausalLM::init(&config, 3, &shuyuan_tensor::cpu()).unwrap();
        let [first, second] = [0, 1].map(|layer| {
            let attn = &model.model.layers[layer].self_attn;
            let heads = |w: &burn::module::Param<burn::tensor::Tensor<2>>| {
                shuyuan_tensor::read(&w.val(), |w| w.chunks(4 * 24).map(<[f32]>::to_vec).collect::<Vec<_>>())
            };
            (heads(&attn.q_proj.weight), heads(&attn.k_proj.weight), heads(&attn.o_proj.weight).concat())
        });
        for head in 0..6 {
            assert_eq!(first.0[head], first.1[head / 3], "head {head}");
            assert_ne!(second.0[head], second.1[head / 3], "head {head}");
        }
        assert!(first.2.iter().any(|x| *x != 0.0) && second.2.iter().all(|x| *x == 0.0));
    }
}
