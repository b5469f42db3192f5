//! Sources against real files, a real git and a small web server of the test's own.

mod git;
mod help;
#[path = "../store/mod.rs"]
mod store;
mod live;
mod rows;
mod site;
mod web;
