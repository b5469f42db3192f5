//! Text to tokens, for the table Token | ID.

use crate::app::{Shared, aside};
use crate::error::Result;
use crate::fields::Fields;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

pub(crate) async fn tokenize(State(app): Shared, fields: Fields) -> Result<Json<Value>> {
    let text = fields.need("text", fields.text("text")?)?.to_string();
    let tokenizer = app.models.tokenizer(&app.academy)?;
    aside(move || {
        Ok(Json(json!({
            "tokens": shuyuan_academy::inspect::tokens(&tokenizer, &text),
            "characters": text.chars().count(),
            "bytes": text.len(),
            "vocab_size": tokenizer.vocab_size(),
        })))
    })
    .await
}
