//! The examination: how a model does, with the error of each figure.

use super::clock::Clock;
use super::samples::{Prompt, answer};
use crate::{Academy, Event, LiveModel};
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use shuyuan_corpus::world::{TASKS, World, accepts};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// One line of the scorecard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Share of right answers, 0 to 1.
    pub score: f64,
    /// Its standard error: √(p·(1 − p)/n).
    pub stderr: f64,
    /// What always giving the most common answer scores.
    pub baseline: f64,
    /// Questions.
    pub n: usize,
}

impl Score {
    fn new(right: usize, n: usize, baseline: f64) -> Self {
        let p = right as f64 / n.max(1) as f64;
        Self { score: p, stderr: (p * (1.0 - p) / n.max(1) as f64).sqrt(), baseline, n }
    }
}

/// The longest answer that is waited for, in tokens.
const MAX_TOKENS: usize = 96;

/// Puts `n` questions of each task of the built-in world to the model, about combinations that training never showed.
///
/// # Errors
/// A model whose tokenizer has no chat tokens, a stop.
pub fn world(
    academy: &Academy,
    live: &LiveModel,
    tasks: &[String],
    n: usize,
    seed: u64,
    stop: &AtomicBool,
) -> Result<BTreeMap<String, Score>> {
    if let Some(unknown) = tasks.iter().find(|task| !TASKS.contains(&task.as_str())) {
        bail!("unknown task {unknown:?}; there are {}", TASKS.join(", "));
    }
    let clock = Clock::start(
        academy,
        "eval",
        ["考试", "考没见过的题:答对多少,误差多大,瞎猜能得多少。"],
        [
            "Examination",
            "Questions about what training never showed: how many are right, and what guessing would get.",
        ],
    );
    let world = World::new(seed);
    let tasks: Vec<&str> =
        if tasks.is_empty() { TASKS.to_vec() } else { tasks.iter().map(String::as_str).collect() };
    let mut scores = BTreeMap::new();
    let mut asked = 0;
    for task in &tasks {
        let items = world.items(task, n);
        let mut right = 0;
        for item in &items {
            if stop.load(Ordering::Relaxed) {
                bail!("stopped before the examination was over; the same command takes it again");
            }
            let question = item.messages.last().map(|message| message.content.clone()).unwrap_or_default();
            let reply = answer(live, &Prompt::Ask(question), MAX_TOKENS)?;
            right += usize::from(accepts(item, &reply));
            asked += 1;
            clock.progress(asked, (n * tasks.len()) as u64, academy.lang.pick("题", "questions"));
        }
        let score = Score::new(right, items.len(), world.baseline(task));
        academy.events.send(Event::Score {
            task: (*task).into(),
            score: score.score,
            stderr: score.stderr,
            baseline: score.baseline,
            n: score.n,
        });
        scores.insert((*task).to_string(), score);
    }
    clock.done();
    Ok(scores)
}
