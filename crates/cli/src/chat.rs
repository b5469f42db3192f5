//! `chat`: a conversation in the terminal.

use crate::args::Global;
use crate::generate::{shown, unless_stopped};
use crate::keyboard::Keyboard;
use crate::models::{self, Speech};
use crate::out::{self, ask, note, say};
use crate::stop;
use crate::style::{BOLD, DIM, RESET, YELLOW};
use anyhow::{Context, Result};
use clap::Args;
use shuyuan_academy::Lang;
use shuyuan_text::Message;
use std::io::IsTerminal;

/// Talk with a model in the terminal
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan chat --model tuned/model\n  shuyuan chat --system \"Answer in Chinese.\" --temperature 0.7"
)]
pub(crate) struct Chat {
    /// A model's folder, or its name in the home folder [default: academy, or the newest]
    #[arg(long, value_name = "DIR")]
    model: Option<String>,
    /// Instructions that hold for the whole conversation
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    #[command(flatten)]
    speech: Speech,
}

fn help(lang: Lang) -> &'static str {
    lang.pick(
        "/new 忘掉前面的话   /undo 收回上一问   /history 看前面的话   /help   /quit 或 Ctrl-D 结束\nCtrl-C 打断回答",
        "/new forgets what was said   /undo takes back the last question   /history   /help   /quit or Ctrl-D ends\n\
         Ctrl-C breaks off an answer",
    )
}

impl Chat {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let options = self.speech.options();
        options.sampling.validate()?;
        let local = models::local(global, self.model.as_deref())?;
        let lang = global.lang();
        let person = std::io::stdin().is_terminal();
        if person {
            note(format_args!("{DIM}{}{RESET}", help(lang)));
        }
        let system: Vec<Message> = self.system.iter().map(Message::system).collect();
        let mut messages = system.clone();
        let keyboard = Keyboard::start(|_| false);
        loop {
            if person {
                ask(format_args!("{BOLD}>{RESET} "));
            }
            let line = keyboard.line().context("cannot read what you typed: expected text in UTF-8")?;
            let Some(line) = line else { break };
            match line.trim() {
                "" => {}
                "/quit" | "/exit" => break,
                "/help" => note(format_args!("{DIM}{}{RESET}", help(lang))),
                "/new" => messages = system.clone(),
                "/undo" => messages.truncate(messages.len().saturating_sub(2).max(system.len())),
                "/history" => {
                    for message in &messages {
                        note(format_args!("{DIM}{}{RESET} {}", message.role.name(), message.content));
                    }
                }
                line => {
                    messages.push(Message::user(line));
                    let reply = match global.json {
                        true => local.chat(&messages, &options, &mut |_| unless_stopped()),
                        false => local.chat(&messages, &options, &mut shown),
                    };
                    match reply {
                        Ok(reply) => messages.push(Message::assistant(reply.text)),
                        // The conversation outgrew the model: the person can begin anew, a script cannot.
                        Err(error) if person => {
                            messages.pop();
                            note(format_args!("{YELLOW}{error}{RESET} (/new, /undo)"));
                            continue;
                        }
                        Err(error) => return Err(error.into()),
                    }
                    if !global.json {
                        say!("")?;
                    }
                    // At a prompt Ctrl-C ends the program, during an answer only that.
                    if person {
                        stop::take();
                    }
                }
            }
        }
        if global.json {
            out::json(&serde_json::json!({ "messages": messages }))?;
        } else if person {
            note(format_args!(""));
        }
        if person { Ok(()) } else { stop::check() }
    }
}
