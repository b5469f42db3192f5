//! `quickstart`: the whole path, watched in the terminal and in a browser.

use crate::args::{Global, count, positive};
use crate::keyboard::Keyboard;
use crate::out::{self, note};
use crate::render::shown;
use crate::stop::{self, STOP};
use crate::style::{BOLD, DIM, RESET, YELLOW};
use crate::{files, scorecard};
use anyhow::{Context, Result};
use clap::Args;
use shuyuan_academy::stages::{quickstart, report::Report, teach};
use shuyuan_academy::{Academy, Level};
use shuyuan_server::ServeOptions;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The whole path: corpus, tokenizer, pretraining, fine-tuning, examination, chat in a browser
///
/// Cut off, the same command goes on; done, it opens the chat at once. What it made lies in the home folder, its figures
/// in report.json.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan quickstart\n  shuyuan quickstart --minutes 10 --input ~/texts --home ~/academy\n  shuyuan quickstart --minutes 1 --no-serve --json"
)]
pub(crate) struct Quickstart {
    /// Minutes of training
    #[arg(long, default_value = "5.5", value_name = "N", value_parser = positive)]
    minutes: f64,
    /// One's own text instead of the built-in corpus: files or folders
    #[arg(long, num_args = 1.., value_name = "PATH")]
    input: Vec<PathBuf>,
    /// Stop before the server
    #[arg(long)]
    no_serve: bool,
    /// The server's port; 0 for any free one [default: 8787 or the next free one]
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Of everything random
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// Questions of each task in the examination
    #[arg(long, default_value = "100", value_name = "N", value_parser = count)]
    questions: usize,
}

/// Seconds of teaching.
const TEACHING: f64 = 20.0;

impl Quickstart {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        files::exist(self.input.iter().map(PathBuf::as_path))?;
        let academy = Arc::new(global.academy()?);
        let server = if self.no_serve { None } else { Some(self.serve(&academy)?) };
        let class = Class::begin(&academy, server.is_some());
        let options = quickstart::Options {
            minutes: self.minutes,
            inputs: self.input.clone(),
            seed: self.seed,
            questions: self.questions,
        };
        let result = shown(&academy, || quickstart::run(&academy, &options, &STOP));
        if stop::stopped() {
            let say = academy.lang.pick("同一命令接着做。", "The same command goes on from here.");
            note(format_args!("{YELLOW}{say}{RESET}"));
            return stop::check();
        }
        result?;
        let report = Report::read(&academy.home)?;
        if global.json {
            out::json(&report)?;
        } else if !report.scores.is_empty() {
            scorecard::print(academy.lang, &report.scores)?;
        }
        let Some(server) = server else { return Ok(()) };
        class.teach(&academy)?;
        if stop::stopped() {
            return server.stop();
        }
        self.say_what_next(&academy, &server.url());
        stop::wait();
        server.stop()
    }

    fn serve(&self, academy: &Arc<Academy>) -> Result<shuyuan_server::Server> {
        let options = ServeOptions { port: self.port, ..ServeOptions::default() };
        let server = shuyuan_server::serve(academy.clone(), &options)?;
        let say = academy.lang.pick("在浏览器里看", "Watch it in a browser");
        note(format_args!("{BOLD}书院 shuyuan{RESET}  {say}: {BOLD}{}{RESET}", server.url()));
        Ok(server)
    }

    fn say_what_next(&self, academy: &Academy, url: &str) {
        let pick = |zh, en| academy.lang.pick(zh, en);
        if self.input.is_empty() {
            let own = pick("用你自己的文件夹", "The same on a folder of your own");
            note(format_args!(
                "\n{own}:\n  {BOLD}shuyuan quickstart --input FOLDER --home NEW_FOLDER{RESET}"
            ));
        }
        let (chat, end) = (pick("和它聊天", "Chat with it"), pick("Ctrl-C 结束", "Ctrl-C ends"));
        note(format_args!("{chat}: {BOLD}{url}{RESET}  {DIM}{end}{RESET}"));
    }
}

/// What someone types: prompts while the model learns, then sentences about themselves.
struct Class {
    /// None where nobody sits at a terminal.
    keyboard: Option<Keyboard>,
    learning: Arc<AtomicBool>,
}

impl Class {
    fn begin(academy: &Arc<Academy>, interactive: bool) -> Self {
        let learning = Arc::new(AtomicBool::new(true));
        if !interactive || !std::io::stdin().is_terminal() {
            return Self { keyboard: None, learning };
        }
        let say = academy.lang.pick(
            "学习时可以输入一句话并回车:此刻的权重会回答它。",
            "While it learns, type a prompt and Enter: the weights of the moment will answer it.",
        );
        note(format_args!("{DIM}{say}{RESET}"));
        let (academy, now) = (academy.clone(), learning.clone());
        let keyboard = Keyboard::start(move |line| {
            let learning = now.load(Ordering::Relaxed);
            let line = line.trim();
            if learning && !line.is_empty() {
                academy.set_my_prompt(Some(line.into()));
                let say = academy.lang.pick("下一次就回答", "answered at the next look");
                academy.events.message(Level::Info, format!("› {line}  ({say})"));
            }
            learning
        });
        Self { keyboard: Some(keyboard), learning }
    }

    /// Teach it about you: some lines, seconds of tuning, before and after.
    fn teach(&self, academy: &Academy) -> Result<()> {
        self.learning.store(false, Ordering::Relaxed);
        let Some(keyboard) = &self.keyboard else { return Ok(()) };
        let say = academy.lang.pick(
            "教它认识你:写几句关于你的话,每句回车;空行开始(一句不写就跳过)。",
            "Teach it about you: a few sentences about yourself, Enter after each; an empty line begins (or skips).",
        );
        note(format_args!("\n{BOLD}{say}{RESET}"));
        let mut lines = Vec::new();
        loop {
            out::ask(format_args!("{BOLD}>{RESET} "));
            match keyboard.line().context("cannot read what you typed: expected text in UTF-8")? {
                Some(line) if !line.trim().is_empty() => lines.push(line),
                _ => break,
            }
        }
        if lines.is_empty() || stop::stopped() {
            return Ok(());
        }
        academy.set_my_prompt(None);
        let options = teach::Options { lines, seconds: TEACHING };
        if let Err(error) = shown(academy, || teach::run(academy, &options, &STOP)) {
            // A line that is too long should not cost the model and the server.
            note(format_args!("{YELLOW}{error:#}{RESET}"));
        }
        Ok(())
    }
}
