//! What rank 0 tells the others.

use crate::{Recipe, TrainError};
use serde::{Deserialize, Serialize};
use shuyuan_corpus::Batch;
use shuyuan_model::Config;

/// One message to one rank.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Order {
    /// A run begins: a model of this shape, taught by this recipe.
    Begin { config: Box<Config>, recipe: Box<Recipe> },
    /// The weights follow. Gradients of these batches, as a part of a step of `whole`.
    Step { batches: Vec<Batch>, whole: Whole },
    /// As many numbers go there and back as a model of this many parameters has: how long does it take?
    Exchange { params: usize },
    /// No more orders.
    End,
}

/// What all ranks learn in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Whole {
    /// Tokens that teach.
    pub(crate) tokens: usize,
    /// Micro-batches.
    pub(crate) batches: usize,
}

impl Whole {
    /// Of a step of these batches.
    pub(crate) fn of(batches: &[Batch]) -> Self {
        Self { tokens: batches.iter().map(Batch::taught).sum(), batches: batches.len() }
    }
}

impl Order {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_else(|error| unreachable!("an order is JSON: {error}"))
    }

    pub(super) fn of(bytes: &[u8]) -> Result<Self, TrainError> {
        serde_json::from_slice(bytes).map_err(|error| TrainError::Order(error.to_string()))
    }
}
