//! Vectors of texts, as OpenAI's clients ask for them.
//!
//! request (fields) → a model of the home folder that embeds → a turn in the queue → vectors as numbers or base64.

use crate::app::{App, Shared, aside};
use crate::error::{ApiError, Result};
use crate::fields::{Fields, wrong};
use crate::models::{changed, unknown, weights};
use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shuyuan_academy::{Academy, LiveEmbedder};
use shuyuan_chain::{ChainError, Embedded, Embedder};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Texts in a request: as many as OpenAI takes.
const MOST: usize = 2048;

/// The model in use: the last that was asked for, with the age of its file.
#[derive(Default)]
pub(crate) struct Embedders {
    known: Mutex<Option<(SystemTime, LiveEmbedder)>>,
}

/// What is to be embedded.
enum Input {
    Texts(Vec<String>),
    /// As they are: what begins and ends a text must be among them.
    Ids(Vec<Vec<u32>>),
}

#[derive(Clone, Copy)]
enum Encoding {
    Float,
    Base64,
}

pub(crate) async fn embeddings(State(app): Shared, fields: Fields) -> Result<Json<Value>> {
    let preparing = app.clone();
    let (model, input, encoding) = aside(move || prepare(&preparing, &fields)).await?;
    let turn = app.turns.take().await?;
    let name = model.name.clone();
    let embedded = aside(move || {
        let _turn = turn;
        input.embed(&model.embedder)
    })
    .await?;
    Ok(Json(reply(&name, &embedded, encoding)))
}

fn prepare(app: &App, fields: &Fields) -> Result<(LiveEmbedder, Input, Encoding)> {
    let name = fields.need("model", fields.text("model")?)?;
    let model = app.embedders.get(&app.academy, name)?;
    let encoding = match fields.text("encoding_format")? {
        None | Some("float") => Encoding::Float,
        Some("base64") => Encoding::Base64,
        Some(other) => return Err(wrong("encoding_format", "float or base64", &other.into())),
    };
    let own = model.embedder.dimensions();
    if let Some(asked) = fields.integer("dimensions", 1..=i64::MAX)?.filter(|asked| *asked != own as i64) {
        let what = format!(
            "{name} makes vectors of {own} numbers, which cannot be cut; found {asked}: leave it out"
        );
        return Err(ApiError::field("dimensions", what));
    }
    let input = Input::read(fields, &model.embedder)?;
    Ok((model, input, encoding))
}

impl Embedders {
    fn get(&self, academy: &Academy, name: &str) -> Result<LiveEmbedder> {
        let home = &academy.home;
        if !home.models().iter().any(|other| other == name) {
            return match academy.live() {
                Some(live) if live.name == name => Err(generates(academy, name)),
                _ => Err(unknown(academy, name)),
            };
        }
        let path = home.model(name);
        let changed = changed(&weights(&path));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, model)) = known.as_ref()
            && *then == changed
            && model.name == name
        {
            return Ok(model.clone());
        }
        if !LiveEmbedder::is_at(&path) {
            return Err(generates(academy, name));
        }
        let model = LiveEmbedder::load(&path)?;
        *known = Some((changed, model.clone()));
        Ok(model)
    }
}

fn generates(academy: &Academy, name: &str) -> ApiError {
    let home = &academy.home;
    let names: Vec<String> =
        home.models().into_iter().filter(|name| LiveEmbedder::is_at(&home.model(name))).collect();
    let those = match names.is_empty() {
        true => format!("there is none that embeds in {} yet", home.root().join("models").display()),
        false => format!("those that embed are {}", names.join(", ")),
    };
    ApiError::field("model", format!("{name:?} generates text, it does not embed; {those}"))
}

impl Input {
    fn read(fields: &Fields, embedder: &Embedder) -> Result<Self> {
        let vocab = embedder.vocab_size();
        let expected = format!(
            "a text, a list of at most {MOST} texts, token ids below {vocab}, or a list of at most {MOST} lists of them"
        );
        let value = fields.need("input", fields.get("input"))?;
        let refuse = |found: &Value| wrong("input", &expected, found);
        let text = |item: &Value| match item.as_str() {
            Some("") => Err(ApiError::field("input", "a text is empty: give at least one character")),
            Some(text) => Ok(text.to_string()),
            None => Err(refuse(item)),
        };
        let ids = |item: &Value| {
            let items = item.as_array().filter(|ids| !ids.is_empty()).ok_or_else(|| refuse(item))?;
            let id = |item: &Value| item.as_u64().filter(|id| *id < vocab as u64).map(|id| id as u32);
            items.iter().map(|item| id(item).ok_or_else(|| refuse(item))).collect::<Result<Vec<u32>>>()
        };
        match value {
            Value::String(_) => Ok(Self::Texts(vec![text(value)?])),
            Value::Array(items) => match items.first() {
                Some(Value::Number(_)) => Ok(Self::Ids(vec![ids(value)?])),
                Some(_) if items.len() > MOST => Err(refuse(value)),
                Some(Value::Array(_)) => Ok(Self::Ids(items.iter().map(ids).collect::<Result<_>>()?)),
                Some(_) => Ok(Self::Texts(items.iter().map(text).collect::<Result<_>>()?)),
                None => Err(refuse(value)),
            },
            other => Err(refuse(other)),
        }
    }

    fn embed(&self, embedder: &Embedder) -> Result<Embedded> {
        let found = match self {
            Self::Texts(texts) => embedder.embed_with(texts, shuyuan_chain::TooLong::Refuse),
            Self::Ids(ids) => embedder.embed_ids(ids),
        };
        found.map_err(|error| match error {
            ChainError::Model(error) => ApiError { param: Some("input".into()), ..error.into() },
            error => error.into(),
        })
    }
}

fn reply(model: &str, embedded: &Embedded, encoding: Encoding) -> Value {
    let one = |(index, vector): (usize, &Vec<f32>)| {
        let embedding = match encoding {
            Encoding::Float => json!(vector),
            Encoding::Base64 => {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                json!(STANDARD.encode(bytes))
            }
        };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    };
    let data: Vec<Value> = embedded.vectors.iter().enumerate().map(one).collect();
    let tokens: usize = embedded.tokens.iter().sum();
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    json!({ "object": "list", "data": data, "model": model, "usage": usage })
}
