//! The shuyuan binary: arguments in, exit code out. A thin face over the academy.

mod args;
mod look;
mod make;
mod render;
mod talk;

use args::{Args, Verb};
use clap::Parser;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

// Buffers of many megabytes come and go at every step; glibc gives their pages back each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Set by Ctrl-C; every stage looks at it.
static STOP: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    let args = Args::parse();
    let handler = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    if let Err(error) = handler {
        anstream::eprintln!("warning: Ctrl-C will not save: {error}");
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{}error:{} {error:#}", render::RED, render::RESET);
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    match &args.verb {
        Verb::Quickstart(verb) => make::quickstart(args, verb),
        Verb::Doctor => look::doctor(args),
        Verb::Tokenizer { verb } => match verb {
            args::TokenizerVerb::Train(verb) => make::tokenizer(args, verb),
            args::TokenizerVerb::Encode(verb) => look::encode(args, verb),
            args::TokenizerVerb::Show(verb) => look::show(args, verb),
        },
        Verb::Corpus { verb } => match verb {
            args::CorpusVerb::Build(verb) => make::corpus(args, verb),
            args::CorpusVerb::Stats { dir } => look::stats(args, dir),
            args::CorpusVerb::World(verb) => make::world(verb),
        },
        Verb::Pretrain(verb) => make::pretrain(args, verb),
        Verb::Finetune(verb) => make::finetune(args, verb),
        Verb::Eval(verb) => talk::eval(args, verb),
        Verb::Generate(verb) => talk::generate(args, verb),
        Verb::Chat(verb) => talk::chat(args, verb),
        Verb::Ask(verb) => talk::ask(args, verb),
        Verb::Translate(verb) => talk::translate(args, verb),
        Verb::Summarize(verb) => talk::summarize(args, verb),
        Verb::Explain(verb) => look::explain(args, verb),
        Verb::Serve(verb) => make::serve(args, verb),
        Verb::Model { verb: args::ModelVerb::Info { dir } } => look::model_info(args, dir),
        Verb::Runs => look::runs(args),
    }
}

/// The reader of our output went away, as `head` does: nothing failed.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
