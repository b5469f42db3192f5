//! Verbs that talk with a model, and the one that examines it.

use crate::STOP;
use crate::args::{self, Args, SamplingArgs};
use crate::look::json;
use crate::render::{BOLD, DIM, RESET, Renderer};
use anyhow::{Context, Result, bail};
use shuyuan_academy::stages::eval;
use shuyuan_academy::{Academy, LiveModel};
use shuyuan_chain::{Direction, Local, Options, Piece, Reply};
use shuyuan_engine::{Engine, Sampling};
use shuyuan_text::Message;
use std::io::{BufRead, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The model in a folder, or of that name in the home folder; none: the one that quickstart makes, or the first.
pub(crate) fn model(academy: &Academy, name: Option<&str>) -> Result<LiveModel> {
    let models = academy.home.models();
    let dir = match name {
        Some(name) if Path::new(name).join("config.json").exists() => name.into(),
        Some(name) if models.iter().any(|model| model == name) => academy.home.model(name),
        Some(name) => bail!(
            "no model {name:?}: it is neither a folder with a config.json nor one of HOME/models ({})",
            if models.is_empty() { "none there".into() } else { models.join(", ") }
        ),
        None => {
            let preferred = models.iter().find(|model| *model == shuyuan_academy::stages::quickstart::MODEL);
            let Some(first) = preferred.or(models.first()) else {
                bail!(
                    "there is no model in {} yet: run shuyuan quickstart, or give --model",
                    academy.home.root().display()
                )
            };
            academy.home.model(first)
        }
    };
    LiveModel::load(&dir)
}

fn local(args: &Args, name: Option<&str>) -> Result<Local> {
    let live = model(&args.academy()?, name)?;
    Ok(Local::new(Engine::new(live.model), live.tokenizer))
}

impl From<&SamplingArgs> for Sampling {
    fn from(args: &SamplingArgs) -> Self {
        Self {
            temperature: args.temperature,
            top_k: args.top_k,
            top_p: args.top_p,
            min_p: args.min_p,
            repetition_penalty: args.repetition_penalty,
            seed: args.seed,
        }
    }
}

/// Shows text as it comes, until Ctrl-C.
fn stream(piece: &Piece) -> ControlFlow<()> {
    let mut out = anstream::stdout();
    let written = write!(out, "{}", piece.text).and_then(|()| out.flush());
    if written.is_err() || STOP.load(Ordering::Relaxed) {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

fn silent(_: &Piece) -> ControlFlow<()> {
    if STOP.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

pub(crate) fn generate(args: &Args, verb: &args::Generate) -> Result<()> {
    let local = local(args, verb.model.as_deref())?;
    let options = Options {
        max_tokens: verb.max_tokens,
        sampling: (&verb.sampling).into(),
        ignore_eos: verb.ignore_eos,
        ..Options::default()
    };
    let ids = match (&verb.prompt_ids, &verb.prompt) {
        (Some(ids), _) => ids.clone(),
        (None, prompt) => local.tokenizer().encode(prompt.as_deref().unwrap_or_default()),
    };
    if args.json {
        let started = Instant::now();
        let reply = local.complete_ids(ids, &options, &mut silent)?;
        let rate = reply.ids.len() as f64 / started.elapsed().as_secs_f64().max(1e-9);
        return json(&serde_json::json!({ "text": reply.text, "ids": reply.ids, "tokens_per_s": rate }));
    }
    anstream::print!("{DIM}{}{RESET}", local.tokenizer().decode(&ids));
    local.complete_ids(ids, &options, &mut stream)?;
    anstream::println!();
    Ok(())
}

/// One question, one answer.
fn answer(args: &Args, name: Option<&str>, prompt: String) -> Result<()> {
    let local = local(args, name)?;
    let messages = [Message::user(prompt)];
    let options = Options::default();
    if args.json {
        let reply = local.chat(&messages, &options, &mut silent)?;
        return json(
            &serde_json::json!({ "text": reply.text, "ids": reply.ids, "finish_reason": reply.ending }),
        );
    }
    local.chat(&messages, &options, &mut stream)?;
    anstream::println!();
    Ok(())
}

pub(crate) fn ask(args: &Args, verb: &args::Ask) -> Result<()> {
    let context = verb.context.as_deref().map(read).transpose()?;
    answer(args, verb.model.as_deref(), shuyuan_chain::ask(&verb.question, context.as_deref()))
}

pub(crate) fn translate(args: &Args, verb: &args::TextVerb) -> Result<()> {
    let text = text_of(verb)?;
    answer(args, verb.model.as_deref(), shuyuan_chain::translate(&text, Direction::of(&text)))
}

pub(crate) fn summarize(args: &Args, verb: &args::TextVerb) -> Result<()> {
    answer(args, verb.model.as_deref(), shuyuan_chain::summarize(&text_of(verb)?))
}

fn text_of(verb: &args::TextVerb) -> Result<String> {
    let text = match &verb.file {
        Some(path) => read(path)?,
        None => verb.text.clone().unwrap_or_default(),
    };
    if text.trim().is_empty() {
        bail!("the text is empty: there is nothing to work on");
    }
    Ok(text.trim().to_string())
}

fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    String::from_utf8(bytes)
        .with_context(|| format!("{} is not UTF-8 text: convert it first", path.display()))
}

pub(crate) fn chat(args: &Args, verb: &args::Talk) -> Result<()> {
    let local = local(args, verb.model.as_deref())?;
    let lang = args.lang();
    anstream::eprintln!(
        "{DIM}{}{RESET}",
        lang.pick("/new 重新开始,/help 帮助,Ctrl-D 结束", "/new starts afresh, /help helps, Ctrl-D ends")
    );
    let system: Vec<Message> = verb.system.iter().map(Message::system).collect();
    let mut messages = system.clone();
    let options = Options { sampling: (&verb.sampling).into(), ..Options::default() };
    let mut lines = std::io::stdin().lock().lines();
    loop {
        anstream::eprint!("{BOLD}>{RESET} ");
        let Some(line) = lines.next() else { break };
        match line.context("reading what you typed")?.trim() {
            "" => {}
            "/new" => messages = system.clone(),
            "/help" => {
                anstream::eprintln!("/new  {}\n/help", lang.pick("忘掉前面的话", "forgets what was said"))
            }
            line => {
                messages.push(Message::user(line));
                let reply: Reply = match local.chat(&messages, &options, &mut stream) {
                    Ok(reply) => reply,
                    Err(error) => {
                        // The conversation is longer than the model reads: say so, and let the user go on.
                        messages.pop();
                        anstream::eprintln!("{error} (/new)");
                        continue;
                    }
                };
                anstream::println!();
                messages.push(Message::assistant(reply.text));
            }
        }
        if STOP.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(())
}

pub(crate) fn eval(args: &Args, verb: &args::Eval) -> Result<()> {
    let academy = args.academy()?;
    let live = model(&academy, verb.model.as_deref())?;
    let renderer = Renderer::start(&academy);
    let scores = if verb.choices.is_empty() {
        eval::world(&academy, &live, &verb.task, verb.limit, verb.seed, &STOP)
    } else {
        eval::choices(&academy, &live, &verb.choices, verb.limit)
    };
    renderer.finish();
    let scores = scores?;
    if args.json {
        return json(&scores);
    }
    Ok(())
}
