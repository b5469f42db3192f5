//! The loss of an embedder: a question is to lie closer to its own passage than to the others of the batch.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use shuyuan_corpus::{Batch, Pairs};
use shuyuan_model::Qwen3ForCausalLM;
use shuyuan_tensor::Precision;
use std::sync::Arc;

/// Takes part in no softmax.
const NEVER: f32 = -1e9;

/// InfoNCE, both ways: `-log softmax(cos / temperature)` of the right passage among all, and of the right query among all,
/// their mean over queries, (1).
///
/// Shapes: `queries` (Q, C), `passages` (P, C), of length 1. Two texts that [`Pairs::belong`] together without being this
/// pair do not compete. Source: arXiv:1807.03748, eq. 4, with the batch as negatives (arXiv:1705.00652).
pub fn contrastive(queries: Tensor<2>, passages: Tensor<2>, pairs: &Pairs, temperature: f32) -> Tensor<1> {
    let (q, p) = (pairs.queries.len(), pairs.passages.len());
    let device = queries.device();
    let cosines = queries.matmul(passages.transpose()) / temperature; // (Q, P)
    let out = |i: usize, j: usize| if i != j && pairs.belong(i, j) { NEVER } else { 0.0 };
    let cosines = cosines + table(q, p, out, &device);
    let own = |i: usize, j: usize| f32::from(u8::from(i == j));
    let to_passage = log_softmax(cosines.clone(), 1) * table(q, p, own, &device);
    let to_query = log_softmax(cosines.slice([0..q, 0..q]), 0) * table(q, q, own, &device);
    (to_passage.sum() + to_query.sum()) / (-2.0 * q as f32)
}

fn table(rows: usize, cols: usize, value: impl Fn(usize, usize) -> f32, device: &Device) -> Tensor<2> {
    let numbers: Vec<f32> = (0..rows * cols).map(|at| value(at / cols, at % cols)).collect();
    Tensor::from_data(TensorData::new(numbers, [rows, cols]), device)
}

