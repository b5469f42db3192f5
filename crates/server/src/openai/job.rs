//! The generations of one request, on a thread of their own.

use super::prompt::Prompt;
use super::settings::Settings;
use crate::error::ApiError;
use crate::metrics::{Clock, Metrics, Tally};
use crate::models::Held;
use shuyuan_chain::{Ending, Options, Piece, Reader};
use shuyuan_text::CallFormat;
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

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
}

/// What comes from the thread, each with the number of the answer; the last is the last answer's end, or a failure.
pub(crate) enum Said {
    Piece(usize, Piece),
    End(usize, End),
    Failed(ApiError),
}

impl Job {
    /// `room` is what the context still holds after the prompt.
    pub fn new(live: Held, prompt: Prompt, room: usize, settings: &Settings) -> Self {
        let options = Options {
            max_tokens: settings.max_tokens.unwrap_or(room).min(room),
            sampling: settings.sampling.clone(),
            stop: settings.stop.clone(),
            alternatives: settings.logprobs.unwrap_or(0),
            continue_ids: prompt.begun,
            grammar: settings.grammar.clone(),
            ignore_eos: settings.ignore_eos,
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

    /// Tokens that are read before the first is written.
    pub fn prompt_tokens(&self) -> usize {
        self.prompt.len() + self.options.continue_ids.len()
    }

    /// Starts the thread, which keeps the turn and the model until it ends. It ends soon after the receiver is dropped.
    pub fn start(
        self,
        turn: OwnedSemaphorePermit,
        metrics: Arc<Metrics>,
        tally: Arc<Tally>,
    ) -> UnboundedReceiver<Said> {
        // Not bounded: a client that reads slowly must not keep the turn, and an answer is no longer than a context.
        let (sender, receiver) = unbounded_channel();
        tokio::task::spawn_blocking(move || {
            let model = self.live.local();
            for choice in 0..self.n {
                let mut options = self.options.clone();
                options.sampling.seed = options.sampling.seed.wrapping_add(choice as u64);
                let mut clock = Clock::start(&metrics, &tally, self.prompt_tokens());
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
                    Ok(reply) => Said::End(choice, End { ending: reply.ending, tokens: reply.ids.len() }),
                    Err(error) => Said::Failed(error.into()),
                };
                // A client that left hears nothing of it.
                let failed = matches!(said, Said::Failed(_));
                if sender.send(said).is_err() || failed {
                    break;
                }
            }
            drop(turn);
        });
        receiver
    }
}
