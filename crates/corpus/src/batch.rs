//! What one step of training reads.

use serde::{Deserialize, Serialize};
use shuyuan_text::TokenId;

/// `batch` rows of `tokens` positions; several documents may share a row.
///
/// All three vectors of tokens have `batch * tokens` entries, row after row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// B, the number of rows.
    pub batch: usize,
    /// T, the positions of a row.
    pub tokens: usize,
    /// (B, T): the token at each position.
    pub inputs: Vec<TokenId>,
    /// (B, T): the token to predict at each position, or [`Batch::IGNORE`].
    pub targets: Vec<TokenId>,
    /// (B, T): the position in its row at which the document of this position starts. A position attends to
    /// `start..=itself` and to nothing of other documents.
    pub starts: Vec<u32>,
    /// Which of the texts belong together, where that is what is to be learned; nothing is to be predicted then.
    pub pairs: Option<Pairs>,
}

impl Batch {
    /// The target of a position that carries no loss.
    pub const IGNORE: TokenId = TokenId::MAX;

    /// Tokens that teach: those to predict, or those of all paired texts.
    pub fn taught(&self) -> usize {
        let predicted = || self.targets.iter().filter(|target| **target != Self::IGNORE).count();
        self.pairs.as_ref().map_or_else(predicted, |pairs| pairs.tokens)
    }
}

/// Questions and the passages that answer them, by where their last tokens lie in a batch: there a model with causal
/// attention has read the whole text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairs {
    /// (Q): an index into the batch's vectors for each query.
    pub queries: Vec<u32>,
    /// (P), P >= Q: the same for passages. The first Q answer the queries, in order; the others answer none of them.
    pub passages: Vec<u32>,
    /// (Q): a number for each query's text, the same for the same text.
    pub query_texts: Vec<u64>,
    /// (P): the same for passages.
    pub passage_texts: Vec<u64>,
    /// Tokens of all texts.
    pub tokens: usize,
}

impl Pairs {
    /// Whether passage `p` is known to answer query `q`: as its own, as a copy of it, or as that of the same query elsewhere.
    pub fn belong(&self, q: usize, p: usize) -> bool {
        self.passage_texts[q] == self.passage_texts[p]
            || self.query_texts.get(p).is_some_and(|other| *other == self.query_texts[q])
    }
}
