//! `ask`, `translate`, `summarize`: one task, one answer.

use crate::args::Global;
use crate::files::read_text;
use crate::generate::{shown, summary, unless_stopped};
use crate::out::{self, say};
use crate::{models, stop};
use anyhow::{Result, bail};
use clap::Args;
use shuyuan_chain::{Direction, Options};
use shuyuan_text::Message;
use std::path::PathBuf;

/// Ask a question, about a text if one is given
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan ask \"Who lives near the market?\" --context story.txt")]
pub(crate) struct Ask {
    /// The question
    question: String,
    /// A text file that holds the answer
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
    #[command(flatten)]
    who: Who,
}

/// Translate between Chinese and English
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan translate \"The cat is under the bridge.\"")]
pub(crate) struct Translate {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    who: Who,
}

/// Summarise a text
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan summarize --file story.txt")]
pub(crate) struct Summarize {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, Args)]
struct What {
    /// The text
    #[arg(required_unless_present = "file")]
    text: Option<String>,
    /// A text file instead
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Who {
    /// A model's folder, or its name in the home folder [default: academy, or the newest]
    #[arg(long, value_name = "DIR")]
    model: Option<String>,
    /// The most tokens to write
    #[arg(long, default_value = "256", value_name = "N", value_parser = crate::args::count)]
    max_tokens: usize,
}

impl Ask {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let question = filled(self.question.clone())?;
        let context = self.context.as_deref().map(read_text).transpose()?;
        self.who.answer(global, shuyuan_chain::ask(&question, context.as_deref()))
    }
}

impl Translate {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let text = self.what.text()?;
        self.who.answer(global, shuyuan_chain::translate(&text, Direction::of(&text)))
    }
}

impl Summarize {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        self.who.answer(global, shuyuan_chain::summarize(&self.what.text()?))
    }
}

impl What {
    fn text(&self) -> Result<String> {
        match &self.file {
            Some(path) => filled(read_text(path)?),
            None => filled(self.text.clone().unwrap_or_default()),
        }
    }
}

fn filled(text: String) -> Result<String> {
    match text.trim() {
        "" => bail!("the text is empty: there is nothing to work on"),
        text => Ok(text.to_string()),
    }
}

impl Who {
    fn answer(&self, global: &Global, prompt: String) -> Result<()> {
        let local = models::local(global, self.model.as_deref())?;
        let messages = [Message::user(prompt)];
        let options = Options { max_tokens: self.max_tokens, ..Options::default() };
        if global.json {
            let reply = local.chat(&messages, &options, &mut |_| unless_stopped())?;
            out::json(&summary(&reply))?;
        } else {
            local.chat(&messages, &options, &mut shown)?;
            say!("")?;
        }
        stop::check()
    }
}
