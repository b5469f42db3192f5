//! The ids that the model reads: of a conversation, or of a text.

use crate::error::{ApiError, Result};
use crate::fields::{Fields, wrong};
use serde_json::Value;
use shuyuan_academy::LiveModel;
use shuyuan_text::{ChatTemplate, END_OF_TEXT, Message, Rendering, Role};

/// The conversation up to where the model answers.
pub(crate) fn chat(fields: &Fields, live: &LiveModel) -> Result<Vec<u32>> {
    let messages = messages(fields)?;
    let template = ChatTemplate::new(&live.tokenizer)
        .map_err(|error| ApiError::field("model", format_args!("{} cannot chat: {error}", live.name)))?;
    template.render(&messages, &Rendering::answer()).map_err(|error| ApiError::field("messages", error))
}

/// `continue_ids`: the beginning of the answer, which is not said again.
pub(crate) fn continued(fields: &Fields, live: &LiveModel) -> Result<Vec<u32>> {
    Ok(fields.ids("continue_ids", live.model.config().vocab_size)?.unwrap_or_default())
}

/// A text after what the model wants before one.
fn begun(live: &LiveModel, text: &str) -> Vec<u32> {
    [live.tokenizer.prefix(), &live.tokenizer.encode(text)].concat()
}

/// `prompt` as text or ids, or `prompt_ids`.
pub(crate) fn completion(fields: &Fields, live: &LiveModel) -> Result<Vec<u32>> {
    let vocab = live.model.config().vocab_size;
    if let Some(ids) = fields.ids("prompt_ids", vocab)? {
        return some(ids, "prompt_ids");
    }
    let expected = "a text or a list of token ids";
    let ids = match fields.need("prompt", fields.get("prompt"))? {
        Value::String(text) => begun(live, text),
        Value::Array(items) => match items.as_slice() {
            [Value::String(text)] => begun(live, text),
            [first, ..] if first.is_number() => fields.ids("prompt", vocab)?.unwrap_or_default(),
            [_, _, ..] => {
                return Err(ApiError::field("prompt", "one at a time: send a request for each prompt"));
            }
            _ => return Err(wrong("prompt", expected, &Value::Array(items.clone()))),
        },
        other => return Err(wrong("prompt", expected, other)),
    };
    // From nothing, a document begins: where another ended.
    if ids.is_empty()
        && let Some(end) = live.tokenizer.special(END_OF_TEXT)
    {
        return Ok(vec![end]);
    }
    some(ids, "prompt")
}

fn some(ids: Vec<u32>, name: &str) -> Result<Vec<u32>> {
    if ids.is_empty() { Err(ApiError::field(name, "is empty: give at least one token")) } else { Ok(ids) }
}

fn messages(fields: &Fields) -> Result<Vec<Message>> {
    let expected = "a list of at least one {role, content}";
    match fields.need("messages", fields.get("messages"))? {
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().map(|(at, item)| message(at, item)).collect()
        }
        other => Err(wrong("messages", expected, other)),
    }
}

fn message(at: usize, item: &Value) -> Result<Message> {
    let name = |field: &str| format!("messages[{at}].{field}");
    let null = Value::Null;
    let role = item.get("role").unwrap_or(&null);
    let role = match role.as_str() {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        _ => return Err(wrong(&name("role"), "system, user or assistant", role)),
    };
    let content = match item.get("content").unwrap_or(&null) {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let text = |part: &Value| match part.get("type").and_then(Value::as_str) {
                Some("text") => part.get("text")?.as_str().map(str::to_string),
                _ => None,
            };
            let texts = parts
                .iter()
                .map(|part| text(part).ok_or_else(|| wrong(&name("content"), "parts of type text", part)));
            texts.collect::<Result<Vec<_>>>()?.concat()
        }
        other => return Err(wrong(&name("content"), "a text", other)),
    };
    Ok(Message::new(role, content))
}
