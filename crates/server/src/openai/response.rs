//! The responses API: an answer as items (thinking, message, calls), and the events in which they come.

use super::job::End;
use super::writer::{About, Frame, Reading, Writer, fresh_id};
use crate::error::ApiError;
use crate::fields::Fields;
use serde_json::{Map, Value, json};
use shuyuan_chain::{Ending, Part, Piece};
use shuyuan_text::ToolCall;

/// Writes the answer to one request.
pub(crate) struct Response {
    about: About,
    reading: Reading,
    /// What the request said, said again.
    asked: Map<String, Value>,
    output: Vec<Value>,
    open: Option<Open>,
    sequence: u64,
    tokens: usize,
    cached: usize,
    dropped: usize,
    ending: Option<Ending>,
    error: Value,
}

/// The item that is being written.
struct Open {
    kind: Item,
    id: String,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    Reasoning,
    Message,
}

/// The fields of a request that its answer repeats, with what they are if left out.
fn asked(fields: &Fields) -> Map<String, Value> {
    let otherwise = json!({
        "instructions": null, "max_output_tokens": null, "metadata": {}, "parallel_tool_calls": true,
        "reasoning": { "effort": null, "summary": null }, "temperature": 1.0, "text": { "format": { "type": "text" } },
        "tool_choice": "auto", "tools": [], "top_p": 1.0, "user": null,
    });
    let Value::Object(mut asked) = otherwise else { return Map::new() };
    for (name, value) in &mut asked {
        if let Some(given) = fields.get(name) {
            *value = given.clone();
        }
    }
    asked
}

impl Response {
    pub fn new(about: About, fields: &Fields) -> Self {
        Self {
            reading: about.reading(),
            about,
            asked: asked(fields),
            output: Vec::new(),
            open: None,
            sequence: 0,
            tokens: 0,
            cached: 0,
            dropped: 0,
            ending: None,
            error: Value::Null,
        }
    }

    fn frame(&mut self, name: &'static str, mut data: Value) -> Frame {
        data["type"] = name.into();
        data["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        Frame { event: Some(name), data: data.to_string() }
    }

    fn status(&self) -> &'static str {
        match (self.error.is_null(), self.ending) {
            (false, _) => "failed",
            (_, None) => "in_progress",
            (_, Some(Ending::Length)) => "incomplete",
            (_, Some(_)) => "completed",
        }
    }

    fn usage(&self) -> Value {
        let (input, output) = (self.about.prompt_tokens, self.tokens);
        json!({
            "input_tokens": input,
            "input_tokens_details": self.about.prompt_details(self.cached, self.dropped),
            "output_tokens": output,
            "output_tokens_details": { "reasoning_tokens": self.reading.reasoning_tokens },
            "total_tokens": input + output,
        })
    }

    fn response(&self) -> Value {
        let status = self.status();
        let cut = json!({ "reason": "max_output_tokens" });
        let mut body = Value::Object(self.asked.clone());
        let more = json!({
            "id": self.about.id,
            "object": "response",
            "created_at": self.about.created,
            "status": status,
            "error": self.error,
            "incomplete_details": if status == "incomplete" { cut } else { Value::Null },
            "model": self.about.model,
            "output": self.output,
            "background": false,
            "previous_response_id": null,
            // Whatever was asked: nothing is kept here.
            "store": false,
            "truncation": if self.about.slides { "auto" } else { "disabled" },
            "usage": if status == "in_progress" { Value::Null } else { self.usage() },
        });
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        body
    }

    /// Where an event belongs.
    fn place(&self, id: &str) -> Value {
        json!({ "item_id": id, "output_index": self.output.len(), "content_index": 0 })
    }

    fn text(&mut self, kind: Item, more: String) -> Vec<Frame> {
        let mut frames = Vec::new();
        if self.open.as_ref().is_some_and(|open| open.kind != kind) {
            frames.extend(self.close("completed"));
        }
        if self.open.is_none() {
            let id = fresh_id(if kind == Item::Message { "msg_" } else { "rs_" });
            let open = Open { kind, id, text: String::new() };
            let item = open.item("in_progress", false);
            let index = self.output.len();
            frames.push(
                self.frame("response.output_item.added", json!({ "output_index": index, "item": item })),
            );
            let mut data = self.place(&open.id);
            data["part"] = open.part();
            frames.push(self.frame("response.content_part.added", data));
            self.open = Some(open);
        }
        let Some(open) = &mut self.open else { return frames };
        open.text += &more;
        let id = open.id.clone();
        let mut data = self.place(&id);
        data["delta"] = more.into();
        let name = match kind {
            Item::Reasoning => "response.reasoning_text.delta",
            Item::Message => {
                data["logprobs"] = json!([]);
                "response.output_text.delta"
            }
        };
        frames.push(self.frame(name, data));
        frames
    }

