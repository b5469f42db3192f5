//! One generation, on a thread of its own.

use super::settings::Settings;
use crate::error::ApiError;
use shuyuan_academy::LiveModel;
use shuyuan_chain::{Ending, Options, Piece};
use std::ops::ControlFlow;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What is to be generated.
pub(crate) struct Job {
    pub live: LiveModel,
    pub prompt: Vec<u32>,
    options: Options,
}

/// How a generation ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub ending: Ending,
    /// Tokens generated.
    pub tokens: usize,
}

/// What comes from the thread; the last is an end or a failure.
pub(crate) enum Said {
    Piece(Piece),
    End(End),
    Failed(ApiError),
}

impl Job {
    /// `continue_ids` are read after the prompt as the beginning of the answer; `room` is what the context still holds
    /// after both.
    pub fn new(
        live: LiveModel,
        prompt: Vec<u32>,
        continue_ids: Vec<u32>,
        room: usize,
        settings: &Settings,
    ) -> Self {
        let options = Options {
            max_tokens: settings.max_tokens.unwrap_or(room).min(room),
            sampling: settings.sampling.clone(),
            stop: settings.stop.clone(),
            alternatives: settings.logprobs.unwrap_or(0),
            continue_ids,
            ..Options::default()
        };
        Self { live, prompt, options }
    }

    /// Tokens that are read before the first is written.
    pub fn prompt_tokens(&self) -> usize {
        self.prompt.len() + self.options.continue_ids.len()
    }

    /// Starts the thread, which keeps the turn until it ends. It ends soon after the receiver is dropped.
    pub fn start(self, turn: OwnedSemaphorePermit) -> UnboundedReceiver<Said> {
        // Not bounded: a client that reads slowly must not keep the turn, and an answer is no longer than a context.
        let (sender, receiver) = unbounded_channel();
        tokio::task::spawn_blocking(move || {
            let model = self.live.local();
            let reply = model.complete_ids(self.prompt, &self.options, &mut |piece| match sender
                .send(Said::Piece(piece.clone()))
            {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            });
            drop(turn);
            // A client that left hears nothing of it.
            let _ = sender.send(match reply {
                Ok(reply) => Said::End(End { ending: reply.ending, tokens: reply.ids.len() }),
                Err(error) => Said::Failed(error.into()),
            });
        });
        receiver
    }
}
