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
    // The name of the only one stands in the beginning.
    let first = if tools.len() == 1 { "arguments_0" } else { &form.calls(tools) };
    let start = format!("start: ({first}) {}", form.rest(tools, several));
    Some(Grammar::Lark(start + &arguments(tools, |_| true)))
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A rule for the arguments of each tool: as its parameters allow if they are `kept` to, else any object.
fn arguments(tools: &[&Json], kept: impl Fn(usize) -> bool) -> String {
    let any = Json::Object(vec![("type".into(), Json::String("object".into()))]);
    let rule = |(at, tool): (usize, &&Json)| {
        let parameters = tool.get("function").and_then(|function| function.get("parameters"));
        format!("\narguments_{at}: %json {}", parameters.filter(|_| kept(at)).unwrap_or(&any))
    };
    tools.iter().enumerate().map(rule).collect()
}

/// Any answer in which every call keeps to the parameters of its function where `strict` says so, and is an object where it
/// does not. `thinks` as [`Taught::thinks`] has it: what stands in a thought is no call.
pub fn answer_grammar(
    format: CallFormat,
    tools: &[&Json],
    strict: &[bool],
    several: bool,
    thinks: Option<bool>,
) -> Option<Grammar> {
    let form = Form::of(format)?;
    let (mark, open) = form.open.split_at(form.mark);
    let open = if open.is_empty() { String::new() } else { format!("{} ", quoted(open)) };
    let call = format!("call: mark {open}({}) {}", form.calls(tools), form.rest(tools, several));
    // A rule that is lazy ends at the first place where it may: from the mark on it is a call.
    let text = if form.anywhere { "PLAIN " } else { "" };
    let (thought, plain) = match thinks {
        None => ("", "PLAIN: TEXT"),
        Some(true) => ("thought ", "PLAIN: TEXT\nthought[lazy]: TEXT \"</think>\""),
        Some(false) => (
            "thought? ",
            "PLAIN: TEXT & ~/\\s*<think>(\\n|.)*/\nthought[lazy]: /\\s*<think>/ TEXT \"</think>\"",
        ),
    };
    let lark = format!(
        "start: {thought}call{} rest{}\nrest: TEXT\n{call}\nmark[lazy]: {text}{}\n{plain}\nTEXT: /(\\n|.)*/",
        if form.anywhere && several { "*" } else { "?" },
        // A thought may be all that is said.
        if thinks == Some(true) { " | TEXT" } else { "" },
        quoted(mark),
    );
    Some(Grammar::Lark(lark + &arguments(tools, |at| strict.get(at) == Some(&true))))
}

/// How a model writes calls: `open NAME middle ARGUMENTS close`, then `again NAME …` for each further one, then `end`.
struct Form {
    open: &'static str,
    /// Bytes of `open` by which a call is known.
    mark: usize,
    /// Whether words may stand before a call.
    anywhere: bool,
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
                mark: "<tool_call>".len(),
                anywhere: true,
                middle: "\", \"arguments\": ",
                close: "}\n</tool_call>",
                again: "\n<tool_call>\n{\"name\": \"",
                end: "",
            }),
            CallFormat::Llama3 => Some(Self {
                open: "{\"name\": \"",
                mark: "{\"name\": \"".len(),
                anywhere: false,
                middle: "\", \"parameters\": ",
                close: "}",
                again: "",
                end: "",
            }),
            CallFormat::Mistral => Some(Self {
                open: "[TOOL_CALLS] [{\"name\": \"",
                mark: "[TOOL_CALLS]".len(),
                anywhere: true,
                middle: "\", \"arguments\": ",
                close: "}",
                again: ", {\"name\": \"",
                end: "]",
            }),
        }
    }
}

impl Form {
    /// Names and arguments of calls, one or the other.
    fn calls(&self, tools: &[&Json]) -> String {
        let call = |(at, tool): (usize, &&Json)| {
            let name = quoted(&[tool_name(tool).unwrap_or_default(), self.middle].concat());
            format!("{name} arguments_{at}")
        };
        tools.iter().enumerate().map(call).collect::<Vec<_>>().join(" | ")
    }

