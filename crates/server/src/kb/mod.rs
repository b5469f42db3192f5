//! The knowledge base over HTTP: what is in it, found in it, asked of it, put into it. Each reader sees what their groups
//! may; only the owner changes anything.

mod ask;
mod documents;
mod map;
mod search;
mod sources;
mod upload;

pub(crate) use ask::ask;
pub(crate) use documents::{document, documents, failures, original, remove_document};
pub(crate) use map::{map, near};
pub(crate) use search::search;
pub(crate) use sources::{Syncing, add_source, keep_fresh, remove_source, state, sync};
pub(crate) use upload::{remove_upload, upload};

use crate::error::ApiError;
use axum::http::StatusCode;
use shuyuan_knowledge::KnowledgeError;

/// The source of uploaded files.
const UPLOADS: &str = "uploads";

/// What of the knowledge base is the client's to change, and what is ours.
fn told(error: anyhow::Error) -> ApiError {
    match error.downcast::<KnowledgeError>() {
        Ok(error) => error.into(),
        Err(error) => error.into(),
    }
}

impl From<KnowledgeError> for ApiError {
    fn from(error: KnowledgeError) -> Self {
        match &error {
            KnowledgeError::Asked(_) => Self::bad(error.to_string()),
            locked if locked.is_locked() => Self::new(StatusCode::CONFLICT, error.to_string()).code("busy"),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }
}

/// No document of that number, for this reader: who may not see one is not told that it is there.
fn no_document(id: &str) -> ApiError {
    ApiError::missing(format!("there is no document {id}; a changed document has another number"))
}

/// The number in an address.
fn number(id: &str) -> Result<u32, ApiError> {
    id.parse().map_err(|_| no_document(id))
}
