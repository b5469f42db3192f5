//! What writes an answer in one API's JSON, as a stream or as a whole.

use super::job::{End, Job};
use super::settings::Settings;
use crate::error::ApiError;
use axum::response::sse::Event;
use serde_json::{Value, json};
use shuyuan_chain::{Ending, Part, Piece, Reader};
use shuyuan_text::{CallFormat, Tokenizer, ToolCall};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::SystemTime;

/// One server-sent event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub event: Option<&'static str>,
    pub data: String,
}

impl From<Frame> for Event {
    fn from(frame: Frame) -> Self {
        let event = Event::default().data(frame.data);
        match frame.event {
            Some(name) => event.event(name),
            None => event,
        }
    }
}

/// Told of everything in its order; `whole` after the last. Whoever wants the whole throws the frames away.
pub(crate) trait Writer: Send {
    fn opening(&mut self) -> Vec<Frame>;
    fn piece(&mut self, choice: usize, piece: Piece) -> Vec<Frame>;
    fn end(&mut self, choice: usize, end: End) -> Vec<Frame>;
    fn closing(&mut self) -> Vec<Frame>;
    /// Closes a stream that failed.
    fn failed(&mut self, error: &ApiError) -> Vec<Frame>;
    fn whole(&mut self) -> Value;
}

/// What every answer says of itself, and how it is read.
pub(crate) struct About {
    pub id: String,
    pub created: u64,
    pub model: String,
    pub tokenizer: Arc<Tokenizer>,
    pub prompt_tokens: usize,
    pub slides: bool,
    pub reader: Reader,
    pub format: CallFormat,
    pub settings: Settings,
}

impl About {
    pub fn new(prefix: &str, job: &Job, settings: Settings) -> Self {
        let created = shuyuan_text::now();
        Self {
            id: fresh_id(prefix),
            created,
            model: job.live.name.clone(),
            tokenizer: job.live.tokenizer.clone(),
            prompt_tokens: job.prompt_tokens(),
            slides: job.slides(),
            reader: job.reader.clone(),
            format: job.format,
            settings,
        }
    }

    /// What `usage` tells of the prompt: how much of it an earlier request had read, and where a text may lose its middle,
    /// how much it lost.
    pub fn prompt_details(&self, cached: usize, dropped: usize) -> Value {
        let mut details = json!({ "cached_tokens": cached });
        if self.slides {
            details["dropped_tokens"] = dropped.into();
        }
        details
    }

    /// An answer of which nothing is known yet.
    pub fn reading(&self) -> Reading {
        Reading { reader: self.reader.clone(), format: self.format, reasoning_tokens: 0 }
    }
}

/// One answer being read.
pub(crate) struct Reading {
    reader: Reader,
    format: CallFormat,
    pub reasoning_tokens: usize,
}

impl Reading {
    /// The parts, and whether the piece's token belongs to the thinking.
    pub fn piece(&mut self, piece: &Piece) -> (Vec<Part>, bool) {
        let before = self.reader.is_thinking();
        let parts = self.reader.push(&piece.text);
        let thinks = before || self.reader.may_think();
        if piece.token.is_some() && thinks {
            self.reasoning_tokens += 1;
        }
        (parts, thinks)
    }

    /// The rest, each call with an id.
    pub fn finish(&mut self) -> Vec<Part> {
        let mut parts = self.reader.finish();
        for part in &mut parts {
            if let Part::Calls(calls) = part {
                calls.iter_mut().for_each(|call| self.name(call));
            }
        }
        parts
    }

    fn name(&self, call: &mut ToolCall) {
        if call.id.is_none() {
            call.id = Some(match self.format {
                // Mistral's templates refuse any other.
                CallFormat::Mistral => fresh_digits()[..9].to_string(),
                _ => format!("call_{}", fresh_digits()),
            });
        }
    }
}

/// In OpenAI's words.
pub(crate) fn reason(end: End, calls: bool) -> &'static str {
    match end.ending {
        Ending::Length => "length",
        Ending::Stop | Ending::Cancelled if calls => "tool_calls",
        Ending::Stop | Ending::Cancelled => "stop",
    }
}

pub(crate) fn fresh_id(prefix: &str) -> String {
    format!("{prefix}{}", fresh_digits())
}

/// 24 hexadecimal digits that were not there before.
fn fresh_digits() -> String {
    let [a, b] = [0, 1].map(|n| RandomState::new().hash_one((SystemTime::now(), n)));
    format!("{a:016x}{b:016x}")[..24].to_string()
}
