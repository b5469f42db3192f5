//! `kb`: the organisation's own books, kept, found and asked.

mod ask;
mod eval;
mod key;
mod manage;
mod search;
mod source;

use crate::args::Global;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use shuyuan_knowledge::{Filter, Reader};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Add(manage::Add),
    Sync(manage::Sync),
    List(manage::List),
    Remove(manage::Remove),
    Embedder(manage::Embedder),
    Search(search::Search),
    Show(search::Show),
    Ask(ask::Ask),
    #[command(alias = "summarize")]
    Summarise(ask::Summarise),
    Eval(eval::Eval),
    /// Databases, APIs, feeds, listings, repositories: written down in a file each, synced or asked live
    #[command(
        after_help = "Example:\n  shuyuan kb source test tickets.toml\n  shuyuan kb source add tickets.toml"
    )]
    Source {
        #[command(subcommand)]
        verb: source::Verb,
    },
    Backup(manage::Backup),
    Restore(manage::Restore),
    /// Keys for readers of a served knowledge base
    #[command(after_help = "Example:\n  shuyuan kb key add anna --groups hr sales")]
    Key {
        #[command(subcommand)]
        verb: key::Verb,
    },
}

impl Verb {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        match self {
            Self::Add(verb) => verb.run(global),
            Self::Sync(verb) => verb.run(global),
            Self::List(verb) => verb.run(global),
            Self::Remove(verb) => verb.run(global),
            Self::Embedder(verb) => verb.run(global),
            Self::Search(verb) => verb.run(global),
            Self::Show(verb) => verb.run(global),
            Self::Ask(verb) => verb.run(global),
            Self::Summarise(verb) => verb.run(global),
            Self::Eval(verb) => verb.run(global),
            Self::Source { verb } => verb.run(global),
            Self::Backup(verb) => verb.run(global),
            Self::Restore(verb) => verb.run(global),
            Self::Key { verb } => verb.run(global),
        }
    }
}

/// Whose eyes, and what is looked through.
#[derive(Debug, Args)]
struct Scope {
    /// See only what these groups may read [default: everything]
    #[arg(long = "as", num_args = 0.., value_name = "GROUP")]
    groups: Option<Vec<String>>,
    /// Only this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only what lies under this path
    #[arg(long, value_name = "PATH")]
    folder: Option<String>,
    /// Only these formats: pdf, md, docx, …
    #[arg(long, num_args = 1.., value_name = "TYPE")]
    format: Vec<String>,
    /// Not before this date
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    after: Option<String>,
    /// Not after this date
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    before: Option<String>,
    /// Only what has all of these tags
    #[arg(long, num_args = 1.., value_name = "TAG")]
    tag: Vec<String>,
}

impl Scope {
    fn reader(&self) -> Reader {
        self.groups.clone().map_or(Reader::Owner, Reader::of)
    }

    fn filter(&self) -> Filter {
        Filter {
            source: self.source.clone(),
            except: None,
            folder: self.folder.clone(),
            formats: self.format.clone(),
            after: self.after.clone(),
            before: self.before.clone(),
            tags: self.tag.clone(),
        }
    }
}

/// For clap: a date.
fn date(text: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let digits =
        |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|b| b.iter().all(u8::is_ascii_digit));
    let fits = text.len() == 10
        && digits(0..4)
        && digits(5..7)
        && digits(8..10)
        && bytes[4] == b'-'
        && bytes[7] == b'-';
    if fits { Ok(text.into()) } else { Err("expected a date like 2026-11-28".into()) }
}

/// A document's number, path or title.
fn document(knowledge: &shuyuan_academy::Knowledge, reader: &Reader, name: &str) -> Result<u32> {
    match knowledge.base.find(reader, name)? {
        Some(id) => Ok(id),
        None => bail!(
            "no document {name:?}: give its path, title or number, as `shuyuan kb list --documents` shows them"
        ),
    }
}
