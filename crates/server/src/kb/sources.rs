//! Sources: how they stand, added, synced, taken out. One at a time writes.

use super::{UPLOADS, told};
use crate::app::{App, Shared, aside};
use crate::error::{ApiError, Result};
use crate::fields::{Fields, wrong};
use crate::key::{Owner, Whose};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use shuyuan_academy::{Academy, Level, stages};
use shuyuan_knowledge::{Filter, Folder, KnowledgeError, Reader, Rule, Source, due};
use shuyuan_text::now;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Whether someone writes, and whether they are to stop.
#[derive(Default)]
pub(crate) struct Syncing {
    turn: Arc<Mutex<()>>,
    stop: Arc<AtomicBool>,
}

impl Syncing {
    /// Ends what runs; what was read is kept.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn is_busy(&self) -> bool {
        self.turn.try_lock().is_err()
    }

    /// To write now, or not at all.
    pub(super) fn begin(&self) -> Result<OwnedMutexGuard<()>> {
        self.turn.clone().try_lock_owned().map_err(|_| {
            ApiError::new(StatusCode::CONFLICT, "documents are being read: wait until that is done")
                .code("busy")
        })
    }

    /// To write as soon as one may.
    pub(super) async fn wait(&self) -> OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }
}

/// Does what writes to the base, and tells what goes wrong. The turn is held until it is done.
pub(super) fn write<T>(
    app: &App,
    turn: OwnedMutexGuard<()>,
    work: impl FnOnce(&Academy, &AtomicBool) -> anyhow::Result<T>,
) -> Result<T> {
    let _turn = turn;
    work(&app.academy, &app.syncing.stop).map_err(|error| {
        if !matches!(error.downcast_ref(), Some(KnowledgeError::Stopped)) {
            app.academy.events.message(Level::Error, format!("{error:#}"));
        }
        told(error)
    })
}

/// Reads on a thread of its own; how it goes, the events tell.
fn read_aside(app: Arc<App>, names: Vec<String>, turn: OwnedMutexGuard<()>) {
    // What goes wrong is among the events, and in the source's state.
    tokio::task::spawn_blocking(move || {
        drop(write(&app, turn, |academy, stop| stages::knowledge::sync(academy, &names, stop)));
    });
}

/// How often sources are looked over for those whose time has come.
const LOOK: Duration = Duration::from_secs(20);

/// Syncs sources by their schedules as long as the server is there.
pub(crate) async fn keep_fresh(app: Weak<App>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(app) = app.upgrade() else { return };
        // Where nobody ever asked for a knowledge base, none is made.
        if !app.academy.has_knowledge() {
            continue;
        }
        // Who is at it now is not disturbed: what is due stays due.
        let Ok(turn) = app.syncing.begin() else { continue };
        let looking = app.clone();
        let due = aside(move || {
            let sources = looking.academy.knowledge().map_err(told)?.base.sources()?;
            let now = now();
            Ok(sources
                .into_iter()
                .filter(|source| due(source, now))
                .map(|source| source.name)
                .collect::<Vec<_>>())
        });
        if let Ok(names) = due.await
            && !names.is_empty()
        {
            tokio::task::spawn_blocking(move || {
                let done = write(&app, turn, |academy, stop| {
                    match stages::knowledge::sync(academy, &names, stop) {
                        // Another server on the same store is at it: what is still due then is due the next time.
                        Err(error) if error.downcast_ref().is_some_and(KnowledgeError::is_locked) => Ok(None),
                        done => done.map(Some),
                    }
                });
                drop(done);
            });
        }
    }
}

pub(crate) async fn state(Whose(reader): Whose, State(app): Shared) -> Result<Json<Value>> {
    aside(move || {
        let knowledge = app.academy.knowledge().map_err(told)?;
        let base = &knowledge.base;
        let owner = reader == Reader::Owner;
        let mut sources = Vec::new();
        let (mut documents, mut failures) = (0, 0);
        for source in base.sources()? {
            let filter = Filter { source: Some(source.name.clone()), ..Filter::default() };
            let seen =
                if owner { source.documents as usize } else { base.documents(&reader, &filter, 0, 0)?.0 };
            documents += seen;
            failures += source.failures;
            if owner {
                sources.push(whole(&source));
            } else if seen > 0 {
                // Where it lies and what is wrong with it names what they may not know of.
                sources.push(json!({
                    "name": source.name, "kind": source.kind, "documents": seen,
                    "health": health(&source), "age_seconds": age(&source),
                }));
            }
        }
        let embedder = base.embedder()?.map(|(name, _)| name);
        let groups = match &reader {
            Reader::Owner => Value::Null,
            Reader::Groups(groups) => json!(groups),
        };
        let mut state = json!({
            "sources": sources,
            "documents": documents,
            "chunks": base.chunks(&reader)?,
            "embedder": embedder,
            "mode": if embedder.is_some() { "hybrid" } else { "words" },
            "syncing": app.syncing.is_busy(),
            "reader": { "owner": owner, "groups": groups },
        });
        if owner {
            state["failures"] = failures.into();
            state["bytes"] = base.bytes()?.into();
            state["shared"] = base.is_shared().into();
        }
        Ok(Json(state))
    })
    .await
}

