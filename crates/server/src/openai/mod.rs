//! OpenAI's ways to ask: a conversation, a text to go on with, vectors of texts, and the responses API.
//!
//! request (fields) → `Job` → a turn in the queue → a thread that generates → `Reader` takes the answer apart → `Writer`
//! makes JSON or server-sent events of it.

mod embeddings;
mod hermes;
mod job;
mod messages;
mod prompt;
mod reply;
mod response;
mod response_input;
mod settings;
mod tools;
mod writer;

pub(crate) use embeddings::{Embedders, embeddings};
pub(crate) use messages::messages;

use crate::app::{App, Shared, aside};
use crate::error::{ApiError, Result};
use crate::fields::Fields;
use crate::metrics::Tally;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response as HttpResponse};
use futures_util::stream;
use job::{Job, Said};
use prompt::Conversation;
use reply::Reply;
use response::Response;
use settings::Settings;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;
use writer::{About, Frame, Writer};

/// Which of the routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Chat,
    Completion,
    Response,
}

pub(crate) async fn chat(State(app): Shared, fields: Fields) -> Result<HttpResponse> {
    answer(app, fields, Kind::Chat).await
}

pub(crate) async fn completions(State(app): Shared, fields: Fields) -> Result<HttpResponse> {
    answer(app, fields, Kind::Completion).await
}

pub(crate) async fn responses(State(app): Shared, fields: Fields) -> Result<HttpResponse> {
    answer(app, fields, Kind::Response).await
}

async fn answer(app: Arc<App>, fields: Fields, kind: Kind) -> Result<HttpResponse> {
    let preparing = app.clone();
    let (job, writer, stream) = aside(move || prepare(&preparing, &fields, kind)).await?;
    // A client that goes away while it waits gives up its place, and one that goes away later stops the thread: both
    // are futures that axum drops.
    let turn = app.turns.take().await?;
    let (tally, n) = (Arc::new(Tally::default()), job.n);
    let said = job.start(turn, app.metrics.clone(), tally.clone());
    let mut response = match stream {
        true => streamed(writer, said, n),
        false => whole(writer, said).await?,
    };
    response.extensions_mut().insert(tally);
    Ok(response)
}

fn prepare(app: &App, fields: &Fields, kind: Kind) -> Result<(Job, Box<dyn Writer>, bool)> {
    let name = fields.need("model", fields.text("model")?)?;
    let live = app.models.get(&app.academy, name)?;
    let config = live.model.config().clone();
    let settings = Settings::read(fields, kind, &config)?;
    let mut prompt = match kind {
        Kind::Chat => Conversation::read(fields)?.prompt(&live, "messages")?,
        Kind::Completion => prompt::completion(fields, &live)?,
        Kind::Response => response_input::conversation(fields)?.prompt(&live, "input")?,
    };
    if kind != Kind::Completion {
        prompt::goes_on(&mut prompt, fields, &live)?;
    }
    let read = prompt.ids.len() + prompt.begun.len();
    live.model.check(&prompt.ids, read + 1)?;
    let room = config.max_position_embeddings - read;
    let job = Job::new(live, prompt, room, &settings);
    let stream = settings.stream;
    let writer: Box<dyn Writer> = match kind {
        Kind::Chat => Box::new(Reply::new(kind, About::new("chatcmpl-", &job, settings), job.n)),
        Kind::Completion => Box::new(Reply::new(kind, About::new("cmpl-", &job, settings), job.n)),
        Kind::Response => Box::new(Response::new(About::new("resp_", &job, settings), fields)),
    };
    Ok((job, writer, stream))
}

async fn whole(mut writer: Box<dyn Writer>, mut said: UnboundedReceiver<Said>) -> Result<HttpResponse> {
    let mut ended = false;
    while let Some(said) = said.recv().await {
        match said {
            Said::Piece(choice, piece) => drop(writer.piece(choice, piece)),
            Said::End(choice, end) => {
                writer.end(choice, end);
                ended = true;
            }
            Said::Failed(error) => return Err(error),
        }
    }
    if !ended {
        return Err(broken());
    }
    writer.closing();
    Ok(Json(writer.whole()).into_response())
}

/// Yields what is written of an answer while it comes.
struct Streaming {
    writer: Box<dyn Writer>,
    /// None after the end.
    said: Option<UnboundedReceiver<Said>>,
    ready: VecDeque<Frame>,
    /// Answers that have not ended.
    open: usize,
}

impl Streaming {
    async fn next(mut self) -> Option<(std::result::Result<Event, Infallible>, Self)> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some((Ok(frame.into()), self));
            }
            match self.said.as_mut()?.recv().await {
                Some(Said::Piece(choice, piece)) => self.ready.extend(self.writer.piece(choice, piece)),
                Some(Said::End(choice, end)) => {
                    self.ready.extend(self.writer.end(choice, end));
                    self.open = self.open.saturating_sub(1);
                    if self.open == 0 {
                        self.ready.extend(self.writer.closing());
                        self.said = None;
                    }
                }
                Some(Said::Failed(error)) => self.fail(&error),
                None => self.fail(&broken()),
            }
        }
    }

    fn fail(&mut self, error: &ApiError) {
        self.ready.extend(self.writer.failed(error));
        self.said = None;
    }
}

fn streamed(mut writer: Box<dyn Writer>, said: UnboundedReceiver<Said>, n: usize) -> HttpResponse {
    let ready = VecDeque::from(writer.opening());
    let streaming = Streaming { writer, said: Some(said), ready, open: n };
    let sse = Sse::new(stream::unfold(streaming, Streaming::next)).keep_alive(KeepAlive::default());
    ([(header::CACHE_CONTROL, "no-store")], sse).into_response()
}

fn broken() -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the generation broke off; see the server's messages")
}
