//! Tools as a model is told of them, and calls as it writes them.

mod hermes;

pub use hermes::described;

use serde_json::Value;
use shuyuan_engine::Grammar;
use shuyuan_text::{CallFormat, ChatTemplate, Json, Message, Rendering, Tokenizer};

/// What a model's template has of tools and thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taught {
    /// It writes tools and calls itself, in a form that is read here; otherwise see [`described`].
    pub tools: bool,
    /// How calls are written.
    pub format: CallFormat,
    /// Whether the model may think before it speaks.
    pub thinking: bool,
}

impl Taught {
    /// By the template of a tokenizer, for a conversation with these tools.
    pub fn by(tokenizer: &Tokenizer, tools: &[Json]) -> Self {
        let roles = tokenizer.roles();
        let chat = roles.chat_template.as_deref().unwrap_or_default();
        let jinja = roles.tool_template.as_deref().filter(|_| !tools.is_empty()).unwrap_or(chat);
        let format = CallFormat::of_template(jinja);
        let knows = jinja.contains("tools") && format != CallFormat::None;
        let thinking = jinja.contains("<think>") || jinja.contains("</think>");
        Self { tools: knows, format: if knows { format } else { CallFormat::Hermes }, thinking }
    }

    /// Whether the model thinks first: none for one that does not, true if the prompt opens `<think>` already.
    ///
    /// # Errors
    /// A conversation that the template refuses.
    pub fn thinks(
        self,
        template: &ChatTemplate,
        messages: &[Message],
        rendering: &Rendering,
    ) -> Result<Option<bool>, shuyuan_text::Error> {
        if !self.thinking {
            return Ok(None);
        }
        Ok(Some(template.render_text(messages, rendering)?.trim_end().ends_with("<think>")))
    }
}

/// The name of a tool: `{"type": "function", "function": {name, description, parameters}}`.
pub fn tool_name(tool: &Json) -> Option<&str> {
    tool.get("function")?.get("name")?.as_str()
}

/// How an answer begins that must call one of these tools; none for a model that knows no form of calls.
pub fn call_beginning(format: CallFormat, tools: &[&Json]) -> Option<String> {
    let form = Form::of(format)?;
    Some(match tools {
        [only] => [form.open, tool_name(only).unwrap_or_default(), form.middle].concat(),
        _ => form.open.to_string(),
    })
}

/// What follows that beginning: arguments as the parameters allow, the call's end and, where there may be `several`, more
/// calls.
pub fn call_grammar(format: CallFormat, tools: &[&Json], several: bool) -> Option<Grammar> {
    let form = Form::of(format)?;
    let quoted = |text: &str| Value::from(text).to_string();
    let calls = |skip_name: bool| {
        let call = |(at, tool): (usize, &&Json)| match skip_name {
            true => format!("arguments_{at}"),
            false => {
                let name = quoted(&[tool_name(tool).unwrap_or_default(), form.middle].concat());
                format!("{name} arguments_{at}")
            }
        };
        tools.iter().enumerate().map(call).collect::<Vec<_>>().join(" | ")
    };
    let close = quoted(form.close);
    let mut lark = format!("start: ({}) {close}", calls(tools.len() == 1));
    if several && !form.again.is_empty() {
        lark += &format!(" ({} ({}) {close})*", quoted(form.again), calls(false));
    }
    if !form.end.is_empty() {
        lark += &format!(" {}", quoted(form.end));
    }
    let any = Json::Object(vec![("type".into(), Json::String("object".into()))]);
    for (at, tool) in tools.iter().enumerate() {
        let parameters = tool.get("function").and_then(|function| function.get("parameters"));
        lark += &format!("\narguments_{at}: %json {}", parameters.unwrap_or(&any));
    }
    Some(Grammar::Lark(lark))
}

/// How a model writes calls: `open NAME middle ARGUMENTS close`, then `again NAME …` for each further one, then `end`.
struct Form {
    open: &'static str,
    middle: &'static str,
    close: &'static str,
    /// Nothing where one answer holds one call.
    again: &'static str,
    end: &'static str,
}

impl Form {
    fn of(format: CallFormat) -> Option<Self> {
        match format {
            CallFormat::None => None,
            CallFormat::Hermes => Some(Self {
                open: "<tool_call>\n{\"name\": \"",
                middle: "\", \"arguments\": ",
                close: "}\n</tool_call>",
                again: "\n<tool_call>\n{\"name\": \"",
                end: "",
            }),
            CallFormat::Llama3 => Some(Self {
                open: "{\"name\": \"",
                middle: "\", \"parameters\": ",
                close: "}",
                again: "",
                end: "",
            }),
            CallFormat::Mistral => Some(Self {
                open: "[TOOL_CALLS] [{\"name\": \"",
                middle: "\", \"arguments\": ",
                close: "}",
                again: ", {\"name\": \"",
                end: "]",
            }),
        }
    }
}
