//! Which token comes next: from logits to a choice.
//!
//! In this order: what the constraint allows; `logit_bias`; `repetition_penalty`, `presence_penalty` and
//! `frequency_penalty`; DRY (so far as in llama.cpp); then the likeliest where `temperature` is 0; else `temperature`,
//! `top_k`, `top_p`, `min_p`, `typical_p` (as in Hugging Face transformers, each over what the one before left), and a draw.

mod candidates;
mod penalties;
mod sampler;

pub(crate) use sampler::{Mask, Sampler};

use crate::EngineError;
use std::collections::BTreeMap;

/// How tokens are chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// 0 always takes the likeliest token; 1 draws as the model believes.
    pub temperature: f32,
    /// Only the K likeliest; 0 for all.
    pub top_k: usize,
    /// Only the likeliest that together have this probability.
    pub top_p: f32,
    /// Only those at least this likely, relative to the likeliest.
    pub min_p: f32,
    /// Only those whose surprise is nearest to the expected one, that together have this probability.
    /// Source: arXiv:2202.00666.
    pub typical_p: f32,
    /// Divides the logits of tokens that occurred, in the prompt or since (multiplies negative ones); 1 for none.
    /// Source: arXiv:1909.05858.
    pub repetition_penalty: f32,
    /// How many of the latest tokens `repetition_penalty` looks at; `None` for all.
    pub repetition_window: Option<usize>,
    /// Taken from the logits of tokens that were written, OpenAI's meaning: the prompt does not count.
    pub presence_penalty: f32,
    /// Taken from the logits of tokens that were written, once for each time; the prompt does not count.
    pub frequency_penalty: f32,
    /// Keeps the text from repeating long stretches of itself.
    pub dry: Option<Dry>,
    /// Added to the logits of tokens by id, −100 to 100: the ends all but forbid or force one.
    pub logit_bias: BTreeMap<u32, f32>,
    /// Of the draws.
    pub seed: u64,
}

/// "Don't repeat yourself": a token that would go on repeating the last n ≥ `allowed_length` tokens loses
/// `multiplier` · `base`^(n − `allowed_length`) of its logit.
///
/// Source: github.com/oobabooga/text-generation-webui/pull/5677, as in llama.cpp.
#[derive(Clone, Debug, PartialEq)]
pub struct Dry {
    /// How much a repetition of just `allowed_length` costs.
    pub multiplier: f32,
    /// How much more one costs that is a token longer.
    pub base: f32,
    /// Repetitions shorter than this cost nothing.
    pub allowed_length: usize,
    /// How many of the latest tokens are looked at; `None` for all.
    pub window: Option<usize>,
    /// Ids that end a repetition: those of newlines, quotes, colons and the chat's own tokens.
    pub breakers: Vec<u32>,
}

impl Default for Dry {
    fn default() -> Self {
        Self { multiplier: 0.8, base: 1.75, allowed_length: 2, window: None, breakers: Vec::new() }
    }
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            repetition_penalty: 1.0,
            repetition_window: None,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            dry: None,
            logit_bias: BTreeMap::new(),
            seed: 0,
        }
    }
}

impl Sampling {
    /// Checks every number.
    ///
    /// # Errors
    /// Names the field, its bounds and what was found.
    pub fn validate(&self) -> Result<(), EngineError> {
        let share = "above 0, at most 1";
        let mut fields = vec![
            ("temperature", self.temperature, 0.0, 100.0, "0 to 100"),
            ("top_p", self.top_p, f32::MIN_POSITIVE, 1.0, share),
            ("min_p", self.min_p, 0.0, 1.0, "0 to 1"),
            ("typical_p", self.typical_p, f32::MIN_POSITIVE, 1.0, share),
            ("repetition_penalty", self.repetition_penalty, 0.01, 100.0, "0.01 to 100"),
            ("presence_penalty", self.presence_penalty, -2.0, 2.0, "-2 to 2"),
            ("frequency_penalty", self.frequency_penalty, -2.0, 2.0, "-2 to 2"),
        ];
        if let Some(dry) = &self.dry {
            fields.push(("dry.multiplier", dry.multiplier, 0.0, 100.0, "0 to 100"));
            fields.push(("dry.base", dry.base, 1.0, 8.0, "1 to 8"));
            let length = dry.allowed_length as f32;
            fields.push(("dry.allowed_length", length, 1.0, f32::MAX, "at least 1"));
        }
        fields
            .extend(self.logit_bias.values().map(|&bias| ("logit_bias", bias, -100.0, 100.0, "-100 to 100")));
        for (field, value, least, most, expected) in fields {
            if !(least..=most).contains(&value) {
                return Err(EngineError::Field { field, expected, found: value.to_string() });
            }
        }
        Ok(())
    }
}
