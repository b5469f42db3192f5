//! Tools for models whose template knows none: described to them in words, in the form of Hermes and Qwen2.5.
//!
//! A large model follows it without having been taught; a small one mostly does not, and then its answer is words.

use shuyuan_text::{Json, Message, Role};

/// The same conversation with tools, calls and their answers written as text, for a model whose template knows none.
pub fn described(messages: &[Message], tools: &[Json]) -> Vec<Message> {
    let mut out: Vec<Message> = Vec::with_capacity(messages.len() + 1);
    // Whether the last turn holds tools' answers, to which the next one joins.
    let mut answering = false;
    for message in messages {
        match message.role {
            Role::Tool => {
                let answer = format!("<tool_response>\n{}\n</tool_response>", message.content);
                match out.last_mut().filter(|_| answering) {
                    Some(last) => last.content = format!("{}\n{answer}", last.content),
                    None => out.push(Message::user(answer)),
                }
            }
            _ => out.push(spoken(message)),
        }
        answering = message.role == Role::Tool;
    }
    if !tools.is_empty() {
        let about = about(tools);
        match out.first_mut().filter(|first| first.role == Role::System) {
            Some(system) => system.content = format!("{}\n\n{about}", system.content),
            None => out.insert(0, Message::system(about)),
        }
    }
    out
}

fn spoken(message: &Message) -> Message {
    let mut out = message.clone();
    for call in out.tool_calls.drain(..) {
        let name = Json::String(call.function.name);
        let arguments = if call.function.arguments.is_empty() { "{}" } else { &call.function.arguments };
        let gap = if out.content.is_empty() { "" } else { "\n" };
        out.content +=
            &format!("{gap}<tool_call>\n{{\"name\": {name}, \"arguments\": {arguments}}}\n</tool_call>");
    }
    out
}

fn about(tools: &[Json]) -> String {
    let list: Vec<String> = tools.iter().map(Json::to_string).collect();
    format!(
        "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function \
         signatures within <tools></tools> XML tags:\n<tools>\n{}\n</tools>\n\nFor each function call, return a json object \
         with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{{\"name\": \
         <function-name>, \"arguments\": <args-json-object>}}\n</tool_call>",
        list.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use shuyuan_text::{CallFormat, ToolCall};

    #[test]
    fn a_call_is_written_as_it_is_read() {
        let call = ToolCall::new("weather", r#"{"city":"Ulm"}"#);
        let said =
            Message { tool_calls: vec![call.clone(), call.clone()], ..Message::assistant("Let me look.") };
        let tool = |text: &str| Message::tool("1", text);
        let out = described(
            &[Message::user("?"), said, tool("rain"), tool("sun"), Message::user("Thanks")],
            &[Json::parse(r#"{"type": "function", "function": {"name": "weather"}}"#).unwrap()],
        );
        assert!(out[0].role == Role::System && out[0].content.contains(r#"{"name":"weather"}"#));
        let read = CallFormat::Hermes.read(&out[2].content, false);
        assert_eq!((read.content.as_str(), read.calls), ("Let me look.", vec![call.clone(), call]));
        assert_eq!(out[3].role, Role::User);
        assert!(out[3].content.contains("rain\n</tool_response>\n<tool_response>\nsun"));
        assert_eq!(out.len(), 5);
    }
}
