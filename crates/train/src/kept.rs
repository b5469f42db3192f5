//! Which checkpoints of a run stay, and the way back to one of them.
//!
//! `checkpoint/` is the newest, `checkpoints/step-N/` are the last few, `best/` is the one that reads held-out text
//! best. The files of one step are shared by hard links.

use crate::checkpoint::{self, State};
use crate::{TrainError, trouble};
use shuyuan_store::{Lock, StagedDir, link_dir, link_files, remove_dir, write_atomic};
use std::path::{Path, PathBuf};

/// Where to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewind {
    /// The newest kept checkpoint before the last trouble.
    BeforeTrouble,
    /// The kept checkpoint of a step.
    Step(u64),
    /// The one that reads held-out text best.
    Best,
}

/// What [`rewind`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewound {
    /// Where the run stands now.
    pub step: u64,
    /// How many steps' batches will not be taught again.
    pub skipped: usize,
}

pub(crate) fn best(run: &Path) -> PathBuf {
    run.join("best")
}

fn folder(run: &Path) -> PathBuf {
    run.join("checkpoints")
}

/// The steps of the checkpoints in `checkpoints/`, in order.
pub(crate) fn steps(run: &Path) -> Vec<u64> {
    let Ok(entries) = std::fs::read_dir(folder(run)) else { return Vec::new() };
    let step = |name: &str| name.strip_prefix("step-")?.parse().ok();
    let mut steps: Vec<u64> = entries.filter_map(|entry| step(entry.ok()?.file_name().to_str()?)).collect();
    steps.sort_unstable();
    steps
}

fn of_step(run: &Path, step: u64) -> PathBuf {
    folder(run).join(format!("step-{step:06}"))
}

/// Keeps the newest checkpoint, which is that of `step`, as one of the last `most`.
pub(crate) fn keep(run: &Path, step: u64, most: usize) -> Result<(), TrainError> {
    if most > 0 {
        let to = of_step(run, step);
        link_dir(&checkpoint::dir(run), &to)?;
    }
    clear(&folder(run))?;
    let all = steps(run);
    // Later ones are of a way that was given up by rewinding.
    let (past, given_up) = all.split_at(all.partition_point(|&other| other <= step));
    for &step in past[..past.len().saturating_sub(most)].iter().chain(given_up) {
        remove_dir(&of_step(run, step))?;
    }
    Ok(())
}

/// Removes what a kill left half made or half removed.
fn clear(folder: &Path) -> Result<(), TrainError> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let ours = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with(".step-");
    for entry in entries.flatten().filter(ours) {
        let path = entry.path();
        std::fs::remove_dir_all(&path).map_err(|source| TrainError::Io { path, source })?;
    }
    Ok(())
}

/// Keeps the newest checkpoint as the best.
pub(crate) fn keep_best(run: &Path) -> Result<(), TrainError> {
    Ok(link_dir(&checkpoint::dir(run), &best(run))?)
}

/// How far from perfect the best checkpoint was.
pub(crate) fn best_error(run: &Path) -> Option<f64> {
    checkpoint::state(&best(run)).ok()??.error()
}

/// Which checkpoints there are, and what to type to go on from them.
pub(crate) fn ways_back(run: &Path) -> String {
    let steps: Vec<String> = steps(run).iter().map(u64::to_string).collect();
    match checkpoint::state(&checkpoint::dir(run)) {
        Ok(Some(newest)) => {
            let kept =
                if steps.is_empty() { String::new() } else { format!(" (kept: {})", steps.join(", ")) };
            format!(
                "The checkpoint of step {} is whole: the same pretrain or finetune with --rewind goes on from it \
                 without that batch, with --rewind STEP from further back{kept}",
                newest.step
            )
        }
        _ => "No checkpoint had been saved yet".into(),
    }
}

/// Goes back to a kept checkpoint: the next `run` with `resume` goes on from there, and does not teach the batches
/// again that went wrong after it. What was saved since goes when the run next saves.
///
/// # Errors
/// No run, one that is in use, no such checkpoint; nothing is changed then.
pub fn rewind(run: &Path, to: Rewind) -> Result<Rewound, TrainError> {
    let wrong = |what: String| TrainError::Resume { path: run.to_path_buf(), what };
    if !run.join("recipe.json").is_file() {
        return Err(wrong("there is no run to rewind: expected recipe.json in it".into()));
    }
    let _lock = Lock::acquire(run)?;
    let newest = checkpoint::state(&checkpoint::dir(run)).ok().flatten();
    let troubles = trouble::read_all(run)?;
    let mut there: Vec<(u64, PathBuf)> =
        steps(run).into_iter().map(|step| (step, of_step(run, step))).collect();
    let kept = |step: &u64| there.iter().any(|(other, _)| other == step);
    let only_newest = newest.as_ref().map(|newest| newest.step).filter(|step| !kept(step));
    there.extend(only_newest.map(|step| (step, checkpoint::dir(run))));
    there.sort();
    let known: Vec<String> = there.iter().map(|(step, _)| step.to_string()).collect();
    let known = if known.is_empty() { "none".into() } else { known.join(", ") };
    let dir = match to {
        Rewind::Best => best(run),
        Rewind::Step(wanted) => match there.iter().find(|(step, _)| *step == wanted) {
            Some((_, dir)) => dir.clone(),
            None => return Err(wrong(format!("no checkpoint of step {wanted} is kept, there is {known}"))),
        },
        Rewind::BeforeTrouble => {
            let Some(last) = troubles.iter().map(|trouble| trouble.step).max() else {
                return Err(wrong(format!(
                    "nothing went wrong in it (trouble/ is empty): say where to with --rewind STEP, there is {known}"
                )));
            };
            match there.iter().rev().find(|(step, _)| *step < last) {
                Some((_, dir)) => dir.clone(),
                None => {
                    return Err(wrong(format!(
                        "no checkpoint from before step {last}, where it went wrong, is kept (there is {known}): \
                         begin anew in another --output, with lower rates or more warmup_steps"
                    )));
                }
            }
        }
    };
    let Some(state) = checkpoint::state(&dir)? else {
        return Err(wrong(format!("{} is not there; checkpoints of steps: {known}", dir.display())));
    };
    let mut skip = newest.map_or_else(Vec::new, |newest| newest.skip);
    let after: Vec<_> = troubles.iter().filter(|trouble| trouble.step > state.step).collect();
    skip.extend(after.iter().flat_map(|trouble| &trouble.cursors));
    let rewound = Rewound { step: state.step, skipped: after.len() };
    if let Some(step) = only_newest {
        link_dir(&checkpoint::dir(run), &of_step(run, step))?;
    }
    let staged = StagedDir::new(&checkpoint::dir(run))?;
    link_files(&dir, staged.path())?;
    // Replaced, not written into: the file is shared with the checkpoint that is kept.
    let json = State { skip, finished: false, ..state }.to_json();
    write_atomic(&staged.path().join(checkpoint::STATE), &json)?;
    staged.publish()?;
    for trouble in after {
        trouble::settle(run, trouble.step)?;
    }
    Ok(rewound)
}
