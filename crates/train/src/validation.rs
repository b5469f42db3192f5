//! How well held-out text is predicted, or held-out questions find their passages.

use crate::TrainError;
use crate::contrastive::vectors;
use serde::{Deserialize, Serialize};
use shuyuan_corpus::Batch;
use shuyuan_model::Qwen3ForCausalLM;
use shuyuan_tensor::Precision;
use std::collections::{BTreeMap, BTreeSet};

/// Held-out batches and the length of each token in bytes.
#[derive(Clone, Debug)]
pub struct Validation {
    /// What to predict; for an embedder, what to find.
    pub batches: Vec<Batch>,
    /// By id; 0 for special tokens, whose prediction costs but carries no text.
    pub token_bytes: Vec<u32>,
}

/// Bits that the model needs for each byte of the batches' targets. `model` is on a device without gradients.
///
/// # Errors
/// If an id is unknown to the model.
pub fn bits_per_byte(
    model: &Qwen3ForCausalLM,
    validation: &Validation,
    precision: Precision,
) -> Result<f64, TrainError> {
    let (mut nats, mut bytes) = (0.0, 0u64);
    for batch in &validation.batches {
        model.check(&batch.inputs, batch.tokens)?;
        let targets = batch.targets.as_slice();
        let losses = model.losses(
            batch.inputs.as_slice().into(),
            batch.starts.as_slice().into(),
            targets.into(),
            batch.batch,
            precision,
        );
        nats += losses.iter().map(|&loss| f64::from(loss)).sum::<f64>();
        let lengths = targets.iter().filter_map(|&id| validation.token_bytes.get(id as usize));
        bytes += lengths.map(|&length| u64::from(length)).sum::<u64>();
    }
    Ok(nats / std::f64::consts::LN_2 / bytes.max(1) as f64)
}

/// How well questions find their passages among all: each counts as found at the rank of the best that answers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// The part of questions whose passage comes first.
    pub at_1: f64,
    /// The part whose passage is among the first five.
    pub at_5: f64,
    /// The mean of 1 / rank.
    pub mrr: f64,
    /// Questions asked.
    pub queries: usize,
    /// Passages to find.
    pub passages: usize,
}

impl Recall {
    /// Of the ranks, from 1, at which questions found an answer among `passages`.
    pub fn of(ranks: &[usize], passages: usize) -> Self {
        let n = ranks.len().max(1) as f64;
        let within = |most: usize| ranks.iter().filter(|rank| **rank <= most).count() as f64 / n;
        let mrr = ranks.iter().map(|&rank| 1.0 / rank as f64).sum::<f64>() / n;
        Self { at_1: within(1), at_5: within(5), mrr, queries: ranks.len(), passages }
    }
}

/// How well the batches' questions find their passages among those of all batches. `model` is on a device without gradients.
///
/// # Errors
/// If an id is unknown to the model.
pub fn recall(
    model: &Qwen3ForCausalLM,
    batches: &[Batch],
    precision: Precision,
) -> Result<Recall, TrainError> {
    let c = model.config().hidden_size;
    // By the text's number: the same text twice is one to find, or to ask.
    let mut passages: BTreeMap<u64, Vec<f32>> = BTreeMap::new();
    let mut queries: BTreeMap<u64, (Vec<f32>, BTreeSet<u64>)> = BTreeMap::new();
    for batch in batches {
        let Some(pairs) = &batch.pairs else { continue };
        model.check(&batch.inputs, batch.tokens)?;
        let [asked, given] = vectors(model, batch, pairs, precision).map(shuyuan_tensor::take);
        for (text, vector) in pairs.passage_texts.iter().zip(given.chunks_exact(c)) {
            passages.entry(*text).or_insert_with(|| vector.to_vec());
        }
        for ((text, answer), vector) in
            pairs.query_texts.iter().zip(&pairs.passage_texts).zip(asked.chunks_exact(c))
        {
            queries.entry(*text).or_insert_with(|| (vector.to_vec(), BTreeSet::new())).1.insert(*answer);
        }
    }
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let rank = |(query, answers): &(Vec<f32>, BTreeSet<u64>)| {
        let near = |text: &u64| passages.get(text).map_or(f32::NEG_INFINITY, |vector| dot(query, vector));
        let best = answers.iter().map(near).fold(f32::NEG_INFINITY, f32::max);
        // What ties with the answer stands before it: vectors that are all the same find nothing.
        let before =
            |(text, vector): &(&u64, &Vec<f32>)| !answers.contains(text) && dot(query, vector) >= best;
        1 + passages.iter().filter(before).count()
    };
    let ranks: Vec<usize> = queries.values().map(rank).collect();
    Ok(Recall::of(&ranks, passages.len()))
}

/// What held-out data says, by its kind: bits per byte, or recall.
pub(crate) fn look(
    model: &Qwen3ForCausalLM,
    validation: &Validation,
    precision: Precision,
) -> Result<(Option<f64>, Option<Recall>), TrainError> {
    if validation.batches.iter().any(|batch| batch.pairs.is_some()) {
        Ok((None, Some(recall(model, &validation.batches, precision)?)))
    } else {
        Ok((Some(bits_per_byte(model, validation, precision)?), None))
    }
}
