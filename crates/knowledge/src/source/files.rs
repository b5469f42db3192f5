//! Sources that give files: those that changed are had and parsed, those that are gone go out.

use super::definition::{Definition, Plan};
use super::ingest::{Loaded, Means, Report, Task, Watch, ingest};
use crate::base::{Base, Item, Source, SourceState, Writer};
use crate::chunk::Size;
use crate::parse::Limits;
use crate::{KnowledgeError, Result};
use serde::{Deserialize, Serialize};
use shuyuan_text::now;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Files of one source.
pub(crate) const MOST: usize = 200_000;

/// Gets a file that was known with this stamp, or not at all.
pub(crate) type Load = Box<dyn FnOnce(Option<&str>, &Limits) -> Loaded + Send>;

/// A file that is there.
pub(crate) struct File {
    /// Its path within the source.
    pub key: String,
    /// What tells that it has changed, where that is known before it is had.
    pub stamp: Option<String>,
    pub size: u64,
    pub date: Option<String>,
    pub url: Option<String>,
    pub load: Load,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Mark {
    /// Of the definition.
    print: u64,
}

impl Plan {
    /// All files that are there now. `dir` is where copies may be kept.
    pub(crate) fn list(&self, dir: &Path, stop: &Arc<AtomicBool>) -> Result<Vec<File>> {
        match self {
            Self::Listing(plan) => plan.list(stop),
            Self::Git(plan) => plan.list(dir),
            Self::Bucket(plan) => plan.files(),
            _ => Ok(Vec::new()),
        }
    }
}

pub(crate) fn sync(
    base: &Base,
    writer: &mut Writer,
    source: &Source,
    size: Size,
    watch: &mut Watch,
) -> Result<Report> {
    let began = Instant::now();
    let definition = Definition::of(source);
    let (common, plan) = (definition.common()?, definition.plan()?);
    let mark: Mark = serde_json::from_value(source.state.cursor.clone()).unwrap_or_default();
    let print = definition.print();
    let stop = Arc::new(AtomicBool::new(false));
    let files = plan.list(base.dir(), &stop)?;
    let known = base.items(source.id)?;
    if files.is_empty() && !known.is_empty() && !common.may_be_empty {
        return Err(KnowledgeError::Asked(format!(
            "no file was found where there were {}, which are kept; if that is right, say may_be_empty = true",
            known.len()
        )));
    }
    let mut report = Report::default();
    let there: HashSet<&str> = files.iter().map(|file| file.key.as_str()).collect();
    for key in known.keys().filter(|key| !there.contains(key.as_str())) {
        writer.remove(source.id, key)?;
        report.removed += 1;
    }
    // Under another definition all is read again: groups and tags, what is a file.
    let stamp_of = |key: &str| {
        let stamp = known.get(key).map(|(stamp, _)| stamp.clone());
        stamp.filter(|stamp| mark.print == print && !stamp.is_empty())
    };
    let mut changed = Vec::new();
    for file in files {
        let before = stamp_of(&file.key);
        if file.stamp.is_some() && file.stamp == before {
            report.unchanged += 1;
        } else {
            changed.push((file, before));
        }
    }
    let total = changed.len() as u64;
    let tasks = changed.into_iter().map(|(file, before)| Task {
        item: Item {
            key: file.key.clone(),
            stamp: file.stamp.or_else(|| before.clone()).unwrap_or_else(|| "-".into()),
            hash: print,
            groups: common.groups.clone(),
            tags: common.tags.clone(),
            date: file.date,
            url: file.url,
            ..Item::default()
        },
        name: file.key,
        size: file.size,
        load: Box::new(move |limits| (file.load)(before.as_deref(), limits)),
    });
    let mut told = |progress: super::Progress| {
        let go_on = watch(progress);
        if !go_on {
            stop.store(true, Ordering::Relaxed);
        }
        go_on
    };
    let means =
        Means { source: source.id, known: &known, total: Some(total), limits: Limits::default(), size };
    let late = ingest(writer, tasks, &means, &mut report, &mut told)?;
    let now = now();
    let whole = late.items == 0;
    let state = SourceState {
        tried: Some(now),
        synced: if whole { Some(now) } else { source.state.synced },
        error: (!whole).then(|| {
            format!(
                "{} files could not be had, and are kept as they were; the first: {}",
                late.items, late.reason
            )
        }),
        // Until all was read under the new definition, it counts as the old one.
        cursor: serde_json::to_value(Mark { print: if whole { print } else { mark.print } })
            .unwrap_or_default(),
        drift: Vec::new(),
    };
    writer.set_state(source.id, &state)?;
    writer.commit()?;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// Whether a file is one of those that are wanted; all are, where none are named.
pub(crate) fn wanted(key: &str, endings: &[String]) -> bool {
    let hidden = key.split('/').any(|part| part.starts_with('.') || part.starts_with("~$"));
    let key = key.to_lowercase();
    !hidden
        && (endings.is_empty()
            || endings
                .iter()
                .any(|ending| key.ends_with(&format!(".{}", ending.trim_start_matches('.').to_lowercase()))))
}

pub(crate) fn too_large(limits: &Limits) -> Loaded {
    Loaded::Unread(format!("is larger than {} MiB; split it, or leave it out", limits.file >> 20))
}
