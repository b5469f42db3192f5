//! Answers out of the documents, as server-sent events: `passages`, `draft` while the model writes, `answer`; or `error`.
//!
//! question → passages → a turn in the queue → a thread that writes and checks → events.

use super::search::{filter, question};
use super::told;
use crate::app::{App, Shared, aside};
use crate::error::{ApiError, Result};
use crate::fields::Fields;
use crate::key::Whose;
use crate::metrics::{Clock, Tally};
use crate::models::Held;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use serde_json::json;
use shuyuan_chain::{AnswerOptions, Options, answer, follow_up};
use shuyuan_engine::{Cancel, Sampling};
use shuyuan_knowledge::{Filter, Found, Reader};
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Passages that are answered from.
const PASSAGES: i64 = 20;
/// Tokens of an answer.
const TOKENS: i64 = 4_096;

/// What is asked.
struct Asked {
    question: String,
    /// The question with what it leans on.
    searched: String,
    passages: usize,
    filter: Filter,
    reader: Reader,
    how: AnswerOptions,
    /// Without one, the documents' own sentences answer.
    model: Option<Held>,
}

pub(crate) async fn ask(Whose(reader): Whose, State(app): Shared, fields: Fields) -> Result<Response> {
    let preparing = app.clone();
    let (asked, found) = aside(move || {
        let asked = prepare(&preparing, &fields, reader)?;
        let knowledge = preparing.academy.knowledge().map_err(told)?;
        let (filter, reader) = (asked.filter.clone(), asked.reader.clone());
        let found = knowledge.search(&asked.searched, asked.passages, filter, reader, false).map_err(told)?;
        Ok((asked, found))
    })
    .await?;
    // Sentences that are there already need no turn.
    let turn = match asked.model {
        Some(_) => Some(app.turns.take().await?),
        None => None,
    };
    let tally = Arc::new(Tally::default());
    let mut response = start(app, asked, found, turn, tally.clone());
    response.extensions_mut().insert(tally);
    Ok(response)
}

fn prepare(app: &App, fields: &Fields, reader: Reader) -> Result<Asked> {
    let question = question(fields, "question")?;
    let model = match (fields.text("model")?, fields.flag("quote")?) {
        (_, true) => None,
        (Some(name), _) => Some(app.models.get(&app.academy, name)?),
        (None, _) => match app.models.current(&app.academy) {
            Ok(model) => Some(model),
            // A home without a model still has documents.
            Err(error) if error.status == StatusCode::NOT_FOUND => None,
            Err(error) => return Err(error),
        },
    };
    let mut whose = DefaultHasher::new();
    match &reader {
        Reader::Owner => 0.hash(&mut whose),
        groups => (1, groups).hash(&mut whose),
    }
    let options = Options {
        max_tokens: fields.integer("max_tokens", 1..=TOKENS)?.unwrap_or(256) as usize,
        sampling: Sampling { temperature: 0.0, ..Sampling::default() },
        // Prompts hold documents: who may not read them must not learn of them by the clock.
        owner: whose.finish(),
        ..Options::default()
    };
    let guard = fields.get("guard").is_none() || fields.flag("guard")?;
    Ok(Asked {
        searched: follow_up(fields.text("before")?, &question),
        question,
        passages: fields.integer("passages", 1..=PASSAGES)?.unwrap_or(5) as usize,
        filter: filter(fields)?,
        reader,
        how: AnswerOptions { options, guard, ..AnswerOptions::default() },
        model,
    })
}

/// What goes to the client; when it is dropped, since the client has left or all is said, the work ends.
struct Events {
    events: UnboundedReceiver<Event>,
    cancel: Cancel,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

fn start(
    app: Arc<App>,
    asked: Asked,
    found: Found,
    turn: Option<OwnedSemaphorePermit>,
    tally: Arc<Tally>,
) -> Response {
    let (sender, events) = unbounded_channel();
    let cancel = asked.how.options.cancel.clone();
    tokio::task::spawn_blocking(move || {
        say(&app, &asked, &found, &tally, &sender);
        drop(turn);
    });
    let events = stream::unfold(Events { events, cancel }, |mut all| async move {
        let event = all.events.recv().await?;
        Some((Ok::<_, Infallible>(event), all))
    });
    let sse = Sse::new(events).keep_alive(KeepAlive::default());
    ([(header::CACHE_CONTROL, "no-store")], sse).into_response()
}

fn say(app: &App, asked: &Asked, found: &Found, tally: &Tally, to: &UnboundedSender<Event>) {
    let tell = |name: &str, value: serde_json::Value| {
        let sent = to.send(Event::default().event(name).data(value.to_string()));
        if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let model = asked.model.as_ref();
    let about = json!({
        "mode": found.mode,
        "searched": asked.searched,
        "model": model.map(|model| model.name.clone()),
        "passages": found.passages,
    });
    if tell("passages", about).is_break() {
        return;
    }
    let mut clock = model.map(|_| Clock::start(&app.metrics, tally, 0));
    let local = model.map(|model| model.local());
    let answered = answer(local.as_ref(), &asked.question, &found.passages, &asked.how, &mut |piece| {
        if let (Some(clock), Some(_)) = (&mut clock, &piece.token) {
            clock.token();
        }
        if piece.text.is_empty() {
            ControlFlow::Continue(())
        } else {
            tell("draft", json!({ "text": piece.text }))
        }
    });
    // Whoever has left hears nothing of it.
    let _ = match answered {
        Ok(answer) => tell("answer", value(&answer)),
        Err(error) => tell("error", ApiError::from(error).body()),
    };
}

fn value(value: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}
