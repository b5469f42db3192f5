//! Which models there are, and their weights.

mod pool;

use crate::app::{App, Shared};
use crate::error::{ApiError, Result};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
pub(crate) use pool::{Held, Pool, Size};
use serde_json::{Value, json};
use shuyuan_academy::{Academy, LiveEmbedder};
use shuyuan_text::Tokenizer;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// The models beside the live one, and the tokenizer with the age of its file.
pub(crate) struct Models {
    pub pool: Pool,
    tokenizer: Mutex<Option<(SystemTime, Arc<Tokenizer>)>>,
}

impl Models {
    pub fn new(pool: Pool) -> Self {
        Self { pool, tokenizer: Mutex::default() }
    }

    /// The weights that `name` stands for: the live ones, or those in the home folder. `default`, unless something is called
    /// so, are those in use: many clients send it when nobody chose a model.
    pub fn get(&self, academy: &Academy, name: &str) -> Result<Held> {
        if let Some(live) = academy.live().filter(|live| live.name == name) {
            return Ok(live.into());
        }
        let known = academy.home.models().iter().any(|other| other == name);
        if !known && name == "default" {
            return self.current(academy);
        }
        if !known {
            return Err(unknown(academy, name));
        }
        let path = academy.home.model(name);
        if LiveEmbedder::is_at(&path) {
            let what = format!("{name:?} embeds texts, it does not generate: ask /v1/embeddings");
            return Err(ApiError::field("model", what));
        }
        self.pool.get(name, &path)
    }

    /// Each model in memory: the live one first, then the others by name.
    pub fn loaded(&self, academy: &Academy) -> Vec<(String, Size)> {
        let live = academy.live().map(|live| {
            let size = Size::of(&live);
            (live.name, size)
        });
        let mut others = self.pool.sizes();
        others.retain(|(name, _)| live.as_ref().is_none_or(|(live, _)| live != name));
        live.into_iter().chain(others).collect()
    }

    /// The weights that the pages look into: the live ones, or else the first in the home folder that generate.
    pub fn current(&self, academy: &Academy) -> Result<Held> {
        if let Some(live) = academy.live() {
            return Ok(live.into());
        }
        let generates = |name: &String| !LiveEmbedder::is_at(&academy.home.model(name));
        match academy.home.models().into_iter().find(generates) {
            Some(name) => self.get(academy, &name),
            None => Err(none(academy)),
        }
    }

    /// The tokenizer in use, which is there before the first weights are.
    pub fn tokenizer(&self, academy: &Academy) -> Result<Arc<Tokenizer>> {
        if let Some(live) = academy.live() {
            return Ok(live.tokenizer);
        }
        let home = &academy.home;
        let mut folders: Vec<_> = home.models().iter().map(|name| home.model(name)).collect();
        folders.extend(
            std::fs::read_dir(home.root().join("tokenizers"))
                .into_iter()
                .flatten()
                .flatten()
                .map(|e| e.path()),
        );
        folders.extend(home.corpora().iter().map(|name| home.corpus(name)));
        let Some(folder) =
            folders.into_iter().find(|folder| folder.join(shuyuan_text::TOKENIZER_FILE).is_file())
        else {
            return Err(ApiError::missing(format!(
                "there is no tokenizer in {} yet: `shuyuan quickstart` or `shuyuan tokenizer train` makes one",
                home.root().display()
            )));
        };
        let changed = changed(&folder.join(shuyuan_text::TOKENIZER_FILE));
        let mut known = self.tokenizer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, tokenizer)) = known.as_ref()
            && *then == changed
        {
            return Ok(tokenizer.clone());
        }
        let tokenizer = Arc::new(Tokenizer::load(&folder).map_err(anyhow::Error::from)?);
        *known = Some((changed, tokenizer.clone()));
        Ok(tokenizer)
    }
}

/// The file that tells how old a model is.
pub(crate) fn weights(path: &FilePath) -> std::path::PathBuf {
    if path.is_dir() { path.join("config.json") } else { path.to_path_buf() }
}

pub(crate) fn changed(path: &FilePath) -> SystemTime {
    std::fs::metadata(path).and_then(|file| file.modified()).unwrap_or(UNIX_EPOCH)
}

fn names(academy: &Academy) -> Vec<String> {
    let mut names = academy.home.models();
    // The one in use comes first: clients that take the first take it.
    if let Some(live) = academy.live() {
        names.retain(|name| *name != live.name);
        names.insert(0, live.name);
    }
    names
}

fn none(academy: &Academy) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        format!("there is no model in {} yet: `shuyuan quickstart` makes one", academy.home.root().display()),
    )
    .code("model_not_found")
}

pub(crate) fn unknown(academy: &Academy, name: &str) -> ApiError {
    let names = names(academy);
    if names.is_empty() {
        return ApiError { param: Some("model".into()), ..none(academy) };
    }
    let message = format!("the model {name:?} does not exist; there is {}", names.join(", "));
    ApiError { param: Some("model".into()), ..ApiError::missing(message).code("model_not_found") }
}

/// A model in OpenAI's form; `loaded`, and `context_length` of one that is, are ours.
fn entry(app: &App, name: &str) -> Value {
    let academy = &app.academy;
    let created = changed(&weights(&academy.home.model(name)))
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_secs());
    let loaded =
        app.models.loaded(academy).into_iter().find(|(other, _)| other == name).map(|(_, size)| size);
    let mut entry = json!({
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "shuyuan",
        "loaded": loaded.is_some(),
    });
    if let Some(size) = loaded {
        entry["context_length"] = size.context.into();
    }
    entry
}

pub(crate) async fn list(State(app): Shared) -> Json<Value> {
    let data: Vec<_> = names(&app.academy).iter().map(|name| entry(&app, name)).collect();
    Json(json!({ "object": "list", "data": data }))
}

pub(crate) async fn one(State(app): Shared, Path(name): Path<String>) -> Result<Json<Value>> {
    match names(&app.academy).contains(&name) {
        true => Ok(Json(entry(&app, &name))),
        false => Err(unknown(&app.academy, &name)),
    }
}
