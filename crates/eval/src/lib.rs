//! Tasks, metrics and reports with standard errors, over anything that generates or scores text.
//!
//! Three kinds of task: the trades of the built-in world ([`trade`], over any [`Generate`](shuyuan_chain::Generate)),
//! multiple choice by likelihood ([`multiple_choice`]) and [`bits_per_byte`] (both over a [`Scorer`]);
//! a [`Plan`] makes a list of them.
//! `goldens/eval/reference.py` computes the last two with transformers.

mod bits;
mod choice;
mod error;
mod item;
mod lines;
mod plan;
mod prefix;
mod report;
mod trade;

pub use bits::{bits_per_byte, texts_of};
pub use choice::{Likelihoods, Scorer, multiple_choice};
pub use error::EvalError;
pub use item::Item;
pub use lines::{Items, read_items};
pub use plan::{Plan, Task};
pub use report::{Score, Skipped, TaskResult};
pub use trade::{TRADES, trade};

use std::ops::ControlFlow;

/// Called after each part of a task with what is done of how much; a break stops the task.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize) -> ControlFlow<()>;
