//! What a chat template sees: messages, tools and options as values, contents marked.

use minijinja::Value;
use serde_json::Number;

use crate::json::Json;
use crate::marks::Marks;
use crate::message::{Message, Role};

/// How a conversation is rendered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendering {
    /// Whether the beginning of the model's turn follows.
    pub add_generation_prompt: bool,
    /// The tools that the model may call, as in OpenAI's `tools`.
    pub tools: Vec<Json>,
    /// Documents to answer from, where the template knows them.
    pub documents: Vec<Json>,
    /// Whether the model thinks first, where the template asks.
    pub enable_thinking: Option<bool>,
    /// What else the template asks for, by name.
    pub options: Vec<(String, Json)>,
    /// The moment for templates that tell the date, in seconds since 1970 (UTC); the clock's without it.
    pub now: Option<u64>,
}

impl Rendering {
    /// With the beginning of the model's turn, for it to answer.
    pub fn answer() -> Self {
        Self { add_generation_prompt: true, ..Self::default() }
    }
}

/// All that others wrote.
pub(crate) fn texts<'a>(messages: &'a [Message], rendering: &'a Rendering) -> Vec<&'a str> {
    let mut texts = Vec::new();
    for m in messages {
        texts.push(m.content.as_str());
        let more = [&m.reasoning_content, &m.tool_call_id, &m.name];
        texts.extend(more.into_iter().flatten().map(String::as_str));
        for call in &m.tool_calls {
            texts.extend(call.id.as_deref());
            texts.extend([call.function.name.as_str(), &call.function.arguments]);
        }
    }
    let options = rendering.options.iter().map(|(_, value)| value);
    for value in rendering.tools.iter().chain(&rendering.documents).chain(options) {
        add_texts(value, &mut texts);
    }
    texts
}

fn add_texts<'a>(value: &'a Json, texts: &mut Vec<&'a str>) {
    match value {
        Json::String(text) => texts.push(text),
        Json::Array(items) => items.iter().for_each(|item| add_texts(item, texts)),
        Json::Object(fields) => {
            for (name, value) in fields {
                texts.push(name);
                add_texts(value, texts);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// The variables of the template. Without tools or documents these are none, as transformers has it.
pub(crate) fn of(messages: &[Message], r: &Rendering, others: &Marks, own: &Marks) -> Vec<(String, Value)> {
    let list = |items: &[Json]| match items {
        [] => Value::from(()),
        items => items.iter().map(|item| value(item, others)).collect(),
    };
    let messages: Value =
        messages.iter().map(|m| message(m, if m.role == Role::Assistant { own } else { others })).collect();
    let mut all = vec![
        ("messages".to_string(), messages),
        ("tools".to_string(), list(&r.tools)),
        ("documents".to_string(), list(&r.documents)),
        ("add_generation_prompt".to_string(), Value::from(r.add_generation_prompt)),
    ];
    all.extend(r.enable_thinking.map(|think| ("enable_thinking".to_string(), Value::from(think))));
    all.extend(r.options.iter().map(|(name, option)| (name.clone(), value(option, others))));
    all
}

fn message(m: &Message, marks: &Marks) -> Value {
    let text = |text: &str| Value::from(marks.mark(text));
    let mut fields = vec![("role", Value::from(m.role.name())), ("content", text(&m.content))];
    if let Some(reasoning) = &m.reasoning_content {
        // gpt-oss reads it by the second name.
        fields.push(("reasoning_content", text(reasoning)));
        fields.push(("thinking", text(reasoning)));
    }
    if !m.tool_calls.is_empty() {
        let calls = m.tool_calls.iter().map(|call| {
            // Templates want arguments as an object, to print it their own way.
            let arguments = match Json::parse(&call.function.arguments) {
                Ok(object @ Json::Object(_)) => value(&object, marks),
                _ => text(&call.function.arguments),
            };
            let function = Value::from_pairs([("name", text(&call.function.name)), ("arguments", arguments)]);
            let id = call.id.as_deref().map(|id| ("id", text(id)));
            Value::from_pairs(
                id.into_iter().chain([("type", Value::from("function")), ("function", function)]),
            )
        });
        fields.push(("tool_calls", calls.collect()));
    }
    fields.extend(m.tool_call_id.as_deref().map(|id| ("tool_call_id", text(id))));
    fields.extend(m.name.as_deref().map(|name| ("name", text(name))));
    Value::from_pairs(fields)
}

fn value(json: &Json, marks: &Marks) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(b) => Value::from(*b),
        Json::Number(n) => number(n),
        Json::String(text) => Value::from(marks.mark(text)),
        Json::Array(items) => items.iter().map(|item| value(item, marks)).collect(),
        Json::Object(fields) => {
            Value::from_pairs(fields.iter().map(|(name, field)| (marks.mark(name), value(field, marks))))
        }
    }
}

fn number(n: &Number) -> Value {
    match (n.as_i64(), n.as_u64(), n.as_f64()) {
        (Some(n), _, _) => Value::from(n),
        (_, Some(n), _) => Value::from(n),
        (_, _, n) => Value::from(n.unwrap_or_default()),
    }
}
