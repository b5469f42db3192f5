//! What is asked for and what comes back.

use crate::{Constraint, EngineError, Sampling};
use shuyuan_model::Decoder;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What to generate.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The prompt; at least one id.
    pub ids: Vec<u32>,
    /// The most tokens to write; where the context is full before, [`Request::overflow`] says what happens.
    pub max_tokens: usize,
    /// How to choose.
    pub sampling: Sampling,
    /// Ids after which to end; they are not told.
    pub stop_ids: Vec<u32>,
    /// How many likely tokens to tell beside each chosen one; 0 to 20.
    pub alternatives: usize,
    /// Whose it is. Owners take turns, however many requests each has.
    pub owner: u64,
    /// Whose prompts it may share what was read with.
    pub prefix: PrefixScope,
    /// What happens where the context is full.
    pub overflow: Overflow,
    /// What may be written; anything where there is none.
    pub constraint: Option<Constraint>,
    /// Ends the work from elsewhere, also while it waits or reads.
    pub cancel: Cancel,
}

/// Which requests may go on from what another one read.
///
/// Going on is faster than reading, so whoever shares can find out, by the clock, how others' prompts begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PrefixScope {
    /// Those of the same owner: nobody learns of others' prompts.
    #[default]
    Owner,
    /// Those with the same number, whoever owns them: for prompts that are no secret among them.
    Group(u64),
    /// None, and nothing is kept.
    Off,
}

/// What happens where a text grows longer than the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// A prompt that is too long is an error, and writing ends where the context is full, as [`Reason::Length`].
    #[default]
    Refuse,
    /// The first `keep` tokens stay, and the newest up to half of what remains; all of them are read again.
    Slide {
        /// Tokens of the beginning that stay; at most half of the context.
        keep: usize,
    },
}

/// A switch that ends a request. Clones are the same switch.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends the requests that carry this switch, within one step.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was used.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A token that was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// ln of its probability in the model's own distribution, before temperature and cuts.
    pub logprob: f32,
    /// The likeliest tokens at this place with their ln probabilities, the likeliest first.
    pub alternatives: Vec<(u32, f32)>,
}

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A stop id came, or the constraint is fulfilled and allows no more.
    Stop,
    /// `max_tokens` were written, or the context is full.
    Length,
    /// The listener wanted no more, or [`Request::cancel`] was used.
    Cancelled,
}

/// How generation ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finish {
    /// Why.
    pub reason: Reason,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// How many of them were not read, because an earlier request had.
    pub cached_tokens: usize,
    /// Tokens told.
    pub tokens: usize,
    /// Tokens left out because the context was full.
    pub dropped_tokens: usize,
    /// Tokens that were guessed from the text itself, and how many of them were right.
    pub guessed: Guessed,
    /// Where the time went.
    pub seconds: Seconds,
}

/// Guesses of one or many requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guessed {
    /// Tokens guessed.
    pub proposed: usize,
    /// Those that were right.
    pub accepted: usize,
}

/// Seconds of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seconds {
    /// From when it came until its turn.
    pub waiting: f64,
    /// From then until its first token was chosen.
    pub reading: f64,
    /// From then to the end.
    pub writing: f64,
    /// Of reading and writing: what the constraint took to find out which tokens may come.
    pub constraint: f64,
}

/// The most alternatives that can be asked for, as in OpenAI's API.
const MAX_ALTERNATIVES: usize = 20;

impl Request {
    /// Checks everything that can be known before the work begins.
    pub(crate) fn validate(&self, model: &Decoder) -> Result<(), EngineError> {
        self.sampling.validate()?;
        if self.alternatives > MAX_ALTERNATIVES {
            let found = self.alternatives.to_string();
            return Err(EngineError::Field { field: "alternatives", expected: "0 to 20", found });
        }
        if self.ids.is_empty() {
            let expected = "at least one token";
            return Err(EngineError::Field { field: "the prompt", expected, found: "none".into() });
        }
        let context = model.config().max_position_embeddings;
        let tokens = match self.overflow {
            Overflow::Refuse => self.ids.len(),
            Overflow::Slide { keep } if keep > context / 2 => {
                let expected = "at most half of the context";
                return Err(EngineError::Field { field: "overflow.keep", expected, found: keep.to_string() });
            }
            Overflow::Slide { .. } => 0,
        };
        model.check(&self.ids, tokens)?;
        let biased: Vec<u32> = self.sampling.logit_bias.keys().copied().collect();
        Ok(model.check(&biased, 0)?)
    }

    /// What it shares pages under: none where it shares none.
    pub(crate) fn scope(&self) -> Option<PrefixKey> {
        match self.prefix {
            PrefixScope::Owner => Some((false, self.owner)),
            PrefixScope::Group(group) => Some((true, group)),
            PrefixScope::Off => None,
        }
    }
}

/// Whether it is a group's, and whose.
pub(crate) type PrefixKey = (bool, u64);
