//! Small random models, and a listener that keeps everything.

use shuyuan_model::{Config, Decoder, Qwen3ForCausalLM};
use std::sync::Arc;

/// A model in training whose every layer does something: a new one's are the identity.
fn stirred(config: &Config) -> Qwen3ForCausalLM {
    struct Stir;
    impl shuyuan_model::ParamMapper for Stir {
        fn map<const D: usize>(
            &mut self,
            _: &str,
            value: burn::tensor::Tensor<D>,
        ) -> burn::tensor::Tensor<D> {
            let mut n = 0u32;
            shuyuan_tensor::update(value, |x| {
                for x in x {
                    n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *x += (n >> 8) as f32 / (1 << 24) as f32 * 0.4 - 0.2;
                }
            })
        }
    }
    let model = Qwen3ForCausalLM::init(config, 5, &shuyuan_tensor::cpu()).unwrap();
    shuyuan_model::map_params(model, &mut Stir)
}

fn config(vocab_size: usize, hidden_size: usize, context: usize) -> Config {
    Config {
        vocab_size,
        hidden_size,
        intermediate_size: 2 * hidden_size,
        num_hidden_layers: 3,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 8,
        max_position_embeddings: context,
        rope_theta: 1e4,
        rms_norm_eps: 1e-6,
        tie_word_embeddings: true,
        eos_token_id: None,
    }
}

/// A random model of 50 tokens in f32.
pub fn plain(context: usize) -> Arc<Decoder> {
    Arc::new(Decoder::of(&stirred(&config(50, 24, context))))
}

/// A tokenizer of 300 tokens, and a random model of them in Q8_0, whose results do not depend on what is read together.
pub fn packed(context: usize) -> (Arc<Decoder>, shuyuan_text::Tokenizer) {
    use shuyuan_model::gguf::{ExportOptions, Mix, Words, export};
    use shuyuan_text::{TrainConfig, train};
    let text = "{\"name\": \"the cat\", \"age\": 12, \"tags\": [\"sat\", \"on\", \"the mat\"]} yes no maybe "
        .repeat(40);
    let trained = train([Ok(text)], &TrainConfig::new(300), |_| std::ops::ControlFlow::Continue(())).unwrap();
    let model = stirred(&config(trained.tokenizer.vocab_size(), 32, context));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    let options = ExportOptions::new(Mix::Q8_0, "random");
    export(&path, &Decoder::of(&model), Words::Tokenizer(&trained.tokenizer), &options).unwrap();
    (Arc::new(Decoder::load(&path).unwrap()), trained.tokenizer)
}

/// Numbers without order, the same each time.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }
}

/// A text of `n` ids.
pub fn text(seed: u64, n: usize, vocab: usize) -> Vec<u32> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
    (0..n).map(|_| random.below(vocab) as u32).collect()
}
