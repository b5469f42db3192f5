//! How likely given texts are: rows of ids in, sums of ln probabilities out, many rows to a forward pass.

use crate::{Engine, EngineError};
use shuyuan_model::ModelError;

/// A text of which a part is scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// All of it: at least two ids, at most one more than the context (the last is predicted and never read).
    pub ids: Vec<u32>,
    /// The first that is scored, given all before it; at least 1, since nothing predicts the first id of a text.
    pub from: usize,
}

/// Tokens of a forward pass: enough to fill the kernels, small enough for the cache.
const PASS: usize = 4096;

impl Engine {
    /// For each passage the sum of ln p of its scored ids, in the order given.
    ///
    /// Passages of like length share a forward pass.
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
            let text = |&i: &usize| (passages[i].ids.as_slice(), passages[i].ids.len() - passages[i].from);
            let texts: Vec<(&[u32], usize)> = these.iter().map(text).collect();
            for (&i, logprobs) in these.iter().zip(self.model().logprobs(&texts)?) {
                sums[i] = logprobs.into_iter().map(f64::from).sum();
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
}
