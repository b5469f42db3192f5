//! `kb search`, `show`.

use super::Scope;
use crate::args::{Global, count};
use crate::out::{self, say};
use crate::style::{BOLD, CYAN, DIM, RESET, cut, visible};
use anyhow::{Context, Result};
use clap::Args;
use shuyuan_knowledge::Passage;

/// Find passages
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan kb search \"trial period\"\n  shuyuan kb search 试用期 --explain --folder hr/"
)]
pub(crate) struct Search {
    /// What to look for
    query: String,
    /// The most passages
    #[arg(long, default_value = "5", value_name = "N", value_parser = count)]
    limit: usize,
    /// Show what each score consists of
    #[arg(long)]
    explain: bool,
    /// By words alone
    #[arg(long)]
    words: bool,
    #[command(flatten)]
    scope: Scope,
}

/// Characters of a passage that are shown.
const SHOWN: usize = 400;

impl Search {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let knowledge = academy.knowledge()?;
        let found = knowledge.search(
            &self.query,
            self.limit,
            self.scope.filter(),
            self.scope.reader(),
            self.words,
        )?;
        if global.json {
            return out::json(&found);
        }
        for (index, passage) in found.passages.iter().enumerate() {
            say!("{BOLD}{}. {}{RESET}  {DIM}{}{RESET}", index + 1, passage.document.title, place(passage))?;
            say!(
                "   {}",
                cut(&visible(&passage.text.split_whitespace().collect::<Vec<_>>().join(" ")), SHOWN)
            )?;
            if self.explain {
                explain(passage)?;
            }
        }
        if found.passages.is_empty() {
            say!("{}", academy.lang.pick("没有找到", "nothing found"))?;
        }
        say!("{DIM}{}{RESET}", super::manage::mode(&academy)?)
    }
}

fn explain(passage: &Passage) -> Result<()> {
    let why = &passage.why;
    let rank = |rank: Option<usize>| rank.map_or("-".into(), |rank| rank.to_string());
    say!(
        "   {CYAN}score {:.4}{RESET}  words {:.2} (rank {}), cosine {} (rank {}, weight {:.2})",
        passage.score,
        why.words,
        rank(why.words_rank),
        why.cosine.map_or("-".into(), |cosine| format!("{cosine:.3}")),
        rank(why.vector_rank),
        why.vector_weight
    )?;
    let shares: Vec<String> = why.shares.iter().map(|(word, share)| format!("{word} {share:.2}")).collect();
    say!("   {DIM}{}{RESET}", shares.join(", "))?;
    for also in &passage.also {
        say!("   {DIM}= {}: {}–{}{RESET}", also.title, also.start, also.end)?;
    }
    Ok(())
}

/// Where a passage stands: path, page, headings.
fn place(passage: &Passage) -> String {
    let document = &passage.document;
    let mut place = format!("{}: {}", document.source, document.item);
    if !document.inner.is_empty() {
        place += &format!(" › {}", document.inner);
    }
    if let Some(page) = passage.page {
        place += &format!(", p. {page}");
    }
    if !passage.context.is_empty() {
        place += &format!(", {}", passage.context);
    }
    place
}

/// Show a document as it was read, and how it was cut
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan kb show handbook/leave.md")]
pub(crate) struct Show {
    /// Its path, title or number
    document: String,
    #[command(flatten)]
    scope: Scope,
}

impl Show {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let knowledge = global.academy()?.knowledge()?;
        let reader = self.scope.reader();
        let id = super::document(&knowledge, &reader, &self.document)?;
        let document = knowledge.base.document(&reader, id)?.context("the document is gone")?;
        if global.json {
            return out::json(&document);
        }
        let chars: Vec<char> = document.text.chars().collect();
        for piece in &document.pieces {
            let page = piece.page.map_or(String::new(), |page| format!(", p. {page}"));
            say!(
                "{DIM}── {}–{}{page}, {} tokens  {}{RESET}",
                piece.start,
                piece.end,
                piece.tokens,
                piece.context
            )?;
            let text: String = chars[piece.start as usize..piece.end as usize].iter().collect();
            say!("{}", visible_lines(text.trim()))?;
        }
        Ok(())
    }
}

/// A text of several lines, without what would move the terminal's cursor.
fn visible_lines(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}
