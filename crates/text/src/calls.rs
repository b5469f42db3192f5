//! From what a model wrote to what it meant: its thinking, its words, and the tools that it calls.

use crate::json::Json;
use crate::message::ToolCall;

/// How a model writes its calls; its chat template teaches it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallFormat {
    /// It was taught none: everything is words.
    #[default]
    None,
    /// Hermes and Qwen: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, one after another.
    Hermes,
    /// Llama 3: the answer is `{"name": …, "parameters": {…}}`, perhaps after `<|python_tag|>`.
    Llama3,
    /// Mistral: `[TOOL_CALLS][{"name": …, "arguments": {…}}, …]`, at the end.
    Mistral,
}

/// An answer in its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What stood between `<think>` and `</think>`.
    pub reasoning: Option<String>,
    /// What is said.
    pub content: String,
    /// The tools called. Those that are not finished or not valid JSON stay in `content`.
    pub calls: Vec<ToolCall>,
}

const OPEN: &str = "<tool_call>";
const CLOSE: &str = "</tool_call>";
const PYTHON_TAG: &str = "<|python_tag|>";
const TOOL_CALLS: &str = "[TOOL_CALLS]";
const THINK: &str = "<think>";
const END_THINK: &str = "</think>";

impl CallFormat {
    /// The format that a chat template (Jinja) teaches.
    pub fn of_template(jinja: &str) -> Self {
        if jinja.contains(TOOL_CALLS) {
            Self::Mistral
        } else if jinja.contains(OPEN) && !jinja.contains("<function=") {
            // Qwen3-Coder has the same tags around XML, which this does not read.
            Self::Hermes
        } else if jinja.contains(PYTHON_TAG)
            || (jinja.contains("\"parameters\":") && jinja.contains("ipython"))
        {
            Self::Llama3
        } else {
            Self::None
        }
    }

    /// Takes a finished answer apart. `text` is with special tokens' texts, where they belong to the format; `thinking` if
    /// the prompt already opened `<think>`, so that the answer begins inside.
    ///
    /// ```
    /// use shuyuan_text::CallFormat;
    ///
    /// let text = "<think>Rain?</think>\nLet me look.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Ulm\"}}\n</tool_call>";
    /// let answer = CallFormat::Hermes.read(text, false);
    /// assert_eq!(answer.reasoning.as_deref(), Some("Rain?"));
    /// assert_eq!(answer.content, "Let me look.");
    /// assert_eq!(answer.calls[0].function.arguments, r#"{"city":"Ulm"}"#);
    /// ```
    pub fn read(self, text: &str, thinking: bool) -> Answer {
        let (reasoning, rest) = split_reasoning(text, thinking);
        let (content, calls) = match self {
            Self::None => (rest.to_string(), Vec::new()),
            Self::Hermes => hermes(rest),
            Self::Llama3 => llama3(rest),
            Self::Mistral => mistral(rest),
        };
        Answer { reasoning: reasoning.map(str::to_string), content, calls }
    }
}

/// Thinking that never ends is all thinking: no word was said.
fn split_reasoning(text: &str, thinking: bool) -> (Option<&str>, &str) {
    let inside = match text.trim_start().strip_prefix(THINK) {
        Some(inside) => inside,
        None if thinking => text,
        None => return (None, text),
    };
    let (reasoning, rest) = inside.split_once(END_THINK).unwrap_or((inside, ""));
    let reasoning = reasoning.trim();
    (Some(reasoning).filter(|r| !r.is_empty()), rest.trim_start())
}

fn hermes(text: &str) -> (String, Vec<ToolCall>) {
    let (mut content, mut calls) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        content.push_str(before);
        // A text in the arguments may hold the closing tag: the first place where the JSON is whole.
        let ends = after.match_indices(CLOSE).map(|(at, _)| at);
        let found = ends.take(64).find_map(|end| Some((call(&Json::parse(after[..end].trim()).ok()?)?, end)));
        match found {
            Some((call, end)) => {
                calls.push(call);
                rest = &after[end + CLOSE.len()..];
                if content.trim().is_empty() || rest.trim_start().starts_with(OPEN) {
                    rest = rest.trim_start();
                }
            }
            None => {
                content.push_str(OPEN);
                rest = after;
            }
        }
    }
    content.push_str(rest);
    if calls.is_empty() { (content, calls) } else { (content.trim().to_string(), calls) }
}

fn llama3(text: &str) -> (String, Vec<ToolCall>) {
    let (said, body) = match text.split_once(PYTHON_TAG) {
        Some((said, body)) => (said.trim(), body),
        None => ("", text),
    };
    let body = body.trim();
    // Several calls are one after another, parted by semicolons; the whole must be calls.
    let (mut calls, mut rest) = (Vec::new(), body);
    while !rest.is_empty() {
        let mut objects = serde_json::Deserializer::from_str(rest).into_iter::<Json>();
        match objects.next().and_then(|object| call(&object.ok()?)) {
            Some(call) => calls.push(call),
            None => return (text.to_string(), Vec::new()),
        }
        rest = rest[objects.byte_offset()..].trim_start_matches([' ', '\n', ';']);
    }
    if calls.is_empty() { (text.to_string(), calls) } else { (said.to_string(), calls) }
}

