//! Generation: key-value cache, batching, sampling, constraints. Ids in, ids out; never sees text.
//!
//! An [`Engine`] has one thread that takes all requests of a model through it together, step by step. Its parts: the
//! `scheduler` decides what a step reads and how memory is shared, `prefix` keeps what was read for those who begin alike,
//! `lookup` guesses tokens that repeat, `sampling` chooses, `constraint` says what may be chosen.

mod constraint;
mod engine;
mod error;
mod load;
mod lookup;
mod options;
mod prefix;
mod queue;
mod request;
mod sampling;
mod scheduler;
mod score;
mod stats;
mod timing;

pub use constraint::{Constraint, Grammar, TokenTable};
pub use engine::Engine;
pub use error::EngineError;
pub use load::{Felt, Load, Millis};
pub use options::EngineOptions;
pub use request::{Cancel, Finish, Guessed, Overflow, PrefixScope, Reason, Request, Seconds, Token};
pub use sampling::{Dry, Sampling};
pub use score::Passage;
pub use shuyuan_kernels::{set_threads, threads};
pub use stats::Stats;
pub use timing::{Rates, Timing, time};

/// Tokens of a prompt that are read at once: enough to fill the kernels, few enough not to hold up others.
pub const PIECE: usize = 512;

#[cfg(test)]
#[path = "../tests/engine/common.rs"]
mod common;
