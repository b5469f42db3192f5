//! Looks inside the weights of this moment: tokens, attention, what each layer knows, and which words lie close.
//!
//! Pure functions of a model; what is costly is kept for as long as the model lives.

mod explain;
mod known;
mod logistic;
mod memo;
mod near;
mod plane;
mod probe;

pub use explain::{Contribution, Explanation, Guess, Piece, Position, Probe, explain};
pub use near::{Near, Neighbour, Place, near};
pub use probe::Belief;

use shuyuan_model::ModelError;
use shuyuan_text::{Shown, Tokenizer};

/// Why a model cannot be looked into so.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The text does not fit the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// There is nothing to look at.
    #[error("the text is empty: write a sentence to look at")]
    Empty,
    /// More than can be drawn.
    #[error("the text has {tokens} tokens, at most {most} can be drawn for this model: shorten it")]
    Long {
        /// What was given.
        tokens: usize,
        /// What can be drawn.
        most: usize,
    },
    /// Not a word.
    #[error("expected one word to find neighbours of, found {found:?}")]
    Word {
        /// What was given.
        found: String,
    },
}

/// The tokens of a plain text, for the table Token | ID.
pub fn tokens(tokenizer: &Tokenizer, text: &str) -> Vec<Shown> {
    tokenizer.show(text)
}
