//! The documents on a plane, and the nearest of one.

use super::{no_document, number, told};
use crate::app::{Shared, aside};
use crate::error::Result;
use crate::key::Whose;
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use shuyuan_academy::DocumentMap;

const NEIGHBOURS: usize = 10;

pub(crate) async fn map(Whose(reader): Whose, State(app): Shared) -> Result<Json<DocumentMap>> {
    aside(move || {
        Ok(Json(app.academy.knowledge().and_then(|knowledge| knowledge.map(&reader)).map_err(told)?))
    })
    .await
}

pub(crate) async fn near(
    Whose(reader): Whose,
    State(app): Shared,
    Path(id): Path<String>,
) -> Result<Json<Value>> {
    let id = number(&id)?;
    aside(move || {
        let knowledge = app.academy.knowledge().map_err(told)?;
        let near = knowledge.near(&reader, id, NEIGHBOURS).map_err(told)?;
        let near = near.ok_or_else(|| no_document(&id.to_string()))?;
        Ok(Json(json!({ "id": id, "neighbours": near })))
    })
    .await
}
