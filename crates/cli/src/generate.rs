//! `generate`: goes on with a text.

use crate::args::Global;
use crate::models::{self, Speech};
use crate::out::{self, note, say};
use crate::stop;
use crate::style::{DIM, RESET, YELLOW, safe, visible};
use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};
use shuyuan_academy::Lang;
use shuyuan_chain::{Piece, Reply};
use shuyuan_text::{TokenId, Tokenizer};
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::Instant;

/// Go on with a text
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan generate --prompt \"Once upon a time\" --temperature 0.8\n  shuyuan generate --model run/model --prompt-ids 1,2,3 --ignore-eos --json"
)]
pub(crate) struct Generate {
    /// A model's folder, or its name in the home folder [default: academy, or the newest]
    #[arg(long, value_name = "DIR")]
    model: Option<String>,
    /// The text to go on with
    #[arg(long, value_name = "TEXT", conflicts_with = "prompt_ids", required_unless_present = "prompt_ids")]
    prompt: Option<String>,
    /// The same as token ids
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    prompt_ids: Vec<TokenId>,
    #[command(flatten)]
    speech: Speech,
    /// Go on after the end-of-text token
    #[arg(long)]
    ignore_eos: bool,
    /// Tell so many likely tokens beside each chosen one, with their probabilities
    #[arg(long, default_value_t = 0, value_name = "N")]
    alternatives: usize,
}

impl Generate {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let mut options = self.speech.options();
        options.ignore_eos = self.ignore_eos;
        options.alternatives = self.alternatives;
        options.sampling.validate()?;
        let local = models::local(global, self.model.as_deref())?;
        let tokenizer = local.tokenizer();
        let ids = match &self.prompt {
            Some(prompt) => tokenizer.encode(prompt),
            None => self.prompt_ids.clone(),
        };
        if ids.is_empty() {
            bail!("the prompt is empty: give at least one character to go on with");
        }
        let loud = !global.json;
        if loud && std::io::stdout().is_terminal() && self.prompt.is_some() {
            out::piece(&format!("{DIM}{}{RESET}", safe(&tokenizer.decode(&ids))))?;
        }
        let mut clock = Clock::start();
        let mut tokens = Vec::new();
        let reply = local.complete_ids(ids, &options, &mut |piece| {
            if let Some(token) = &piece.token {
                clock.token();
                tokens.push(token.clone());
            }
            if loud { shown(piece) } else { unless_stopped() }
        })?;
        if loud {
            say!("")?;
            tell_dropped(&reply, global.lang());
            if self.alternatives > 0 {
                print_alternatives(tokenizer, &tokens)?;
            }
            return stop::check();
        }
        let mut value = summary(&reply);
        value["tokens_per_s"] = clock.tokens_per_s().into();
        value["prompt_seconds"] = clock.prompt_seconds().into();
        value["seconds"] = clock.seconds().into();
        if self.alternatives > 0 {
            value["tokens"] = tokens.iter().map(|token| described(tokenizer, token)).collect();
        }
        out::json(&value)?;
        stop::check()
    }
}

/// An answer as JSON.
pub(crate) fn summary(reply: &Reply) -> Value {
    json!({
        "text": reply.text, "ids": reply.ids, "finish_reason": reply.ending,
        "prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.ids.len(),
        "dropped_tokens": dropped(reply),
    })
}

/// Says how much was left out, if anything.
pub(crate) fn tell_dropped(reply: &Reply, lang: Lang) {
    let count = dropped(reply);
    if count > 0 {
        let what = lang.pick(
            "个词元被略去:文本比模型能读的长",
            "tokens were left out: the text is longer than the model reads",
        );
        note(format_args!("\n{YELLOW}{count} {what}{RESET}"));
    }
}

/// Tokens that were left out because the text was longer than the model reads.
pub(crate) fn dropped(reply: &Reply) -> usize {
    reply.finish.map_or(0, |finish| finish.dropped_tokens)
}

/// Shows text as it comes, until Ctrl-C.
pub(crate) fn shown(piece: &Piece) -> ControlFlow<()> {
    let text = if std::io::stdout().is_terminal() { safe(&piece.text) } else { piece.text.clone() };
    // Whoever read it went away: writing the end of the line will say so.
    if out::piece(&text).is_err() { ControlFlow::Break(()) } else { unless_stopped() }
}

/// Goes on until Ctrl-C.
pub(crate) fn unless_stopped() -> ControlFlow<()> {
    if stop::stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

fn described(tokenizer: &Tokenizer, token: &shuyuan_engine::Token) -> Value {
    let one = |id: TokenId, logprob: f32| json!({ "id": id, "text": tokenizer.show_token(id).text, "logprob": logprob });
    let mut value = one(token.id, token.logprob);
    value["alternatives"] = token.alternatives.iter().map(|&(id, logprob)| one(id, logprob)).collect();
    value
}

fn print_alternatives(tokenizer: &Tokenizer, tokens: &[shuyuan_engine::Token]) -> Result<()> {
    say!("")?;
    for token in tokens {
        let show =
            |id, logprob: f32| format!("{} {:.2}", visible(&tokenizer.show_token(id).text), logprob.exp());
        let others: Vec<String> = token.alternatives.iter().map(|&(id, logprob)| show(id, logprob)).collect();
        say!("{}   {DIM}{}{RESET}", show(token.id, token.logprob), others.join("  "))?;
    }
    Ok(())
}

/// Times reading the prompt and writing apart: the first token ends the one and begins the other.
struct Clock {
    started: Instant,
    first: Option<Instant>,
    last: Instant,
    tokens: u32,
}

impl Clock {
    fn start() -> Self {
        let now = Instant::now();
        Self { started: now, first: None, last: now, tokens: 0 }
    }

    fn token(&mut self) {
        self.last = Instant::now();
        self.first.get_or_insert(self.last);
        self.tokens += 1;
    }

    /// Of writing; of one token alone, with the prompt.
    fn tokens_per_s(&self) -> f64 {
        let (tokens, since) = match self.first {
            Some(first) if self.tokens > 1 => (self.tokens - 1, first),
            _ => (self.tokens, self.started),
        };
        f64::from(tokens) / (self.last - since).as_secs_f64().max(1e-9)
    }

    fn prompt_seconds(&self) -> f64 {
        (self.first.unwrap_or(self.last) - self.started).as_secs_f64()
    }

    fn seconds(&self) -> f64 {
        (self.last - self.started).as_secs_f64()
    }
}
