//! What happens, as it happens: told to everyone who listens, and kept for those who come later.

use serde::{Deserialize, Serialize};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// Where a stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageState {
    /// It begins.
    Start,
    /// It is finished.
    Done,
    /// Its result was there already.
    Skipped,
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Good to know.
    Info,
    /// Look at this.
    Warn,
    /// Something failed.
    Error,
}

/// One thing that happened. In JSON: tagged by `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Event {
    /// A stage began or ended.
    Stage {
        /// Its name: corpus, tokenizer, pretrain, finetune, embed, eval, serve, teach.
        name: String,
        /// Began, ended, or was there already.
        state: StageState,
        /// What a person calls it.
        title: String,
        /// What it does, in a sentence.
        sentence: String,
        /// How long it took; 0 at the start.
        seconds: f64,
    },
    /// How far a stage is.
    Progress {
        /// Which stage.
        stage: String,
        /// Of `unit`.
        done: u64,
        /// Of `unit`; 0 if not known.
        total: u64,
        /// What is counted.
        unit: String,
        /// Rate.
        per_second: f64,
        /// Time left, if known.
        seconds_left: Option<f64>,
    },
    /// One step of training.
    Loss {
        /// Which run.
        run: String,
        /// Step, from 1.
        step: u64,
        /// Tokens so far.
        tokens: u64,
        /// Seconds so far.
        seconds: f64,
        /// Nats per token.
        loss: f64,
        /// What no model can pass, in nats per token, if known.
        floor: Option<f64>,
        /// The learning rate of the matrices.
        lr: f64,
        /// The norm of the gradients before clipping.
        grad_norm: f64,
        /// Speed.
        tokens_per_s: f64,
        /// Arithmetic since the last report, as a part of what this machine's largest product reached.
        utilisation: Option<f64>,
        /// Whether the loss jumped far above what was usual.
        spike: bool,
    },
    /// A look at held-out text.
    Validation {
        /// Which run.
        run: String,
        /// Step.
        step: u64,
        /// Bits per byte.
        bits_per_byte: f64,
    },
    /// A look at how held-out questions find their passages.
    Recall {
        /// Which run.
        run: String,
        /// Step.
        step: u64,
        /// The part of questions whose passage comes first.
        at_1: f64,
        /// The part whose passage is among the first five.
        at_5: f64,
        /// The mean of 1 / rank.
        mrr: f64,
        /// Passages to find.
        passages: usize,
    },
    /// What the weights of this moment answer.
    Sample {
        /// Which run.
        run: String,
        /// Step.
        step: u64,
        /// Seconds so far.
        seconds: f64,
        /// The question.
        prompt: String,
        /// The answer.
        text: String,
        /// Whether the user typed the prompt.
        mine: bool,
    },
    /// One line of the scorecard.
    Score {
        /// Which task.
        task: String,
        /// Share of right answers.
        score: f64,
        /// Its standard error.
        stderr: f64,
        /// What always giving the most common answer scores.
        baseline: f64,
        /// Questions.
        n: usize,
    },
    /// Something to tell.
    Message {
        /// How much it matters.
        level: Level,
        /// The text.
        text: String,
    },
}

#[derive(Default)]
struct Inner {
    history: Vec<Event>,
    listeners: Vec<Sender<Event>>,
}

/// A bus of events. Clones share it.
#[derive(Clone, Default)]
pub struct Events {
    inner: Arc<Mutex<Inner>>,
}

impl Events {
    /// Tells everyone. Of consecutive progress reports of one stage only the last is kept.
    pub fn send(&self, event: Event) {
        let mut inner = self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        inner.listeners.retain(|listener| listener.send(event.clone()).is_ok());
        if let (Event::Progress { stage: new, .. }, Some(Event::Progress { stage: old, .. })) =
            (&event, inner.history.last())
            && new == old
        {
            inner.history.pop();
        }
        inner.history.push(event);
    }

    /// What happened so far, and from now on.
    pub fn subscribe(&self) -> (Vec<Event>, Receiver<Event>) {
        let mut inner = self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (sender, receiver) = channel();
        inner.listeners.push(sender);
        (inner.history.clone(), receiver)
    }

    /// Tells a message.
    pub fn message(&self, level: Level, text: impl Into<String>) {
        self.send(Event::Message { level, text: text.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_late_hears_it_all() {
        let events = Events::default();
        let progress = |done| Event::Progress {
            stage: "s".into(),
            done,
            total: 9,
            unit: "u".into(),
            per_second: 1.0,
            seconds_left: None,
        };
        events.message(Level::Info, "a");
        events.send(progress(1));
        events.send(progress(2));
        let (history, live) = events.subscribe();
        assert_eq!(history, [Event::Message { level: Level::Info, text: "a".into() }, progress(2)]);
        events.message(Level::Warn, "b");
        assert_eq!(live.try_recv(), Ok(Event::Message { level: Level::Warn, text: "b".into() }));
    }
}
