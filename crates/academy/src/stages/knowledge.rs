//! The organisation's own books: folders and sources into the knowledge base.

use super::clock::Clock;
use crate::knowledge::Step;
use crate::{Academy, Level};
use anyhow::{Result, bail};
use shuyuan_knowledge::{Folder, KnowledgeError, Report};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a sync did, source by source.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Done {
    /// The source's name and what came of it.
    pub sources: Vec<(String, Report)>,
    /// Sources that could not be read, and why; what was known of them is kept.
    pub failed: Vec<(String, String)>,
}

/// Adds folders or files and reads them.
///
/// # Errors
/// If one is not there, the base cannot be written, or a stop comes: the same command goes on.
pub fn add(academy: &Academy, folders: &[Folder], stop: &AtomicBool) -> Result<Done> {
    let knowledge = academy.knowledge()?;
    let mut names = Vec::new();
    for folder in folders {
        names.push(knowledge.base.add_folder(folder)?.name);
    }
    sync(academy, &names, stop)
}

/// Reads what has changed in these sources, or in all of them if none is named.
///
/// # Errors
/// If there is no such source, the base cannot be written, or a stop comes: the same command goes on.
pub fn sync(academy: &Academy, names: &[String], stop: &AtomicBool) -> Result<Done> {
    let knowledge = academy.knowledge()?;
    let names = if names.is_empty() {
        knowledge.base.sources()?.into_iter().map(|source| source.name).collect()
    } else {
        names.to_vec()
    };
    if names.is_empty() {
        bail!("the knowledge base has no sources yet: add a folder with `shuyuan kb add FOLDER`");
    }
    let clock = start(academy);
    let mut done = Done::default();
    for name in names {
        match knowledge.sync(&name, &mut |step| watch(academy, &clock, stop, step)) {
            Ok(report) => done.sources.push((name, report)),
            Err(error) => {
                let cause = error.downcast_ref::<KnowledgeError>();
                if !matches!(cause, Some(KnowledgeError::Io { .. } | KnowledgeError::Source(_))) {
                    return Err(error);
                }
                // One source that is down does not keep the others from being read.
                academy.events.message(Level::Error, format!("{name}: {error:#}"));
                done.failed.push((name, format!("{error:#}")));
            }
        }
    }
    clock.done();
    Ok(done)
}

/// Takes in an uploaded file, which lies at `path` in the folder of files on their way in.
///
/// # Errors
/// If it cannot be kept, the base cannot be written, or a stop comes.
pub fn upload(academy: &Academy, path: &Path, name: &str, stop: &AtomicBool) -> Result<Report> {
    let knowledge = academy.knowledge()?;
    let clock = start(academy);
    let report = knowledge.upload(path, name, &mut |step| watch(academy, &clock, stop, step))?;
    clock.done();
    Ok(report)
}

/// Deletes an uploaded file; says whether it was there.
///
/// # Errors
/// If it cannot be deleted, the base cannot be written, or a stop comes.
pub fn remove_upload(academy: &Academy, name: &str, stop: &AtomicBool) -> Result<bool> {
    let knowledge = academy.knowledge()?;
    let clock = start(academy);
    let there = knowledge.remove_upload(name, &mut |step| watch(academy, &clock, stop, step))?;
    clock.done();
    Ok(there)
}

/// Makes the vectors that are missing.
///
/// # Errors
/// If no embedding model was chosen, the base cannot be written, or a stop comes: the same command goes on.
pub fn embed(academy: &Academy, stop: &AtomicBool) -> Result<()> {
    let knowledge = academy.knowledge()?;
    let clock = start(academy);
    knowledge.embed(&mut |step| watch(academy, &clock, stop, step))?;
    clock.done();
    Ok(())
}

fn start(academy: &Academy) -> Clock<'_> {
    Clock::start(
        academy,
        "knowledge",
        ["知识库", "整理自己的资料:读文件,按结构切成段,编好索引。"],
        [
            "Knowledge",
            "Putting the own books in order: files are read, cut along their structure and indexed.",
        ],
    )
}

fn watch(academy: &Academy, clock: &Clock, stop: &AtomicBool, step: Step) -> bool {
    match step {
        Step::Read(progress) => {
            for unread in progress.unread {
                academy.events.message(Level::Warn, format!("{}: {unread}", progress.item));
            }
            clock.progress(progress.done, progress.total.unwrap_or(0), academy.lang.pick("个文件", "files"));
        }
        Step::Embed(done, total) => clock.progress(done, total, academy.lang.pick("段的向量", "vectors")),
    }
    !stop.load(Ordering::Relaxed)
}
