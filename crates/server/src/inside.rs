//! What can be seen inside the weights of this moment.

use crate::app::{Shared, aside};
use crate::error::{ApiError, Result};
use crate::fields::Fields;
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::Value;
use shuyuan_academy::inspect::{self, InspectError};

const NEIGHBOURS: i64 = 100;

impl From<InspectError> for ApiError {
    fn from(error: InspectError) -> Self {
        match error {
            InspectError::Model(error) => error.into(),
            InspectError::Word { .. } => Self { param: Some("word".into()), ..Self::bad(error.to_string()) },
            InspectError::Long { .. } | InspectError::Empty => {
                Self { param: Some("text".into()), ..Self::bad(error.to_string()) }
            }
        }
    }
}

pub(crate) async fn explain(State(app): Shared, fields: Fields) -> Result<Json<Value>> {
    let text = fields.need("text", fields.text("text")?)?.to_string();
    aside(move || {
        let live = app.models.current(&app.academy)?;
        json(&inspect::explain(&live, &text)?)
    })
    .await
}

#[derive(Deserialize)]
pub(crate) struct NearQuery {
    word: Option<String>,
    k: Option<String>,
}

pub(crate) async fn near(State(app): Shared, Query(query): Query<NearQuery>) -> Result<Json<Value>> {
    let Some(word) = query.word.filter(|word| !word.trim().is_empty()) else {
        return Err(ApiError::field("word", "is missing: ask as /api/near?word=…&k=10"));
    };
    let k = query.k.as_deref().unwrap_or("10");
    let k = k.parse().ok().filter(|k| (1..=NEIGHBOURS).contains(k)).ok_or_else(|| {
        ApiError::field("k", format_args!("expected a whole number from 1 to {NEIGHBOURS}, found {k:?}"))
    })?;
    aside(move || {
        let live = app.models.current(&app.academy)?;
        json(&inspect::near(&live, word.trim(), k as usize)?)
    })
    .await
}

fn json(value: &impl serde::Serialize) -> Result<Json<Value>> {
    Ok(Json(serde_json::to_value(value).map_err(anyhow::Error::from)?))
}
