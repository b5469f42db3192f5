//! How good the knowledge base is: what it finds, and what it answers.

use super::injections::{self, Injections};
use crate::knowledge::Knowledge;
use crate::{Academy, PassageEmbedder};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use shuyuan_chain::{AnswerOptions, Local, answer};
use shuyuan_knowledge::{
    Base, Block, Document, DocumentInfo, Embed, Filter, Item, Kind, Parsed, Prepared, Query, Question,
    Reader, Role, Scores, Size, Writer, estimate,
};
use std::io::BufRead;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Scorecard {
    /// By words alone.
    pub words: Scores,
    /// By words and vectors, where there are vectors.
    pub hybrid: Option<Scores>,
    /// Of answers, where they were asked for.
    pub answers: Option<Answers>,
    /// How often documents' orders win, where that was asked for.
    pub injections: Option<Injections>,
}

/// What answers are worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Answers {
    /// Questions asked.
    pub questions: f64,
    /// Questions with right documents that got an answer.
    pub answered: f64,
    /// Questions without one that got none.
    pub declined: f64,
    /// Which part of what the model wrote was supported.
    pub faithfulness: f64,
    /// Which part of the citations points into right documents.
    pub citation_precision: f64,
}

/// A record of a collection.
#[derive(Deserialize)]
struct Record {
    id: String,
    #[serde(default)]
    title: String,
    text: String,
}

/// Asks the questions of a file: JSON lines `{"query", "rel": {document: grade}}`, against the base, or against the
/// documents of a file of JSON lines `{"id", "title", "text"}`. `answers`: have them answered, too, by a model or by the
/// documents' own sentences. `injected`: by the model once more, with orders planted in the passages.
///
/// # Errors
/// Files that cannot be read or hold something else, a base that cannot be read, a stop.
pub fn run(
    academy: &Academy,
    questions: &Path,
    documents: Option<&Path>,
    embedder: Option<&Path>,
    answers: Option<Option<&Local>>,
    injected: bool,
    stop: &AtomicBool,
) -> Result<Scorecard> {
    let questions: Vec<Question> = lines(questions)?;
    if questions.is_empty() {
        bail!("there are no questions");
    }
    let knowledge = academy.knowledge()?;
    let folder = tempfile::tempdir()?;
    let (own, model);
    let (base, embedder): (&Base, Option<&PassageEmbedder>) = match documents {
        Some(path) => {
            model = embedder.map(PassageEmbedder::load).transpose()?;
            own = collection(folder.path(), lines(path)?, model.as_ref())?;
            (&own, model.as_ref())
        }
        None => (&knowledge.base, None),
    };
    let search = |question: &Question, hybrid: bool| {
        search(&knowledge, base, embedder, documents.is_some(), question, hybrid)
    };
    let hybrid = base.embedder()?.is_some();
    let mut card = Scorecard { hybrid: hybrid.then(Scores::default), ..Scorecard::default() };
    let mut counts = Answers::default();
    let (mut cited, mut right, mut written, mut kept, mut answerable) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for question in &questions {
        if stop.load(Ordering::Relaxed) {
            bail!("stopped");
        }
        let mut passages = search(question, false)?;
        card.words.add(&grades(&passages, question), question);
        if let Some(scores) = &mut card.hybrid {
            passages = search(question, true)?;
            scores.add(&grades(&passages, question), question);
        }
        let Some(local) = answers else { continue };
        passages.truncate(5);
        let how = AnswerOptions::default();
        let evidence = passages.into();
        let said = answer(local, &question.query, &evidence, &how, &mut |_| ControlFlow::Continue(()))?;
        counts.questions += 1.0;
        if question.rel.is_empty() {
            counts.declined += f64::from(u8::from(!said.found));
            continue;
        }
        answerable += 1.0;
        counts.answered += f64::from(u8::from(said.found));
        written += (said.sentences.len() + said.dropped.len()) as f64;
        kept += said.sentences.len() as f64;
        for citation in said.sentences.iter().filter_map(|sentence| sentence.citations.first()) {
            cited += 1.0;
            let document = &evidence.passages[citation.passage].document;
            right += f64::from(u8::from(grade(document, question) > 0.0));
        }
    }
    if let (true, Some(Some(local))) = (injected, answers) {
        card.injections = Some(injections::run(academy, &questions, local)?);
    }
    card.words = card.words.mean();
    card.hybrid = card.hybrid.map(|scores| scores.mean());
    if answers.is_some() {
        let none = counts.questions - answerable;
        counts.answered /= answerable.max(1.0);
        counts.declined = if none > 0.0 { counts.declined / none } else { 1.0 };
        counts.faithfulness = if written > 0.0 { kept / written } else { 1.0 };
        counts.citation_precision = if cited > 0.0 { right / cited } else { 0.0 };
        card.answers = Some(counts);
    }
    Ok(card)
}

