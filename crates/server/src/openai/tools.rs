//! The functions that a model may call, as a request names them.

use crate::error::{ApiError, Result};
use crate::fields::{Fields, wrong};
use serde_json::Value;
use shuyuan_chain::{answer_grammar, call_beginning, call_grammar, tool_name};
use shuyuan_engine::Grammar;
use shuyuan_text::{CallFormat, Json};

/// Whether the model is to call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// It is not even told of the tools.
    None,
    #[default]
    Auto,
    /// Its answer begins with a call, of whatever it likes.
    Required,
    /// Its answer begins with a call of this one.
    Named(String),
}

/// The tools of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tools {
    /// `{"type": "function", "function": {name, description, parameters}}`, with fields in the order they came.
    list: Vec<Json>,
    names: Vec<String>,
    pub choice: Choice,
    /// Whether one answer may hold several calls.
    pub parallel: bool,
    /// Of each, whether its parameters must be kept to, or else be refused.
    strict: Vec<bool>,
}

/// As in OpenAI's API.
const MOST: usize = 128;
const NAME_BYTES: usize = 64;

impl Tools {
    /// `tools`, `tool_choice` and `parallel_tool_calls`. In the responses API a function lies flat beside its type; both
    /// forms are read.
    pub fn read(fields: &Fields) -> Result<Self> {
        let list = match fields.ordered("tools")? {
            None => Vec::new(),
            Some(Json::Array(list)) => list,
            Some(_) => {
                return Err(wrong(
                    "tools",
                    "a list of functions",
                    fields.get("tools").unwrap_or(&Value::Null),
                ));
            }
        };
        if list.len() > MOST {
            return Err(ApiError::field(
                "tools",
                format_args!("expected at most {MOST} tools, found {}", list.len()),
            ));
        }
        let strict = list.iter().map(is_strict).collect();
        let list: Vec<Json> =
            list.iter().enumerate().map(|(at, tool)| function(at, tool)).collect::<Result<_>>()?;
        let names: Vec<String> = list.iter().filter_map(tool_name).map(str::to_string).collect();
        if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            return Err(ApiError::field("tools", format_args!("there are two functions {:?}", twice.1)));
        }
        let choice = choice(fields, &names)?;
        let parallel = match fields.get("parallel_tool_calls") {
            None => true,
            Some(_) => fields.flag("parallel_tool_calls")?,
        };
        Ok(Self { list, names, choice, parallel, strict })
    }

    /// What the model is told of.
    pub fn shown(&self) -> &[Json] {
        if self.choice == Choice::None { &[] } else { &self.list }
    }

    /// The names of what it may call.
    pub fn names(&self) -> &[String] {
        if self.choice == Choice::None { &[] } else { &self.names }
    }

    /// The functions of which an answer must begin with a call; none where it need not.
    fn demanded(&self) -> Option<Vec<&Json>> {
        match &self.choice {
            Choice::None | Choice::Auto => None,
            Choice::Required => Some(self.list.iter().collect()),
            Choice::Named(wanted) => {
                Some(self.list.iter().filter(|tool| tool_name(tool) == Some(wanted)).collect())
            }
        }
    }

    /// Whether some function's parameters must be kept to.
    pub fn is_strict(&self) -> bool {
        self.strict.contains(&true)
    }

    /// How an answer begins that must call, in the form that the model writes calls in.
    pub fn beginning(&self, format: CallFormat) -> Option<String> {
        call_beginning(format, &self.demanded()?)
    }

    /// What follows that beginning: arguments as the parameters allow, the call's end and, where several may be, more calls.
    pub fn grammar(&self, format: CallFormat) -> Option<Grammar> {
        let several = self.parallel && self.choice == Choice::Required;
        call_grammar(format, &self.demanded()?, several)
    }

    /// Any answer whose calls keep to what they must, where the model decides whether it calls; none where nothing must be
    /// kept to.
    pub fn free_grammar(&self, format: CallFormat, thinks: Option<bool>) -> Option<Grammar> {
        let tools: Vec<&Json> = self.list.iter().collect();
        (self.choice == Choice::Auto && self.is_strict())
            .then(|| answer_grammar(format, &tools, &self.strict, self.parallel, thinks))
            .flatten()
    }
}

/// A tool in the form of chat templates, checked.
fn function(at: usize, tool: &Json) -> Result<Json> {
    let here = |field: &str| format!("tools[{at}]{field}");
    let refuse = |field: &str, expected: &str, found: Option<&Json>| {
        let found = found
            .map_or_else(|| "nothing".into(), |json| json.to_string().chars().take(60).collect::<String>());
        ApiError::field(&here(field), format_args!("expected {expected}, found {found}"))
    };
    match tool.get("type") {
        Some(Json::String(kind)) if kind == "function" => {}
        other => return Err(refuse(".type", "\"function\": other kinds of tools are not there", other)),
    }
    let (inside, at_name) = match tool.get("function") {
        Some(inside) => (inside.clone(), ".function.name"),
        None => {
            let Json::Object(fields) = tool else { return Err(refuse("", "an object", Some(tool))) };
            (Json::Object(fields.iter().filter(|(name, _)| name != "type").cloned().collect()), ".name")
        }
    };
    let Json::Object(fields) = &inside else { return Err(refuse(".function", "an object", Some(&inside))) };
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match inside.get("name") {
        Some(Json::String(name)) if (1..=NAME_BYTES).contains(&name.len()) && name.chars().all(allowed) => {}
        other => return Err(refuse(at_name, "1 to 64 letters, digits, _ or -", other)),
    }
    let parameters = inside.get("parameters");
    if !matches!(parameters, None | Some(Json::Null | Json::Object(_))) {
        return Err(refuse(&at_name.replace("name", "parameters"), "a JSON schema", parameters));
    }
    // `strict` is a wish about how the answer is generated, nothing that the model was taught to read.
    let fields =
        fields.iter().filter(|(name, value)| name != "strict" && *value != Json::Null).cloned().collect();
    let text = |text: &str| Json::String(text.into());
    Ok(Json::Object(vec![("type".into(), text("function")), ("function".into(), Json::Object(fields))]))
}

fn is_strict(tool: &Json) -> bool {
    let inside = tool.get("function").unwrap_or(tool);
    matches!(inside.get("strict"), Some(Json::Bool(true)))
}

fn choice(fields: &Fields, names: &[String]) -> Result<Choice> {
    let expected = "none, auto, required or {\"type\": \"function\", \"function\": {\"name\": …}}";
    let Some(value) = fields.get("tool_choice") else { return Ok(Choice::Auto) };
    let found = match value {
        Value::String(word) => match word.as_str() {
            "none" => Choice::None,
            "auto" => Choice::Auto,
            "required" => Choice::Required,
            _ => return Err(wrong("tool_choice", expected, value)),
        },
        Value::Object(_) if value["type"] == "function" => {
            let name = value["function"]["name"].as_str().or_else(|| value["name"].as_str());
            let Some(name) = name else { return Err(wrong("tool_choice", expected, value)) };
            if !names.iter().any(|other| other == name) {
                return Err(ApiError::field(
                    "tool_choice",
                    format_args!("the function {name:?} is not among tools ({})", names.join(", ")),
                ));
            }
            Choice::Named(name.into())
        }
        _ => return Err(wrong("tool_choice", expected, value)),
    };
    if found == Choice::Required && names.is_empty() {
        return Err(ApiError::field("tool_choice", "required needs tools beside it"));
    }
    Ok(found)
}
