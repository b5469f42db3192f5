//! Prompts that show how far a model is.

use crate::LiveModel;
use anyhow::Result;
use shuyuan_model::KvCache;
use shuyuan_tensor::Precision;
use shuyuan_text::{ChatTemplate, END_OF_TEXT, Message};

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
pub fn answer(live: &LiveModel, prompt: &Prompt, max_tokens: usize) -> Result<String> {
    let tokenizer = &live.tokenizer;
    let template = ChatTemplate::new(tokenizer)?;
    let ids = match prompt {
        Prompt::GoOn(text) => tokenizer.encode(text),
        Prompt::Ask(text) => template.render(&[Message::user(text.clone())], true),
    };
    let ends = [tokenizer.special(END_OF_TEXT), Some(template.end_of_turn())];
    let mut cache = KvCache::new(live.model.config(), ids.len() + max_tokens);
    let mut logits = live.model.extend(&ids, &mut cache, Precision::F32)?;
    let mut said = Vec::new();
    while said.len() < max_tokens {
        let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(id, _)| id as u32);
        if ends.contains(&Some(best)) {
            break;
        }
        said.push(best);
        if cache.length() >= cache.capacity() {
            break;
        }
        logits = live.model.extend(&[best], &mut cache, Precision::F32)?;
    }
    Ok(tokenizer.decode(&said))
}
