//! A call of a live source, written by the model: the name is given, the arguments are kept to the parameters and to what
//! the question says.

use super::said::{is_said, narrowed};
use crate::tools::{Taught, call_beginning, call_grammar, described};
use crate::trades::is_chinese;
use crate::{ChainError, Local, Options};
use serde_json::{Value, json};
use shuyuan_engine::Sampling;
use shuyuan_knowledge::live::ToolDescription;
use shuyuan_text::{Json, Message, Rendering};
use std::ops::ControlFlow;

/// Tokens of a call.
const TOKENS: usize = 256;

/// The arguments for a question; none where the model writes nothing that the question says.
pub(super) fn arguments(
    local: &Local,
    question: &str,
    tool: &ToolDescription,
    now: u64,
    options: &Options,
) -> Result<Option<Value>, ChainError> {
    // First in the model's own words (one pen, where the question has pens), then in the question's.
    for copied in [false, true] {
        let Some(schema) = narrowed(tool, question, now, copied) else { return Ok(None) };
        if schema["properties"].as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok(Some(json!({})));
        }
        let narrow = ToolDescription { parameters: schema, ..tool.clone() };
        if let Some(arguments) = written(local, question, &narrow, options)?
            && (copied || is_said(&arguments, tool, question))
        {
            return Ok(Some(arguments));
        }
    }
    Ok(None)
}

fn written(
    local: &Local,
    question: &str,
    tool: &ToolDescription,
    options: &Options,
) -> Result<Option<Value>, ChainError> {
    let description = if is_chinese(question) { &tool.description.zh } else { &tool.description.en };
    let function = |parameters: &Value| {
        let function = json!({ "name": tool.name, "description": description, "parameters": parameters });
        Json::from(&json!({ "type": "function", "function": function }))
    };
    // A small model may never end a call that may have any number of spaces.
    let mut spaced = tool.parameters.clone();
    spaced["x-guidance"] =
        json!({ "whitespace_flexible": false, "item_separator": ", ", "key_separator": ": " });
    let (tool, spaced) = (function(&tool.parameters), function(&spaced));
    let taught = Taught::by(local.tokenizer(), std::slice::from_ref(&tool));
    let said = [Message::user(question)];
    let (messages, tools) = match taught.tools {
        true => (said.to_vec(), vec![tool.clone()]),
        false => (described(&said, std::slice::from_ref(&tool)), Vec::new()),
    };
    let rendering = Rendering { tools, enable_thinking: Some(false), ..Rendering::answer() };
    let template = local.template()?;
    let ids = template.render(&messages, &rendering)?;
    // A call is no thought.
    let end =
        if taught.thinks(template, &messages, &rendering)? == Some(true) { "\n</think>\n\n" } else { "" };
    let Some(beginning) = call_beginning(taught.format, &[&tool]) else { return Ok(None) };
    let options = Options {
        max_tokens: TOKENS,
        sampling: Sampling { temperature: 0.0, ..Sampling::default() },
        stop: Vec::new(),
        continue_ids: local.tokenizer().encode_with_specials(&format!("{end}{beginning}")),
        grammar: call_grammar(taught.format, &[&spaced], false),
        ..options.clone()
    };
    let reply = local.answer_ids(ids, template.stop_ids(), &options, &mut |_| ControlFlow::Continue(()))?;
    let answer = taught.format.read(&format!("{beginning}{}", reply.text), false);
    Ok(answer.calls.first().and_then(|call| serde_json::from_str(&call.function.arguments).ok()))
}
