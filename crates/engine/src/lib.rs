//! Generation: key-value cache, sampling, the loop. Ids in, ids out; never sees text.

mod error;
mod generate;
mod sampling;
mod score;
mod timing;

pub use error::EngineError;
pub use generate::{Engine, Finish, Reason, Request, Token};
pub use sampling::Sampling;
pub use score::Passage;
pub use shuyuan_kernels::{set_threads, threads};
pub use timing::{Rates, Timing, time};

/// Tokens of a prompt that are read at once: enough to fill the kernels, few enough not to hold up others.
pub const PIECE: usize = 512;
