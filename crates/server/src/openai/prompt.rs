//! The ids that the model reads: of a conversation, or of a text.

use super::messages::messages;
use super::tools::Tools;
use crate::error::{ApiError, Result};
use crate::fields::{Fields, wrong};
use serde_json::Value;
use shuyuan_academy::LiveModel;
use shuyuan_chain::{Reader, Taught, described};
use shuyuan_engine::{Grammar, Overflow};
use shuyuan_text::{CallFormat, END_OF_TEXT, Json, Message, Rendering, Role};

/// What is read before the first token is written.
pub(crate) struct Prompt {
    pub ids: Vec<u32>,
    /// With what the answer begins already.
    pub begun: Vec<u32>,
    /// What happens where it is longer than the context.
    pub overflow: Overflow,
    /// Ids that end the answer, besides those of the model and the tokenizer.
    pub stop_ids: Vec<u32>,
    /// What the rest of an answer must be that has begun with a call.
    pub grammar: Option<Grammar>,
    /// Takes the answer apart.
    pub reader: Reader,
    /// In whose form calls are written.
    pub format: CallFormat,
}

/// A conversation as one of the APIs asks for it.
pub(crate) struct Conversation {
    pub messages: Vec<Message>,
    pub tools: Tools,
    pub enable_thinking: Option<bool>,
    /// What else a template asks for, by name.
    pub options: Vec<(String, Json)>,
}

impl Conversation {
    /// Of a chat request.
    pub fn read(fields: &Fields) -> Result<Self> {
        let (mut enable_thinking, mut options) = (None, Vec::new());
        if let Some(effort) = fields.text("reasoning_effort")? {
            enable_thinking = thinks_at(effort);
            options.push(("reasoning_effort".to_string(), Json::String(effort.into())));
        }
        let expected = "an object";
        match fields.ordered("chat_template_kwargs")? {
            None => {}
            Some(Json::Object(all)) => {
                for (name, value) in all {
                    match (name.as_str(), value) {
                        ("enable_thinking", Json::Bool(think)) => enable_thinking = Some(think),
                        ("enable_thinking", _) => {
                            return Err(ApiError::field(
                                "chat_template_kwargs.enable_thinking",
                                "expected true or false",
                            ));
                        }
                        ("messages" | "tools" | "add_generation_prompt" | "documents", _) => {
                            return Err(ApiError::field(
                                "chat_template_kwargs",
                                format_args!("{name} is not to be set from here"),
                            ));
                        }
                        (_, value) => options.push((name, value)),
                    }
                }
            }
            Some(_) => {
                let found = fields.get("chat_template_kwargs").unwrap_or(&Value::Null);
                return Err(wrong("chat_template_kwargs", expected, found));
            }
        }
        Ok(Self { messages: messages(fields)?, tools: Tools::read(fields)?, enable_thinking, options })
    }

    /// The conversation up to where the model answers; whether it `slides` where it is too long. `field` holds the messages,
    /// for errors.
    pub fn prompt(self, live: &LiveModel, field: &str, slides: bool) -> Result<Prompt> {
        let local = live.local();
        let template = local
            .template()
            .map_err(|error| ApiError::field("model", format_args!("{} cannot chat: {error}", live.name)))?;
        let taught = Taught::by(&live.tokenizer, self.tools.shown());
        let calls = self.messages.iter().any(|m| m.role == Role::Tool || !m.tool_calls.is_empty());
        let (messages, tools) = match taught.tools {
            false if calls || !self.tools.shown().is_empty() => {
                (described(&self.messages, self.tools.shown()), Vec::new())
            }
            _ => (self.messages, self.tools.shown().to_vec()),
        };
        let rendering = Rendering {
            tools,
            enable_thinking: self.enable_thinking,
            options: self.options,
            ..Rendering::answer()
        };
        let refused = |error| ApiError::field(field, error);
        let ids = template.render(&messages, &rendering).map_err(refused)?;
        let overflow = match slides {
            true => local.slide(template, &messages, &rendering, &ids),
            false => Overflow::Refuse,
        };
        let thinks = taught.thinks(template, &messages, &rendering).map_err(refused)?;
        let mut reader = Reader::new(taught.format, self.tools.names(), self.tools.parallel, thinks);
        let (mut begun, mut grammar) = (Vec::new(), None);
        if let Some(beginning) = self.tools.beginning(taught.format) {
            // A call is no thought.
            let end = if thinks == Some(true) { "\n</think>\n\n" } else { "" };
            let text = [end, &beginning].concat();
            begun = live.tokenizer.encode_with_specials(&text);
            reader.push(&text);
            grammar = self.tools.grammar(taught.format);
            // Parameters that cannot be kept to are only told to the model, unless it must keep to them.
            if let Some(Err(error)) = grammar.as_ref().map(|grammar| local.constraint(grammar)) {
                if self.tools.is_strict() {
                    return Err(ApiError::field("tools", error));
                }
                grammar = None;
            }
        } else if let Some(free) = self.tools.free_grammar(taught.format, thinks) {
            local.constraint(&free).map_err(|error| ApiError::field("tools", error))?;
            grammar = Some(free);
        }
        let stop_ids = template.stop_ids().to_vec();
        Ok(Prompt { ids, begun, overflow, stop_ids, grammar, reader, format: taught.format })
    }
}

/// Whether a model thinks at this effort; none: as it likes.
pub(crate) fn thinks_at(effort: &str) -> Option<bool> {
    (effort == "none").then_some(false)
}

/// `continue_ids`: the beginning of the answer, which is not said again. It takes the place of a beginning of ours.
pub(crate) fn goes_on(prompt: &mut Prompt, fields: &Fields, live: &LiveModel) -> Result<()> {
    if let Some(ids) = fields.ids("continue_ids", live.model.config().vocab_size)? {
        prompt.reader.push(&live.tokenizer.decode(&ids));
        prompt.begun = ids;
        prompt.grammar = None;
    }
    Ok(())
}

/// `prompt` as text or ids, or `prompt_ids`.
pub(crate) fn completion(fields: &Fields, live: &LiveModel, slides: bool) -> Result<Prompt> {
    let ids = completion_ids(fields, live)?;
    let stop_ids = live.tokenizer.special(shuyuan_text::IM_END).into_iter().collect();
    let overflow = match slides {
        true => Overflow::Slide { keep: live.tokenizer.prefix().len() },
        false => Overflow::Refuse,
    };
    Ok(Prompt {
        ids,
        begun: Vec::new(),
        overflow,
        stop_ids,
        grammar: None,
        reader: Reader::plain(),
        format: CallFormat::None,
    })
}

/// A text after what the model wants before one.
fn begun(live: &LiveModel, text: &str) -> Vec<u32> {
    [live.tokenizer.prefix(), &live.tokenizer.encode(text)].concat()
}

fn completion_ids(fields: &Fields, live: &LiveModel) -> Result<Vec<u32>> {
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
