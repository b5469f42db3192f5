//! What the server is, has and does.

use crate::app::Shared;
use crate::error::Result;
use crate::fields::Fields;
use crate::key::Owner;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use shuyuan_academy::{Event, Lang, Level, StageState};

/// The way from school to work, for "3 of 6".
const STAGES: [&str; 6] = ["corpus", "tokenizer", "pretrain", "finetune", "eval", "serve"];
/// Longer prompts are no prompts for samples.
const PROMPT_BYTES: usize = 2000;

/// The server is alive.
pub(crate) async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether a model can answer.
pub(crate) async fn ready(State(app): Shared) -> (StatusCode, Json<Value>) {
    let models = app.academy.live().is_some() || !app.academy.home.models().is_empty();
    let (status, why) = match (app.turns.is_closed(), models) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "ending"),
        (_, false) => (StatusCode::SERVICE_UNAVAILABLE, "no model"),
        (_, true) => (StatusCode::OK, "ready"),
    };
    (status, Json(json!({ "status": why })))
}

pub(crate) async fn status(State(app): Shared) -> Json<Value> {
    let (academy, hardware) = (&app.academy, &app.hardware);
    let (history, _) = academy.events.subscribe();
    let lang = match academy.lang {
        Lang::Zh => "zh",
        Lang::En => "en",
    };
    Json(json!({
        "lang": lang,
        "home": academy.home.root(),
        "version": env!("CARGO_PKG_VERSION"),
        "stage": running(&history).map(place),
        "model": academy.live().map(|live| live.name),
        "hardware": {
            "cpu": hardware.cpu,
            "cores": hardware.cores,
            "memory_gib": hardware.memory_gib,
            "features": hardware.features,
        },
    }))
}

/// The stage that began and neither ended nor failed. Serving is no work in progress, and reading documents goes on
/// beside any.
pub(crate) fn running(history: &[Event]) -> Option<&str> {
    let mut running = None;
    for event in history {
        match event {
            Event::Stage { name, .. } if name == "knowledge" => {}
            Event::Stage { name, state: StageState::Start, .. } if name != "serve" => {
                running = Some(name.as_str())
            }
            Event::Stage { .. } | Event::Message { level: Level::Error, .. } => running = None,
            _ => {}
        }
    }
    running
}

fn place(name: &str) -> Value {
    match STAGES.iter().position(|stage| *stage == name) {
        Some(at) => json!({ "name": name, "index": at + 1, "of": STAGES.len() }),
        None => json!({ "name": name, "index": 1, "of": 1 }),
    }
}

pub(crate) async fn set_prompt(_: Owner, State(app): Shared, fields: Fields) -> Result<StatusCode> {
    let text = fields.need("text", fields.text("text")?)?.trim();
    if text.len() > PROMPT_BYTES {
        return Err(crate::error::ApiError::field(
            "text",
            format_args!("expected at most {PROMPT_BYTES} bytes, found {}", text.len()),
        ));
    }
    app.academy.set_my_prompt((!text.is_empty()).then(|| text.to_string()));
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_runs_until_it_ends_or_fails() {
        let stage = |name: &str, state| Event::Stage {
            name: name.into(),
            state,
            title: String::new(),
            sentence: String::new(),
            seconds: 0.0,
        };
        let failure = Event::Message { level: Level::Error, text: "the disk is full".into() };
        let mut history = vec![stage("corpus", StageState::Start)];
        assert_eq!(running(&history), Some("corpus"));
        history.push(stage("corpus", StageState::Done));
        assert_eq!(running(&history), None);
        history.extend([stage("tokenizer", StageState::Skipped), stage("pretrain", StageState::Start)]);
        assert_eq!(running(&history), Some("pretrain"));
        history.push(failure);
        assert_eq!(running(&history), None);
        history.push(stage("serve", StageState::Start));
        assert_eq!(running(&history), None);
    }
}
