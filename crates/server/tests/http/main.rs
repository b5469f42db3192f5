//! The server as its clients see it: over HTTP, on a random tiny model.

mod api;
mod client;
mod common;
mod conversations;
mod embeddings;
mod guard;
mod knowledge;
mod models;
mod responses;
mod teach;
mod together;
mod tools;
mod watch;
