//! Answers out of documents: nothing but what was found, with the place of each sentence.
//!
//! The model writes; each sentence is then held against the passages. One that no passage supports is taken out and told
//! apart; if none is left, nothing was found. Without a model the best sentences themselves are the answer.

mod follow;
mod guard;
mod likelihood;
mod live;
mod prompt;
mod summary;
mod support;

pub use follow::{By, Followed, History, follow_up};
pub use likelihood::rerank;
pub use live::{Call, Considered, Evidence, LiveSources};
pub use summary::{Summary, summarize_document};

use crate::{ChainError, Ending, Local, Options, Piece, Reply};
use likelihood::gain;
use serde::Serialize;
use shuyuan_knowledge::{Passage, sentences};
use shuyuan_text::Message;
use std::ops::{ControlFlow, Range};
use support::{Ground, Span, content};

/// Shared words from which a sentence is supported by a span.
const OVERLAP: f64 = 0.6;
/// Fewer shared words will do where the span makes the sentence more likely by [`GAIN`].
const SOME: f64 = 0.3;
/// In nats per token.
const GAIN: f64 = 0.5;
/// How much of the question's words a passage must have, or how near it must be, to be about it.
const ABOUT: f64 = 0.34;
const NEAR: f32 = 0.5;
/// Rows of a live source that are quoted.
const ROWS: usize = 10;

/// How to answer.
#[derive(Clone, Debug)]
pub struct AnswerOptions {
    /// How to generate.
    pub options: Options,
    /// Keep sentences that give orders to the model out of its sight.
    pub guard: bool,
    /// Check sentences that share few words with their source by likelihood, too: a pass of the model each.
    pub entailment: bool,
}

impl Default for AnswerOptions {
    fn default() -> Self {
        Self { options: Options::default(), guard: true, entailment: true }
    }
}

/// An answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Answer {
    /// Whether the documents say anything to the question.
    pub found: bool,
    /// The supported sentences.
    pub text: String,
    /// Sentence by sentence.
    pub sentences: Vec<Sentence>,
    /// What the model wrote that nothing supports.
    pub dropped: Vec<String>,
    /// Sentences of documents that gave orders and were kept from the model.
    pub withheld: Vec<String>,
    /// How many of the passages fitted into the model's context; without a model, all.
    pub read: usize,
    /// Whether a model wrote it; otherwise it consists of the documents' own sentences.
    pub written: bool,
    /// The live sources that were asked for it, also those that gave nothing.
    pub calls: Vec<Call>,
}

/// A sentence of an answer and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sentence {
    /// Its text.
    pub text: String,
    /// Its sources, best first.
    pub citations: Vec<Citation>,
}

/// A place that supports a sentence. Places are in characters of the document; of what a live source gave, if it is one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Citation {
    /// Which of the passages, from 0.
    pub passage: usize,
    /// Which of the answer's calls gave it, from 0; none for a document.
    pub call: Option<usize>,
    /// The document's number; 0 for a live source.
    pub document: u32,
    /// Its title; the live source's name.
    pub title: String,
    /// The page.
    pub page: Option<u64>,
    /// Where the span begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// What stands there.
    pub quote: String,
    /// Which share of the sentence's words the span has.
    pub overlap: f64,
    /// How much more likely the span makes the sentence, in nats per token, where that was looked at.
    pub gain: Option<f64>,
}

/// A passage with what may support something in it.
struct Source<'p> {
    passage: &'p Passage,
    /// Which call gave it.
    call: Option<usize>,
    ground: Ground,
    orders: Vec<Range<usize>>,
}

