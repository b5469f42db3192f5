//! Takes an answer apart while it comes: thinking, words, calls. Text that may still turn out to be something else is held
//! back, so that the parts of a stream join to what the whole answer holds.

use shuyuan_text::{CallFormat, ToolCall};

/// What is known of an answer now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// What it thinks before it speaks, without the marks around it.
    Thought(String),
    /// What it says.
    Words(String),
    /// All calls of the answer, at its end.
    Calls(Vec<ToolCall>),
}

/// Reads one answer.
#[derive(Clone, Debug)]
pub struct Reader {
    format: CallFormat,
    /// What may be called; nothing: the answer is words.
    names: Vec<String>,
    parallel: bool,
    phase: Phase,
    held: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It may begin with `<think>`.
    Start,
    /// Inside; whether something was thought already.
    Thinking(bool),
    /// Behind `</think>`, before the first word.
    Between,
    /// Words; whether something was said already.
    Words(bool),
    /// Behind the beginning of a call: nothing is told until the end.
    Calls,
}

const THINK: &str = "<think>";
const END_THINK: &str = "</think>";

impl Reader {
    /// Of an answer that is words, whatever it says.
    pub fn plain() -> Self {
        Self {
            format: CallFormat::None,
            names: Vec::new(),
            parallel: true,
            phase: Phase::Words(false),
            held: String::new(),
        }
    }

    /// `thinks`: none for a model that does not, true if its prompt has already opened `<think>`.
    pub fn new(format: CallFormat, names: &[String], parallel: bool, thinks: Option<bool>) -> Self {
        let phase = match thinks {
            None => Phase::Words(false),
            Some(false) => Phase::Start,
            Some(true) => Phase::Thinking(false),
        };
        Self { format, names: names.to_vec(), parallel, phase, held: String::new() }
    }

    /// Whether what comes now is thought rather than said.
    pub fn is_thinking(&self) -> bool {
        matches!(self.phase, Phase::Thinking(_))
    }

    /// Whether what is held may still turn out to be a beginning or an end of thinking.
    pub fn may_think(&self) -> bool {
        matches!(self.phase, Phase::Start | Phase::Thinking(_) | Phase::Between)
    }

    /// Takes more of the answer.
    pub fn push(&mut self, text: &str) -> Vec<Part> {
        self.held += text;
        let mut parts = Vec::new();
        while self.step(&mut parts) {}
        parts
    }

    /// Goes on within what is held; false if it needs more.
    fn step(&mut self, parts: &mut Vec<Part>) -> bool {
        match self.phase {
            Phase::Start => {
                let text = self.held.trim_start();
                if let Some(inside) = text.strip_prefix(THINK) {
                    self.held = inside.to_string();
                    self.phase = Phase::Thinking(false);
                } else if THINK.starts_with(text) {
                    return false;
                } else {
                    self.phase = Phase::Words(false);
                }
                true
            }
            Phase::Thinking(begun) => {
                if !begun {
                    self.held = self.held.trim_start().to_string();
                }
                let end = self.held.find(END_THINK);
                let at = end.unwrap_or_else(|| safe(&self.held, &[END_THINK]));
                let thought = self.take(end.map_or(at, |end| self.held[..end].trim_end().len()));
                let begun = begun || !thought.is_empty();
                say(parts, Part::Thought(thought));
                self.phase = Phase::Thinking(begun);
                let Some(after) = self.held.trim_start().strip_prefix(END_THINK).filter(|_| end.is_some())
                else {
                    return false;
                };
                self.held = after.to_string();
                self.phase = Phase::Between;
                true
            }
            Phase::Between => {
                self.held = self.held.trim_start().to_string();
                self.phase = if self.held.is_empty() { Phase::Between } else { Phase::Words(false) };
                !self.held.is_empty()
            }
            Phase::Words(begun) => {
                let marks = self.marks();
                let opens = marks.iter().filter_map(|mark| self.held.find(mark)).min();
                // An answer in Llama 3's form has no mark but its first brace.
                let start = self.held.trim_start();
                let bare = !begun && self.format == CallFormat::Llama3 && !marks.is_empty();
                if bare && start.is_empty() {
                    return false;
                }
                if (bare && start.starts_with('{')) || opens.is_some() {
                    let at = if bare && start.starts_with('{') { 0 } else { opens.unwrap_or(0) };
                    let words = self.take(self.held[..at].trim_end().len());
                    say(parts, Part::Words(words));
                    self.phase = Phase::Calls;
                    return false;
                }
                let at = if marks.is_empty() { self.held.len() } else { safe(&self.held, marks) };
                let words = self.take(at);
                self.phase = Phase::Words(begun || !words.is_empty());
                say(parts, Part::Words(words));
                false
            }
            Phase::Calls => false,
        }
    }

    /// What the end of the answer makes of the rest.
    pub fn finish(&mut self) -> Vec<Part> {
        let held = std::mem::take(&mut self.held);
        let mut parts = Vec::new();
        match self.phase {
            Phase::Thinking(_) => say(&mut parts, Part::Thought(held.trim_end().to_string())),
            Phase::Between => {}
            Phase::Start | Phase::Words(_) => say(&mut parts, Part::Words(held)),
            Phase::Calls => {
                let answer = self.format.read(&held, false);
                let known = |call: &ToolCall| self.names.contains(&call.function.name);
                if answer.calls.is_empty() || !answer.calls.iter().all(known) {
                    say(&mut parts, Part::Words(held));
                    return parts;
                }
                say(&mut parts, Part::Words(answer.content));
                let most = if self.parallel { usize::MAX } else { 1 };
                parts.push(Part::Calls(answer.calls.into_iter().take(most).collect()));
            }
        }
        parts
    }

