//! Generation: key-value cache, sampling, the loop. Ids in, ids out; never sees text.

mod error;
mod generate;
mod sampling;
mod score;

pub use error::EngineError;
pub use generate::{Engine, Finish, Reason, Request, Token};
pub use sampling::Sampling;
pub use score::Passage;