/// Answers `question` out of what was found. Tells each piece that the model writes to `on` as it comes: a draft, of which the
/// answer keeps what is supported.
///
/// # Errors
/// If the model cannot read or write.
pub fn answer(
    local: Option<&Local>,
    question: &str,
    evidence: &Evidence,
    how: &AnswerOptions,
    on: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
) -> Result<Answer, ChainError> {
    let passages = &evidence.passages;
    let sources: Vec<Source> = passages
        .iter()
        .enumerate()
        .map(|(index, passage)| {
            let orders = if how.guard { guard::orders(&passage.text) } else { Vec::new() };
            let ground = Ground::new(&passage.text, &orders);
            Source { passage, call: evidence.call_of(index), ground, orders }
        })
        .collect();
    let withheld = sources
        .iter()
        .flat_map(|source| source.orders.iter().map(|range| source.passage.text[range.clone()].to_string()));
    let calls = evidence.calls.clone();
    let mut answer =
        Answer { withheld: withheld.collect(), read: passages.len(), calls, ..Answer::default() };
    // What was asked for this question is about it, whatever its words.
    let about: Vec<usize> = (0..sources.len())
        .filter(|&index| sources[index].call.is_some() || is_about(question, sources[index].passage))
        .collect();
    if about.is_empty() {
        return Ok(answer);
    }
    match local {
        Some(local) => written(local, question, &sources, &about, how, on, &mut answer)?,
        None => quoted(question, &sources, &about, &mut answer),
    }
    // Rows were asked for this question: a model that makes nothing of them does not keep them from whoever asks.
    if answer.written && answer.sentences.is_empty() {
        let rows: Vec<usize> = about.into_iter().filter(|&index| evidence.has_rows(index)).collect();
        quoted(question, &sources, &rows, &mut answer);
        answer.written = answer.sentences.is_empty();
    }
    answer.found = !answer.sentences.is_empty();
    answer.text = joined(answer.sentences.iter().map(|sentence| sentence.text.as_str()));
    Ok(answer)
}

/// Whether a passage can say anything to a question.
fn is_about(question: &str, passage: &Passage) -> bool {
    let wanted = content(question);
    let have = content(&format!("{} {} {}", passage.document.title, passage.context, passage.text));
    let common = wanted.iter().filter(|word| have.contains(*word)).count();
    let near = passage.why.cosine.is_some_and(|cosine| cosine >= NEAR);
    near || (common > 0 && common as f64 >= ABOUT * wanted.len() as f64)
}

/// The model's sentences, as far as they are supported.
fn written(
    local: &Local,
    question: &str,
    sources: &[Source],
    about: &[usize],
    how: &AnswerOptions,
    on: &mut dyn FnMut(&Piece) -> ControlFlow<()>,
    answer: &mut Answer,
) -> Result<(), ChainError> {
    let (prompt, read) = prompt::prompt(local, question, sources, how.options.max_tokens)?;
    answer.read = read;
    answer.written = true;
    let reply = local.chat(&[Message::user(prompt)], &how.options, on)?;
    for range in sentences(&reply.text) {
        let broken = breaks_off(&reply, &range);
        let claim = prompt::without_marks(&reply.text[range]);
        if claim.is_empty() || answer.sentences.iter().any(|sentence| sentence.text == claim) {
            continue;
        }
        if broken {
            answer.dropped.push(claim);
            continue;
        }
        let mut citations = Vec::new();
        for &index in about {
            let source = &sources[index];
            let Some(span) = source.ground.best(&source.passage.text, &claim) else { continue };
            if span.overlap < SOME {
                continue;
            }
            let mut gained = None;
            if span.overlap < OVERLAP {
                if !how.entailment {
                    continue;
                }
                let nats = gain(local, &source.passage.text[span.range.clone()], question, &claim)?;
                if nats < GAIN {
                    continue;
                }
                gained = Some(nats);
            }
            citations.push(citation(index, source, &span, gained));
        }
        citations.sort_by(|a, b| b.overlap.total_cmp(&a.overlap));
        citations.truncate(3);
        if citations.is_empty() {
            answer.dropped.push(claim);
        } else {
            answer.sentences.push(Sentence { text: claim, citations });
        }
    }
    Ok(())
}