    /// What follows the first call's arguments: its end and, where there may be `several`, more calls.
    fn rest(&self, tools: &[&Json], several: bool) -> String {
        let close = quoted(self.close);
        let mut rest = close.clone();
        if several && !self.again.is_empty() {
            rest += &format!(" ({} ({}) {close})*", quoted(self.again), self.calls(tools));
        }
        if !self.end.is_empty() {
            rest += &format!(" {}", quoted(self.end));
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use shuyuan_engine::TokenTable;

    /// How far a grammar lets a text come, byte by byte, and whether it may end there.
    fn goes(grammar: &Grammar, text: &str) -> (String, bool) {
        let mut bytes: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
        bytes.push(Vec::new());
        let mut constraint = TokenTable::new(bytes, &[256]).unwrap().constraint(grammar).unwrap();
        let ids: Vec<u32> = text.bytes().map(u32::from).collect();
        let (count, end) = constraint.follow(&ids).unwrap();
        (String::from_utf8_lossy(&text.as_bytes()[..count]).into_owned(), end)
    }

    fn tool(name: &str) -> Json {
        let parameters = json!({
            "type": "object", "properties": { "city": { "enum": ["Ulm", "Köln"] } }, "required": ["city"],
            "additionalProperties": false,
        });
        let tool = json!({ "type": "function", "function": { "name": name, "parameters": parameters } });
        Json::parse(&tool.to_string()).unwrap()
    }

    #[test]
    fn an_answer_says_what_it_likes_and_calls_as_it_must() {
        let (strict, loose) = (tool("weather"), tool("note"));
        let grammar = |format, several, thinks| {
            answer_grammar(format, &[&strict, &loose], &[true, false], several, thinks).unwrap()
        };
        let hermes = grammar(CallFormat::Hermes, true, None);
        let call = |name: &str, arguments: &str| {
            format!("<tool_call>\n{{\"name\": \"{name}\", \"arguments\": {arguments}}}\n</tool_call>")
        };
        let good = call("weather", r#"{"city": "Ulm"}"#);
        for text in [
            "".to_string(),
            "Words with < and <tool in them,\nin two lines.".into(),
            good.clone(),
            format!("Let me look.\n{good}\n{good}"),
            format!("{good} And then {good} words"),
            call("note", r#"{"anything": [1, {"x": null}]}"#),
        ] {
            assert_eq!(goes(&hermes, &text), (text.clone(), true));
        }
        for (text, until) in [
            (call("weather", r#"{"city": "Bonn"}"#), r#"{"city": ""#),
            (call("other", "{}"), r#"{"name": ""#),
            (format!("Look: {}", call("weather", "{}")), r#""arguments": {"#),
            ("<tool_call>weather</tool_call>".into(), "<tool_call>"),
        ] {
            let (came, end) = goes(&hermes, &text);
            assert!(came.ends_with(until) && !end, "{text:?} came to {came:?}");
        }
        // Who may call once says what follows in words.
        let once = grammar(CallFormat::Hermes, false, None);
        assert_eq!(goes(&once, &format!("a {good} b")), (format!("a {good} b"), true));
        // Thoughts are free.
        let thought = format!("<think>I could write {}</think>", call("x", "1"));
        let after = grammar(CallFormat::Hermes, true, Some(false));
        assert_eq!(goes(&after, &thought), (thought.clone(), true));
        assert_eq!(goes(&after, &good), (good.clone(), true));
        let bad = call("weather", "{}");
        assert!(!goes(&after, &format!("{thought}{bad}")).1);
        let inside = grammar(CallFormat::Hermes, true, Some(true));
        let rest = thought.strip_prefix("<think>").unwrap();
        assert_eq!(goes(&inside, &format!("{rest}\n{good}")), (format!("{rest}\n{good}"), true));
        assert!(!goes(&inside, &format!("{rest}{bad}")).1);
        assert!(goes(&inside, "a thought without an end").1);

        let llama = grammar(CallFormat::Llama3, true, None);
        for text in [r#"{"name": "weather", "parameters": {"city": "Köln"}}"#, r#"{"name": of"#, "{", "No."]
        {
            assert_eq!(goes(&llama, text), (text.into(), true));
        }
        assert!(!goes(&llama, r#"{"name": "weather", "parameters": {"city": 1}}"#).1);
        let mistral = grammar(CallFormat::Mistral, true, None);
        let two = r#"So: [TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Ulm"}}, {"name": "note", "arguments": {}}]"#;
        assert_eq!(goes(&mistral, two), (two.into(), true));
        assert!(!goes(&mistral, &two.replace("Ulm", "Rom")).1);
    }
}
