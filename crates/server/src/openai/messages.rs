//! `messages` of a chat request.

use crate::error::{ApiError, Result};
use crate::fields::{Fields, wrong};
use serde_json::Value;
use shuyuan_text::{Message, Role, ToolCall};

pub(crate) fn messages(fields: &Fields) -> Result<Vec<Message>> {
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
    let role = match item["role"].as_str() {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool") => Role::Tool,
        _ => return Err(wrong(&name("role"), "system, developer, user, assistant or tool", &item["role"])),
    };
    let optional = |field: &str| match &item[field] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        other => Err(wrong(&name(field), "a text", other)),
    };
    let tool_calls = match &item["tool_calls"] {
        Value::Null => Vec::new(),
        Value::Array(calls) if role == Role::Assistant => {
            calls.iter().map(|item| call(&name("tool_calls"), item)).collect::<Result<_>>()?
        }
        other => return Err(wrong(&name("tool_calls"), "a list of calls, of the assistant", other)),
    };
    let content = match &item["content"] {
        Value::Null if !tool_calls.is_empty() => String::new(),
        content => content_text(&name("content"), content, &["text"])?,
    };
    let tool_call_id = optional("tool_call_id")?;
    if role == Role::Tool && tool_call_id.is_none() {
        return Err(ApiError::field(
            &name("tool_call_id"),
            "is missing; a tool's answer names the call it answers",
        ));
    }
    Ok(Message {
        role,
        content,
        reasoning_content: optional("reasoning_content")?,
        tool_calls,
        tool_call_id,
        name: optional("name")?,
    })
}

/// A text, or parts that hold text under one of the `kinds`.
pub(crate) fn content_text(name: &str, content: &Value, kinds: &[&str]) -> Result<String> {
    let Value::Array(parts) = content else {
        return content.as_str().map(str::to_string).ok_or_else(|| wrong(name, "a text", content));
    };
    let text = |part: &Value| {
        let kind = part["type"].as_str().filter(|kind| kinds.contains(kind))?;
        part[if kind == "refusal" { "refusal" } else { "text" }].as_str().map(str::to_string)
    };
    let texts = parts.iter().map(|part| {
        let kinds = format!("parts of type {}", kinds.join(" or "));
        text(part).ok_or_else(|| wrong(name, kinds, part))
    });
    Ok(texts.collect::<Result<Vec<_>>>()?.concat())
}

fn call(name: &str, item: &Value) -> Result<ToolCall> {
    let expected = "{id, type: \"function\", function: {name, arguments as text}}";
    let function = &item["function"];
    match (item["id"].as_str(), function["name"].as_str(), function["arguments"].as_str()) {
        (Some(id), Some(called), Some(arguments)) => {
            Ok(ToolCall { id: Some(id.into()), ..ToolCall::new(called, arguments) })
        }
        _ => Err(wrong(name, expected, item)),
    }
}
