//! One request in the batch: its text, what of it was read, and what comes of logits.

use crate::lookup::Lookup;
use crate::queue::{Event, Job};
use crate::request::{Finish, Guessed, Overflow, PrefixKey, Reason, Seconds, Token};
use crate::sampling::Sampler;
use crate::{Constraint, EngineError};
use shuyuan_model::{Decoder, KvCache, PAGE_TOKENS, logprob};
use std::time::Instant;

/// A request that is being read or written.
pub(super) struct Sequence {
    job: Job,
    /// The prompt and what was written, less what was dropped; the first of them are in the cache.
    pub ids: Vec<u32>,
    pub cache: KvCache,
    /// How many of its pages the prefix cache keeps, too.
    pub shared: usize,
    pub constraint: Option<Constraint>,
    pub lookup: Lookup,
    /// The step that it last had a part in.
    pub served: u64,
    /// Tokens of the prompt that others had read.
    pub cached: usize,
    sampler: Sampler,
    finish: Finish,
    admitted: Instant,
    first: Option<Instant>,
}

/// Tokens that a text of `read` may grow to.
fn longest(model: &Decoder, read: usize, max_tokens: usize) -> usize {
    read.saturating_add(max_tokens).min(model.config().max_position_embeddings)
}

/// What logits led to.
pub(super) enum Outcome {
    GoesOn,
    Ends(Result<Reason, EngineError>),
}

impl Sequence {
    pub(super) fn new(mut job: Job, model: &Decoder, speculate: usize) -> Self {
        let ids = std::mem::take(&mut job.request.ids);
        let cache = model.cache_for(longest(model, ids.len(), job.request.max_tokens));
        let now = Instant::now();
        let finish = Finish {
            reason: Reason::Length,
            prompt_tokens: ids.len(),
            cached_tokens: 0,
            tokens: 0,
            dropped_tokens: 0,
            guessed: Guessed::default(),
            seconds: Seconds { waiting: (now - job.since).as_secs_f64(), ..Seconds::default() },
        };
        Self {
            constraint: job.request.constraint.take(),
            sampler: Sampler::new(job.request.sampling.clone()),
            lookup: Lookup::new(speculate),
            job,
            ids,
            cache,
            shared: 0,
            served: 0,
            cached: 0,
            finish,
            admitted: now,
            first: None,
        }
    }

    pub(super) fn owner(&self) -> u64 {
        self.job.request.owner
    }

    pub(super) fn scope(&self) -> Option<PrefixKey> {
        // Keys that are turned otherwise are of no use to others.
        self.job.request.scope().filter(|_| !self.cache.is_long())
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.job.is_cancelled()
    }

    /// Whether it has written nothing yet.
    pub(super) fn is_new(&self) -> bool {
        self.first.is_none()
    }

    /// Tokens that are not in the cache yet; 1 while it writes.
    pub(super) fn unread(&self) -> usize {
        self.ids.len() - self.cache.length()
    }

    /// Pages that only it holds.
    pub(super) fn own_pages(&self) -> usize {
        self.cache.pages().len() - self.shared
    }

    /// Pages that only it holds once it has read its text.
    pub(super) fn own_pages_soon(&self) -> usize {
        self.cache.pages().len().max(pages(self.ids.len() + 1)) - self.shared
    }

    /// Tokens that may be guessed now.
    pub(super) fn room(&self, context: usize) -> usize {
        let left = self.job.request.max_tokens.saturating_sub(self.finish.tokens + 1);
        left.min(context.saturating_sub(self.ids.len()))
    }

    /// Drops tokens behind the first that are kept, if the text is longer than the context and may slide.
    pub(super) fn slide(&mut self, model: &Decoder) {
        let context = model.config().max_position_embeddings;
        if let Overflow::Slide { keep } = self.job.request.overflow
            && self.ids.len() > context
        {
            let newest = ((context - keep) / 2).max(1);
            let dropped = self.ids.len() - keep - newest;
            self.ids.drain(keep..keep + dropped);
            self.finish.dropped_tokens += dropped;
            self.forget(model);
        }
    }