/// Whether a sentence ends where no more tokens were allowed, or within a character: what is left of it may say something else
/// than what was meant.
fn breaks_off(reply: &Reply, range: &Range<usize>) -> bool {
    let text = &reply.text[range.clone()];
    let last = range.end == reply.text.trim_end().len();
    let ended = text.ends_with(['.', '!', '?', '…', '。', '！', '？', '"', '”', '」', ')', '）', ']']);
    (last && reply.ending == Ending::Length && !ended) || text.contains(char::REPLACEMENT_CHARACTER)
}

/// The rows of live sources; the documents' own sentences that have most of the question's words, in the order in which they
/// stand there.
fn quoted(question: &str, sources: &[Source], about: &[usize], answer: &mut Answer) {
    let wanted = content(question);
    let mut best: Vec<(f64, usize, Range<usize>)> = Vec::new();
    let mut rows: Vec<(f64, usize, Range<usize>)> = Vec::new();
    for &index in about {
        let passage = sources[index].passage;
        if sources[index].call.is_some() {
            let all = sentences(&passage.text).into_iter();
            let fine = all.filter(|range| !sources[index].orders.contains(range));
            rows.extend(fine.take(ROWS).map(|range| (1.0, index, range)));
            continue;
        }
        let weights: std::collections::HashMap<&str, f64> =
            passage.why.shares.iter().map(|(word, share)| (word.as_str(), f64::from(*share))).collect();
        let all: f64 = wanted.iter().map(|word| weights.get(word.as_str()).copied().unwrap_or(0.2)).sum();
        // What the headings say, every sentence under them says.
        let above = content(&format!("{} {}", passage.document.title, passage.context));
        for range in
            sentences(&passage.text).into_iter().filter(|range| !sources[index].orders.contains(range))
        {
            let have = content(&passage.text[range.clone()]);
            // A heading alone answers nothing.
            if have.len() < 2 || have.iter().all(|word| above.contains(word)) {
                continue;
            }
            let weight = |word: &String| weights.get(word.as_str()).copied().unwrap_or(0.2);
            let here: f64 = wanted.iter().filter(|word| have.contains(*word)).map(weight).sum();
            let over: f64 =
                wanted.iter().filter(|word| above.contains(*word) && !have.contains(*word)).map(weight).sum();
            let place = 0.02 * index as f64;
            best.push(((here + 0.5 * over) / all.max(1e-9) - place, index, range));
        }
    }
    best.sort_by(|a, b| b.0.total_cmp(&a.0));
    let least = best.first().map_or(0.0, |(score, ..)| score * 0.8);
    best.retain(|(score, ..)| *score >= least.max(0.25));
    best.truncate(3);
    for (_, index, range) in rows.into_iter().chain(best) {
        let source = &sources[index];
        let text = source.passage.text[range.clone()].to_string();
        let citations = vec![citation(index, source, &Span { range, overlap: 1.0 }, None)];
        if answer.sentences.iter().all(|sentence| sentence.text != text) {
            answer.sentences.push(Sentence { text, citations });
        }
    }
}

fn citation(index: usize, source: &Source, span: &Span, gain: Option<f64>) -> Citation {
    let passage = source.passage;
    let start = passage.start + passage.text[..span.range.start].chars().count() as u64;
    let quote = passage.text[span.range.clone()].to_string();
    let pages = &passage.document.pages;
    let page = match pages.partition_point(|&begin| begin <= start) {
        0 => passage.page,
        page => Some(page as u64),
    };
    Citation {
        passage: index,
        call: source.call,
        document: passage.document.id,
        title: passage.document.title.clone(),
        page,
        start,
        end: start + quote.chars().count() as u64,
        quote,
        overlap: span.overlap,
        gain,
    }
}

/// Sentences in a row: with a space between, unless they are Chinese.
fn joined<'s>(sentences: impl Iterator<Item = &'s str>) -> String {
    let mut text = String::new();
    for sentence in sentences {
        if text.chars().next_back().is_some_and(|last| last.is_ascii()) {
            text.push(' ');
        }
        text += sentence;
    }
    text
}

#[cfg(test)]
mod tests;
