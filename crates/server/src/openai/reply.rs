//! Chat and completions in OpenAI's JSON.

use super::Kind;
use super::job::End;
use super::writer::{About, Frame, Reading, Writer, reason};
use crate::error::ApiError;
use serde_json::{Map, Value, json};
use shuyuan_chain::{Part, Piece};
use shuyuan_engine::Token;
use shuyuan_text::ToolCall;

/// Writes the answers to one request.
pub(crate) struct Reply {
    kind: Kind,
    about: About,
    choices: Vec<Choice>,
    completion_tokens: usize,
    cached_tokens: Option<usize>,
    dropped_tokens: usize,
}

/// One of the answers so far.
struct Choice {
    reading: Reading,
    words: String,
    thought: String,
    calls: Vec<ToolCall>,
    tokens: Vec<Token>,
    /// Characters told so far, for `text_offset`.
    offset: usize,
    finish: Option<&'static str>,
}

/// What a log probability of nothing is written as: JSON has no infinity.
const NEVER: f32 = -9999.0;

impl Reply {
    pub fn new(kind: Kind, about: About, n: usize) -> Self {
        let choice = || Choice {
            reading: about.reading(),
            words: String::new(),
            thought: String::new(),
            calls: Vec::new(),
            tokens: Vec::new(),
            offset: 0,
            finish: None,
        };
        Self {
            kind,
            choices: (0..n).map(|_| choice()).collect(),
            about,
            completion_tokens: 0,
            cached_tokens: None,
            dropped_tokens: 0,
        }
    }

    /// Keeps what an answer says, and tells it.
    fn tell(&mut self, index: usize, parts: Vec<Part>, token: Option<Token>, thinks: bool) -> Vec<Frame> {
        let Some(choice) = self.choices.get_mut(index) else { return Vec::new() };
        let (mut delta, mut text) = (Map::new(), String::new());
        for part in parts {
            match part {
                Part::Thought(more) => {
                    choice.thought += &more;
                    delta.insert("reasoning_content".into(), more.into());
                }
                Part::Words(more) => {
                    choice.words += &more;
                    text += &more;
                }
                Part::Calls(calls) => {
                    let told = calls.iter().enumerate().map(|(index, call)| {
                        let mut told = call_json(call);
                        told["index"] = index.into();
                        told
                    });
                    delta.insert("tool_calls".into(), told.collect());
                    choice.calls = calls;
                }
            }
        }
        let token = token.filter(|_| self.about.settings.logprobs.is_some());
        if delta.is_empty() && text.is_empty() && token.is_none() {
            return Vec::new();
        }
        let offset = choice.offset;
        choice.offset += text.chars().count();
        choice.tokens.extend(token.clone());
        if delta.is_empty() && text.is_empty() && thinks {
            delta.insert("reasoning_content".into(), "".into());
        }
        if !text.is_empty() || delta.is_empty() {
            delta.insert("content".into(), text.clone().into());
        }
        let mut told = json!({ "logprobs": self.told(offset, token.as_slice()), "finish_reason": null });
        match self.kind {
            Kind::Completion => told["text"] = text.into(),
            _ => told["delta"] = delta.into(),
        }
        vec![self.frame(index, told)]
    }

    fn frame(&self, index: usize, mut choice: Value) -> Frame {
        choice["index"] = index.into();
        let mut body = self.body(self.chunk_object(), json!([choice]));
        if self.about.settings.include_usage {
            body["usage"] = Value::Null;
        }
        Frame { event: None, data: body.to_string() }
    }