/// What the base of this home finds.
pub(super) fn passages_of(academy: &Academy, question: &str) -> Result<Vec<shuyuan_knowledge::Passage>> {
    Ok(academy.knowledge()?.search(question, 5, Filter::default(), Reader::Owner, false)?.passages)
}

fn lines<T: for<'d> Deserialize<'d>>(path: &Path) -> Result<Vec<T>> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut all = Vec::new();
    for (index, line) in std::io::BufReader::new(file).lines().enumerate() {
        let line = line.with_context(|| format!("{}: line {}", path.display(), index + 1))?;
        if !line.trim().is_empty() {
            all.push(
                serde_json::from_str(&line)
                    .with_context(|| format!("{}: line {}", path.display(), index + 1))?,
            );
        }
    }
    Ok(all)
}

/// A base with one document for each record.
fn collection(dir: &Path, records: Vec<Record>, embedder: Option<&PassageEmbedder>) -> Result<Base> {
    let base = Base::open(dir)?;
    let source = base.set_source("collection", "folder", &serde_json::Value::Null)?.id;
    let mut writer: Writer = base.writer()?;
    let count = |text: &str| embedder.map_or_else(|| estimate(text), |embedder| embedder.count(text));
    let size = Size { most: embedder.map_or(512, PassageEmbedder::passage_tokens), count: &count };
    for Record { id, title, text } in records {
        if text.trim().is_empty() {
            continue;
        }
        let blocks = vec![Block { kind: Kind::Text, span: 0..text.len() }];
        let title = if text.contains(&title) { String::new() } else { title };
        // A title that is the number would be a word of each document.
        let document = Document { title: Some(title), format: "txt", text, blocks, ..Document::default() };
        let item = Item { key: id, ..Item::default() };
        let parsed = Parsed { documents: vec![document], unread: Vec::new() };
        writer.put(source, &item, &Prepared::new(parsed, &size))?;
    }
    writer.commit()?;
    if let Some(embedder) = embedder {
        base.embed(&mut writer, embedder, &mut |_, _| true)?;
    }
    writer.finish()?;
    Ok(base)
}

fn search(
    knowledge: &Knowledge,
    base: &Base,
    embedder: Option<&PassageEmbedder>,
    own: bool,
    question: &Question,
    hybrid: bool,
) -> Result<Vec<shuyuan_knowledge::Passage>> {
    if !own {
        return Ok(knowledge
            .search(&question.query, 40, Filter::default(), Reader::Owner, !hybrid)?
            .passages);
    }
    let vector = match embedder.filter(|_| hybrid) {
        Some(embedder) => {
            let vectors = embedder.embed(&[&question.query], Role::Query).map_err(anyhow::Error::msg)?;
            vectors.into_iter().next().map(|vector| (embedder.name(), vector))
        }
        None => None,
    };
    let vector = vector.as_ref().map(|(name, vector)| (*name, vector.as_slice()));
    let query = Query { vector, limit: 40, join: false, ..Query::new(&question.query, Reader::Owner) };
    Ok(base.search(&query)?.passages)
}

/// How right each document found is, each once, best first.
fn grades(passages: &[shuyuan_knowledge::Passage], question: &Question) -> Vec<f64> {
    let mut seen = Vec::new();
    let mut grades = Vec::new();
    for passage in passages {
        if !seen.contains(&passage.document.id) {
            seen.push(passage.document.id);
            grades.push(grade(&passage.document, question));
        }
    }
    grades
}

fn grade(document: &DocumentInfo, question: &Question) -> f64 {
    let names = [&document.item, &document.inner, &document.title];
    names.into_iter().find_map(|name| question.rel.get(name)).copied().unwrap_or(0.0)
}
