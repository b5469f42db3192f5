//! Which kind of thing a word names, read off its state after each layer: a probe fitted on the spot.
//!
//! The probe learns from words whose kind is known, in documents of the built-in world, and is judged by words that it
//! has not met. What it says of a model is how far a straight cut tells the kinds apart, no more.

use super::InspectError;
use super::known::{self, CATEGORIES};
use super::logistic::Logistic;
use super::memo::Memo;
use crate::LiveModel;
use rayon::prelude::*;
use serde::Serialize;
use shuyuan_corpus::Example;
use shuyuan_corpus::world::{Split, World};
use shuyuan_model::Trace;
use std::sync::Arc;

/// A category, and how far a probe believes in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Belief {
    /// The category's name: "dish".
    pub category: &'static str,
    /// From 0 to 1.
    pub probability: f32,
}

/// One classifier for each layer, and for the embedding before them.
pub(super) struct Fitted {
    layers: Vec<Logistic>,
    /// The share of held-out words that are told right, layer by layer.
    pub accuracy: Vec<f32>,
}

/// Tokens of one document at most: words come early and late alike.
const DOCUMENT: usize = 96;
/// Samples at most: enough for straight cuts through a few hundred dimensions.
const SAMPLES: usize = 1400;
/// One word in so many is kept from learning.
const HELD_OUT: usize = 4;
/// Multiplications to spend on states: some tenths of a second of two cores.
const BUDGET: f64 = 2e10;

static FITTED: Memo<Fitted> = Memo::new();

/// The probe of a model, fitted at the first call.
pub(super) fn fitted(live: &LiveModel) -> Result<Arc<Fitted>, InspectError> {
    FITTED.get(&live.model, || fit(live))
}

impl Fitted {
    /// What each layer believes of the token at `at`, the strongest first.
    pub fn beliefs(&self, trace: &Trace, at: usize, c: usize) -> Vec<Vec<Belief>> {
        let believe = |(layer, probe): (usize, &Logistic)| {
            let p = probe.probabilities(&state(trace, layer)[at * c..][..c]);
            let named =
                CATEGORIES.iter().zip(p).map(|(c, probability)| Belief { category: c.name(), probability });
            let mut beliefs: Vec<_> = named.collect();
            beliefs.sort_by(|a, b| b.probability.total_cmp(&a.probability));
            beliefs
        };
        self.layers.iter().enumerate().map(believe).collect()
    }
}

/// (T, C): the state after `layer` layers.
pub(super) fn state(trace: &Trace, layer: usize) -> &[f32] {
    match layer {
        0 => &trace.embedding,
        _ => &trace.layers[layer - 1].state,
    }
}

/// Words with their kinds and states.
#[derive(Default)]
struct Samples {
    labels: Vec<usize>,
    held_out: Vec<bool>,
    /// (N, C) for each layer and the embedding.
    states: Vec<Vec<f32>>,
}

fn fit(live: &LiveModel) -> Result<Fitted, InspectError> {
    let samples = collect(live)?;
    let c = live.model.config().hidden_size;
    let (layers, accuracy) = samples
        .states
        .par_iter()
        .map(|states| {
            let of = |held: bool| samples.held_out.iter().enumerate().filter(move |(_, h)| **h == held);
            let row = |at: usize| &states[at * c..][..c];
            let rows: Vec<f32> = of(false).flat_map(|(at, _)| row(at).to_vec()).collect();
            let labels: Vec<usize> = of(false).map(|(at, _)| samples.labels[at]).collect();
            let probe = Logistic::fit(&rows, &labels, CATEGORIES.len());
            let right = of(true).filter(|(at, _)| probe.class(row(*at)) == samples.labels[*at]).count();
            (probe, right as f32 / of(true).count().max(1) as f32)
        })
        .unzip();
    Ok(Fitted { layers, accuracy })
}

fn collect(live: &LiveModel) -> Result<Samples, InspectError> {
    let config = live.model.config();
    let (c, layers) = (config.hidden_size, config.num_hidden_layers());
    let budget = (BUDGET / live.model.num_params() as f64).clamp(1500.0, 8000.0) as usize;
    let longest = DOCUMENT.min(config.max_position_embeddings);
    let world = World::new(0);
    let mut samples = Samples { states: vec![Vec::new(); layers + 1], ..Samples::default() };
    let (mut read, mut index) = (0, 0);
    while read < budget && samples.labels.len() < SAMPLES {
        let text = text_of(world.document(Split::Train, index).example);
        index += 1;
        let mut ids = live.tokenizer.encode(&text);
        ids.truncate(longest);
        let ends = known::ends(&live.tokenizer, &ids);
        let words = known::find(&text);
        let at =
            words.iter().filter_map(|w| Some((known::token_at(&ends, w.bytes.end)?, w.category?, w.word)));
        let at: Vec<_> = at.collect();
        // A document with nothing to learn from costs something, too: no endless search.
        read += ids.len().max(1);
        if at.is_empty() {
            continue;
        }
        let trace = live.model.trace(&ids)?;
        for (token, category, word) in at {
            samples.labels.push(category);
            samples.held_out.push(word % HELD_OUT == 0);
            for (layer, states) in samples.states.iter_mut().enumerate() {
                states.extend_from_slice(&state(&trace, layer)[token * c..][..c]);
            }
        }
    }
    Ok(samples)
}

fn text_of(example: Example) -> String {
    match example {
        Example::Text { text } => text,
        Example::Chat { messages } => messages.into_iter().map(|m| m.content).collect::<Vec<_>>().join("\n"),
    }
}