    fn marks(&self) -> &'static [&'static str] {
        match self.format {
            _ if self.names.is_empty() => &[],
            CallFormat::None => &[],
            CallFormat::Hermes => &["<tool_call>"],
            CallFormat::Llama3 => &["<|python_tag|>"],
            CallFormat::Mistral => &["[TOOL_CALLS]"],
        }
    }

    fn take(&mut self, bytes: usize) -> String {
        let rest = self.held.split_off(bytes);
        std::mem::replace(&mut self.held, rest)
    }
}

fn say(parts: &mut Vec<Part>, part: Part) {
    if !matches!(&part, Part::Thought(text) | Part::Words(text) if text.is_empty()) {
        parts.push(part);
    }
}

/// How much of a text can be told: not the beginning of a mark at its end, nor white space before one.
fn safe(text: &str, marks: &[&str]) -> usize {
    let open =
        |at: &usize| text.is_char_boundary(*at) && marks.iter().any(|mark| mark.starts_with(&text[*at..]));
    let longest = marks.iter().map(|mark| mark.len()).max().unwrap_or(0);
    let from = text.len().saturating_sub(longest);
    let at = (from..text.len()).find(open).unwrap_or(text.len());
    text[..at].trim_end().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of an answer, joined; the same however it is cut up.
    fn read(reader: &Reader, text: &str) -> (String, String, Vec<String>) {
        let characters: Vec<String> = text.chars().map(String::from).collect();
        let whole = vec![text.to_string()];
        let mut results = [characters, whole].into_iter().map(|pieces| {
            let mut reader = reader.clone();
            let mut parts: Vec<Part> = pieces.iter().flat_map(|piece| reader.push(piece)).collect();
            parts.extend(reader.finish());
            let (mut thought, mut words, mut calls) = (String::new(), String::new(), Vec::new());
            for part in parts {
                match part {
                    Part::Thought(text) => thought += &text,
                    Part::Words(text) => words += &text,
                    Part::Calls(all) => {
                        calls.extend(
                            all.iter().map(|c| format!("{}({})", c.function.name, c.function.arguments)),
                        );
                    }
                }
            }
            (thought, words, calls)
        });
        let first = results.next().unwrap_or_default();
        assert_eq!(Some(&first), results.next().as_ref(), "{text:?}");
        first
    }

    fn reader(format: CallFormat, thinks: Option<bool>) -> Reader {
        Reader::new(format, &["a".into(), "b".into()], true, thinks)
    }

    fn found(thought: &str, words: &str, calls: &[&str]) -> (String, String, Vec<String>) {
        (thought.into(), words.into(), calls.iter().map(|call| call.to_string()).collect())
    }

    #[test]
    fn calls_of_each_format() {
        let hermes = reader(CallFormat::Hermes, Some(false));
        let one = r#"<tool_call>{"name": "a", "arguments": {"x": 1}}</tool_call>"#;
        assert_eq!(read(&hermes, one), found("", "", &[r#"a({"x":1})"#]));
        let text = format!("<think>\nhm < 3 \n</think>\n\nLook:\n{one}\n{one}");
        assert_eq!(read(&hermes, &text), found("hm < 3", "Look:", &[r#"a({"x":1})"#, r#"a({"x":1})"#]));
        let llama = reader(CallFormat::Llama3, None);
        let text = r#" {"name": "b", "parameters": {}}"#;
        assert_eq!(read(&llama, text), found("", "", &["b({})"]));
        assert_eq!(read(&llama, &format!("<|python_tag|>{text}")), found("", "", &["b({})"]));
        let mistral = reader(CallFormat::Mistral, None);
        let text = r#"So: [TOOL_CALLS] [{"name": "a", "arguments": {}}, {"name": "b", "arguments": {}}]"#;
        assert_eq!(read(&mistral, text), found("", "So:", &["a({})", "b({})"]));
        let one_only = Reader::new(CallFormat::Mistral, &["a".into(), "b".into()], false, None);
        assert_eq!(read(&one_only, text), found("", "So:", &["a({})"]));
    }

    #[test]
    fn what_is_no_call_is_told_to_the_letter() {
        for text in [
            "",
            "  a b\n",
            "a < b <tool",
            "x\n<tool_call>{\"name\": \"a\", \"argu",
            "<tool_call>{\"name\": \"unknown\"}</tool_call> ",
            "{\"a\": 1} then [TOOL_CALLS] 书院 <",
            "<|python_tag|>print(1)",
        ] {
            for format in [CallFormat::None, CallFormat::Hermes, CallFormat::Llama3, CallFormat::Mistral] {
                assert_eq!(read(&reader(format, None), text), found("", text, &[]), "{format:?}");
            }
            assert_eq!(read(&Reader::plain(), text), found("", text, &[]));
        }
    }

    #[test]
    fn thinking_is_set_apart() {
        let open = reader(CallFormat::None, Some(true));
        let may = reader(CallFormat::None, Some(false));
        assert_eq!(read(&open, "hm \n </think>\n\nYes. "), found("hm", "Yes. ", &[]));
        assert_eq!(read(&may, " <think>a</th\n b</think>Yes"), found("a</th\n b", "Yes", &[]));
        assert_eq!(read(&may, "<think>\n\n</think>\n\nYes"), found("", "Yes", &[]));
        assert_eq!(read(&may, "<think>for ever"), found("for ever", "", &[]));
        assert_eq!(read(&may, "It is <think> here"), found("", "It is <think> here", &[]));
        assert_eq!(read(&may, "<thi"), found("", "<thi", &[]));
        assert_eq!(
            read(&reader(CallFormat::None, None), "<think>a</think>"),
            found("", "<think>a</think>", &[])
        );
    }
}
