//! Verbs that make something: the quickstart and each of its stages, and the server.

use crate::STOP;
use crate::args::{self, Args};
use crate::render::{BOLD, DIM, RESET, Renderer};
use anyhow::{Result, bail};
use shuyuan_academy::stages::{corpus, finetune, pretrain, quickstart, teach, tokenizer, world};
use shuyuan_academy::{Academy, Lang, LiveModel};
use shuyuan_corpus::world::Split;
use shuyuan_server::ServeOptions;
use shuyuan_train::{Recipe, Summary};
use std::io::{BufRead, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Runs `f` while the academy's events are shown.
fn shown<T>(academy: &Academy, f: impl FnOnce() -> Result<T>) -> Result<T> {
    let renderer = Renderer::start(academy);
    let result = f();
    renderer.finish();
    result
}

pub(crate) fn quickstart(args: &Args, verb: &args::Quickstart) -> Result<()> {
    let academy = Arc::new(args.academy()?);
    let server = if verb.no_serve {
        None
    } else {
        let options = ServeOptions { port: verb.port, ..ServeOptions::default() };
        let server = shuyuan_server::serve(academy.clone(), &options)?;
        let say = academy.lang.pick("浏览器里看", "Watch in a browser");
        anstream::eprintln!("{BOLD}书院{RESET}  {say}: {BOLD}{}{RESET}", server.url());
        if std::io::stdin().is_terminal() {
            let say = academy.lang.pick(
                "训练时可以输入一句话并回车,看此刻的权重怎么回答。",
                "While it trains, type a prompt and Enter: the weights of the moment will answer it.",
            );
            anstream::eprintln!("{DIM}{say}{RESET}");
        }
        Some(server)
    };
    let options = quickstart::Options {
        minutes: verb.minutes,
        inputs: verb.input.clone(),
        seed: verb.seed,
        questions: verb.questions,
    };
    let typed = server.is_some() && std::io::stdin().is_terminal();
    let lines = typed.then(|| listen(academy.clone()));
    shown(&academy, || quickstart::run(&academy, &options, &STOP))?;
    if args.json {
        println!("{}", std::fs::read_to_string(academy.home.report())?);
    }
    let Some(server) = server else { return Ok(()) };
    if STOP.load(Ordering::Relaxed) {
        return Ok(());
    }
    if let Some(lines) = lines {
        teach_about_you(&academy, &lines)?;
    }
    let own = "shuyuan quickstart --input FOLDER --home ANOTHER";
    match academy.lang {
        Lang::Zh => anstream::eprintln!(
            "\n用自己的文本: {BOLD}{own}{RESET}\n聊天: {BOLD}{}{RESET} (Ctrl-C 结束)",
            server.url()
        ),
        Lang::En => anstream::eprintln!(
            "\nOn your own text: {BOLD}{own}{RESET}\nChat: {BOLD}{}{RESET} (Ctrl-C ends)",
            server.url()
        ),
    }
    wait();
    Ok(())
}

/// Until Ctrl-C.
fn wait() {
    while !STOP.load(Ordering::Relaxed) {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// Lines typed during training become the user's prompt; afterwards they are handed on.
fn listen(academy: Arc<Academy>) -> std::sync::mpsc::Receiver<String> {
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if !line.trim().is_empty() {
                academy.set_my_prompt(Some(line.clone()));
            }
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

fn teach_about_you(academy: &Academy, typed: &std::sync::mpsc::Receiver<String>) -> Result<()> {
    // What was typed during training was a prompt, not a lesson.
    while typed.try_recv().is_ok() {}
    let say = academy.lang.pick(
        "教它认识你:写几句关于你的话(空行结束,直接回车跳过):",
        "Teach it about you: a few sentences about yourself (an empty line ends, or skips):",
    );
    anstream::eprintln!("\n{BOLD}{say}{RESET}");
    let mut lines = Vec::new();
    while !STOP.load(Ordering::Relaxed) {
        match typed.recv_timeout(std::time::Duration::from_millis(200)) {
            Ok(line) if line.trim().is_empty() => break,
            Ok(line) => lines.push(line),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    shown(academy, || teach::run(academy, &teach::Options { lines, seconds: 20.0 }, &STOP))
}

pub(crate) fn tokenizer(args: &Args, verb: &args::TokenizerTrain) -> Result<()> {
    let academy = args.academy()?;
    let options = tokenizer::Options {
        inputs: verb.input.clone(),
        vocab_size: verb.vocab_size,
        limit: None,
        output: verb.output.clone(),
    };
    let report = shown(&academy, || tokenizer::train(&academy, &options, &STOP))?;
    if args.json {
        let value = serde_json::json!({
            "bytes": report.bytes, "words": report.words, "unique_words": report.unique_words,
            "forgotten_words": report.forgotten_words, "vocab_size": report.vocab_size,
            "requested_vocab_size": report.requested_vocab_size,
        });
        println!("{value}");
    } else {
        println!("{}: {} tokens from {} bytes", verb.output.display(), report.vocab_size, report.bytes);
        if report.vocab_size < report.requested_vocab_size {
            println!(
                "fewer than the {} asked for: no other pair occurs twice in this text",
                report.requested_vocab_size
            );
        }
    }
    Ok(())
}

pub(crate) fn corpus(args: &Args, verb: &args::CorpusBuild) -> Result<()> {
    if !verb.weight.is_empty() && verb.weight.len() != verb.input.len() {
        bail!(
            "--weight: expected {} values, one for each input, found {}",
            verb.input.len(),
            verb.weight.len()
        );
    }
    let academy = args.academy()?;
    let weight = |index| verb.weight.get(index).copied().unwrap_or(1.0);
    let options = corpus::Options {
        inputs: verb.input.iter().cloned().enumerate().map(|(index, path)| (path, weight(index))).collect(),
        tokenizer: verb.tokenizer.clone(),
        output: verb.output.clone(),
        decontaminate: verb.decontaminate.clone(),
        validation_share: verb.validation_share,
        clean: verb.clean,
    };
    let report = shown(&academy, || corpus::build(&academy, &options, &STOP))?;
    crate::look::print_report(args, &report)
}

pub(crate) fn world(verb: &args::CorpusWorld) -> Result<()> {
    let split = match verb.split {
        args::SplitArg::Train => Split::Train,
        args::SplitArg::Test => Split::Test,
    };
    let kind = if verb.chats { world::Kind::Chats } else { world::Kind::All };
    world::write_file(verb.seed, verb.docs, split, kind, &verb.output)
}

pub(crate) fn pretrain(args: &Args, verb: &args::Pretrain) -> Result<()> {
    let academy = args.academy()?;
    let options = pretrain::Options {
        recipe: Recipe::load(&verb.recipe)?,
        corpus: verb.corpus.clone(),
        output: verb.output.clone(),
        steps: verb.steps,
        minutes: verb.minutes,
        resume: verb.resume,
        prompts: Vec::new(),
        floor_per_byte: None,
    };
    let summary = shown(&academy, || pretrain::run(&academy, &options, &STOP))?;
    print_summary(args, &summary)
}

pub(crate) fn finetune(args: &Args, verb: &args::Finetune) -> Result<()> {
    let academy = args.academy()?;
    let args::Method::Sft = verb.method;
    let recipe = match &verb.recipe {
        Some(path) => Recipe::load(path)?,
        None => Recipe::finetune(),
    };
    let options = finetune::Options {
        model: verb.model.clone(),
        data: verb.data.clone(),
        output: verb.output.clone(),
        recipe,
        steps: verb.steps,
        minutes: verb.minutes,
        resume: verb.resume,
        prompts: Vec::new(),
        run: "finetune",
    };
    let summary = shown(&academy, || finetune::run(&academy, &options, &STOP))?;
    print_summary(args, &summary)
}

fn print_summary(args: &Args, summary: &Summary) -> Result<()> {
    if args.json {
        let value = serde_json::json!({
            "steps": summary.steps, "tokens": summary.tokens, "seconds": summary.seconds, "loss": summary.loss,
            "bits_per_byte": summary.bits_per_byte, "stopped": summary.stopped,
        });
        println!("{value}");
    } else {
        let bits =
            summary.bits_per_byte.map_or(String::new(), |bits| format!(", {bits:.3} bits per byte held out"));
        println!(
            "{} steps, {} tokens, {:.0} s, loss {:.3}{bits}",
            summary.steps, summary.tokens, summary.seconds, summary.loss
        );
    }
    Ok(())
}

pub(crate) fn serve(args: &Args, verb: &args::Serve) -> Result<()> {
    let academy = Arc::new(args.academy()?);
    match &verb.model {
        Some(_) => academy.set_live(crate::talk::model(&academy, verb.model.as_deref())?),
        None if academy.home.models().is_empty() => {
            let say = academy.lang.pick(
                "还没有模型:先运行 shuyuan quickstart,或用 --model 指定。",
                "There is no model yet: run shuyuan quickstart, or give --model.",
            );
            anstream::eprintln!("{say}");
        }
        None => academy.set_live(crate::talk::model(&academy, None)?),
    }
    let options = ServeOptions { host: verb.host, port: verb.port, api_key: verb.api_key.clone() };
    let server = shuyuan_server::serve(academy.clone(), &options)?;
    let name = academy.live().map_or_else(String::new, |live: LiveModel| live.name);
    anstream::eprintln!("{name} {BOLD}{}{RESET} (Ctrl-C ends)", server.url());
    wait();
    Ok(())
}
