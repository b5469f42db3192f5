//! What a model does with a text, layer by layer.

use super::InspectError;
use super::known;
use super::logistic::softmax;
use super::probe::{self, Belief, state};
use crate::LiveModel;
use serde::Serialize;
use shuyuan_model::Trace;

/// A token as it is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// Its id.
    pub id: u32,
    /// Its text; bytes of a torn character as `\x` and two digits.
    pub text: String,
}

/// What could come next.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guess {
    /// Its id.
    pub id: u32,
    /// Its text.
    pub text: String,
    /// From 0 to 1.
    pub probability: f32,
}

/// The length of what each part of a layer adds to each token's state, (T) each.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contribution {
    /// By attention.
    pub attention: Vec<f32>,
    /// By the feed-forward part.
    pub mlp: Vec<f32>,
}

/// A known word in the text, and what kind of thing each layer takes it for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Position {
    /// The token with which it ends.
    pub token_index: usize,
    /// The word.
    pub word: String,
    /// [L + 1], the strongest belief first; index 0 is the embedding.
    pub by_layer: Vec<Vec<Belief>>,
}

/// What a probe reads off the states.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probe {
    /// What it tells apart.
    pub categories: Vec<&'static str>,
    /// [L + 1]: the share of words it never met that it tells right.
    pub accuracy: Vec<f32>,
    /// The known words of the text.
    pub positions: Vec<Position>,
}

/// What a model of L layers and H heads did with T tokens.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// [T]
    pub tokens: Vec<Piece>,
    /// L
    pub layers: usize,
    /// H
    pub heads: usize,
    /// [L][H][T][T]: how much a token (row) looks at those before it.
    pub attention: Vec<Vec<Vec<Vec<f32>>>>,
    /// [L + 1][T]: the five tokens that each layer's state would predict; index 0 is the embedding.
    pub lens: Vec<Vec<Vec<Guess>>>,
    /// [L]
    pub contributions: Vec<Contribution>,
    /// What kinds of things the words are taken for.
    pub probe: Probe,
}

const GUESSES: usize = 5;
const TOKENS: usize = 256;
/// Numbers of attention that a browser still draws at once.
const ATTENTION: usize = 4 << 20;
/// Rows of logits at once: V is large in models from elsewhere.
const ROWS: usize = 32;

/// Runs `text` and tells what happened.
///
/// # Errors
/// If the text is empty, or longer than the model reads or a picture holds.
pub fn explain(live: &LiveModel, text: &str) -> Result<Explanation, InspectError> {
    let ids = live.tokenizer.encode(text);
    let config = live.model.config();
    let (layers, heads, c) = (config.num_hidden_layers(), config.num_attention_heads, config.hidden_size);
    let most = TOKENS.min((ATTENTION / (layers * heads)).isqrt().max(16)).min(config.max_position_embeddings);
    match ids.len() {
        0 => return Err(InspectError::Empty),
        tokens if tokens > most => return Err(InspectError::Long { tokens, most }),
        _ => {}
    }
    let trace = live.model.trace(&ids)?;
    let t = ids.len();
    let show = |id: u32| live.tokenizer.show_token(id).text;
    let attention = |layer: &shuyuan_model::LayerTrace| {
        let head = |head: &[f32]| {
            head.chunks_exact(t).map(|row| row.iter().copied().map(rounded).collect()).collect()
        };
        layer.attention.chunks_exact(t * t).map(head).collect()
    };
    let norms = |added: &[f32]| added.chunks_exact(c).map(|v| rounded(norm(v))).collect();
    let contribution = |layer: &shuyuan_model::LayerTrace| Contribution {
        attention: norms(&layer.added_by_attention),
        mlp: norms(&layer.added_by_mlp),
    };
    Ok(Explanation {
        tokens: ids.iter().map(|&id| Piece { id, text: show(id) }).collect(),
        layers,
        heads,
        attention: trace.layers.iter().map(attention).collect(),
        lens: (0..=layers).map(|layer| lens(live, state(&trace, layer))).collect(),
        contributions: trace.layers.iter().map(contribution).collect(),
        probe: probed(live, text, &ids, &trace)?,
    })
}

fn probed(live: &LiveModel, text: &str, ids: &[u32], trace: &Trace) -> Result<Probe, InspectError> {
    let probe = probe::fitted(live)?;
    let ends = known::ends(&live.tokenizer, ids);
    let c = live.model.config().hidden_size;
    let position = |found: known::Found| {
        let token_index = known::token_at(&ends, found.bytes.end)?;
        let by_layer = probe.beliefs(trace, token_index, c);
        Some(Position { token_index, word: text[found.bytes].to_string(), by_layer })
    };
    Ok(Probe {
        categories: known::CATEGORIES.iter().map(|category| category.name()).collect(),
        accuracy: probe.accuracy.clone(),
        positions: known::find(text).into_iter().filter_map(position).collect(),
    })
}

/// The likeliest next tokens after each of the states (T, C).
fn lens(live: &LiveModel, states: &[f32]) -> Vec<Vec<Guess>> {
    let config = live.model.config();
    let mut guesses = Vec::new();
    for rows in states.chunks(ROWS * config.hidden_size) {
        for logits in live.model.lens(rows).chunks_exact_mut(config.vocab_size) {
            softmax(logits);
            guesses.push(likeliest(live, logits));
        }
    }
    guesses
}

fn likeliest(live: &LiveModel, p: &[f32]) -> Vec<Guess> {
    let mut best: Vec<u32> = (0..p.len() as u32).collect();
    let above = |a: &u32, b: &u32| p[*b as usize].total_cmp(&p[*a as usize]);
    if best.len() > GUESSES {
        best.select_nth_unstable_by(GUESSES - 1, above);
        best.truncate(GUESSES);
    }
    best.sort_by(above);
    let guess =
        |id| Guess { id, text: live.tokenizer.show_token(id).text, probability: rounded(p[id as usize]) };
    best.into_iter().map(guess).collect()
}

fn norm(v: &[f32]) -> f32 {
    v.iter().map(|x| x * x).sum::<f32>().sqrt()
}

/// Four decimals are more than a picture shows, and half the bytes.
fn rounded(x: f32) -> f32 {
    (x * 1e4).round() / 1e4
}
