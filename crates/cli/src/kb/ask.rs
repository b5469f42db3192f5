//! `kb ask`, `summarise`.

use super::Scope;
use crate::args::{Global, count};
use crate::generate::unless_stopped;
use crate::out::{self, note, say};
use crate::style::{BOLD, DIM, RESET, YELLOW, cut, visible};
use crate::{models, stop};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use shuyuan_academy::Lang;
use shuyuan_chain::{
    AnswerOptions, By, Call, Citation, Evidence, Followed, History, LiveSources, Options, answer, follow_up,
    rerank, summarize_document,
};
use shuyuan_engine::Sampling;
use shuyuan_knowledge::Passage;

/// Ask the knowledge base: an answer, each sentence with the place it came from
///
/// Without --model, the documents' own sentences answer. Live sources (`kb source`) are asked for the present value where the
/// question needs it.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan kb ask \"试用期多长?\"\n  shuyuan kb ask \"How long is the trial period?\" --model academy"
)]
pub(crate) struct Ask {
    /// The question
    question: String,
    /// A model's folder or GGUF file, or its name in the home folder
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Passages to answer from
    #[arg(long, default_value = "5", value_name = "N", value_parser = count)]
    passages: usize,
    /// Have the model order the passages first
    #[arg(long, requires = "model")]
    rerank: bool,
    /// Let the model read sentences that give it orders
    #[arg(long)]
    no_guard: bool,
    /// Ask no live sources
    #[arg(long)]
    no_live: bool,
    /// The question before this one, which may lean on it
    #[arg(long, value_name = "QUESTION")]
    follows: Option<String>,
    /// What was answered to that
    #[arg(long, value_name = "TEXT", requires = "follows")]
    answered: Option<String>,
    /// Show what was searched for, and which live sources came into question
    #[arg(long)]
    explain: bool,
    /// The most tokens to write
    #[arg(long, default_value = "256", value_name = "N", value_parser = count)]
    max_tokens: usize,
    #[command(flatten)]
    scope: Scope,
}

impl Ask {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let knowledge = academy.knowledge()?;
        let local = match &self.model {
            Some(name) => Some(models::load(&academy, Some(name))?.local()),
            None => None,
        };
        let options = Options {
            max_tokens: self.max_tokens,
            sampling: Sampling { temperature: 0.0, ..Sampling::default() },
            ..Options::default()
        };
        let before = self
            .follows
            .clone()
            .map(|question| History { question, answer: self.answered.clone().unwrap_or_default() });
        let followed = follow_up(local.as_ref(), before.as_ref(), &self.question, &options)?;
        let (filter, reader) = (self.scope.filter(), self.scope.reader());
        let found =
            knowledge.search(&followed.searched, self.passages, filter.clone(), reader.clone(), false)?;
        let mut passages = found.passages;
        if let (Some(local), true) = (&local, self.rerank) {
            passages = rerank(local, &followed.question, passages)?;
        }
        stop::check()?;
        let evidence = match self.no_live {
            true => passages.into(),
            false => {
                let sources = LiveSources { base: &knowledge.base, reader: &reader, filter: &filter };
                Evidence::gather(local.as_ref(), &sources, &followed.question, passages, &options)?
            }
        };
        stop::check()?;
        if self.explain && !global.json {
            explain(academy.lang, &followed, &evidence);
        }
        let how = AnswerOptions { options, guard: !self.no_guard, ..AnswerOptions::default() };
        let answer = answer(local.as_ref(), &followed.question, &evidence, &how, &mut |_| unless_stopped())?;
        stop::check()?;
        let passages = &evidence.passages;
        if global.json {
            let about = json!({
                "mode": found.mode, "passages": passages, "followed": followed, "considered": evidence.considered,
            });
            return out::json_with(&answer, about);
        }
        if !answer.found {
            say!("{}", academy.lang.pick("资料里没有找到答案。", "The documents do not say."))?;
        }
        let mut sources: Vec<(usize, u64, u64, String)> = Vec::new();
        for sentence in &answer.sentences {
            let mut marks = String::new();
            for citation in sentence.citations.iter().take(1) {
                let number = sources.iter().position(|(passage, start, end, _)| {
                    (*passage, *start, *end) == (citation.passage, citation.start, citation.end)
                });
                let number = number.unwrap_or_else(|| {
                    let place = match citation.call.map(|call| &answer.calls[call]) {
                        Some(call) => asked(academy.lang, call),
                        None => place(citation, &passages[citation.passage]),
                    };
                    let source = format!("{place}  “{}”", cut(&visible(&citation.quote), 160));
                    sources.push((citation.passage, citation.start, citation.end, source));
                    sources.len() - 1
                });
                marks += &format!(" {DIM}[{}]{RESET}", number + 1);
            }
            say!("{}{marks}", visible(&sentence.text))?;
        }
        for (index, (.., source)) in sources.iter().enumerate() {
            say!("  {BOLD}[{}]{RESET} {DIM}{source}{RESET}", index + 1)?;
        }
        for call in &answer.calls {
            told(academy.lang, call);
        }
        for text in &answer.dropped {
            let why = academy.lang.pick("没有依据,已去掉:", "not supported, left out:");
            note(format_args!("{YELLOW}{why}{RESET} {}", visible(text)));
        }
        for text in &answer.withheld {
            let why = academy.lang.pick(
                "文档里的这句话在指挥模型,没有给它看:",
                "a document gives the model orders, kept from it:",
            );
            note(format_args!("{YELLOW}{why}{RESET} {}", visible(text)));
        }
        Ok(())
    }
}