fn whole(source: &Source) -> Value {
    json!({
        "name": source.name,
        "kind": source.kind,
        "path": source.definition["path"],
        "groups": source.definition["groups"],
        "tags": source.definition["tags"],
        "rules": source.definition["rules"],
        "items": source.items,
        "documents": source.documents,
        "failures": source.failures,
        "state": source.state,
        "health": health(source),
        "age_seconds": age(source),
    })
}

/// `new` was never read, `failed` could not be read the last time, `fresh` was read within a day, `stale` was not.
fn health(source: &Source) -> &'static str {
    match (&source.state.error, age(source)) {
        (Some(_), _) => "failed",
        (None, None) => "new",
        (None, Some(age)) if age <= 24 * 3600 => "fresh",
        (None, Some(_)) => "stale",
    }
}

/// Seconds since it was last read to its end.
fn age(source: &Source) -> Option<u64> {
    let now = now();
    source.state.synced.map(|then| now.saturating_sub(then))
}

pub(crate) async fn add_source(
    _: Owner,
    State(app): Shared,
    fields: Fields,
) -> Result<(StatusCode, Json<Value>)> {
    let path = fields.need("path", fields.text("path")?)?;
    let path = PathBuf::from(path.trim());
    if !path.is_absolute() {
        let what = format!(
            "expected an absolute path on the server's machine, found {:?}",
            path.display().to_string()
        );
        return Err(ApiError::field("path", what));
    }
    let rules: Vec<Rule> = match fields.get("rules") {
        None => Vec::new(),
        Some(value) => serde_json::from_value(value.clone())
            .map_err(|_| wrong("rules", "a list of {folder, groups}", value))?,
    };
    let folder = Folder { path, groups: fields.texts("groups")?, tags: fields.texts("tags")?, rules };
    let turn = app.syncing.begin()?;
    let adding = app.clone();
    let name = aside(move || {
        let knowledge = adding.academy.knowledge().map_err(told)?;
        match knowledge.base.add_folder(&folder) {
            Ok(source) => Ok(source.name),
            Err(error @ KnowledgeError::Io { .. }) => Err(ApiError::field("path", error)),
            Err(error) => Err(error.into()),
        }
    })
    .await?;
    read_aside(app, vec![name.clone()], turn);
    Ok((StatusCode::ACCEPTED, Json(json!({ "name": name }))))
}

pub(crate) async fn sync(_: Owner, State(app): Shared, fields: Fields) -> Result<StatusCode> {
    let source = fields.text("source")?.map(String::from);
    let turn = app.syncing.begin()?;
    let looking = app.clone();
    let names = aside(move || {
        let sources = looking.academy.knowledge().map_err(told)?.base.sources()?;
        let all: Vec<String> = sources.into_iter().map(|source| source.name).collect();
        match source {
            Some(name) if all.contains(&name) => Ok(vec![name]),
            Some(name) => Err(no_source(&name, &all)),
            None if all.is_empty() => {
                Err(ApiError::bad("there are no sources yet: add a folder or upload a file"))
            }
            None => Ok(all),
        }
    })
    .await?;
    read_aside(app, names, turn);
    Ok(StatusCode::ACCEPTED)
}

pub(crate) async fn remove_source(
    _: Owner,
    State(app): Shared,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    if name == UPLOADS {
        return Err(ApiError::bad(
            "uploads is the folder of uploaded files, which would come back with the next: delete its documents",
        ));
    }
    let turn = app.syncing.begin()?;
    aside(move || {
        let _turn = turn;
        let knowledge = app.academy.knowledge().map_err(told)?;
        let all: Vec<String> = knowledge.base.sources()?.into_iter().map(|source| source.name).collect();
        if !all.contains(&name) {
            return Err(no_source(&name, &all));
        }
        knowledge.remove(&name).map_err(told)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

fn no_source(name: &str, all: &[String]) -> ApiError {
    let there =
        if all.is_empty() { "there is none yet".into() } else { format!("there are: {}", all.join(", ")) };
    ApiError::missing(format!("no source is called {name:?}; {there}"))
}
