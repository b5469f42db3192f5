//! Files that come over HTTP into the folder of uploads, whole or not at all.

use super::{UPLOADS, sources, told};
use crate::app::{App, Shared, aside};
use crate::error::{ApiError, Result};
use crate::key::Owner;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use shuyuan_academy::stages;
use shuyuan_knowledge::{Filter, Reader};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::{Receiver, channel};

/// What one file may have; more is not read anyway.
const MOST: u64 = 256 << 20;
/// What file systems take.
const NAME_BYTES: usize = 200;

#[derive(Deserialize)]
pub(crate) struct Named {
    name: Option<String>,
}

pub(crate) async fn upload(
    _: Owner,
    State(app): Shared,
    Query(named): Query<Named>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>> {
    let name = file_name(named)?;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > MOST) {
        return Err(too_large());
    }
    let looking = app.clone();
    let folder =
        aside(move || looking.academy.knowledge().and_then(|knowledge| knowledge.incoming()).map_err(told))
            .await?;
    let (send, receive) = channel::<Option<Bytes>>(4);
    let path = temporary(&folder);
    let part = Part(path.clone());
    let writing = tokio::spawn(aside(move || write(&path, receive)));
    let mut body = body.into_data_stream();
    let mut bytes = 0;
    while let Some(part) = body.next().await {
        // A client that left: what is written so far goes.
        let part = part.map_err(|error| ApiError::bad(format!("the file did not come whole: {error}")))?;
        bytes += part.len() as u64;
        if bytes > MOST {
            return Err(too_large());
        }
        if send.send(Some(part)).await.is_err() {
            break;
        }
    }
    // Whole, said in so many words: a channel that only closes is a client that left.
    let _ = send.send(None).await;
    drop(send);
    writing.await.map_err(|error| anyhow::anyhow!("the file was not written: {error}"))??;
    let turn = app.syncing.wait().await;
    aside(move || {
        sources::write(&app, turn, |academy, stop| stages::knowledge::upload(academy, &part.0, &name, stop))?;
        became(&app, &name, bytes)
    })
    .await
}

/// A file on its way in. What is left of it when it was not taken in goes.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn temporary(folder: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Hidden, so that it is no document.
    folder.join(format!(".{}-{}.part", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
}

/// Writes what comes.
fn write(path: &Path, mut parts: Receiver<Option<Bytes>>) -> Result<()> {
    let written = (|| -> std::io::Result<bool> {
        let mut file = File::create(path)?;
        while let Some(part) = parts.blocking_recv() {
            let Some(part) = part else {
                file.sync_all()?;
                return Ok(true);
            };
            file.write_all(&part)?;
        }
        Ok(false)
    })();
    match written {
        Ok(true) => Ok(()),
        Ok(false) => {
            // The client left, and whoever waited for the file did too.
            let _ = std::fs::remove_file(path);
            Err(ApiError::bad("the file did not come whole"))
        }
        Err(error) => {
            let _ = std::fs::remove_file(path);
            Err(ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("cannot write {}: {error}", path.display()),
            ))
        }
    }
}

/// What came of an uploaded file.
fn became(app: &App, name: &str, bytes: u64) -> Result<Json<Value>> {
    let knowledge = app.academy.knowledge().map_err(told)?;
    let filter = Filter { source: Some(UPLOADS.into()), folder: Some(name.into()), ..Filter::default() };
    let (_, mut documents) = knowledge.base.documents(&Reader::Owner, &filter, 0, usize::MAX)?;
    documents.retain(|document| document.item == name);
    let mut failures = knowledge.base.failures()?;
    failures.retain(|failure| failure.source == UPLOADS && failure.item == name);
    Ok(Json(json!({ "name": name, "bytes": bytes, "documents": documents, "failures": failures })))
}

pub(crate) async fn remove_upload(
    _: Owner,
    State(app): Shared,
    Query(named): Query<Named>,
) -> Result<StatusCode> {
    let name = file_name(named)?;
    delete(app, name).await
}

/// Deletes an uploaded file and what came of it.
pub(super) async fn delete(app: Arc<App>, name: String) -> Result<StatusCode> {
    let turn = app.syncing.wait().await;
    aside(move || {
        let there = sources::write(&app, turn, |academy, stop| {
            stages::knowledge::remove_upload(academy, &name, stop)
        })?;
        if !there {
            return Err(ApiError::missing(format!("no file {name:?} was uploaded")));
        }
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// A name for a file, and nothing else: no folders, nothing hidden. What some systems refuse becomes `_`.
fn file_name(named: Named) -> Result<String> {
    let name = named.name.unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        return Err(ApiError::field("name", "is missing: upload as /api/kb/upload?name=FILE"));
    }
    let folders = |char: char| char.is_control() || matches!(char, '/' | '\\');
    if name.starts_with('.') || name.starts_with("~$") || name.ends_with('.') || name.contains(folders) {
        let what = format!("expected a file's name without folders and not hidden, found {name:?}");
        return Err(ApiError::field("name", what));
    }
    if name.len() > NAME_BYTES {
        return Err(ApiError::field(
            "name",
            format!("expected at most {NAME_BYTES} bytes, found {}", name.len()),
        ));
    }
    Ok(name.replace([':', '*', '?', '"', '<', '>', '|'], "_"))
}

fn too_large() -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the file is larger than {} MiB: split it", MOST >> 20),
    )
}
