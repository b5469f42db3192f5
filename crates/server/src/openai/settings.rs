//! How to generate: the numbers of a request, checked.

use super::Kind;
use crate::error::{ApiError, Result};
use crate::fields::{Fields, wrong};
use serde_json::{Value, json};
use shuyuan_engine::{Grammar, Sampling};
use shuyuan_model::DecoderConfig;
use std::collections::BTreeMap;

/// How the next token is chosen, when to stop, and what to tell.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub max_tokens: Option<usize>,
    pub sampling: Sampling,
    /// How many answers.
    pub n: usize,
    pub stop: Vec<String>,
    pub stream: bool,
    pub include_usage: bool,
    /// How many alternatives of each token to tell; none: not even the token's own probability.
    pub logprobs: Option<usize>,
    /// Goes on after what ends a text: for measuring.
    pub ignore_eos: bool,
    /// What the answer must be: `response_format`, in the responses API `text.format`.
    pub grammar: Option<Grammar>,
    /// Whether a text that is longer than the context loses its middle; none: as the server was told.
    pub slide: Option<bool>,
}

const ALTERNATIVES: i64 = 20;
/// The most answers to one request, which come one after another.
const ANSWERS: i64 = 16;
const STOPS: usize = 16;
const STOP_BYTES: usize = 500;
/// What OpenAI's completions take when nothing is said.
const COMPLETION_TOKENS: usize = 16;

impl Settings {
    pub fn read(fields: &Fields, kind: Kind, config: &DecoderConfig) -> Result<Self> {
        refuse_unsupported(fields)?;
        let context = config.max_position_embeddings as i64;
        let tokens =
            |name| fields.integer(name, 1..=context).map(|tokens| tokens.map(|tokens| tokens as usize));
        let max_tokens = match kind {
            Kind::Chat => tokens("max_completion_tokens")?.or(tokens("max_tokens")?),
            Kind::Completion => tokens("max_tokens")?.or(Some(COMPLETION_TOKENS)),
            Kind::Response => tokens("max_output_tokens")?,
        };
        let number = |name, range, otherwise| {
            fields.number(name, range).map(|found| found.unwrap_or(otherwise) as f32)
        };
        Ok(Self {
            max_tokens,
            sampling: Sampling {
                temperature: number("temperature", 0.0..=2.0, 1.0)?,
                top_k: fields.integer("top_k", 0..=1_000_000)?.unwrap_or(0) as usize,
                // OpenAI takes 0, too; only the likeliest token is left of it either way.
                top_p: number("top_p", 0.0..=1.0, 1.0)?.max(f32::MIN_POSITIVE),
                min_p: number("min_p", 0.0..=1.0, 0.0)?,
                repetition_penalty: number("repetition_penalty", 0.1..=10.0, 1.0)?,
                presence_penalty: number("presence_penalty", -2.0..=2.0, 0.0)?,
                frequency_penalty: number("frequency_penalty", -2.0..=2.0, 0.0)?,
                typical_p: number("typical_p", 0.0..=1.0, 1.0)?.max(f32::MIN_POSITIVE),
                logit_bias: logit_bias(fields, config.vocab_size)?,
                seed: match fields.integer("seed", i64::MIN..=i64::MAX)? {
                    Some(seed) => seed as u64,
                    None => moment(),
                },
                ..Sampling::default()
            },
            // The responses API knows one answer only.
            n: fields.integer("n", 1..=if kind == Kind::Response { 1 } else { ANSWERS })?.unwrap_or(1)
                as usize,
            stop: stops(fields)?,
            stream: fields.flag("stream")?,
            include_usage: include_usage(fields)?,
            logprobs: logprobs(fields, kind)?,
            ignore_eos: fields.flag("ignore_eos")?,
            grammar: match kind {
                Kind::Response => response_grammar(fields)?,
                _ => grammar(fields)?,
            },
            slide: slide(fields, kind)?,
        })
    }
}

/// What would change the answer is refused rather than passed over.
fn refuse_unsupported(fields: &Fields) -> Result<()> {
    let one = [json!(1)];
    fields.unsupported("best_of", &one)?;
    for name in ["functions", "function_call"] {
        fields.unsupported(name, &[json!([])]).map_err(|error| ApiError {
            message: format!("{name}: an older name, not supported here; use tools and tool_choice"),
            ..error
        })?;
    }
    fields.unsupported("modalities", &[json!(["text"])])?;
    fields.unsupported("audio", &[])?;
    fields.unsupported("suffix", &[json!("")])?;
    fields.unsupported("echo", &[json!(false)])
}