fn mistral(text: &str) -> (String, Vec<ToolCall>) {
    let Some((said, body)) = text.split_once(TOOL_CALLS) else { return (text.to_string(), Vec::new()) };
    let calls = match Json::parse(body.trim()) {
        Ok(Json::Array(items)) => items.iter().map(call).collect::<Option<Vec<_>>>(),
        Ok(object) => call(&object).map(|call| vec![call]),
        Err(_) => None,
    };
    match calls.filter(|calls| !calls.is_empty()) {
        Some(calls) => (said.trim().to_string(), calls),
        None => (text.to_string(), Vec::new()),
    }
}

/// `{"name": …, "arguments" or "parameters": {…}, "id": …}`.
fn call(json: &Json) -> Option<ToolCall> {
    let name = json.get("name")?.as_str().filter(|name| !name.is_empty())?;
    let arguments = match json.get("arguments").or_else(|| json.get("parameters")) {
        None | Some(Json::Null) => "{}".to_string(),
        Some(object @ Json::Object(_)) => object.to_string(),
        // Some models write the object as a text once more.
        Some(Json::String(text)) if matches!(Json::parse(text), Ok(Json::Object(_))) => text.clone(),
        Some(_) => return None,
    };
    let id = json.get("id").and_then(Json::as_str).map(str::to_string);
    Some(ToolCall { id, ..ToolCall::new(name, arguments) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(answer: &Answer) -> Vec<&str> {
        answer.calls.iter().map(|c| c.function.name.as_str()).collect()
    }

    #[test]
    fn calls_of_each_format() {
        let two = "<tool_call>\n{\"name\": \"a\", \"arguments\": {\"z\": 1, \"b\": [true, null]}}\n</tool_call>\n<tool_call>\n{\"name\": \"b\"}\n</tool_call>";
        let answer = CallFormat::Hermes.read(two, false);
        assert_eq!((names(&answer), answer.content.as_str()), (vec!["a", "b"], ""));
        assert_eq!(answer.calls[0].function.arguments, r#"{"z":1,"b":[true,null]}"#, "in the order written");
        assert_eq!(answer.calls[1].function.arguments, "{}");
        for text in [
            r#"{"name": "a", "parameters": {"x": 1}}"#,
            r#"<|python_tag|>{"name": "a", "parameters": {"x": 1}}"#,
            r#"{"name": "a", "parameters": "{\"x\":1}"} "#,
        ] {
            let answer = CallFormat::Llama3.read(text, false);
            assert_eq!((names(&answer), answer.content.as_str()), (vec!["a"], ""), "{text}");
            assert_eq!(answer.calls[0].function.arguments.replace(' ', ""), r#"{"x":1}"#);
        }
        let text = r#"{"name": "a", "parameters": {}}; {"name": "b", "parameters": {}}"#;
        assert_eq!(names(&CallFormat::Llama3.read(text, false)), ["a", "b"]);
        let text = r#"So:[TOOL_CALLS] [{"name": "a", "arguments": {}, "id": "abcdefghi"}, {"name": "b", "arguments": {}}]"#;
        let answer = CallFormat::Mistral.read(text, false);
        assert_eq!((names(&answer), answer.content.as_str()), (vec!["a", "b"], "So:"));
        assert_eq!(answer.calls[0].id.as_deref(), Some("abcdefghi"));
    }

    #[test]
    fn what_is_no_call_stays_text() {
        for (format, texts) in [
            (
                CallFormat::Hermes,
                &[
                    "<tool_call>\n{\"name\": \"a\", \"argu",
                    "<tool_call>{\"name\": 3}</tool_call>",
                    "<tool_call>",
                    "a </tool_call> b",
                    "<tool_call>[1]</tool_call>",
                ][..],
            ),
            (
                CallFormat::Llama3,
                &[
                    "{\"name\": \"a\"} and more",
                    "{\"a\": 1}",
                    "{",
                    "",
                    "12",
                    "{\"name\": \"a\", \"parameters\": [1]}",
                ],
            ),
            (
                CallFormat::Mistral,
                &["[TOOL_CALLS]", "[TOOL_CALLS] []", "[TOOL_CALLS] [{\"name\": \"a\"", "[1]"],
            ),
            (CallFormat::None, &["<tool_call>{\"name\": \"a\"}</tool_call>"]),
        ] {
            for text in texts {
                let answer = format.read(text, false);
                assert_eq!((answer.content.as_str(), answer.calls.len()), (*text, 0), "{format:?}");
            }
        }
    }

    #[test]
    fn words_around_calls_and_tags_inside_texts() {
        let text = "One.\n<tool_call>{\"name\": \"say\", \"arguments\": {\"text\": \"a </tool_call> b\"}}</tool_call>\nTwo.";
        let answer = CallFormat::Hermes.read(text, false);
        assert_eq!(answer.content, "One.\n\nTwo.");
        assert_eq!(answer.calls[0].function.arguments, r#"{"text":"a </tool_call> b"}"#);
    }

    #[test]
    fn thinking_is_set_apart() {
        let read = |text, thinking| {
            let answer = CallFormat::None.read(text, thinking);
            (answer.reasoning, answer.content)
        };
        assert_eq!(read("<think>\nhm\n</think>\n\nYes.", false), (Some("hm".into()), "Yes.".into()));
        assert_eq!(read("hm\n</think>\n\nYes.", true), (Some("hm".into()), "Yes.".into()));
        assert_eq!(read("<think>\n\n</think>\n\nYes.", false), (None, "Yes.".into()));
        assert_eq!(read("<think>for ever", false), (Some("for ever".into()), "".into()));
        assert_eq!(read("It is <think> here", false), (None, "It is <think> here".into()));
    }
}