/// The vectors of a batch's queries (Q, C) and passages (P, C). Its ids must have passed [`Qwen3ForCausalLM::check`].
pub(crate) fn vectors(
    model: &Qwen3ForCausalLM,
    batch: &Batch,
    pairs: &Pairs,
    precision: Precision,
) -> [Tensor<2>; 2] {
    let ends: Arc<[u32]> = pairs.queries.iter().chain(&pairs.passages).copied().collect();
    let (q, all) = (pairs.queries.len(), ends.len());
    let (ids, starts) = (batch.inputs.as_slice().into(), batch.starts.as_slice().into());
    let vectors = model.vectors(ids, starts, batch.batch, ends, precision);
    let c = model.config().hidden_size;
    [vectors.clone().slice([0..q, 0..c]), vectors.slice([q..all, 0..c])]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recipe;
    use crate::grads::Grads;
    use crate::team::Whole;
    use crate::trainer::teach;
    use shuyuan_model::{Decoder, ParamMapper, for_each_param, map_params};

    fn pairs(query_texts: &[u64], passage_texts: &[u64]) -> Pairs {
        Pairs {
            queries: (0..query_texts.len() as u32).collect(),
            passages: (0..passage_texts.len() as u32).collect(),
            query_texts: query_texts.to_vec(),
            passage_texts: passage_texts.to_vec(),
            tokens: 0,
        }
    }

    fn loss(queries: &[[f32; 2]], passages: &[[f32; 2]], pairs: &Pairs) -> f32 {
        let device = shuyuan_tensor::cpu();
        let tensor =
            |rows: &[[f32; 2]]| Tensor::from_data(TensorData::new(rows.concat(), [rows.len(), 2]), &device);
        let loss = contrastive(tensor(queries), tensor(passages), pairs, 0.5);
        shuyuan_tensor::read(&loss, |loss| loss[0])
    }

    #[test]
    fn the_loss_is_that_of_the_formula() {
        let (a, b, c) = ([1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]);
        // Cosines over 0.5: [[2, 1.2, -2], [1.2, 2, -1.2]].
        let e = |x: f64| x.exp();
        let rows = -(e(2.0) / (e(2.0) + e(1.2) + e(-2.0))).ln() - (e(2.0) / (e(1.2) + e(2.0) + e(-1.2))).ln();
        let cols = -2.0 * (e(2.0) / (e(2.0) + e(1.2))).ln();
        let found = loss(&[a, b], &[a, b, c], &pairs(&[1, 2], &[11, 12, 13]));
        assert!((f64::from(found) - (rows + cols) / 4.0).abs() < 1e-6, "{found}");
        // The same passage twice, or the same query: neither is a negative of the other; one alone has no other.
        for same in [pairs(&[1, 2], &[11, 11]), pairs(&[1, 1], &[11, 12]), pairs(&[1], &[11])] {
            let n = same.queries.len();
            assert!(loss(&[a, b][..n], &[b, a][..n], &same).abs() < 1e-6);
        }
    }

    /// Two rows of two texts each; the last text answers nothing.
    fn batch() -> Batch {
        let mut batch = Batch {
            batch: 2,
            tokens: 8,
            inputs: (0..16).map(|i| i * 7 % 30).collect(),
            targets: vec![Batch::IGNORE; 16],
            starts: [[0; 3].as_slice(), &[3; 5], &[0; 4], &[4; 4]].concat(),
            pairs: Some(pairs(&[1, 2], &[11, 12])),
        };
        let pairs = batch.pairs.as_mut().unwrap();
        (pairs.queries, pairs.passages) = (vec![2, 11], vec![7, 15]);
        batch
    }

    fn recipe() -> Recipe {
        let mut recipe = Recipe::default();
        recipe.train.precision = "f32".into();
        recipe.embed = Some(crate::EmbedRecipe { temperature: 0.2, ..Default::default() });
        let m = &mut recipe.model;
        (m.hidden_size, m.intermediate_size, m.num_hidden_layers, m.head_dim) = (16, 24, 2, 8);
        (m.num_attention_heads, m.num_key_value_heads) = (2, 1);
        recipe
    }

    /// Adds `by` to one number of one parameter.
    struct Nudge<'a> {
        name: &'a str,
        at: usize,
        by: f32,
    }

    impl ParamMapper for Nudge<'_> {
        fn map<const D: usize>(&mut self, name: &str, value: Tensor<D>) -> Tensor<D> {
            if name != self.name {
                return value;
            }
            shuyuan_tensor::update(value, |numbers| numbers[self.at] += self.by)
        }
    }

    #[test]
    fn gradients_are_those_of_differences() {
        let recipe = recipe();
        let model = Qwen3ForCausalLM::init(&recipe.config(30), 3, &shuyuan_tensor::cpu_autodiff()).unwrap();
        let (model, _) = model.without_head();
        let mut grads = Grads::default();
        let batches = [batch()];
        let whole = Whole::of(&batches);
        teach(&model, &recipe, &batches, whole, &mut grads).unwrap();
        let at = |name: &str, at: usize, by: f32| {
            let nudged = map_params(model.clone(), &mut Nudge { name, at, by });
            teach(&nudged, &recipe, &batches, whole, &mut Grads::default()).unwrap()
        };
        let mut checked = 0;
        let mut sizes = Vec::new();
        for_each_param(&model, |name, _, data| sizes.push((name.to_string(), data.len())));
        for (name, len) in sizes {
            // The steepest number and some others of each parameter.
            let grad = shuyuan_tensor::read(grads.get(&name), <[f32]>::to_vec);
            let steepest = (0..len).max_by(|&a, &b| grad[a].abs().total_cmp(&grad[b].abs())).unwrap();
            for index in [steepest, 0, len / 2] {
                let step = 1e-3;
                let slope = (at(&name, index, step) - at(&name, index, -step)) / f64::from(2.0 * step);
                let found = f64::from(grad[index]);
                // A loss near 1 in f32 is off by 1e-6 or so, its difference over .002 by 1e-3.
                assert!(
                    (slope - found).abs() < 4e-3 + 0.01 * slope.abs(),
                    "{name}[{index}]: {found}, slope {slope}"
                );
                checked += usize::from(slope.abs() > 1e-2);
            }
        }
        assert!(checked > 20, "only {checked} slopes are steep enough to tell something");
    }

    #[test]
    fn training_makes_the_vectors_that_serving_makes() {
        let recipe = recipe();
        let model = Qwen3ForCausalLM::init(&recipe.config(30), 4, &shuyuan_tensor::cpu()).unwrap();
        let batch = batch();
        let [queries, _] = vectors(&model, &batch, batch.pairs.as_ref().unwrap(), Precision::F32);
        let trained = shuyuan_tensor::read(&queries, <[f32]>::to_vec);
        let served =
            Decoder::of(&model).embed(&[&batch.inputs[0..3], &batch.inputs[8..12]]).unwrap().concat();
        for (a, b) in trained.iter().zip(&served) {
            // f32 sums in another order.
            assert!((a - b).abs() < 1e-5, "{trained:?} {served:?}");
        }
        assert_eq!(trained.len(), served.len());
    }
}
