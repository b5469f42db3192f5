//! Sources against real files, a real git and a small web server of the test's own.

mod git;
mod help;
mod live;
mod rows;
mod site;
#[path = "../store/mod.rs"]
mod store;
mod web;
