//! The generations of one request, each on a thread of its own.

use super::prompt::Prompt;
use super::settings::Settings;
use crate::error::ApiError;
use crate::metrics::{Clock, Metrics, Tally};
use crate::models::Held;
use shuyuan_chain::{Ending, Options, Piece, Reader};
use shuyuan_engine::{Cancel, Overflow};
use shuyuan_text::CallFormat;
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What is to be generated.
pub(crate) struct Job {
    pub live: Held,
    pub n: usize,
    pub reader: Reader,
    pub format: CallFormat,
    prompt: Vec<u32>,
    stop_ids: Vec<u32>,
    options: Options,
}

/// How a generation ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub ending: Ending,
    /// Tokens generated.
    pub tokens: usize,
    /// Tokens of the prompt that an earlier request had read.
    pub cached: usize,
    /// Tokens that were left out because the context was full.
    pub dropped: usize,
}

/// What comes from the threads, each with the number of the answer; after a failure nothing of use.
pub(crate) enum Said {
    Piece(usize, Piece),
    End(usize, End),
    Failed(ApiError),
}

impl Job {
    /// `room` is the most that may be written.
    pub fn new(live: Held, prompt: Prompt, room: usize, settings: &Settings) -> Self {
        // A call that is demanded comes instead of content, one that may come does not.
        let content = settings.grammar.clone();
        let grammar =
            if prompt.begun.is_empty() { content.or(prompt.grammar) } else { prompt.grammar.or(content) };
        let options = Options {
            max_tokens: settings.max_tokens.unwrap_or(room).min(room),
            sampling: settings.sampling.clone(),
            stop: settings.stop.clone(),
            alternatives: settings.logprobs.unwrap_or(0),
            continue_ids: prompt.begun,
            grammar,
            ignore_eos: settings.ignore_eos,
            overflow: prompt.overflow,
            ..Options::default()
        };
        Self {
            live,
            n: settings.n,
            reader: prompt.reader,
            format: prompt.format,
            prompt: prompt.ids,
            stop_ids: prompt.stop_ids,
            options,
        }
    }

    /// Whose it is: owners take turns in the engine, and go on only from what they had it read themselves.
    pub fn of(mut self, owner: u64) -> Self {
        self.options.owner = owner;
        self
    }

    /// Whether a text that is longer than the context loses its middle.
    pub fn slides(&self) -> bool {
        self.options.overflow != Overflow::Refuse
    }

    /// Tokens that are read before the first is written.
    pub fn prompt_tokens(&self) -> usize {
        self.prompt.len() + self.options.continue_ids.len()
    }

    /// Starts the threads, which keep the turn and the model until the last of them ends.
    pub fn start(self, turn: OwnedSemaphorePermit, metrics: Arc<Metrics>, tally: Arc<Tally>) -> Answers {
        // Not bounded: a client that reads slowly must not keep the turn, and an answer is no longer than a context.
        let (sender, said) = unbounded_channel();
        let answers = Answers { said, cancel: self.options.cancel.clone() };
        let shared = Arc::new((self, turn));
        for choice in 0..shared.0.n {
            let (shared, sender) = (shared.clone(), sender.clone());
            let (metrics, tally) = (metrics.clone(), tally.clone());
            tokio::task::spawn_blocking(move || shared.0.answer(choice, &sender, &metrics, &tally));
        }
        answers
    }

    fn answer(&self, choice: usize, sender: &UnboundedSender<Said>, metrics: &Metrics, tally: &Tally) {
        let mut options = self.options.clone();
        options.sampling.seed = options.sampling.seed.wrapping_add(choice as u64);
        let mut clock = Clock::start(metrics, tally, self.prompt_tokens());
        let model = self.live.local();
        let reply = model.answer_ids(self.prompt.clone(), &self.stop_ids, &options, &mut |piece| {
            if piece.token.is_some() {
                clock.token();
            }
            match sender.send(Said::Piece(choice, piece.clone())) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        let said = match reply {
            Ok(reply) => {
                let (cached, dropped) = reply.finish.map_or((0, 0), |f| (f.cached_tokens, f.dropped_tokens));
                Said::End(choice, End { ending: reply.ending, tokens: reply.ids.len(), cached, dropped })
            }
            Err(error) => Said::Failed(error.into()),
        };
        // A client that left hears nothing of it.
        let _ = sender.send(said);
    }
}

/// What the answers say. Dropped, as when a client leaves, it ends their work within a step, also where they have not begun
/// to write.
pub(crate) struct Answers {
    said: UnboundedReceiver<Said>,
    cancel: Cancel,
}

impl Answers {
    /// What comes next; nothing once all threads have ended.
    pub async fn next(&mut self) -> Option<Said> {
        self.said.recv().await
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