/// `response_format`: any text, a JSON object, or what a schema allows.
fn grammar(fields: &Fields) -> Result<Option<Grammar>> {
    let Some(format) = fields.get("response_format") else { return Ok(None) };
    let schema = &format["json_schema"]["schema"];
    format_grammar("response_format", format, "response_format.json_schema.schema", schema)
}

/// The same in the responses API, where the schema lies beside its type.
fn response_grammar(fields: &Fields) -> Result<Option<Grammar>> {
    match fields.get("text").map(|text| &text["format"]) {
        None | Some(Value::Null) => Ok(None),
        Some(format) => format_grammar("text.format", format, "text.format.schema", &format["schema"]),
    }
}

fn format_grammar(name: &str, format: &Value, schema_name: &str, schema: &Value) -> Result<Option<Grammar>> {
    match format["type"].as_str() {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(Grammar::JsonSchema(json!({ "type": "object" })))),
        Some("json_schema") => match schema {
            Value::Object(_) => Ok(Some(Grammar::JsonSchema(schema.clone()))),
            other => Err(wrong(schema_name, "a JSON schema", other)),
        },
        _ => Err(wrong(&format!("{name}.type"), "text, json_object or json_schema", &format["type"])),
    }
}

/// `overflow`, in the responses API also `truncation`.
fn slide(fields: &Fields, kind: Kind) -> Result<Option<bool>> {
    let of = |name: &str, refuse: &str, slide: &str| match fields.text(name)? {
        None => Ok(None),
        Some(word) if word == refuse => Ok(Some(false)),
        Some(word) if word == slide => Ok(Some(true)),
        Some(word) => Err(wrong(name, format_args!("{refuse} or {slide}"), &word.into())),
    };
    match of("overflow", "refuse", "slide")? {
        None if kind == Kind::Response => of("truncation", "disabled", "auto"),
        found => Ok(found),
    }
}

/// Token ids as texts, as OpenAI has them, and what is added to their logits.
fn logit_bias(fields: &Fields, vocab: usize) -> Result<BTreeMap<u32, f32>> {
    let Some(value) = fields.get("logit_bias") else { return Ok(BTreeMap::new()) };
    let expected = "an object from token ids of the vocabulary to numbers of -100 to 100";
    let Value::Object(entries) = value else { return Err(wrong("logit_bias", expected, value)) };
    let entry = |(id, bias): (&String, &Value)| {
        let id = id.parse::<u32>().ok().filter(|id| (*id as usize) < vocab)?;
        let bias = bias.as_f64().filter(|bias| bias.abs() <= 100.0)?;
        Some((id, bias as f32))
    };
    entries.iter().map(entry).collect::<Option<_>>().ok_or_else(|| wrong("logit_bias", expected, value))
}

fn stops(fields: &Fields) -> Result<Vec<String>> {
    let stops = fields.texts("stop")?;
    if stops.len() > STOPS {
        return Err(ApiError::field(
            "stop",
            format_args!("expected at most {STOPS} texts, found {}", stops.len()),
        ));
    }
    match stops.iter().find(|stop| stop.is_empty() || stop.len() > STOP_BYTES) {
        Some(stop) => {
            Err(wrong("stop", format_args!("texts of 1 to {STOP_BYTES} bytes"), &stop.as_str().into()))
        }
        None => Ok(stops),
    }
}

fn include_usage(fields: &Fields) -> Result<bool> {
    match fields.get("stream_options") {
        None => Ok(false),
        Some(Value::Object(options)) => match options.get("include_usage") {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(include)) => Ok(*include),
            Some(other) => Err(wrong("stream_options.include_usage", "true or false", other)),
        },
        Some(other) => Err(wrong("stream_options", "an object", other)),
    }
}

/// Chat: `logprobs: true, top_logprobs: n`. Completions: `logprobs: n`; there we take chat's form, too.
fn logprobs(fields: &Fields, kind: Kind) -> Result<Option<usize>> {
    if kind == Kind::Completion && fields.get("logprobs").is_some_and(Value::is_number) {
        return Ok(fields.integer("logprobs", 0..=ALTERNATIVES)?.map(|n| n as usize));
    }
    let wanted = fields.flag("logprobs")?;
    match fields.integer("top_logprobs", 0..=ALTERNATIVES)? {
        Some(n) if n > 0 && !wanted => Err(ApiError::field("top_logprobs", "needs logprobs: true beside it")),
        n => Ok(wanted.then(|| n.unwrap_or(0) as usize)),
    }
}

/// Different each time.
fn moment() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
