//! What a request to the responses API asks: its input as a conversation. Nothing is kept here between requests, so what
//! refers to an earlier one is refused by name.

use super::messages::content_text;
use super::prompt::{Conversation, thinks_at};
use super::tools::Tools;
use crate::error::{ApiError, Result};
use crate::fields::{Fields, wrong};
use serde_json::{Value, json};
use shuyuan_text::{Json, Message, Role, ToolCall};

pub(crate) fn conversation(fields: &Fields) -> Result<Conversation> {
    refuse_unsupported(fields)?;
    let mut messages = Vec::new();
    if let Some(instructions) = fields.text("instructions")? {
        messages.push(Message::system(instructions));
    }
    match fields.need("input", fields.get("input"))? {
        Value::String(text) => messages.push(Message::user(text)),
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                read(at, item, &mut messages)?;
            }
        }
        other => return Err(wrong("input", "a text or a list of at least one item", other)),
    }
    let (mut enable_thinking, mut options) = (None, Vec::new());
    match fields.get("reasoning") {
        None => {}
        Some(reasoning @ Value::Object(_)) => {
            if let Some(effort) = reasoning["effort"].as_str() {
                enable_thinking = thinks_at(effort);
                options.push(("reasoning_effort".to_string(), Json::String(effort.into())));
            }
        }
        Some(other) => return Err(wrong("reasoning", "an object", other)),
    }
    Ok(Conversation { messages, tools: Tools::read(fields)?, enable_thinking, options })
}

fn refuse_unsupported(fields: &Fields) -> Result<()> {
    for name in ["previous_response_id", "conversation"] {
        if fields.get(name).is_some() {
            let message = "no response is kept here: send the whole conversation as input";
            return Err(ApiError::field(name, message).code("unsupported_parameter"));
        }
    }
    fields.unsupported("background", &[json!(false)])?;
    fields.unsupported("prompt", &[])?;
    fields.unsupported("top_logprobs", &[json!(0)])
}

/// Adds one item of the input.
fn read(at: usize, item: &Value, messages: &mut Vec<Message>) -> Result<()> {
    let name = |field: &str| format!("input[{at}].{field}");
    let text = |field: &str| item[field].as_str().ok_or_else(|| wrong(&name(field), "a text", &item[field]));
    match item["type"].as_str() {
        None | Some("message") => {
            let role = match item["role"].as_str() {
                Some("system" | "developer") => Role::System,
                Some("user") => Role::User,
                Some("assistant") => Role::Assistant,
                _ => return Err(wrong(&name("role"), "system, developer, user or assistant", &item["role"])),
            };
            let kinds = ["input_text", "output_text", "text", "refusal"];
            let content = content_text(&name("content"), &item["content"], &kinds)?;
            match open_turn(messages, role)
                .filter(|turn| turn.content.is_empty() && turn.tool_calls.is_empty())
            {
                Some(turn) => turn.content = content,
                None => messages.push(Message::new(role, content)),
            }
        }
        Some("function_call") => {
            let call = ToolCall::new(text("name")?, text("arguments")?);
            let call = ToolCall { id: Some(text("call_id")?.into()), ..call };
            match open_turn(messages, Role::Assistant) {
                Some(turn) => turn.tool_calls.push(call),
                None => messages.push(Message { tool_calls: vec![call], ..Message::assistant("") }),
            }
        }
        Some("function_call_output") => {
            let output = content_text(&name("output"), &item["output"], &["input_text"])?;
            messages.push(Message::tool(text("call_id")?, output));
        }
        Some("reasoning") => {
            let parts = item["content"].as_array().into_iter().flatten();
            let thought: String = parts.filter_map(|part| part["text"].as_str()).collect();
            if !thought.is_empty() {
                messages.push(Message { reasoning_content: Some(thought), ..Message::assistant("") });
            }
        }
        Some(_) => {
            let expected = "message, function_call, function_call_output or reasoning";
            return Err(wrong(&name("type"), expected, &item["type"]));
        }
    }
    Ok(())
}

/// The assistant's turn that the items before have begun: thinking, words and calls are separate items here.
fn open_turn(messages: &mut [Message], role: Role) -> Option<&mut Message> {
    messages.last_mut().filter(|last| role == Role::Assistant && last.role == Role::Assistant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Bytes;

    fn conversation_of(body: Value) -> Result<Conversation> {
        conversation(&Fields::read(&Bytes::from(body.to_string()))?)
    }

    #[test]
    fn items_join_to_turns() {
        let body = json!({
            "instructions": "Be brief.",
            "input": [
                { "role": "user", "content": [{ "type": "input_text", "text": "Rain?" }] },
                { "type": "reasoning", "summary": [], "content": [{ "type": "reasoning_text", "text": "hm" }] },
                { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "I look." }] },
                { "type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}" },
                { "type": "function_call", "call_id": "c2", "name": "weather", "arguments": "{}" },
                { "type": "function_call_output", "call_id": "c1", "output": "yes" },
            ],
        });
        let messages = conversation_of(body).map(|c| c.messages).unwrap_or_default();
        assert_eq!(
            messages.iter().map(|m| m.role.name()).collect::<Vec<_>>(),
            ["system", "user", "assistant", "tool"]
        );
        let said = &messages[2];
        assert_eq!((said.content.as_str(), said.reasoning_content.as_deref()), ("I look.", Some("hm")));
        assert_eq!(said.tool_calls[1].id.as_deref(), Some("c2"));
        assert_eq!(messages[3].tool_call_id.as_deref(), Some("c1"));
    }

    #[test]
    fn what_would_need_a_memory_is_refused_by_name() {
        for (body, param) in [
            (json!({ "input": "a", "previous_response_id": "resp_1" }), "previous_response_id"),
            (json!({ "input": "a", "conversation": "conv_1" }), "conversation"),
            (json!({ "input": "a", "background": true }), "background"),
            (json!({ "input": [] }), "input"),
            (json!({}), "input"),
            (json!({ "input": [{ "type": "item_reference", "id": "x" }] }), "input[0].type"),
            (
                json!({ "input": [{ "role": "user", "content": [{ "type": "input_image" }] }] }),
                "input[0].content",
            ),
            (json!({ "input": "a", "tools": [{ "type": "web_search" }] }), "tools[0].type"),
        ] {
            let found = conversation_of(body.clone()).err().and_then(|error| error.param);
            assert_eq!(found.as_deref(), Some(param), "{body}");
        }
    }
}
