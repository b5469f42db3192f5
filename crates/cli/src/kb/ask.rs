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
use shuyuan_chain::{AnswerOptions, Options, answer, rerank, summarize_document};
use shuyuan_engine::Sampling;

/// Ask the knowledge base: an answer, each sentence with the place it came from
///
/// Without --model, the documents' own sentences answer.
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
        let found = knowledge.search(
            &self.question,
            self.passages,
            self.scope.filter(),
            self.scope.reader(),
            false,
        )?;
        let mut passages = found.passages;
        if let (Some(local), true) = (&local, self.rerank) {
            passages = rerank(local, &self.question, passages)?;
        }
        let options = Options {
            max_tokens: self.max_tokens,
            sampling: Sampling { temperature: 0.0, ..Sampling::default() },
            ..Options::default()
        };
        let how = AnswerOptions { options, guard: !self.no_guard, ..AnswerOptions::default() };
        let answer = answer(local.as_ref(), &self.question, &passages, &how, &mut |_| unless_stopped())?;
        stop::check()?;
        if global.json {
            return out::json_with(&answer, json!({ "mode": found.mode, "passages": passages }));
        }
        if !answer.found {
            say!("{}", academy.lang.pick("资料里没有找到答案。", "The documents do not say."))?;
        }
        let mut sources: Vec<(u32, u64, String)> = Vec::new();
        for sentence in &answer.sentences {
            let mut marks = String::new();
            for citation in sentence.citations.iter().take(1) {
                let key = (citation.document, citation.start);
                let number = match sources.iter().position(|(id, start, _)| (*id, *start) == key) {
                    Some(at) => at + 1,
                    None => {
                        let passage = &passages[citation.passage];
                        let page = citation.page.map_or(String::new(), |page| format!(", p. {page}"));
                        sources.push((
                            citation.document,
                            citation.start,
                            format!(
                                "{}: {}{page}, {}–{}  “{}”",
                                citation.title,
                                passage.document.item,
                                citation.start,
                                citation.end,
                                cut(&visible(&citation.quote), 160)
                            ),
                        ));
                        sources.len()
                    }
                };
                marks += &format!(" {DIM}[{number}]{RESET}");
            }
            say!("{}{marks}", visible(&sentence.text))?;
        }
        for (index, (.., source)) in sources.iter().enumerate() {
            say!("  {BOLD}[{}]{RESET} {DIM}{source}{RESET}", index + 1)?;
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
