//! The conversations that the web app keeps, each reader's own. Answers are had from `/v1/chat/completions` as ever; the
//! page saves what came of them here.

use crate::app::{Shared, aside};
use crate::error::{ApiError, Result};
use crate::fields::{Fields, whole, wrong};
use crate::key::Name;
use crate::openai;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shuyuan_academy::{Conversation, ConversationError, ConversationInfo, ConversationSettings, Said};

/// Conversations of one list.
const MOST: usize = 500;

#[derive(Deserialize)]
pub(crate) struct Which {
    text: Option<String>,
    skip: Option<String>,
    limit: Option<String>,
}

/// A conversation with what the list shows of it.
#[derive(Serialize)]
pub(crate) struct Whole {
    #[serde(flatten)]
    info: ConversationInfo,
    #[serde(flatten)]
    conversation: Conversation,
}

pub(crate) async fn list(
    Name(name): Name,
    State(app): Shared,
    Query(which): Query<Which>,
) -> Result<Json<Value>> {
    let skip = whole("skip", which.skip.as_deref(), 0)?;
    let limit = whole("limit", which.limit.as_deref(), 100)?.min(MOST);
    let text = which.text.unwrap_or_default();
    aside(move || {
        let (total, conversations) = app.academy.conversations()?.list(&name, &text, skip, limit)?;
        Ok(Json(json!({ "total": total, "conversations": conversations })))
    })
    .await
}

pub(crate) async fn read(
    Name(name): Name,
    State(app): Shared,
    Path(id): Path<String>,
) -> Result<Json<Whole>> {
    let id = number(&id)?;
    aside(move || {
        let (info, conversation) = app.academy.conversations()?.read(&name, id)?;
        Ok(Json(Whole { info, conversation }))
    })
    .await
}

pub(crate) async fn begin(
    Name(name): Name,
    State(app): Shared,
    fields: Fields,
) -> Result<(StatusCode, Json<ConversationInfo>)> {
    let conversation = conversation(&fields)?;
    let info = aside(move || Ok(app.academy.conversations()?.begin(&name, &conversation)?)).await?;
    Ok((StatusCode::CREATED, Json(info)))
}

pub(crate) async fn save(
    Name(name): Name,
    State(app): Shared,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Json<ConversationInfo>> {
    let id = number(&id)?;
    let version = fields.need("version", fields.integer("version", 1..=i64::MAX)?)?;
    let conversation = conversation(&fields)?;
    aside(move || Ok(Json(app.academy.conversations()?.save(&name, id, version, &conversation)?))).await
}

pub(crate) async fn rename(
    Name(name): Name,
    State(app): Shared,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Json<ConversationInfo>> {
    let id = number(&id)?;
    let title = fields.need("title", fields.text("title")?)?.to_string();
    aside(move || Ok(Json(app.academy.conversations()?.rename(&name, id, &title)?))).await
}

pub(crate) async fn delete(
    Name(name): Name,
    State(app): Shared,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    let id = number(&id)?;
    aside(move || Ok(app.academy.conversations()?.delete(&name, id)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is to be kept. Settings are not judged: a request with them may have been refused, and that is kept, too.
fn conversation(fields: &Fields) -> Result<Conversation> {
    let text = |name: &str| Ok::<_, ApiError>(fields.text(name)?.unwrap_or_default().to_string());
    let any = || f64::MIN..=f64::MAX;
    let settings = ConversationSettings {
        system: text("system")?,
        tools: text("tools")?,
        temperature: fields.number("temperature", any())?,
        top_p: fields.number("top_p", any())?,
        max_tokens: fields.integer("max_tokens", i64::MIN..=i64::MAX)?,
        seed: fields.integer("seed", i64::MIN..=i64::MAX)?,
    };
    let said = openai::messages(fields)?.into_iter().enumerate().map(|(at, message)| {
        let finish_reason = match &fields.get("messages").unwrap_or(&Value::Null)[at]["finish_reason"] {
            Value::Null => None,
            Value::String(reason) => Some(reason.clone()),
            other => return Err(wrong(&format!("messages[{at}].finish_reason"), "a text", other)),
        };
        Ok(Said { message, finish_reason })
    });
    Ok(Conversation {
        model: fields.text("model")?.map(str::to_string),
        settings,
        messages: said.collect::<Result<_>>()?,
    })
}

/// The number in an address.
fn number(id: &str) -> Result<i64> {
    id.parse().map_err(|_| ApiError::missing(format!("there is no conversation {id:?}: expected its number")))
}

impl From<ConversationError> for ApiError {
    fn from(error: ConversationError) -> Self {
        use ConversationError::{Changed, Full, Missing, TooLarge, TooMany};
        let (status, code) = match &error {
            Missing { .. } => (StatusCode::NOT_FOUND, None),
            Changed { .. } => (StatusCode::CONFLICT, Some("changed")),
            TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, Some("too_large")),
            TooMany { .. } | Full { .. } => (StatusCode::INSUFFICIENT_STORAGE, Some("full")),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        Self { code, ..Self::new(status, error.to_string()) }
    }
}
