//! The loop: read the prompt, choose, tell, go on.

use crate::sampling::Sampler;
use crate::{EngineError, Sampling};
use shuyuan_model::{Decoder, ModelError, logprob};
use std::ops::ControlFlow;
use std::sync::Arc;

/// What to generate.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The prompt; at least one id.
    pub ids: Vec<u32>,
    /// The most tokens to write; where the context is full before, generation ends there as [`Reason::Length`].
    pub max_tokens: usize,
    /// How to choose.
    pub sampling: Sampling,
    /// Ids after which to end; they are not told.
    pub stop_ids: Vec<u32>,
    /// How many likely tokens to tell beside each chosen one; 0 to 20.
    pub alternatives: usize,
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
    /// A stop id came.
    Stop,
    /// `max_tokens` were written, or the context is full.
    Length,
    /// The listener wanted no more.
    Cancelled,
}

/// How generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finish {
    /// Why.
    pub reason: Reason,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens told.
    pub tokens: usize,
}

/// A model that writes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    model: Arc<Decoder>,
}

/// The most alternatives that can be asked for, as in OpenAI's API.
const MAX_ALTERNATIVES: usize = 20;

impl Engine {
    /// Of a model.
    pub fn new(model: Arc<Decoder>) -> Self {
        Self { model }
    }

    /// The model.
    pub fn model(&self) -> &Arc<Decoder> {
        &self.model
    }

    /// Writes token after token, told one by one to `on_token`.
    ///
    /// # Errors
    /// A number out of bounds, an empty prompt, an unknown id, a prompt longer than the context (both lengths are named).
    pub fn generate(
        &self,
        request: &Request,
        on_token: &mut dyn FnMut(&Token) -> ControlFlow<()>,
    ) -> Result<Finish, EngineError> {
        request.sampling.validate()?;
        if request.alternatives > MAX_ALTERNATIVES {
            let found = request.alternatives.to_string();
            return Err(EngineError::Field { field: "alternatives", expected: "0 to 20", found });
        }
        self.model.check(&request.ids, request.ids.len())?;
        let context = self.model.config().max_position_embeddings;
        let room = request.ids.len().saturating_add(request.max_tokens).min(context);
        let mut cache = self.model.cache();
        let mut ids = request.ids.clone();
        let mut sampler = Sampler::new(request.sampling.clone());
        let mut finish = Finish { reason: Reason::Length, prompt_tokens: ids.len(), tokens: 0 };
        let mut logits = self.model.extend(&ids, &mut cache)?;
        while finish.tokens < request.max_tokens {
            let id = sampler.choose(&logits, &ids);
            if request.stop_ids.contains(&id) {
                finish.reason = Reason::Stop;
                break;
            }
            finish.tokens += 1;
            if on_token(&token(&logits, id, request.alternatives)).is_break() {
                finish.reason = Reason::Cancelled;
                break;
            }
            ids.push(id);
            if finish.tokens == request.max_tokens || cache.length() >= room {
                break;
            }
            logits = match self.model.extend(&[id], &mut cache) {
                Err(ModelError::Reread) => {
                    cache.restart_long();
                    self.model.extend(&ids, &mut cache)?
                }
                logits => logits?,
            };
        }
        Ok(finish)
    }

    /// ln of the probability of `continuation` after `context`, and whether each of its tokens is the likeliest.
    ///
    /// # Errors
    /// As [`Engine::generate`].
    pub fn score(&self, context: &[u32], continuation: &[u32]) -> Result<(f64, bool), EngineError> {
        let all = [context, continuation].concat();
        self.model.check(&all, all.len().saturating_sub(1))?;
        if context.is_empty() {
            let found = "none".to_string();
            return Err(EngineError::Field { field: "context", expected: "at least one token", found });
        }
        let vocab = self.model.config().vocab_size;
        let logits = self.model.forward(&all[..all.len() - 1])?;
        let (mut sum, mut greedy) = (0.0, true);
        for (index, &id) in continuation.iter().enumerate() {
            let row = &logits[(context.len() + index - 1) * vocab..][..vocab];
            sum += f64::from(logprob(row, id));
            greedy &= row.iter().all(|&logit| logit <= row[id as usize]);
        }
        Ok((sum, greedy))
    }
}

fn token(logits: &[f32], id: u32, count: usize) -> Token {
    if count == 0 {
        return Token { id, logprob: logprob(logits, id), alternatives: Vec::new() };
    }
    let lse = logits[id as usize] - logprob(logits, id);
    let mut best: Vec<u32> = (0..logits.len() as u32).collect();
    let likelier = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    if count < best.len() {
        best.select_nth_unstable_by(count - 1, likelier);
        best.truncate(count);
    }
    best.sort_unstable_by(likelier);
    let alternatives = best.into_iter().map(|id| (id, logits[id as usize] - lse)).collect();
    Token { id, logprob: logits[id as usize] - lse, alternatives }
}
