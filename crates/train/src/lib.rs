//! Losses, optimizers, schedules, the trainer and its records.
//!
//! Recipe + data in, checkpoints and metrics out. Never imports the engine or the evaluation: who wants to see the
//! model of the moment is called through [`Observer`].

mod bench;
mod checkpoint;
mod curve;
mod data;
mod error;
mod grads;
mod optimizer;
mod plan;
mod recipe;
mod record;
mod schedule;
mod trainer;
mod validation;

pub use bench::{Bench, Timing};
pub use data::Data;
pub use error::TrainError;
pub use optimizer::Optimizer;
pub use plan::Plan;
pub use recipe::{Kind, ModelRecipe, OptimizerKind, OptimizerRecipe, Recipe, TrainRecipe};
pub use record::{Metric, read_metrics};
pub use trainer::{Job, Observer, Summary, run};
pub use validation::{Validation, bits_per_byte};
