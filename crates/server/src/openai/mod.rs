//! OpenAI's ways to ask: a conversation, a text to go on with, vectors of texts, and the responses API.
//!
//! request (fields) → `Job` → a turn in the queue → threads that generate → `Reader` takes the answer apart → `Writer`
//! makes JSON or server-sent events of it.

mod embeddings;
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
use crate::key::Name;
use crate::metrics::Tally;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response as HttpResponse};
use futures_util::stream;
use job::{Answers, Job, Said};
use prompt::Conversation;
use reply::Reply;
use response::Response;
use settings::Settings;
use shuyuan_model::DecoderConfig;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use writer::{About, Frame, Writer};

/// Which of the routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Chat,
    Completion,
    Response,
}

pub(crate) async fn chat(State(app): Shared, name: Name, fields: Fields) -> Result<HttpResponse> {
    answer(app, name, fields, Kind::Chat).await
}

pub(crate) async fn completions(State(app): Shared, name: Name, fields: Fields) -> Result<HttpResponse> {
    answer(app, name, fields, Kind::Completion).await
}

pub(crate) async fn responses(State(app): Shared, name: Name, fields: Fields) -> Result<HttpResponse> {
    answer(app, name, fields, Kind::Response).await
}

/// Reads the body of a request to chat, completions and responses as these routes do, up to where a model is needed: what a
/// fuzzer feeds. `config` is the model that would answer.
///
/// # Errors
/// What each of the three routes would answer instead of a text, if all of them refuse it.
pub fn read_body(body: &[u8], config: &DecoderConfig) -> std::result::Result<(), String> {
    let fields = Fields::read(&body.to_vec().into()).map_err(|error| error.message)?;
    let each = |kind| {
        Settings::read(&fields, kind, config)?;
        match conversation(&fields, kind)? {
            Some(_) => Ok(()),
            None => fields.ids("prompt", config.vocab_size).map(drop),
        }
    };
    let refused: Vec<ApiError> = [Kind::Chat, Kind::Completion, Kind::Response]
        .into_iter()
        .filter_map(|kind| each(kind).err())
        .collect();
    match refused.as_slice() {
        [error, _, _] => Err(error.message.clone()),
        _ => Ok(()),
    }
}

/// What is to be answered, and the field that holds it; none where a text is to be gone on with.
fn conversation(fields: &Fields, kind: Kind) -> Result<Option<(Conversation, &'static str)>> {
    Ok(match kind {
        Kind::Chat => Some((Conversation::read(fields)?, "messages")),
        Kind::Response => Some((response_input::conversation(fields)?, "input")),
        Kind::Completion => None,
    })
}

async fn answer(app: Arc<App>, name: Name, fields: Fields, kind: Kind) -> Result<HttpResponse> {
    let preparing = app.clone();
    let (job, writer, stream) = aside(move || prepare(&preparing, &fields, kind)).await?;
    // A client that goes away while it waits gives up its place, and one that goes away later stops the work: both are
    // futures that axum drops.
    let turn = app.turns.take().await?;
    let (tally, n) = (Arc::new(Tally::default()), job.n);
    let said = job.of(name.number()).start(turn, app.metrics.clone(), tally.clone());
    let mut response = match stream {
        true => streamed(writer, said, n),
        false => whole(writer, said, n).await?,
    };
    response.extensions_mut().insert(tally);
    Ok(response)
}

fn prepare(app: &App, fields: &Fields, kind: Kind) -> Result<(Job, Box<dyn Writer>, bool)> {
    let name = fields.need("model", fields.text("model")?)?;
    let live = app.models.get(&app.academy, name)?;
    let config = live.model.config().clone();
    let settings = Settings::read(fields, kind, &config)?;
    let slides = settings.slide.unwrap_or(app.slide);
    let mut prompt = match conversation(fields, kind)? {
        Some((conversation, field)) => conversation.prompt(&live, field, slides)?,
        None => prompt::completion(fields, &live, slides)?,
    };
    if kind != Kind::Completion {
        prompt::goes_on(&mut prompt, fields, &live)?;
    }
    let (read, context) = (prompt.ids.len() + prompt.begun.len(), config.max_position_embeddings);
    let room = match slides {
        true => context,
        false => {
            live.model.check(&prompt.ids, read + 1)?;
            context - read
        }
    };
    let job = Job::new(live, prompt, room, &settings);
    let stream = settings.stream;
    let writer: Box<dyn Writer> = match kind {
        Kind::Chat => Box::new(Reply::new(kind, About::new("chatcmpl-", &job, settings), job.n)),
        Kind::Completion => Box::new(Reply::new(kind, About::new("cmpl-", &job, settings), job.n)),
        Kind::Response => Box::new(Response::new(About::new("resp_", &job, settings), fields)),
    };
    Ok((job, writer, stream))
}

async fn whole(mut writer: Box<dyn Writer>, mut said: Answers, n: usize) -> Result<HttpResponse> {
    let mut open = n;
    while let Some(said) = said.next().await {
        match said {
            Said::Piece(choice, piece) => drop(writer.piece(choice, piece)),
            Said::End(choice, end) => {
                writer.end(choice, end);
                open = open.saturating_sub(1);
            }
            Said::Failed(error) => return Err(error),
        }
    }
    if open > 0 {
        return Err(broken());
    }
    writer.closing();
    Ok(Json(writer.whole()).into_response())
}

/// Yields what is written of an answer while it comes.
struct Streaming {
    writer: Box<dyn Writer>,
    /// None after the end.
    said: Option<Answers>,
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
            match self.said.as_mut()?.next().await {
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

fn streamed(mut writer: Box<dyn Writer>, said: Answers, n: usize) -> HttpResponse {
    let ready = VecDeque::from(writer.opening());
    let streaming = Streaming { writer, said: Some(said), ready, open: n };
    let sse = Sse::new(stream::unfold(streaming, Streaming::next)).keep_alive(KeepAlive::default());
    ([(header::CACHE_CONTROL, "no-store")], sse).into_response()
}

fn broken() -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the generation broke off; see the server's messages")
}
