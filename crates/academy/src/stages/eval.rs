//! The examination: how a model does, with the error of each figure.

use super::clock::Clock;
use crate::{Academy, Event, LiveModel};
use anyhow::{Result, bail};
use shuyuan_corpus::world::World;
use shuyuan_engine::Engine;
use shuyuan_eval::{Scorer, TaskResult};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A scorecard, by task.
pub type Scores = BTreeMap<String, TaskResult>;

/// Puts `n` questions of each trade of the built-in world to the model, about combinations that training never showed.
///
/// # Errors
/// An unknown trade, a model whose tokenizer has no chat tokens, a stop.
pub fn world(
    academy: &Academy,
    live: &LiveModel,
    tasks: &[String],
    n: usize,
    seed: u64,
    stop: &AtomicBool,
) -> Result<Scores> {
    let known = shuyuan_eval::TRADES;
    if let Some(unknown) = tasks.iter().find(|task| !known.contains(&task.as_str())) {
        bail!("unknown task {unknown:?}; there are {}", known.join(", "));
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
        if tasks.is_empty() { known.to_vec() } else { tasks.iter().map(String::as_str).collect() };
    let model = live.local();
    let mut scores = Scores::new();
    for (index, task) in tasks.iter().enumerate() {
        let before = (index * n) as u64;
        let result = shuyuan_eval::trade(&model, &world, task, n, &mut |done, _| {
            clock.progress(
                before + done as u64,
                (n * tasks.len()) as u64,
                academy.lang.pick("题", "questions"),
            );
            go_on(stop)
        })?;
        tell(academy, &result);
        scores.insert(result.task.clone(), result);
    }
    clock.done();
    Ok(scores)
}

/// Multiple choice on files of questions, as JSON lines (also .zst); at most `limit` of each.
///
/// # Errors
/// A file without a question, a stop.
pub fn choices(
    academy: &Academy,
    live: &LiveModel,
    files: &[PathBuf],
    limit: usize,
    stop: &AtomicBool,
) -> Result<Scores> {
    let clock = Clock::start(
        academy,
        "eval",
        ["选择题", "哪个答案模型觉得最像真的:按每字节的概率比较。"],
        ["Multiple choice", "Which ending does the model find likeliest, byte for byte?"],
    );
    let scorer = Scorer::new(Engine::new(live.model.clone()), live.tokenizer.clone());
    let mut scores = Scores::new();
    for file in files {
        let questions = shuyuan_eval::read_items(file, Some(limit))?;
        let result =
            shuyuan_eval::multiple_choice(&scorer, &task_name(file), &questions, &mut |done, total| {
                clock.progress(done as u64, total as u64, academy.lang.pick("题", "questions"));
                go_on(stop)
            })?;
        if let Some(first) = &result.skipped.first {
            let text = format!("{}: {} lines left out; {first}", file.display(), result.skipped.count);
            academy.events.message(crate::Level::Warn, text);
        }
        tell(academy, &result);
        scores.insert(result.task.clone(), result);
    }
    clock.done();
    Ok(scores)
}

/// Bits per byte of whole texts; about `bytes` of them.
///
/// # Errors
/// A path without text, a stop.
pub fn bits_per_byte(
    academy: &Academy,
    live: &LiveModel,
    files: &[PathBuf],
    bytes: usize,
    stop: &AtomicBool,
) -> Result<Scores> {
    let clock = Clock::start(
        academy,
        "eval",
        ["读书", "读没见过的文字:每个字节要几个比特才猜得出。"],
        ["Reading", "Text that it has not seen: how many bits it needs to guess each byte."],
    );
    let scorer = Scorer::new(Engine::new(live.model.clone()), live.tokenizer.clone());
    let texts = shuyuan_eval::texts_of(files, bytes)?;
    let result = shuyuan_eval::bits_per_byte(&scorer, &texts, &mut |done, total| {
        clock.progress(done as u64, total as u64, academy.lang.pick("篇", "texts"));
        go_on(stop)
    })?;
    tell(academy, &result);
    clock.done();
    Ok(Scores::from([(result.task.clone(), result)]))
}

fn go_on(stop: &AtomicBool) -> ControlFlow<()> {
    if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// A file's name without its endings.
fn task_name(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.split('.').next().unwrap_or_default().to_string()
}

fn tell(academy: &Academy, result: &TaskResult) {
    academy.events.send(Event::Score {
        task: result.task.clone(),
        score: result.score,
        stderr: result.stderr,
        baseline: result.baseline,
        n: result.n,
    });
}
