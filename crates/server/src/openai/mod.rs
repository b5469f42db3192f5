//! OpenAI's ways to ask: a conversation, a text to go on with, vectors of texts.
//!
//! request (fields) → `Job` → a turn in the queue → a thread that generates → JSON or server-sent events.

mod embeddings;
mod job;
mod prompt;
mod reply;
mod settings;

pub(crate) use embeddings::{Embedders, embeddings};

use crate::app::{App, Shared, aside};
use crate::error::{ApiError, Result};
use crate::fields::Fields;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use job::{Job, Said};
use reply::{Kind, Reply};
use settings::Settings;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;

pub(crate) async fn chat(State(app): Shared, fields: Fields) -> Result<Response> {
    answer(app, fields, Kind::Chat).await
}

pub(crate) async fn completions(State(app): Shared, fields: Fields) -> Result<Response> {
    answer(app, fields, Kind::Completion).await
}

async fn answer(app: Arc<App>, fields: Fields, kind: Kind) -> Result<Response> {
    let preparing = app.clone();
    let (job, settings) = aside(move || prepare(&preparing, &fields, kind)).await?;
    let reply = Reply::new(kind, &job, &settings);
    // A client that goes away while it waits gives up its place, and one that goes away later stops the thread: both
    // are futures that axum drops.
    let turn = app.turns.take().await?;
    let said = job.start(turn);
    match settings.stream {
        true => Ok(streamed(reply, said)),
        false => whole(reply, said).await,
    }
}

fn prepare(app: &App, fields: &Fields, kind: Kind) -> Result<(Job, Settings)> {
    let name = fields.need("model", fields.text("model")?)?;
    let live = app.models.get(&app.academy, name)?;
    let config = live.model.config().clone();
    let settings = Settings::read(fields, kind, &config)?;
    let (prompt, begun) = match kind {
        Kind::Chat => (prompt::chat(fields, &live)?, prompt::continued(fields, &live)?),
        Kind::Completion => (prompt::completion(fields, &live)?, Vec::new()),
    };
    let read = prompt.len() + begun.len();
    live.model.check(&prompt, read + 1)?;
    let room = config.max_position_embeddings - read;
    Ok((Job::new(live, prompt, begun, room, &settings), settings))
}

async fn whole(mut reply: Reply, mut said: UnboundedReceiver<Said>) -> Result<Response> {
    let mut pieces = Vec::new();
    while let Some(said) = said.recv().await {
        match said {
            Said::Piece(piece) => pieces.push(piece),
            Said::End(end) => return Ok(Json(reply.whole(pieces, end)).into_response()),
            Said::Failed(error) => return Err(error),
        }
    }
    Err(broken())
}

fn streamed(mut reply: Reply, said: UnboundedReceiver<Said>) -> Response {
    let first = VecDeque::from_iter(reply.opening());
    let events = stream::unfold((reply, Some(said), first), |(mut reply, mut said, mut ready)| async move {
        loop {
            if let Some(data) = ready.pop_front() {
                let event = Event::default().data(data);
                return Some((Ok::<_, Infallible>(event), (reply, said, ready)));
            }
            match said.as_mut()?.recv().await {
                Some(Said::Piece(piece)) => ready.extend(reply.chunk(piece)),
                Some(Said::End(end)) => {
                    ready.extend(reply.closing(&end));
                    said = None;
                }
                Some(Said::Failed(error)) => {
                    ready.push_back(error.body().to_string());
                    said = None;
                }
                None => {
                    ready.push_back(broken().body().to_string());
                    said = None;
                }
            }
        }
    });
    let sse = Sse::new(events).keep_alive(KeepAlive::default());
    ([(header::CACHE_CONTROL, "no-store")], sse).into_response()
}

fn broken() -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the generation broke off; see the server's messages")
}
