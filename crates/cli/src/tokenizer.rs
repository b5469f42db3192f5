//! `tokenizer train`, `encode`, `show`: words into numbers.

use crate::args::Global;
use crate::files::read_text;
use crate::models;
use crate::out::{self, say};
use crate::render::shown;
use crate::stop::STOP;
use crate::style::{BOLD, DIM, RESET, bytes, grouped, pad, visible};
use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use shuyuan_academy::inspect;
use shuyuan_academy::stages::tokenizer;
use shuyuan_text::Tokenizer;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Train(Train),
    Encode(Encode),
    Show(Show),
}

impl Verb {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        match self {
            Self::Train(verb) => verb.run(global),
            Self::Encode(verb) => verb.run(global),
            Self::Show(verb) => verb.run(global),
        }
    }
}

/// Train a tokenizer on text files
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan tokenizer train --input texts --vocab-size 6400 --output tok")]
pub(crate) struct Train {
    /// Text files or folders
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    input: Vec<PathBuf>,
    /// Tokens in the vocabulary
    #[arg(long, default_value_t = 6400, value_name = "N")]
    vocab_size: usize,
    /// Bytes to read of each input at most [default: all]
    #[arg(long, value_name = "BYTES")]
    limit: Option<u64>,
    /// The folder to make
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

impl Train {
    fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let options = tokenizer::Options {
            inputs: self.input.clone(),
            vocab_size: self.vocab_size,
            limit: self.limit,
            output: self.output.clone(),
        };
        let report = shown(&academy, || tokenizer::train(&academy, &options, &STOP))?;
        if global.json {
            return out::json(&report);
        }
        let (tokens, text) = (grouped(report.vocab_size as u64), bytes(report.bytes as f64));
        say!("{}: {tokens} tokens from {text} of text", self.output.display())?;
        if report.vocab_size < report.requested_vocab_size {
            let asked = report.requested_vocab_size;
            say!("fewer than the {asked} asked for: no other pair occurs often enough in this text")?;
        }
        Ok(())
    }
}

/// Text to ids
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan tokenizer encode --tokenizer tok --input story.txt --json")]
pub(crate) struct Encode {
    /// The tokenizer's folder, or a model's
    #[arg(long, value_name = "DIR")]
    tokenizer: PathBuf,
    /// A text file
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
}

impl Encode {
    fn run(&self, global: &Global) -> Result<()> {
        let tokenizer = load(&self.tokenizer)?;
        let text = read_text(&self.input)?;
        let ids = tokenizer.encode(&text);
        if global.json {
            return out::json(&json!({ "ids": ids, "tokens": ids.len(), "bytes": text.len() }));
        }
        for line in ids.chunks(32) {
            say!("{}", line.iter().map(u32::to_string).collect::<Vec<_>>().join(" "))?;
        }
        Ok(())
    }
}

/// The tokens of a text, coloured, and the table Token | ID
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan tokenizer show \"The cat sat on the mat\"\n  shuyuan tokenizer show \"我今天吃了狮子头和蔬菜\" --tokenizer tok"
)]
pub(crate) struct Show {
    /// The text
    text: String,
    /// The tokenizer's folder [default: that of the model in the home folder]
    #[arg(long, value_name = "DIR")]
    tokenizer: Option<PathBuf>,
}

const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::BrightBlue,
    AnsiColor::BrightRed,
];

fn colour(index: usize) -> Style {
    AnsiColor::Black.on(COLOURS[index % COLOURS.len()])
}

impl Show {
    fn run(&self, global: &Global) -> Result<()> {
        if self.text.is_empty() {
            bail!("the text is empty: there is nothing to show");
        }
        let tokenizer = match &self.tokenizer {
            Some(dir) => load(dir)?,
            None => load(&models::find(&global.academy()?.home, None)?)?,
        };
        let tokens = inspect::tokens(&tokenizer, &self.text);
        if global.json {
            return out::json(&json!({
                "tokens": tokens, "characters": self.text.chars().count(), "bytes": self.text.len(),
                "vocab_size": tokenizer.vocab_size(),
            }));
        }
        // Where colours cannot part them, strokes do.
        let plain = anstream::AutoStream::choice(&std::io::stdout()) == anstream::ColorChoice::Never;
        let pieces = tokens
            .iter()
            .enumerate()
            .map(|(i, token)| format!("{}{}{RESET}", colour(i), visible(&token.text)));
        say!("{}\n", pieces.collect::<Vec<_>>().join(if plain { "|" } else { "" }))?;
        let columns =
            5 + tokens.iter().map(|token| crate::style::width(&token.text)).max().unwrap_or(0).clamp(5, 40);
        say!("{BOLD}{}{:>8}{RESET}", pad("Token", columns), "ID")?;
        for (index, token) in tokens.iter().enumerate() {
            // A space is half of what makes one token another.
            let text = visible(&token.text).replace(' ', "␣");
            let spaces = " ".repeat(columns.saturating_sub(crate::style::width(&text)));
            say!("{}{text}{RESET}{spaces}{:>8}", colour(index), token.id)?;
        }
        let (characters, count) = (self.text.chars().count(), tokens.len());
        say!("{DIM}{characters} characters, {} bytes, {count} tokens{RESET}", self.text.len())
    }
}

fn load(dir: &Path) -> Result<Tokenizer> {
    Tokenizer::load(dir).with_context(|| format!("the tokenizer in {}", dir.display()))
}