    fn close(&mut self, status: &'static str) -> Vec<Frame> {
        let Some(open) = self.open.take() else { return Vec::new() };
        let mut data = self.place(&open.id);
        let mut part = data.clone();
        part["part"] = open.part();
        data["text"] = open.text.as_str().into();
        let name = match open.kind {
            Item::Reasoning => "response.reasoning_text.done",
            Item::Message => {
                data["logprobs"] = json!([]);
                "response.output_text.done"
            }
        };
        let (item, index) = (open.item(status, true), self.output.len());
        self.output.push(item.clone());
        vec![
            self.frame(name, data),
            self.frame("response.content_part.done", part),
            self.frame("response.output_item.done", json!({ "output_index": index, "item": item })),
        ]
    }

    fn call(&mut self, call: ToolCall) -> Vec<Frame> {
        let mut frames = self.close("completed");
        let (id, index) = (fresh_id("fc_"), self.output.len());
        let (name, arguments) = (call.function.name, call.function.arguments);
        let item = |status: &str, arguments: &str| {
            json!({
                "id": id, "type": "function_call", "status": status, "call_id": call.id, "name": name,
                "arguments": arguments,
            })
        };
        let added = json!({ "output_index": index, "item": item("in_progress", "") });
        frames.push(self.frame("response.output_item.added", added));
        let delta = json!({ "item_id": id, "output_index": index, "delta": arguments });
        frames.push(self.frame("response.function_call_arguments.delta", delta));
        let done = json!({ "item_id": id, "output_index": index, "name": name, "arguments": arguments });
        frames.push(self.frame("response.function_call_arguments.done", done));
        let item = item("completed", &arguments);
        self.output.push(item.clone());
        frames.push(self.frame("response.output_item.done", json!({ "output_index": index, "item": item })));
        frames
    }

    fn tell(&mut self, parts: Vec<Part>) -> Vec<Frame> {
        let told = parts.into_iter().flat_map(|part| match part {
            Part::Thought(text) => self.text(Item::Reasoning, text),
            Part::Words(text) => self.text(Item::Message, text),
            Part::Calls(calls) => calls.into_iter().flat_map(|call| self.call(call)).collect(),
        });
        told.collect()
    }
}

impl Open {
    fn part(&self) -> Value {
        match self.kind {
            Item::Reasoning => json!({ "type": "reasoning_text", "text": self.text }),
            Item::Message => {
                json!({ "type": "output_text", "text": self.text, "annotations": [], "logprobs": [] })
            }
        }
    }

    fn item(&self, status: &str, filled: bool) -> Value {
        let content = if filled { json!([self.part()]) } else { json!([]) };
        let mut item = json!({ "id": self.id, "status": status, "content": content });
        match self.kind {
            Item::Reasoning => {
                item["type"] = "reasoning".into();
                item["summary"] = json!([]);
            }
            Item::Message => {
                item["type"] = "message".into();
                item["role"] = "assistant".into();
            }
        }
        item
    }
}

impl Writer for Response {
    fn opening(&mut self) -> Vec<Frame> {
        let response = json!({ "response": self.response() });
        vec![self.frame("response.created", response.clone()), self.frame("response.in_progress", response)]
    }

    fn piece(&mut self, _choice: usize, piece: Piece) -> Vec<Frame> {
        let (parts, _) = self.reading.piece(&piece);
        self.tell(parts)
    }

    fn end(&mut self, _choice: usize, end: End) -> Vec<Frame> {
        let parts = self.reading.finish();
        let mut frames = self.tell(parts);
        (self.tokens, self.cached, self.dropped) = (end.tokens, end.cached, end.dropped);
        self.ending = Some(end.ending);
        let status = if end.ending == Ending::Length { "incomplete" } else { "completed" };
        frames.extend(self.close(status));
        frames
    }

    fn closing(&mut self) -> Vec<Frame> {
        let response = json!({ "response": self.response() });
        let name =
            if self.ending == Some(Ending::Length) { "response.incomplete" } else { "response.completed" };
        vec![self.frame(name, response)]
    }

    fn failed(&mut self, error: &ApiError) -> Vec<Frame> {
        self.error = json!({ "code": "server_error", "message": error.message });
        let response = json!({ "response": self.response() });
        vec![self.frame("response.failed", response)]
    }

    fn whole(&mut self) -> Value {
        self.response()
    }
}
