//! One record to a judged, hashed and tokenised document. Pure: what comes out depends on the record alone.

use shuyuan_text::{ChatTemplate, Message, Rendering, TokenId, Tokenizer};
use xxhash_rust::xxh3::xxh3_128;

use super::Filters;
use crate::clean::{self, Language, Reason, normalise};
use crate::dedup::{BANDS, bands};
use crate::error::{Error, Result};
use crate::example::Example;
use crate::overlap::Evaluation;

/// What every document is made with.
pub(crate) struct Maker<'a> {
    pub tokenizer: &'a Tokenizer,
    pub template: Option<ChatTemplate>,
    pub end: TokenId,
    pub filters: &'a Filters,
    pub near_duplicates: bool,
    pub evaluation: Evaluation,
}

/// A document worth keeping if no other is like it.
pub(crate) struct Document {
    pub hash: u128,
    pub bands: Option<[u64; BANDS]>,
    pub language: Language,
    /// Of the normalised text.
    pub bytes: u32,
    /// With the end of text.
    pub ids: Vec<TokenId>,
}

impl<'a> Maker<'a> {
    /// Errors: a tokenizer without `<|endoftext|>`, an evaluation set that is not there.
    pub fn new(config: &'a super::BuildConfig, tokenizer: &'a Tokenizer) -> Result<Self> {
        let end = tokenizer.special(shuyuan_text::END_OF_TEXT).ok_or_else(|| {
            Error::setting("tokenizer", "one with <|endoftext|>, which ends every document", "none")
        })?;
        Ok(Self {
            tokenizer,
            template: ChatTemplate::new(tokenizer).ok(),
            end,
            filters: &config.filters,
            near_duplicates: config.near_duplicates,
            evaluation: Evaluation::read(&config.decontaminate)?,
        })
    }

    /// Cleans and judges one example. A conversation is judged by all that is said in it.
    pub fn make(&self, example: Example) -> Result<Document, Reason> {
        let (text, messages) = match example {
            Example::Text { text } => (normalise(&text), None),
            Example::Chat { messages } => {
                let normal = |m: Message| Message { content: normalise(&m.content), ..m };
                let messages: Vec<Message> = messages.into_iter().map(normal).collect();
                (Example::Chat { messages: messages.clone() }.into_text().trim().to_owned(), Some(messages))
            }
        };
        let words = clean::words(&text);
        let language = clean::language(&words);
        if let Some(reason) = clean::check(&text, &words, language, self.filters) {
            return Err(reason);
        }
        if self.evaluation.overlaps(&words.hashes) {
            return Err(Reason::Overlap);
        }
        let mut ids = match (&messages, &self.template) {
            (Some(messages), Some(template)) => match template.render(messages, &Rendering::default()) {
                Ok(ids) => ids,
                Err(_) => self.tokenizer.encode(&text),
            },
            // Without the template's tokens a conversation is a text like others.
            _ => self.tokenizer.encode(&text),
        };
        ids.push(self.end);
        Ok(Document {
            hash: xxh3_128(text.as_bytes()),
            bands: self.near_duplicates.then(|| bands(&words.hashes)),
            language,
            bytes: text.len() as u32,
            ids,
        })
    }
}