    fn chunk_object(&self) -> &'static str {
        match self.kind {
            Kind::Completion => "text_completion",
            _ => "chat.completion.chunk",
        }
    }

    fn body(&self, object: &str, choices: Value) -> Value {
        json!({
            "id": self.about.id,
            "object": object,
            "created": self.about.created,
            "model": self.about.model,
            "choices": choices,
        })
    }

    fn usage(&self) -> Value {
        let prompt = self.about.prompt_tokens;
        let reasoning: usize = self.choices.iter().map(|choice| choice.reading.reasoning_tokens).sum();
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": self.completion_tokens,
            "total_tokens": prompt + self.completion_tokens,
            "prompt_tokens_details": self.about.prompt_details(self.cached_tokens.unwrap_or(0), self.dropped_tokens),
            "completion_tokens_details": { "reasoning_tokens": reasoning },
        })
    }

    /// The probabilities of some tokens; for completions in their old form, too.
    fn told(&self, offset: usize, tokens: &[Token]) -> Value {
        if self.about.settings.logprobs.is_none() {
            return Value::Null;
        }
        let content: Vec<Value> = tokens.iter().map(|token| self.token(token)).collect();
        if self.kind != Kind::Completion {
            return json!({ "content": content, "refusal": null });
        }
        let (mut texts, mut logprobs, mut top, mut offsets) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut at = offset;
        for token in tokens {
            let text = self.text(token.id);
            offsets.push(at);
            at += text.chars().count();
            texts.push(text);
            logprobs.push(finite(token.logprob));
            top.push(
                token
                    .alternatives
                    .iter()
                    .map(|&(id, p)| (self.text(id), finite(p).into()))
                    .collect::<Map<_, _>>(),
            );
        }
        json!({
            "tokens": texts,
            "token_logprobs": logprobs,
            "top_logprobs": top,
            "text_offset": offsets,
            "content": content,
        })
    }

    fn token(&self, token: &Token) -> Value {
        let top: Vec<Value> =
            token.alternatives.iter().map(|&(id, logprob)| self.alternative(id, logprob)).collect();
        let mut value = self.alternative(token.id, token.logprob);
        value["top_logprobs"] = top.into();
        value
    }

    fn alternative(&self, id: u32, logprob: f32) -> Value {
        let bytes = self.about.tokenizer.token_bytes(id);
        json!({ "token": self.text(id), "logprob": finite(logprob), "bytes": bytes, "id": id })
    }

    fn text(&self, id: u32) -> String {
        self.about.tokenizer.show_token(id).text
    }
}

impl Writer for Reply {
    fn opening(&mut self) -> Vec<Frame> {
        let role = json!({ "delta": { "role": "assistant", "content": "" }, "finish_reason": null });
        match self.kind {
            Kind::Completion => Vec::new(),
            _ => (0..self.choices.len()).map(|index| self.frame(index, role.clone())).collect(),
        }
    }

    fn piece(&mut self, index: usize, piece: Piece) -> Vec<Frame> {
        let Some(choice) = self.choices.get_mut(index) else { return Vec::new() };
        let (parts, thinks) = choice.reading.piece(&piece);
        self.tell(index, parts, piece.token, thinks)
    }

    fn end(&mut self, index: usize, end: End) -> Vec<Frame> {
        let Some(choice) = self.choices.get_mut(index) else { return Vec::new() };
        let parts = choice.reading.finish();
        let mut frames = self.tell(index, parts, None, false);
        self.completion_tokens += end.tokens;
        // The prompt is counted once, though each answer reads it; all but the first find it read.
        self.cached_tokens = Some(self.cached_tokens.map_or(end.cached, |cached| cached.min(end.cached)));
        self.dropped_tokens = self.dropped_tokens.max(end.dropped);
        let finish = reason(end, !self.choices[index].calls.is_empty());
        self.choices[index].finish = Some(finish);
        let mut choice = json!({ "logprobs": null, "finish_reason": finish });
        match self.kind {
            Kind::Completion => choice["text"] = "".into(),
            _ => choice["delta"] = json!({}),
        }
        frames.push(self.frame(index, choice));
        frames
    }

    fn closing(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        if self.about.settings.include_usage {
            let mut body = self.body(self.chunk_object(), json!([]));
            body["usage"] = self.usage();
            frames.push(Frame { event: None, data: body.to_string() });
        }
        frames.push(Frame { event: None, data: "[DONE]".into() });
        frames
    }

    fn failed(&mut self, error: &ApiError) -> Vec<Frame> {
        vec![Frame { event: None, data: error.body().to_string() }]
    }

    fn whole(&mut self) -> Value {
        let choices = self.choices.iter().enumerate().map(|(index, choice)| {
            let logprobs = self.told(0, &choice.tokens);
            let mut told = json!({ "index": index, "logprobs": logprobs, "finish_reason": choice.finish });
            if self.kind == Kind::Completion {
                told["text"] = choice.words.as_str().into();
                return told;
            }
            let mut message = json!({ "role": "assistant", "content": choice.words, "refusal": null });
            if !choice.thought.is_empty() {
                message["reasoning_content"] = choice.thought.as_str().into();
            }
            if !choice.calls.is_empty() {
                if choice.words.is_empty() {
                    message["content"] = Value::Null;
                }
                message["tool_calls"] = choice.calls.iter().map(call_json).collect();
            }
            told["message"] = message;
            told
        });
        let choices: Value = choices.collect();
        let object = if self.kind == Kind::Completion { "text_completion" } else { "chat.completion" };
        let mut body = self.body(object, choices);
        body["usage"] = self.usage();
        body
    }
}

fn call_json(call: &ToolCall) -> Value {
    json!({
        "id": call.id,
        "type": "function",
        "function": { "name": call.function.name, "arguments": call.function.arguments },
    })
}

fn finite(logprob: f32) -> f32 {
    if logprob.is_finite() { logprob } else { NEVER }
}
