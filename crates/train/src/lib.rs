//! Losses, optimizers, schedules, the trainer and its records.
//!
//! Recipe + data in, checkpoints and metrics out. Never imports the engine or the evaluation: who wants to see the
//! model of the moment is called through [`Observer`].

mod bench;
mod checkpoint;
mod choose;
mod contrastive;
mod curve;
mod data;
mod diagnosis;
mod error;
mod grads;
mod kept;
mod optimizer;
mod plan;
mod recipe;
mod record;
mod rehearsal;
mod schedule;
mod team;
mod tensorboard;
mod trainer;
mod trouble;
mod validation;

pub use bench::{Bench, Timing};
pub use checkpoint::recipe as recipe_of;
pub use choose::{Budget, Choice, Size, choose, foretold, sizes, vocabulary};
pub use contrastive::contrastive;
pub use data::Data;
pub use diagnosis::{Finding, Rule, diagnose};
pub use error::TrainError;
pub use kept::{Rewind, Rewound, rewind};
pub use optimizer::Optimizer;
pub use plan::Plan;
pub use recipe::{
    EmbedRecipe, FirstRecipe, Kind, ModelRecipe, OptimizerKind, OptimizerRecipe, Recipe, TrainRecipe,
};
pub use record::{Metric, read_metrics};
pub use rehearsal::{REHEARSED, rehearse};
pub use team::{dismiss, exchange_seconds, serve};
pub use trainer::{Job, Observer, Summary, run};
pub use trouble::{Row, Trouble, TroubleKind, read_all as read_trouble};
pub use validation::{Recall, Validation, bits_per_byte, recall};
