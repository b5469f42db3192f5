//! The stages, from school to work. Each is one function: options in, events on the way, a result out.

pub mod corpus;
pub mod embed;
pub mod eval;
pub mod export;
pub mod finetune;
pub mod get;
pub mod injections;
pub mod knowledge;
pub mod knowledge_eval;
pub mod pretrain;
pub mod quickstart;
pub mod race;
pub mod report;
pub mod teach;
pub mod tokenizer;
pub mod world;

mod clock;
mod plan;
mod samples;
mod watch;

pub use samples::{Prompt, answer};
