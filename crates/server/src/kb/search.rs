//! Finding passages.

use super::told;
use crate::app::{Shared, aside};
use crate::error::{ApiError, Result};
use crate::fields::Fields;
use crate::key::Whose;
use axum::Json;
use axum::extract::State;
use shuyuan_knowledge::{Filter, Found};

/// Passages at once.
const MOST: i64 = 100;
/// More is no question.
const CHARACTERS: usize = 4_000;

pub(crate) async fn search(Whose(reader): Whose, State(app): Shared, fields: Fields) -> Result<Json<Found>> {
    let query = question(&fields, "query")?;
    let limit = fields.integer("limit", 1..=MOST)?.unwrap_or(10) as usize;
    let (filter, words_only) = (filter(&fields)?, fields.flag("words_only")?);
    aside(move || {
        let knowledge = app.academy.knowledge().map_err(told)?;
        Ok(Json(knowledge.search(&query, limit, filter, reader, words_only).map_err(told)?))
    })
    .await
}

/// A text that is there and is not a book.
pub(super) fn question(fields: &Fields, name: &str) -> Result<String> {
    let text = fields.need(name, fields.text(name)?)?.trim();
    let length = text.chars().count();
    if length == 0 || length > CHARACTERS {
        let what = format!("expected a text of 1 to {CHARACTERS} characters, found {length}");
        return Err(ApiError::field(name, what));
    }
    Ok(text.into())
}

/// Which documents.
pub(super) fn filter(fields: &Fields) -> Result<Filter> {
    let Some(value) = fields.get("filter") else { return Ok(Filter::default()) };
    let filter: Filter =
        serde_json::from_value(value.clone()).map_err(|error| ApiError::field("filter", error))?;
    for (name, date) in [("filter.after", &filter.after), ("filter.before", &filter.before)] {
        if let Some(date) = date.as_ref().filter(|date| !is_date(date)) {
            return Err(ApiError::field(
                name,
                format_args!("expected a date like 2026-11-28, found {date:?}"),
            ));
        }
    }
    Ok(filter)
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}
