//! The server as its clients see it: over HTTP, on a random tiny model.

mod api;
mod client;
mod common;
mod embeddings;
mod guard;
mod teach;
