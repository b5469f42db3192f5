//! The shuyuan binary: arguments in, exit code out. A thin face over the academy.
//!
//! One file for each group of verbs: what can be typed, and what is then done and shown. Exit code 0: done; 1: it
//! failed, and standard error says why; 2: the command is not one; 130: Ctrl-C.

mod allocator;
mod args;
mod bench;
mod bench_retrieval;
mod chat;
mod corpus;
mod doctor;
mod embed;
mod eval;
mod explain;
mod export;
mod files;
mod generate;
mod get;
mod inspect;
mod kb;
mod keyboard;
mod models;
mod out;
mod prompt;
mod quickstart;
mod race;
mod ranks;
mod render;
mod scorecard;
mod serve;
mod stop;
mod style;
mod tokenizer;
mod trades;
mod train;

use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::keep_pages();
    let args = args::parse();
    stop::listen();
    match args.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<stop::Interrupted>() => ExitCode::from(130),
        Err(error) if out::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            out::note(format_args!("{}error:{} {}", style::RED, style::RESET, said(&error)));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, but for those that are in its words already.
fn said(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string).filter(|cause| !cause.is_empty()) {
        if !text.contains(&cause) {
            text += if text.is_empty() { "" } else { ": " };
            text += &cause;
        }
    }
    text
}
