//! How likely given texts are: rows of ids in, sums of ln probabilities out, many rows to a forward pass.

use crate::generate::rayon_scope;
use crate::{Engine, EngineError};
use shuyuan_model::ModelError;
use shuyuan_tensor::Precision;
use std::ops::Range;

/// A text of which a part is scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// All of it: at least two ids, at most one more than the context (the last is predicted and never read).
    pub ids: Vec<u32>,
    /// The first that is scored, given all before it; at least 1, since nothing predicts the first id of a text.
    pub from: usize,
}

/// Tokens of a forward pass, padding included: enough to fill the kernels, small enough for the cache.
const PASS: usize = 4096;

/// No target, as the loss has it.
const NONE: u32 = u32::MAX;

impl Engine {
    /// For each passage the sum of ln p of its scored ids, in the order given. Computed in f32.
    ///
    /// Passages of like length share a forward pass, padded at the end, where nothing looks.
    ///
    /// # Errors
    /// A passage without an id before its first scored one, an unknown id, one longer than the context.
    pub fn logprobs(&self, passages: &[Passage]) -> Result<Vec<f64>, EngineError> {
        for passage in passages {
            self.check(passage)?;
        }
        let mut order: Vec<usize> = (0..passages.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(passages[i].ids.len()));
        let mut sums = vec![0.0; passages.len()];
        let mut rest = order.as_slice();
        while let Some(&longest) = rest.first() {
            let tokens = passages[longest].ids.len() - 1;
            let (these, others) = rest.split_at((PASS / tokens).clamp(1, rest.len()));
            let rows: Vec<&Passage> = these.iter().map(|&i| &passages[i]).collect();
            for (&i, sum) in these.iter().zip(self.pass(&rows, tokens)) {
                sums[i] = sum;
            }
            rest = others;
        }
        Ok(sums)
    }

    fn check(&self, passage: &Passage) -> Result<(), EngineError> {
        let Passage { ids, from } = passage;
        if *from == 0 || *from >= ids.len() {
            let found = format!("{from} of {}", ids.len());
            return Err(EngineError::Field {
                field: "from",
                expected: "1 to the number of ids less one",
                found,
            });
        }
        let model = self.model();
        let context = model.config().max_position_embeddings;
        if ids.len() - 1 > context {
            return Err(ModelError::TooLong { tokens: ids.len() - 1, context }.into());
        }
        Ok(model.check(ids, 0)?)
    }

    /// One forward pass over rows of at most `tokens` inputs.
    fn pass(&self, rows: &[&Passage], tokens: usize) -> Vec<f64> {
        let mut ids = vec![0; rows.len() * tokens];
        let mut targets = vec![NONE; rows.len() * tokens];
        let scored = |row: &Passage| -> Range<usize> { row.from - 1..row.ids.len() - 1 };
        for (row, (ids, targets)) in
            rows.iter().zip(ids.chunks_exact_mut(tokens).zip(targets.chunks_exact_mut(tokens)))
        {
            let inputs = row.ids.len() - 1;
            ids[..inputs].copy_from_slice(&row.ids[..inputs]);
            targets[scored(row)].copy_from_slice(&row.ids[row.from..]);
        }
        let starts = vec![0; ids.len()].into();
        let losses = rayon_scope(|| {
            self.model().losses(ids.into(), starts, targets.into(), rows.len(), Precision::F32)
        });
        let sum = |losses: &[f32]| -losses.iter().map(|&x| f64::from(x)).sum::<f64>();
        rows.iter().zip(losses.chunks_exact(tokens)).map(|(row, losses)| sum(&losses[scored(row)])).collect()
    }
}
