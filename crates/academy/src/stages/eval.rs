//! The examination: how a model does, with the error of each figure.

use super::clock::Clock;
use crate::{Academy, Event, LiveModel};
use anyhow::{Context, Result, bail};
use shuyuan_chain::Local;
use shuyuan_corpus::world::World;
use shuyuan_engine::Engine;
use shuyuan_eval::Score;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

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
    if let Some(unknown) = tasks.iter().find(|task| !shuyuan_eval::tasks().contains(&task.as_str())) {
        bail!("unknown task {unknown:?}; there are {}", shuyuan_eval::tasks().join(", "));
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
    let tasks: Vec<&str> = if tasks.is_empty() {
        shuyuan_eval::tasks().to_vec()
    } else {
        tasks.iter().map(String::as_str).collect()
    };
    let model = Local::new(Engine::new(live.model.clone()), live.tokenizer.clone());
    let mut scores = BTreeMap::new();
    let mut asked = 0;
    for task in &tasks {
        let total = (n * tasks.len()) as u64;
        let score = shuyuan_eval::examine(&model, &world, task, n, &mut || {
            asked += 1;
            clock.progress(asked, total, academy.lang.pick("题", "questions"));
            if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let Some(score) = score else {
            bail!("stopped before the examination was over; the same command takes it again");
        };
        tell(academy, task, &score);
        scores.insert((*task).to_string(), score);
    }
    clock.done();
    Ok(scores)
}

/// Multiple choice on files of questions, as JSON lines (also .zst and .gz); at most `limit` of each.
///
/// # Errors
/// A file without a question, a question longer than the model's context.
pub fn choices(
    academy: &Academy,
    live: &LiveModel,
    files: &[PathBuf],
    limit: usize,
) -> Result<BTreeMap<String, Score>> {
    let clock = Clock::start(
        academy,
        "eval",
        ["选择题", "哪个答案模型觉得最像真的:按每字节的概率比较。"],
        ["Multiple choice", "Which ending does the model find likeliest, byte for byte?"],
    );
    let model = Local::new(Engine::new(live.model.clone()), live.tokenizer.clone());
    let mut scores = BTreeMap::new();
    for file in files {
        let (mut questions, bad) = shuyuan_eval::read_choices(&shuyuan_corpus::read_text(file)?);
        if questions.is_empty() {
            bail!(
                "{} holds no question; expected lines like {{\"query\": …, \"choices\": […], \"gold\": 0}}",
                file.display()
            );
        }
        if !bad.is_empty() {
            let text = format!(
                "{}: {} lines are no questions, the first is line {}",
                file.display(),
                bad.len(),
                bad[0]
            );
            academy.events.message(crate::Level::Warn, text);
        }
        questions.truncate(limit);
        let (total, mut asked) = (questions.len() as u64, 0);
        let score = shuyuan_eval::choose(&model, &questions, &mut || {
            asked += 1;
            clock.progress(asked, total, academy.lang.pick("题", "questions"));
        })
        .with_context(|| format!("{}", file.display()))?;
        let name = task_name(file);
        tell(academy, &name, &score);
        scores.insert(name, score);
    }
    clock.done();
    Ok(scores)
}

/// A file's name without its endings.
fn task_name(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.split('.').next().unwrap_or_default().to_string()
}

fn tell(academy: &Academy, task: &str, score: &Score) {
    academy.events.send(Event::Score {
        task: task.into(),
        score: score.score,
        stderr: score.stderr,
        baseline: score.baseline,
        n: score.n,
    });
}
