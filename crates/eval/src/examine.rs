//! A list of tasks and files becomes a report.

use crate::lines::holds_text;
use crate::{
    EvalError, Items, Report, Scorer, TRADES, bits_per_byte, multiple_choice, read_items, texts_of, trade,
};
use shuyuan_chain::Generate;
use shuyuan_corpus::world::World;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// What to examine.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Names of trades, of files (up to the first dot), or "bits_per_byte". Empty: everything in `files`; all trades
    /// where there are no files.
    pub tasks: Vec<String>,
    /// Files of questions, and files or folders of text for bits per byte.
    pub files: Vec<PathBuf>,
    /// The most questions of a task; 200 of a trade, all of a file where it is not said.
    pub limit: Option<usize>,
    /// The built-in world's seed.
    pub seed: u64,
}

/// Questions of a trade: a standard error of .035 at most.
const QUESTIONS: usize = 200;

/// Text for bits per byte, in bytes: past this the third digit stands still.
const TEXT: usize = 1 << 20;

/// Takes the tasks of a plan one after another. `on` hears task, done and total, and may break.
///
/// # Errors
/// An unknown task or an unusable file, before anything is examined; what the tasks say; a stop.
pub fn examine(
    scorer: &Scorer,
    generate: &dyn Generate,
    plan: &Plan,
    on: &mut dyn FnMut(&str, usize, usize) -> ControlFlow<()>,
) -> Result<Report, EvalError> {
    let (mut questions, mut texts): (Vec<(String, Items)>, Vec<&PathBuf>) = Default::default();
    for path in &plan.files {
        match questions_of(path, plan.limit)? {
            Some(items) => questions.push((name(path), items)),
            None => texts.push(path),
        }
    }
    let mut known = TRADES.map(String::from).to_vec();
    known.extend(questions.iter().map(|(name, _)| name.clone()));
    known.extend((!texts.is_empty()).then(|| "bits_per_byte".to_string()));
    let tasks = match (plan.tasks.is_empty(), plan.files.is_empty()) {
        (false, _) => plan.tasks.clone(),
        (true, true) => known.clone(),
        (true, false) => known[TRADES.len()..].to_vec(),
    };
    if let Some(found) = tasks.iter().find(|task| !known.contains(task)) {
        return Err(EvalError::UnknownTask { found: found.clone(), known });
    }
    let world = World::new(plan.seed);
    let mut report = Report::default();
    for task in &tasks {
        let on = &mut |done, total| on(task, done, total);
        report.tasks.push(match questions.iter().find(|(name, _)| name == task) {
            _ if TRADES.contains(&task.as_str()) => {
                trade(generate, &world, task, plan.limit.unwrap_or(QUESTIONS), on)?
            }
            Some((_, items)) => multiple_choice(scorer, task, items, on)?,
            None => bits_per_byte(scorer, &texts_of(&texts, TEXT)?, on)?,
        });
    }
    Ok(report)
}

/// The questions of a file; none for one that is text: another kind of file, a folder, or JSON lines with `text`.
fn questions_of(path: &Path, limit: Option<usize>) -> Result<Option<Items>, EvalError> {
    let file = path.to_string_lossy();
    if path.is_dir() || !(file.ends_with(".jsonl") || file.ends_with(".jsonl.zst")) {
        return Ok(None);
    }
    if holds_text(path)? { Ok(None) } else { read_items(path, limit).map(Some) }
}

/// "piqa_dev" of /data/piqa_dev.jsonl.zst.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    name.split('.').next().unwrap_or_default().to_string()
}
