//! Prompts that show how far a model is.

use crate::LiveModel;
use anyhow::Result;
use shuyuan_chain::{Options, Piece};
use shuyuan_text::Message;
use std::ops::ControlFlow;

/// A prompt, and how it is put to the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A text to go on with.
    GoOn(String),
    /// A question to answer.
    Ask(String),
}

impl Prompt {
    /// Its text.
    pub fn text(&self) -> &str {
        match self {
            Self::GoOn(text) | Self::Ask(text) => text,
        }
    }
}

/// One beginning in each language, for models of any text.
pub(crate) fn default_prompts() -> Vec<Prompt> {
    ["今天早上", "Once upon a time"].map(|text| Prompt::GoOn(text.into())).to_vec()
}

/// What the model of this moment says, at most `max_tokens` long, always choosing the likeliest token.
///
/// # Errors
/// A prompt that does not fit the model, a tokenizer without chat tokens.
pub fn answer(live: &LiveModel, prompt: &Prompt, max_tokens: usize) -> Result<String> {
    let local = live.local();
    let options = Options { max_tokens, ..Options::default() };
    let all = &mut |_: &Piece| ControlFlow::Continue(());
    let reply = match prompt {
        Prompt::GoOn(text) => local.complete(text, &options, all)?,
        Prompt::Ask(text) => local.chat(&[Message::user(text.clone())], &options, all)?,
    };
    Ok(reply.text)
}
