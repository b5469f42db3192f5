//! Answers out of the documents, as server-sent events: `passages`, `draft` while the model writes, `answer`; or `error`.
//!
//! question → a turn in the queue → a thread: a question that stands alone → passages → live sources → an answer, checked
//! → events.

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
use shuyuan_chain::{Answer, AnswerOptions, Evidence, History, LiveSources, Options, answer, follow_up};
use shuyuan_engine::{Cancel, Sampling};
use shuyuan_knowledge::{Filter, Reader};
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
    /// What was said before it.
    before: Option<History>,
    passages: usize,
    /// Whether live sources may be asked.
    live: bool,
    filter: Filter,
    reader: Reader,
    how: AnswerOptions,
    /// Without one, the documents' own sentences answer.
    model: Option<Held>,
}

pub(crate) async fn ask(Whose(reader): Whose, State(app): Shared, fields: Fields) -> Result<Response> {
    let preparing = app.clone();
    let asked = aside(move || prepare(&preparing, &fields, reader)).await?;
    // Sentences that are there already need no turn.
    let turn = match asked.model {
        Some(_) => Some(app.turns.take().await?),
        None => None,
    };
    let tally = Arc::new(Tally::default());
    let mut response = start(app, asked, turn, tally.clone());
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
    let said = |name| Ok::<_, ApiError>(fields.text(name)?.unwrap_or_default().to_string());
    let before = match fields.text("before")? {
        Some(before) => Some(History { question: before.into(), answer: said("answered")? }),
        None => None,
    };
    Ok(Asked {
        before,
        question,
        live: fields.get("live").is_none() || fields.flag("live")?,
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

fn start(app: Arc<App>, asked: Asked, turn: Option<OwnedSemaphorePermit>, tally: Arc<Tally>) -> Response {
    let (sender, events) = unbounded_channel();
    let cancel = asked.how.options.cancel.clone();
    tokio::task::spawn_blocking(move || {
        say(&app, &asked, &tally, &sender);
        drop(turn);
    });
    let events = stream::unfold(Events { events, cancel }, |mut all| async move {
        let event = all.events.recv().await?;
        Some((Ok::<_, Infallible>(event), all))
    });
    let sse = Sse::new(events).keep_alive(KeepAlive::default());
    ([(header::CACHE_CONTROL, "no-store")], sse).into_response()
}

fn say(app: &App, asked: &Asked, tally: &Tally, to: &UnboundedSender<Event>) {
    let tell = |name: &str, value: serde_json::Value| {
        let sent = to.send(Event::default().event(name).data(value.to_string()));
        if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    // Whoever has left hears nothing of it.
    let _ = match answered(app, asked, tally, &tell) {
        Ok(Some(answer)) => tell("answer", value(&answer)),
        Ok(None) => ControlFlow::Break(()),
        Err(error) => tell("error", error.body()),
    };
}

/// The answer; none if nobody listens any more.
fn answered(
    app: &App,
    asked: &Asked,
    tally: &Tally,
    tell: &dyn Fn(&str, serde_json::Value) -> ControlFlow<()>,
) -> Result<Option<Answer>> {
    let model = asked.model.as_ref();
    let local = model.map(|model| model.local());
    let options = &asked.how.options;
    let followed = follow_up(local.as_ref(), asked.before.as_ref(), &asked.question, options)?;
    let knowledge = app.academy.knowledge().map_err(told)?;
    let Asked { filter, reader, .. } = asked;
    let found = knowledge
        .search(&followed.searched, asked.passages, filter.clone(), reader.clone(), false)
        .map_err(told)?;
    let evidence = match asked.live {
        true => {
            let sources = LiveSources { base: &knowledge.base, reader, filter };
            Evidence::gather(local.as_ref(), &sources, &followed.question, found.passages, options)?
        }
        false => found.passages.into(),
    };
    let about = json!({
        "mode": found.mode,
        "searched": followed.searched,
        "by": followed.by,
        "refused": followed.refused,
        "model": model.map(|model| model.name.clone()),
        "passages": evidence.passages,
        "calls": evidence.calls,
        "considered": evidence.considered,
    });
    if tell("passages", about).is_break() {
        return Ok(None);
    }
    let mut clock = model.map(|_| Clock::start(&app.metrics, tally, 0));
    let answer = answer(local.as_ref(), &followed.question, &evidence, &asked.how, &mut |piece| {
        if let (Some(clock), Some(_)) = (&mut clock, &piece.token) {
            clock.token();
        }
        if piece.text.is_empty() {
            ControlFlow::Continue(())
        } else {
            tell("draft", json!({ "text": piece.text }))
        }
    })?;
    Ok(Some(answer))
}

fn value(value: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}
