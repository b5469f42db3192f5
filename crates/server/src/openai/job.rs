//! One generation, on a thread of its own.

use super::settings::Settings;
use super::speech::{Piece, Speech};
use crate::error::ApiError;
use shuyuan_academy::LiveModel;
use shuyuan_engine::{Engine, Reason, Request, Token};
use shuyuan_text::{END_OF_TEXT, IM_END};
use std::ops::ControlFlow;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What is to be generated.
pub(crate) struct Job {
    pub live: LiveModel,
    pub prompt: Vec<u32>,
    max_tokens: usize,
    settings: Settings,
}

/// How a generation ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// OpenAI's word: stop or length.
    pub reason: &'static str,
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
    /// `room`: tokens that the context still holds after the prompt.
    pub fn new(live: LiveModel, prompt: Vec<u32>, room: usize, settings: &Settings) -> Self {
        let max_tokens = settings.max_tokens.unwrap_or(room).min(room);
        Self { live, prompt, max_tokens, settings: settings.clone() }
    }

    /// Starts the thread, which keeps the turn until it ends. It ends soon after the receiver is dropped.
    pub fn start(self, turn: OwnedSemaphorePermit) -> UnboundedReceiver<Said> {
        // Not bounded: a client that reads slowly must not keep the turn, and an answer is no longer than a context.
        let (sender, receiver) = unbounded_channel();
        tokio::task::spawn_blocking(move || {
            let mut speech = Speech::new(&self.live.tokenizer, self.settings.stop.clone());
            let (mut stopped, mut gone) = (false, false);
            let mut on_token = |token: &Token| {
                let (piece, stop) = speech.push(token.clone());
                stopped = stop;
                gone = sender.send(Said::Piece(piece)).is_err();
                if stop || gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let finish = Engine::new(self.live.model.clone()).generate(&self.request(), &mut on_token);
            drop(turn);
            if gone {
                return;
            }
            if finish.is_ok() && !stopped {
                // Where a send fails, the client left just now.
                let _ = sender.send(Said::Piece(speech.finish()));
            }
            let _ = sender.send(match finish {
                Err(error) => Said::Failed(error.into()),
                Ok(finish) => {
                    let natural = stopped || finish.reason == Reason::Stop;
                    Said::End(End { reason: if natural { "stop" } else { "length" }, tokens: finish.tokens })
                }
            });
        });
        receiver
    }

    fn request(&self) -> Request {
        let tokenizer = &self.live.tokenizer;
        let ends = [
            tokenizer.special(END_OF_TEXT),
            tokenizer.special(IM_END),
            self.live.model.config().eos_token_id,
        ];
        Request {
            ids: self.prompt.clone(),
            max_tokens: self.max_tokens,
            sampling: self.settings.sampling.clone(),
            stop_ids: ends.into_iter().flatten().collect(),
            alternatives: self.settings.logprobs.unwrap_or(0),
        }
    }
}