    /// Loses its pages; its text is read again.
    pub(super) fn forget(&mut self, model: &Decoder) {
        let left = self.job.request.max_tokens.saturating_sub(self.finish.tokens);
        self.cache = model.cache_for(longest(model, self.ids.len(), left));
        self.shared = 0;
        if self.is_new() {
            self.cached = 0;
        }
    }

    /// Chooses tokens by the logits of its last tokens, (1 + guesses, V); the cache has read all of them. Returns what that
    /// led to, how many tokens were told, and how many guesses were right.
    pub(super) fn write(
        &mut self,
        model: &Decoder,
        logits: &[f32],
        guesses: &[u32],
    ) -> (Outcome, usize, usize) {
        self.first.get_or_insert_with(Instant::now);
        let before = self.finish.tokens;
        let context = model.config().max_position_embeddings;
        let mut right = 0;
        let mut outcome = Outcome::GoesOn;
        for (row, logits) in logits.chunks_exact(model.config().vocab_size).enumerate() {
            let read = self.ids.len();
            match self.token(logits, context) {
                Ok(None) => {}
                Ok(Some(reason)) => outcome = Outcome::Ends(Ok(reason)),
                Err(error) => outcome = Outcome::Ends(Err(error)),
            }
            let guess = guesses.get(row);
            let as_guessed = guess.is_some() && self.ids.get(read) == guess;
            right += usize::from(as_guessed);
            if !as_guessed || matches!(outcome, Outcome::Ends(_)) {
                // The last token is yet to be read, unless it was a guess.
                self.cache.truncate(read + usize::from(as_guessed));
                break;
            }
        }
        if !guesses.is_empty() {
            self.lookup.learn(guesses.len(), right);
            self.finish.guessed.proposed += guesses.len();
            self.finish.guessed.accepted += right;
        }
        (outcome, self.finish.tokens - before, right)
    }

    /// Chooses a token and tells it. Returns why to end, if so.
    fn token(&mut self, logits: &[f32], context: usize) -> Result<Option<Reason>, EngineError> {
        let request = &self.job.request;
        if self.finish.tokens == request.max_tokens {
            return Ok(Some(Reason::Length));
        }
        let mask = self.constraint.as_mut().map(Constraint::mask).transpose()?;
        let id = self.sampler.choose(logits, &self.ids, mask);
        if request.stop_ids.contains(&id) || self.constraint.as_ref().is_some_and(|c| c.is_end(id)) {
            return Ok(Some(Reason::Stop));
        }
        if let Some(constraint) = &mut self.constraint {
            constraint.take(id)?;
        }
        if self.job.events.send(Event::Token(told(logits, id, request.alternatives))).is_err() {
            return Ok(Some(Reason::Cancelled));
        }
        self.finish.tokens += 1;
        self.ids.push(id);
        if self.constraint.as_ref().is_some_and(Constraint::is_finished) {
            return Ok(Some(Reason::Stop));
        }
        let full = self.ids.len() > context && request.overflow == Overflow::Refuse;
        Ok((self.finish.tokens == request.max_tokens || full).then_some(Reason::Length))
    }

    /// Tells the caller how it ended. Returns seconds since its turn came.
    pub(super) fn end(mut self, end: Result<Reason, EngineError>) -> f64 {
        let now = Instant::now();
        let first = self.first.unwrap_or(now);
        self.finish.seconds.reading = (first - self.admitted).as_secs_f64();
        self.finish.seconds.writing = (now - first).as_secs_f64();
        self.finish.seconds.constraint = self.constraint.as_ref().map_or(0.0, |c| c.spent().as_secs_f64());
        self.finish.cached_tokens = self.cached;
        let finish = self.finish;
        // A caller that left needs no answer.
        let _ = self.job.events.send(Event::End(end.map(|reason| Finish { reason, ..finish })));
        (now - self.admitted).as_secs_f64()
    }
}

/// Pages of so many tokens.
pub(super) fn pages(tokens: usize) -> usize {
    tokens.div_ceil(PAGE_TOKENS)
}

fn told(logits: &[f32], id: u32, count: usize) -> Token {
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
