//! A long document in a few sentences, each with its place: part by part, then the parts together.

use super::prompt::without_marks;
use super::support::Ground;
use crate::trades::summarize;
use crate::{ChainError, Local, Options, Piece};
use serde::Serialize;
use shuyuan_knowledge::{DocumentText, sentences};
use shuyuan_text::Message;
use std::ops::ControlFlow;

/// Shared words from which a sentence of a summary is supported.
const OVERLAP: f64 = 0.5;

/// A summary.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Its sentences, and where in the document each is supported: characters, from and to.
    pub sentences: Vec<(String, u64, u64)>,
    /// What the model wrote that the document does not support.
    pub dropped: Vec<String>,
    /// Parts that were read one by one.
    pub parts: usize,
    /// How often parts were put together.
    pub rounds: usize,
}

/// Summarises a document of any length in about `most` sentences. Tells each piece to `on` as it comes.
///
/// # Errors
/// If the model cannot read or write.
pub fn summarize_document(
    local: &Local,
    document: &DocumentText,
    most: usize,
    options: &Options,
    on: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
) -> Result<Summary, ChainError> {
    let context = local.engine().model().config().max_position_embeddings;
    let room = context.saturating_sub(options.max_tokens.min(context / 4)).max(16);
    let ground = Ground::new(&document.text, &[]);
    let mut summary = Summary::default();
    let mut texts =
        parts(local, sentences(&document.text).into_iter().map(|range| &document.text[range]), room);
    summary.parts = texts.len();
    loop {
        let mut kept: Vec<(String, u64, u64)> = Vec::new();
        for text in &texts {
            let reply = local.chat(&[Message::user(summarize(text))], options, on)?;
            for range in sentences(&reply.text) {
                let claim = without_marks(&reply.text[range]);
                match ground.best(&document.text, &claim).filter(|span| span.overlap >= OVERLAP) {
                    _ if kept.iter().any(|(text, ..)| *text == claim) => {}
                    Some(span) => {
                        let start = document.text[..span.range.start].chars().count() as u64;
                        let length = document.text[span.range].chars().count() as u64;
                        kept.push((claim, start, start + length));
                    }
                    None => summary.dropped.push(claim),
                }
            }
        }
        summary.rounds += 1;
        let smaller = kept.len() < summary.sentences.len() || summary.sentences.is_empty();
        // A round that does not shorten it any more is the last.
        if smaller && !kept.is_empty() {
            summary.sentences = kept;
        }
        if !smaller || summary.sentences.len() <= most || texts.len() <= 1 {
            return Ok(summary);
        }
        texts = parts(local, summary.sentences.iter().map(|(text, ..)| text.as_str()), room);
    }
}

/// Sentences in a row, in texts that fit into the context.
fn parts<'s>(local: &Local, sentences: impl Iterator<Item = &'s str>, room: usize) -> Vec<String> {
    // The frame of the conversation and the prompt's own words.
    let room = room.saturating_sub(48).max(16);
    let mut all: Vec<(usize, String)> = Vec::new();
    for sentence in sentences {
        for piece in pieces(local, sentence, room) {
            let tokens = local.tokenizer().encode(&piece).len() + 1;
            match all.last_mut() {
                Some((sum, text)) if *sum + tokens <= room => {
                    *sum += tokens;
                    text.push('\n');
                    *text += &piece;
                }
                _ => all.push((tokens, piece)),
            }
        }
    }
    all.into_iter().map(|(_, text)| text).collect()
}

/// A sentence, or its halves where it is longer than the context.
fn pieces(local: &Local, sentence: &str, room: usize) -> Vec<String> {
    if sentence.chars().count() < 2 || local.tokenizer().encode(sentence).len() < room {
        return vec![sentence.to_string()];
    }
    let middle =
        sentence.char_indices().nth(sentence.chars().count() / 2).map_or(sentence.len(), |(at, _)| at);
    let (a, b) = sentence.split_at(middle);
    [pieces(local, a, room), pieces(local, b, room)].concat()
}
