//! The HTTP API and the web app: a thin face over the academy.
//!
//! OpenAI's routes lie under `/v1`, our own under `/api`, the web app at `/`. Nothing here computes: a handler checks a
//! request, calls the academy or the engine on a thread of its own, and writes JSON.

mod app;
mod conversations;
mod error;
mod events;
mod fields;
mod inside;
mod kb;
mod key;
mod keys;
mod log;
mod metrics;
mod models;
mod openai;
mod origin;
mod records;
mod serve;
mod status;
mod teach;
mod tokenize;
mod turns;
mod web;

pub use keys::{NamedKey, read_keys, write_keys};
pub use openai::read_body;
pub use serve::{DEFAULT_PORT, ServeOptions, Server, serve};
