//! What an answer rests on: passages of documents, and what live sources say at this moment.
//!
//! question → sources that it may be put to → likelihood and words choose → arguments, written by the model within what the
//! question says → rows → a passage with its own place.

mod call;
mod choose;
mod said;

use crate::trades::is_chinese;
use crate::{ChainError, Local, Options};
use choose::{ENOUGH, covered, is_named, likelihoods};
use serde::Serialize;
use serde_json::Value;
use shuyuan_knowledge::live::{self, Table, ToolDescription};
use shuyuan_knowledge::{Base, DocumentInfo, Filter, Passage, Reader, Why};

/// Sources that one question is put to.
const MOST: usize = 2;
/// Which part of the best one's score a second source needs.
const BESIDE: f64 = 0.8;
/// The format of a passage that a live source gave.
const LIVE: &str = "live";

/// What an answer rests on.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What live sources gave, then what was found in documents.
    pub passages: Vec<Passage>,
    /// The live sources that were asked.
    pub calls: Vec<Call>,
    /// Which live sources came into question, the likeliest first.
    pub considered: Vec<Considered>,
}

/// A live source that was asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Call {
    /// Its name.
    pub source: String,
    /// What was asked, by parameter.
    pub arguments: Value,
    /// When it answered, in seconds since 1970.
    pub fetched: Option<u64>,
    /// Whether that is an answer of before, which is still good.
    pub cached: bool,
    /// How many rows came.
    pub rows: usize,
    /// Whether there are more.
    pub more: bool,
    /// Why it gave nothing.
    pub error: Option<String>,
    /// Which of the passages holds the rows.
    pub passage: Option<usize>,
}

/// A live source that came into question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Considered {
    /// Its name.
    pub source: String,
    /// How much likelier the question is among those that need it, in nats per token, where a model said.
    pub likelihood: Option<f64>,
    /// Which share of the question's words its description has.
    pub words: f64,
    /// Whether the question says what its parameters need.
    pub said: bool,
    /// Whether it was asked.
    pub asked: bool,
}

/// The live sources that someone may ask.
pub struct LiveSources<'a> {
    /// Where they are defined.
    pub base: &'a Base,
    /// Who asks.
    pub reader: &'a Reader,
    /// What documents are searched: a source that is named is the only one asked; what narrows by what documents have leaves
    /// none.
    pub filter: &'a Filter,
}

impl From<Vec<Passage>> for Evidence {
    fn from(passages: Vec<Passage>) -> Self {
        Self { passages, ..Self::default() }
    }
}

impl Evidence {
    /// Puts the question to the live sources that it needs, besides what was found. With a model, the model's word counts and
    /// it writes the calls; without one, a source is asked if the question has the words of its description and leaves no
    /// choice as to the parameters. One that fails costs nothing but what it would have said.
    ///
    /// # Errors
    /// If the base cannot be read, or the model cannot read or write.
    pub fn gather(
        local: Option<&Local>,
        sources: &LiveSources,
        question: &str,
        found: Vec<Passage>,
        options: &Options,
    ) -> Result<Self, ChainError> {
        let now = shuyuan_text::now();
        let tools = sources.tools()?;
        let mut evidence = Self::default();
        for tool in chosen(local, question, &tools, now, &mut evidence.considered)? {
            let arguments = match local {
                Some(local) => call::arguments(local, question, tool, now, options)?,
                None => said::only(tool, question, now),
            };
            let Some(arguments) = arguments else { continue };
            if let Some(one) = evidence.considered.iter_mut().find(|one| one.source == tool.name) {
                one.asked = true;
            }
            evidence.ask(sources, tool, arguments, question);
        }
        evidence.passages.extend(found);
        Ok(evidence)
    }

    fn ask(&mut self, sources: &LiveSources, tool: &ToolDescription, arguments: Value, question: &str) {
        let mut call = Call {
            source: tool.name.clone(),
            arguments,
            fetched: None,
            cached: false,
            rows: 0,
            more: false,
            error: None,
            passage: None,
        };
        match live::call(sources.base, sources.reader, &tool.name, &call.arguments) {
            Ok(table) => {
                call.fetched = Some(table.fetched);
                (call.cached, call.rows, call.more) = (table.cached, table.rows.len(), table.more);
                call.passage = Some(self.passages.len());
                let passage = passage(&call, &table, tool, question, self.passages.len());
                self.passages.push(passage);
            }
            Err(error) => call.error = Some(error.to_string()),
        }
        self.calls.push(call);
    }

    /// Whether a passage holds rows of a live source.
    pub(super) fn has_rows(&self, passage: usize) -> bool {
        self.call_of(passage).is_some_and(|call| self.calls[call].rows > 0)
    }

    /// The call that gave a passage.
    pub(super) fn call_of(&self, passage: usize) -> Option<usize> {
        self.calls.iter().position(|call| call.passage == Some(passage))
    }
}