/// Where a sentence stands.
fn place(citation: &Citation, passage: &Passage) -> String {
    let page = citation.page.map_or(String::new(), |page| format!(", p. {page}"));
    format!("{}: {}{page}, {}–{}", citation.title, passage.document.item, citation.start, citation.end)
}

/// What was asked of a live source, and when.
fn asked(lang: Lang, call: &Call) -> String {
    let (written, moment) = (visible(&call.written()), call.moment().unwrap_or_default());
    match lang {
        Lang::Zh => format!("实时查询 {written}，{moment}"),
        Lang::En => format!("asked live: {written}, {moment}"),
    }
}

/// Tells of a call, whether it gave anything or not.
fn told(lang: Lang, call: &Call) {
    if let Some(error) = &call.error {
        let written = visible(&call.written());
        match lang {
            Lang::Zh => {
                note(format_args!("{YELLOW}实时来源没有给出结果:{RESET} {written}: {}", visible(error)))
            }
            Lang::En => {
                note(format_args!("{YELLOW}a live source gave nothing:{RESET} {written}: {}", visible(error)))
            }
        }
        return;
    }
    let more = if call.more { "+" } else { "" };
    match lang {
        Lang::Zh => note(format_args!("{DIM}{}: {}{more} 行{RESET}", asked(lang, call), call.rows)),
        Lang::En => note(format_args!("{DIM}{}: rows: {}{more}{RESET}", asked(lang, call), call.rows)),
    }
}

fn explain(lang: Lang, followed: &Followed, evidence: &Evidence) {
    let by = match followed.by {
        None => "",
        Some(By::Rule) => lang.pick(" (带上了上一个问题)", " (with the question before it)"),
        Some(By::Model) => lang.pick(" (模型改写)", " (rewritten by the model)"),
    };
    note(format_args!("{}{by}: {}", lang.pick("查找", "searched for"), visible(&followed.searched)));
    if let Some(text) = &followed.refused {
        let why = lang.pick("没有采用模型的改写", "the model's rewriting, not taken");
        note(format_args!("{why}: {}", visible(text)));
    }
    for one in &evidence.considered {
        let likely = one
            .likelihood
            .map_or(String::new(), |nats| format!("{} {nats:+.2}, ", lang.pick("似然", "likelihood")));
        let words = format!("{} {:.2}", lang.pick("词", "words"), one.words);
        let end = match (one.asked, one.said) {
            (true, _) => lang.pick("已查询", "asked"),
            (false, true) => lang.pick("没有查询", "not asked"),
            (false, false) => {
                lang.pick("问题里没有它要的参数", "the question does not say what it must be given")
            }
        };
        note(format_args!("{} {}: {likely}{words}: {end}", lang.pick("实时来源", "live source"), one.source));
    }
}

/// Summarise a document of any length, each sentence with its place
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan kb summarise handbook/leave.md --model academy")]
pub(crate) struct Summarise {
    /// Its path, title or number
    document: String,
    /// A model's folder or GGUF file, or its name in the home folder [default: academy, or the newest]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// About how many sentences
    #[arg(long, default_value = "5", value_name = "N", value_parser = count)]
    sentences: usize,
    #[command(flatten)]
    scope: Scope,
}

impl Summarise {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let knowledge = academy.knowledge()?;
        let reader = self.scope.reader();
        let id = super::document(&knowledge, &reader, &self.document)?;
        let document = knowledge.base.document(&reader, id)?.context("the document is gone")?;
        let local = models::load(&academy, self.model.as_deref())?.local();
        let options = Options {
            max_tokens: 128,
            sampling: Sampling { temperature: 0.0, ..Sampling::default() },
            ..Options::default()
        };
        let summary =
            summarize_document(&local, &document, self.sentences, &options, &mut |_| unless_stopped())?;
        stop::check()?;
        if global.json {
            return out::json(&summary);
        }
        for (text, start, end) in &summary.sentences {
            say!("{} {DIM}[{start}–{end}]{RESET}", visible(text))?;
        }
        for text in &summary.dropped {
            let why = academy.lang.pick("没有依据,已去掉:", "not supported, left out:");
            note(format_args!("{YELLOW}{why}{RESET} {}", visible(text)));
        }
        Ok(())
    }
}
