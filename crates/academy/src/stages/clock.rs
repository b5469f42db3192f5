//! A stage's beginning, progress and end, told as events.

use crate::{Academy, Event, StageState};
use std::time::Instant;

/// A running stage. Say [`Clock::done`] at its end.
pub(crate) struct Clock<'a> {
    academy: &'a Academy,
    name: &'static str,
    texts: [String; 2],
    started: Instant,
}

impl<'a> Clock<'a> {
    /// Tells that the stage `name` begins: `zh` and `en` are its title and what it does in a sentence.
    pub(crate) fn start(academy: &'a Academy, name: &'static str, zh: [&str; 2], en: [&str; 2]) -> Self {
        let texts = [0, 1].map(|i| academy.lang.pick(zh[i], en[i]).to_string());
        let clock = Self { academy, name, texts, started: Instant::now() };
        clock.tell(StageState::Start);
        clock
    }

    /// Tells how far it is.
    pub(crate) fn progress(&self, done: u64, total: u64, unit: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        let per_second = done as f64 / seconds.max(1e-3);
        let left = (total > done && done > 0).then(|| (total - done) as f64 / per_second);
        self.academy.events.send(Event::Progress {
            stage: self.name.into(),
            done,
            total,
            unit: unit.into(),
            per_second,
            seconds_left: left,
        });
    }

    /// Tells that it is finished, and returns the seconds it took.
    pub(crate) fn done(self) -> f64 {
        self.tell(StageState::Done);
        self.started.elapsed().as_secs_f64()
    }

    fn tell(&self, state: StageState) {
        let [title, sentence] = self.texts.clone();
        let seconds = match state {
            StageState::Start => 0.0,
            StageState::Done | StageState::Skipped => self.started.elapsed().as_secs_f64(),
        };
        self.academy.events.send(Event::Stage { name: self.name.into(), state, title, sentence, seconds });
    }
}
