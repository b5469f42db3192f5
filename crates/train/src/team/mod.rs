//! Data parallel: several ranks teach one model.
//!
//! Rank 0 runs the trainer as one process alone would: data, optimizer, checkpoints and records are its own. The others
//! ([`serve`]) hold nothing that could be lost: for each step they are sent their batches and the weights, and give back
//! their gradients. So a run's folder says nothing of ranks and goes on with any number of them, hosts of different kinds
//! never drift apart, and only rank 0 needs corpus, recipe and disk.
//!
//! A step moves the weights to every rank and the gradients back, 4 bytes a parameter each way.
//!
//! Several [`Cards`] of one process share a step in the same way, without orders: see there.

mod cards;
mod order;
mod serve;

pub(crate) use order::Whole;
pub use serve::serve;

use crate::grads::Grads;
use crate::trainer::teach;
use crate::{Recipe, TrainError};
use burn::tensor::Device;
use cards::Cards;
use order::Order;
use shuyuan_corpus::Batch;
use shuyuan_model::{Config, Qwen3ForCausalLM, for_each_param};
use shuyuan_ranks::{Lost, Ranks};
use std::time::{Duration, Instant};

/// Whom a run is taught by.
pub(crate) enum Team<'a> {
    /// One device of this process.
    Alone,
    /// Several of them.
    Cards(Cards),
    /// This process and others, of which it is the first.
    Ranks {
        ranks: &'a dyn Ranks,
        /// The weights on their way there, the gradients on their way back.
        numbers: Vec<f32>,
    },
}

impl<'a> Team<'a> {
    /// A run begins on `first`, with more `cards` of this process, or shared with other `ranks`, of which it is the first.
    pub(crate) fn begin(
        first: Device,
        cards: &[Device],
        ranks: Option<&'a dyn Ranks>,
        recipe: &Recipe,
        config: &Config,
    ) -> Result<Self, TrainError> {
        if let Some(ranks) = ranks.filter(|ranks| ranks.size() > 1) {
            assert!(cards.is_empty(), "a rank has one device");
            tell_all(ranks, &Order::Begin { config: config.clone().into(), recipe: recipe.clone().into() })?;
            return Ok(Self::Ranks { ranks, numbers: Vec::new() });
        }
        if cards.is_empty() {
            return Ok(Self::Alone);
        }
        let devices = std::iter::once(first).chain(cards.iter().cloned()).collect();
        Ok(Self::Cards(Cards::new(devices)?))
    }

    /// How many there are.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Alone => 1,
            Self::Cards(cards) => cards.size(),
            Self::Ranks { ranks, .. } => ranks.size(),
        }
    }

    /// Loss and gradients of one step's batches, as if they were one batch: each takes its share of them.
    pub(crate) fn teach(
        &mut self,
        model: &Qwen3ForCausalLM,
        recipe: &Recipe,
        batches: &[Batch],
        grads: &mut Grads,
    ) -> Result<f64, TrainError> {
        let whole = Whole::of(batches);
        // Inside the pool, so that a kernel's parallel part starts on this thread at once: from outside, each of them puts this
        // thread to sleep and wakes another (measured 2026-11-24: 22 % of the time of a 2M model's step). Ranks are waited for
        // outside: a thread of the pool that waits is one that computes nothing.
        let mut taught = |own: &[Batch]| rayon::scope(|_| teach(model, recipe, own, whole, grads));
        let (ranks, held) = match self {
            Self::Alone => return taught(batches),
            Self::Cards(cards) => {
                grads.clear();
                let (loss, sum) = cards.teach(model, recipe, batches, whole)?;
                *grads = sum;
                return Ok(loss);
            }
            Self::Ranks { ranks, numbers } => (*ranks, numbers),
        };
        // In order: rank 0 takes the first ones, and with them what is missing at the end of the data.
        let mut shares = batches.chunks(batches.len().div_ceil(ranks.size()));
        let own = shares.next().unwrap_or_default();
        let step = |share: &[Batch]| Order::Step { batches: share.to_vec(), whole }.to_bytes();
        ranks.tell((1..ranks.size()).map(|_| step(shares.next().unwrap_or_default())).collect())?;
        let mut numbers = std::mem::take(held);
        numbers.clear();
        for_each_param(model, |_, _, data| numbers.extend_from_slice(data));
        numbers = ranks.broadcast(numbers)?;
        let started = Instant::now();
        let loss = taught(own)?;
        // Hosts may differ in speed, but not by this much.
        let patience = (10 * started.elapsed()).max(Duration::from_secs(300));
        grads.write(&mut numbers);
        numbers.push(loss as f32);
        numbers = ranks.sum(numbers, patience)?;
        let loss = numbers.pop().map_or(0.0, f64::from);
        grads.read(&numbers);
        *held = numbers;
        Ok(loss)
    }
}

/// The same order to each of the others.
fn tell_all(ranks: &dyn Ranks, order: &Order) -> Result<(), Lost> {
    ranks.tell(vec![order.to_bytes(); ranks.size() - 1])
}

/// Tells the others that there are no more runs. Called by rank 0.
///
/// # Errors
/// If a rank is lost.
pub fn dismiss(ranks: &dyn Ranks) -> Result<(), Lost> {
    tell_all(ranks, &Order::End)
}

/// Seconds that a step of a model of `params` parameters spends on the way between ranks. Called by rank 0.
///
/// # Errors
/// If a rank is lost.
pub fn exchange_seconds(ranks: &dyn Ranks, params: usize) -> Result<f64, Lost> {
    let mut seconds = f64::INFINITY;
    let mut numbers = vec![0.0; params];
    for _ in 0..2 {
        tell_all(ranks, &Order::Exchange { params })?;
        let started = Instant::now();
        numbers = ranks.broadcast(numbers)?;
        numbers = ranks.sum(numbers, Duration::from_secs(300))?;
        seconds = seconds.min(started.elapsed().as_secs_f64());
    }
    Ok(seconds)
}
