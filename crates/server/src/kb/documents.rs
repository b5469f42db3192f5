//! Documents as they are, and the files that they came from.

use super::{UPLOADS, no_document, number, told};
use crate::app::{Shared, aside};
use crate::error::{ApiError, Result};
use crate::fields::whole;
use crate::key::{Owner, Whose};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use shuyuan_knowledge::{DocumentText, Filter, Original};
use std::path::Path as FilePath;

/// Documents at once.
const MOST: usize = 500;

/// A file is shown as what it is or not at all, by nobody but this page, and runs nothing.
const POLICY: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

#[derive(Deserialize)]
pub(crate) struct Which {
    skip: Option<String>,
    limit: Option<String>,
    source: Option<String>,
    folder: Option<String>,
    format: Option<String>,
}

pub(crate) async fn documents(
    Whose(reader): Whose,
    State(app): Shared,
    Query(which): Query<Which>,
) -> Result<Json<Value>> {
    let skip = whole("skip", which.skip.as_deref(), 0)?;
    let limit = whole("limit", which.limit.as_deref(), 50)?.min(MOST);
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let filter = Filter {
        source: given(which.source),
        folder: given(which.folder),
        formats: given(which.format).into_iter().collect(),
        ..Filter::default()
    };
    aside(move || {
        let knowledge = app.academy.knowledge().map_err(told)?;
        let (total, documents) = knowledge.base.documents(&reader, &filter, skip, limit)?;
        Ok(Json(json!({ "total": total, "documents": documents })))
    })
    .await
}

pub(crate) async fn document(
    Whose(reader): Whose,
    State(app): Shared,
    Path(id): Path<String>,
) -> Result<Json<DocumentText>> {
    let id = number(&id)?;
    aside(move || {
        let knowledge = app.academy.knowledge().map_err(told)?;
        let document = knowledge.base.document(&reader, id)?;
        document.map(Json).ok_or_else(|| no_document(&id.to_string()))
    })
    .await
}

pub(crate) async fn original(
    Whose(reader): Whose,
    State(app): Shared,
    Path(id): Path<String>,
) -> Result<Response> {
    let id = number(&id)?;
    let original = aside(move || {
        let knowledge = app.academy.knowledge().map_err(told)?;
        knowledge.base.original(&reader, id)?.ok_or_else(|| no_document(&id.to_string()))
    })
    .await?;
    match original {
        Original::Bytes { name, bytes } => Ok(file(&name, bytes)),
        Original::Changed => Err(ApiError::new(
            StatusCode::CONFLICT,
            "the file has changed or is gone since it was read: sync its source first",
        )
        .code("changed")),
        Original::None(why) => Err(ApiError::missing(format!("document {id} has no file of its own: {why}"))),
    }
}

/// A file as it is. What could run something is only ever saved.
fn file(name: &str, bytes: Vec<u8>) -> Response {
    let ending = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let (kind, shown) = match ending.as_str() {
        "pdf" => ("application/pdf", true),
        "png" => ("image/png", true),
        "jpg" | "jpeg" => ("image/jpeg", true),
        "gif" => ("image/gif", true),
        "webp" => ("image/webp", true),
        "txt" | "md" | "csv" | "log" => ("text/plain; charset=utf-8", false),
        _ => ("application/octet-stream", false),
    };
    let place = if shown { "inline" } else { "attachment" };
    let name: String = name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let place = HeaderValue::from_str(&format!("{place}; filename*=UTF-8''{name}"));
    let place = place.unwrap_or_else(|_| HeaderValue::from_static("attachment"));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, place),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, bytes).into_response()
}

pub(crate) async fn failures(_: Owner, State(app): Shared) -> Result<Json<Value>> {
    aside(move || {
        let knowledge = app.academy.knowledge().map_err(told)?;
        let mut failures = knowledge.base.failures()?;
        let total = failures.len();
        failures.truncate(MOST);
        Ok(Json(json!({ "total": total, "failures": failures })))
    })
    .await
}

/// Deletes the uploaded file that a document came from, and with it the document.
pub(crate) async fn remove_document(
    _: Owner,
    Whose(reader): Whose,
    State(app): Shared,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    let id = number(&id)?;
    let looking = app.clone();
    let item = aside(move || {
        let knowledge = looking.academy.knowledge().map_err(told)?;
        let document = knowledge.base.document(&reader, id)?.ok_or_else(|| no_document(&id.to_string()))?;
        if document.info.source != UPLOADS {
            return Err(ApiError::bad(format!(
                "document {id} belongs to the source {:?}: delete its file there and sync; only uploads are deleted here",
                document.info.source
            )));
        }
        Ok(document.info.item)
    })
    .await?;
    // A path within the folder is nothing that an upload makes.
    if FilePath::new(&item).components().count() != 1 {
        return Err(ApiError::bad(format!("{item:?} was not uploaded: delete it where it is, and sync")));
    }
    super::upload::delete(app, item).await
}
