//! What is said, in OpenAI's JSON.

use super::job::{End, Job};
use super::settings::Settings;
use serde_json::{Map, Value, json};
use shuyuan_chain::{Ending, Piece};
use shuyuan_engine::Token;
use shuyuan_text::Tokenizer;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Which of the two routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Chat,
    Completion,
}

/// Writes the answer to one request.
pub(crate) struct Reply {
    kind: Kind,
    id: String,
    created: u64,
    model: String,
    tokenizer: Arc<Tokenizer>,
    logprobs: Option<usize>,
    prompt_tokens: usize,
    include_usage: bool,
    /// Characters said so far, for `text_offset`.
    offset: usize,
}

/// What a log probability of nothing is written as: JSON has no infinity.
const NEVER: f32 = -9999.0;

static COUNT: AtomicU64 = AtomicU64::new(0);

impl Reply {
    pub fn new(kind: Kind, job: &Job, settings: &Settings) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let prefix = match kind {
            Kind::Chat => "chatcmpl",
            Kind::Completion => "cmpl",
        };
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self {
            kind,
            id: format!("{prefix}-{:x}{count:04x}", now.as_micros()),
            created: now.as_secs(),
            model: job.live.name.clone(),
            tokenizer: job.live.tokenizer.clone(),
            logprobs: settings.logprobs,
            prompt_tokens: job.prompt_tokens(),
            include_usage: settings.include_usage,
            offset: 0,
        }
    }

    /// The whole answer.
    pub fn whole(&mut self, pieces: Vec<Piece>, end: End) -> Value {
        let text: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
        let tokens: Vec<Token> = pieces.into_iter().filter_map(|piece| piece.token).collect();
        let logprobs = self.told(&text, &tokens);
        let mut choice = json!({ "index": 0, "logprobs": logprobs, "finish_reason": reason(&end) });
        let object = match self.kind {
            Kind::Chat => {
                choice["message"] = json!({ "role": "assistant", "content": text, "refusal": null });
                "chat.completion"
            }
            Kind::Completion => {
                choice["text"] = text.into();
                "text_completion"
            }
        };
        let mut body = self.body(object, json!([choice]));
        body["usage"] = self.usage(&end);
        body
    }

    /// The chunk that opens a stream.
    pub fn opening(&mut self) -> Option<String> {
        let delta = json!({ "role": "assistant", "content": "" });
        (self.kind == Kind::Chat).then(|| self.event(json!({ "delta": delta, "finish_reason": null })))
    }

    /// The chunk of a piece; none if there is nothing to tell.
    pub fn chunk(&mut self, piece: Piece) -> Option<String> {
        if piece.text.is_empty() && (self.logprobs.is_none() || piece.token.is_none()) {
            return None;
        }
        let told = self.told(&piece.text, piece.token.as_slice());
        let mut choice = json!({ "logprobs": told, "finish_reason": null });
        match self.kind {
            Kind::Chat => choice["delta"] = json!({ "content": piece.text }),
            Kind::Completion => choice["text"] = piece.text.into(),
        }
        Some(self.event(choice))
    }

    /// The chunks that close a stream.
    pub fn closing(&mut self, end: &End) -> Vec<String> {
        let mut choice = json!({ "logprobs": null, "finish_reason": reason(end) });
        match self.kind {
            Kind::Chat => choice["delta"] = json!({}),
            Kind::Completion => choice["text"] = "".into(),
        }
        let mut chunks = vec![self.event(choice)];
        if self.include_usage {
            let mut body = self.body(self.chunk_object(), json!([]));
            body["usage"] = self.usage(end);
            chunks.push(body.to_string());
        }
        chunks.push("[DONE]".into());
        chunks
    }

    fn chunk_object(&self) -> &'static str {
        match self.kind {
            Kind::Chat => "chat.completion.chunk",
            Kind::Completion => "text_completion",
        }
    }

    fn event(&self, mut choice: Value) -> String {
        choice["index"] = 0.into();
        let mut body = self.body(self.chunk_object(), json!([choice]));
        if self.include_usage {
            body["usage"] = Value::Null;
        }
        body.to_string()
    }

    fn body(&self, object: &str, choices: Value) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }

    fn usage(&self, end: &End) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": end.tokens,
            "total_tokens": self.prompt_tokens + end.tokens,
        })
    }

    /// The probabilities of some text's tokens; for completions in their old form, too.
    fn told(&mut self, text: &str, tokens: &[Token]) -> Value {
        let offset = self.offset;
        self.offset += text.chars().count();
        if self.logprobs.is_none() {
            return Value::Null;
        }
        let content: Vec<Value> = tokens.iter().map(|token| self.token(token)).collect();
        if self.kind == Kind::Chat {
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
        let bytes = self.tokenizer.token_bytes(id);
        json!({ "token": self.text(id), "logprob": finite(logprob), "bytes": bytes, "id": id })
    }

    fn text(&self, id: u32) -> String {
        self.tokenizer.show_token(id).text
    }
}

fn finite(logprob: f32) -> f32 {
    if logprob.is_finite() { logprob } else { NEVER }
}

fn reason(end: &End) -> &'static str {
    match end.ending {
        Ending::Length => "length",
        Ending::Stop | Ending::Cancelled => "stop",
    }
}
