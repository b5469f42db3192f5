//! What one step of training reads.

use shuyuan_text::TokenId;

/// `batch` rows of `tokens` positions; several documents may share a row.
///
/// All three vectors have `batch * tokens` entries, row after row.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

impl Batch {
    /// The target of a position that carries no loss.
    pub const IGNORE: TokenId = TokenId::MAX;
}