impl LiveSources<'_> {
    fn tools(&self) -> Result<Vec<ToolDescription>, ChainError> {
        let Filter { source, except, folder, formats, after, before, tags } = self.filter;
        if folder.is_some() || after.is_some() || before.is_some() || !formats.is_empty() || !tags.is_empty()
        {
            return Ok(Vec::new());
        }
        let mut tools = live::tools(self.base, self.reader)?;
        tools.retain(|tool| {
            source.as_ref().is_none_or(|name| *name == tool.name) && except.as_ref() != Some(&tool.name)
        });
        Ok(tools)
    }
}

impl Call {
    /// `name(parameter=value, …)`.
    pub fn written(&self) -> String {
        let values = self.arguments.as_object().into_iter().flatten();
        let values: Vec<String> = values.map(|(name, value)| format!("{name}={}", plain(value))).collect();
        format!("{}({})", self.source, values.join(", "))
    }

    /// When it answered, as `2026-11-28 11:20:03 UTC`.
    pub fn moment(&self) -> Option<String> {
        self.fetched.map(|at| shuyuan_text::strftime(at, "%F %H:%M:%S UTC"))
    }
}

/// The sources to ask, the likeliest first.
fn chosen<'t>(
    local: Option<&Local>,
    question: &str,
    tools: &'t [ToolDescription],
    now: u64,
    considered: &mut Vec<Considered>,
) -> Result<Vec<&'t ToolDescription>, ChainError> {
    let said = |tool: &ToolDescription| said::narrowed(tool, question, now, true).is_some();
    let (callable, others): (Vec<&ToolDescription>, Vec<_>) = tools.iter().partition(|tool| said(tool));
    let likely: Vec<Option<f64>> = match local {
        Some(local) if !callable.is_empty() => {
            likelihoods(local, question, &callable)?.into_iter().map(Some).collect()
        }
        _ => vec![None; callable.len()],
    };
    let mut scored: Vec<(f64, bool, &ToolDescription, Considered)> = Vec::new();
    for (tool, likelihood) in callable.into_iter().zip(likely) {
        let words = covered(question, tool);
        let score = likelihood.unwrap_or(0.0) + words.0;
        let enough = likelihood.is_some() && score >= ENOUGH || is_named(words);
        let source = tool.name.clone();
        scored.push((
            score,
            enough,
            tool,
            Considered { source, likelihood, words: words.0, said: true, asked: false },
        ));
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut chosen: Vec<&ToolDescription> = Vec::new();
    let mut best = f64::NEG_INFINITY;
    for (score, enough, tool, one) in scored {
        if enough && chosen.len() < MOST && (chosen.is_empty() || score >= BESIDE * best) {
            best = best.max(score);
            chosen.push(tool);
        }
        considered.push(one);
    }
    considered.extend(others.into_iter().map(|tool| Considered {
        source: tool.name.clone(),
        likelihood: None,
        words: covered(question, tool).0,
        said: false,
        asked: false,
    }));
    Ok(chosen)
}

/// Rows as a passage: a line each, with the columns' names, so that one line can be quoted alone.
fn passage(call: &Call, table: &Table, tool: &ToolDescription, question: &str, place: usize) -> Passage {
    let zh = is_chinese(question);
    let line = |row: &Vec<Value>| {
        let cells = table.columns.iter().zip(row).filter(|(_, value)| !value.is_null());
        cells.map(|(column, value)| format!("{column}: {}", plain(value))).collect::<Vec<_>>().join(", ")
    };
    let mut lines: Vec<String> = table.rows.iter().map(line).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        let none = if zh { "没有符合的记录" } else { "no rows" };
        lines.push(format!("{}: {none}", call.written()));
    }
    let text = lines.join("\n");
    let about = if zh { &tool.description.zh } else { &tool.description.en };
    let moment = call.moment().unwrap_or_default();
    let characters = text.chars().count() as u64;
    Passage {
        document: DocumentInfo {
            // No document has this number: it stands nowhere but in its source.
            id: 0,
            source: call.source.clone(),
            item: call.written(),
            inner: String::new(),
            title: call.source.clone(),
            format: LIVE.into(),
            date: call.fetched.map(|at| shuyuan_text::strftime(at, "%F")),
            tags: Vec::new(),
            url: None,
            notes: Vec::new(),
            groups: Vec::new(),
            chunks: 0,
            characters,
            pages: Vec::new(),
        },
        // Beyond all chunks.
        slot: u32::MAX - place as u32,
        chunks: 1,
        start: 0,
        end: characters,
        page: None,
        context: format!("{about} ({moment})"),
        text,
        score: 0.0,
        why: Why::default(),
        also: Vec::new(),
    }
}

/// A value on one line.
fn plain(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
