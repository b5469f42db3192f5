//! The examination: how a model does, with the error of each figure.

use super::clock::Clock;
use crate::{Academy, Event, Lang, Level, LiveModel};
use anyhow::Result;
use shuyuan_engine::Engine;
use shuyuan_eval::{Plan, Scorer, TaskResult};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// A scorecard, by task.
pub type Scores = BTreeMap<String, TaskResult>;

/// Takes the tasks of a plan one after another, and tells each result as it is there.
///
/// # Errors
/// What the plan names and is not there, before anything begins; what a task says; a stop.
pub fn run(academy: &Academy, live: &LiveModel, plan: &Plan, stop: &AtomicBool) -> Result<Scores> {
    let tasks = plan.tasks()?;
    let clock = Clock::start(
        academy,
        "eval",
        ["考试", "考没见过的题:答对多少,误差多大,瞎猜能得多少。"],
        [
            "Examination",
            "Questions about what training never showed: how many are right, and what guessing would get.",
        ],
    );
    let scorer = Scorer::new(Engine::new(live.model.clone()), live.tokenizer.clone());
    let speaker = live.local();
    let total: usize = tasks.iter().map(|task| task.parts()).sum();
    let mut before = 0;
    let mut scores = Scores::new();
    for task in &tasks {
        let unit = if task.reads_text() { ["篇", "texts"] } else { ["题", "questions"] };
        let unit = academy.lang.pick(unit[0], unit[1]);
        let result = task.take(&scorer, &speaker, &mut |done, _| {
            clock.progress((before + done) as u64, total as u64, unit);
            if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        before += task.parts();
        if let Some(first) = &result.skipped.first {
            let (name, count) = (task.name(), result.skipped.count);
            let text = match academy.lang {
                Lang::Zh => format!("{name}: 跳过 {count} 行;{first}"),
                Lang::En => format!("{name}: {count} lines left out; {first}"),
            };
            academy.events.message(Level::Warn, text);
        }
        academy.events.send(Event::Score {
            task: result.task.clone(),
            score: result.score,
            stderr: result.stderr,
            baseline: result.baseline,
            n: result.n,
        });
        scores.insert(result.task.clone(), result);
    }
    clock.done();
    Ok(scores)
}
