//! `kb add`, `sync`, `list`, `remove`, `embedder`, `backup`, `restore`.

use super::Scope;
use crate::args::Global;
use crate::out::{self, note, say};
use crate::render::shown;
use crate::stop::{self, STOP};
use crate::style::{BOLD, DIM, RED, RESET, YELLOW, bytes, duration, grouped};
use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;
use shuyuan_academy::stages::knowledge::{self, Done};
use shuyuan_academy::{Academy, Lang};
use shuyuan_knowledge::{Folder, KnowledgeError, Rule};
use std::path::PathBuf;

/// Add folders or files, and read them; interrupted, the same command goes on
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan kb add ~/handbook\n  shuyuan kb add ~/hr --groups hr --rule public=\n  shuyuan kb add notes.pdf --embedder all-MiniLM-L6-v2"
)]
pub(crate) struct Add {
    /// Folders, or single files
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Who may read them [default: everyone]
    #[arg(long, num_args = 1.., value_name = "GROUP")]
    groups: Vec<String>,
    /// Other groups for a folder within: FOLDER=GROUP,GROUP; FOLDER= for everyone
    #[arg(long, value_name = "FOLDER=GROUPS", value_parser = rule)]
    rule: Vec<Rule>,
    /// Words to filter by
    #[arg(long, num_args = 1.., value_name = "TAG")]
    tags: Vec<String>,
    /// The embedding model: a folder or GGUF file, or its name in the home folder
    #[arg(long, value_name = "MODEL")]
    embedder: Option<String>,
}

fn rule(text: &str) -> Result<Rule, String> {
    let (folder, groups) = text.split_once('=').ok_or("expected FOLDER=GROUP,GROUP")?;
    let groups =
        groups.split(',').map(str::trim).filter(|group| !group.is_empty()).map(String::from).collect();
    Ok(Rule { folder: folder.trim_matches('/').into(), groups })
}

impl Add {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        if let Some(model) = &self.embedder {
            academy.knowledge()?.set_model(model)?;
        }
        let folder = |path: &PathBuf| Folder {
            path: path.clone(),
            groups: self.groups.clone(),
            tags: self.tags.clone(),
            rules: self.rule.clone(),
        };
        let folders: Vec<Folder> = self.paths.iter().map(folder).collect();
        let done = shown(&academy, || knowledge::add(&academy, &folders, &STOP));
        finish(global, &academy, done)
    }
}

/// Read what has changed, in one source or in all of them
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan kb sync\n  shuyuan kb sync handbook")]
pub(crate) struct Sync {
    /// Sources [default: all]
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
}

impl Sync {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let done = shown(&academy, || knowledge::sync(&academy, &self.sources, &STOP));
        finish(global, &academy, done)
    }
}

/// What was done; a stop is told to have kept what was read.
fn unless_stopped<T>(done: Result<T>) -> Result<T> {
    match done {
        Err(error) if matches!(error.downcast_ref(), Some(KnowledgeError::Stopped)) => {
            note(format_args!("{error}"));
            Err(stop::Interrupted.into())
        }
        done => done,
    }
}

/// Tells what was done.
fn finish(global: &Global, academy: &Academy, done: Result<Done>) -> Result<()> {
    let done = unless_stopped(done)?;
    if global.json {
        out::json(&done)?;
    } else {
        for (name, report) in &done.sources {
            let (added, changed, removed) =
                (grouped(report.added), grouped(report.changed), grouped(report.removed));
            let (same, failed) = (grouped(report.unchanged), report.failed);
            say!("{BOLD}{name}{RESET}")?;
            match academy.lang {
                Lang::Zh => say!("  新增 {added},有改动 {changed},未变 {same},已删除 {removed}")?,
                Lang::En => say!("  {added} new, {changed} changed, {same} unchanged, {removed} removed")?,
            }
            if failed > 0 {
                let text = academy.lang.pick(
                    "个文件没有读全;原因见 shuyuan kb list --failures",
                    "not read in full; why: shuyuan kb list --failures",
                );
                say!("  {YELLOW}{failed}{RESET} {text}")?;
            }
            let (documents, chunks) = (grouped(report.documents), grouped(report.chunks));
            let (size, time) = (bytes(report.bytes as f64), duration(report.seconds));
            match academy.lang {
                Lang::Zh => say!("  {DIM}读了 {documents} 篇文档,{chunks} 段,{size},用时 {time}{RESET}")?,
                Lang::En => {
                    say!("  {DIM}{documents} documents read, {chunks} chunks, {size} in {time}{RESET}")?
                }
            }
        }
        say!("{DIM}{}{RESET}", mode(academy)?)?;
    }
    match done.failed.as_slice() {
        [] => Ok(()),
        [(name, reason), ..] => bail!("{name}: {reason}; what was known of it is kept"),
    }
}

/// How the base is searched, in a sentence.
pub(super) fn mode(academy: &Academy) -> Result<String> {
    let knowledge = academy.knowledge()?;
    Ok(match (knowledge.base.embedder()?, academy.lang) {
        (Some((name, _)), Lang::Zh) => format!("检索方式:关键词和向量({name})"),
        (Some((name, _)), Lang::En) => format!("searched by words and vectors ({name})"),
        (None, Lang::Zh) => "检索方式:仅关键词;要用向量,见 shuyuan kb embedder --help".into(),
        (None, Lang::En) => "searched by words alone; for vectors see shuyuan kb embedder --help".into(),
    })
}

/// What is in the knowledge base: sources, documents, or what could not be read
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan kb list\n  shuyuan kb list --documents --format pdf\n  shuyuan kb list --failures"
)]
pub(crate) struct List {
    /// Documents rather than sources
    #[arg(long)]
    documents: bool,
    /// What could not be read, and why
    #[arg(long, conflicts_with = "documents")]
    failures: bool,
    #[command(flatten)]
    scope: Scope,
}

impl List {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let knowledge = academy.knowledge()?;
        if self.failures {
            let failures = knowledge.base.failures()?;
            if global.json {
                return out::json(&failures);
            }
            for failure in &failures {
                let inner =
                    if failure.inner.is_empty() { String::new() } else { format!(" › {}", failure.inner) };
                say!("{BOLD}{}{RESET} {}{inner}\n  {}", failure.source, failure.item, failure.reason)?;
            }
            return Ok(());
        }
        if self.documents {
            let (_, all) =
                knowledge.base.documents(&self.scope.reader(), &self.scope.filter(), 0, usize::MAX)?;
            if global.json {
                return out::json(&all);
            }
            for document in &all {
                let inner = if document.inner.is_empty() {
                    String::new()
                } else {
                    format!(" › {}", document.inner)
                };
                let date = document.date.as_deref().unwrap_or("");
                say!(
                    "{:5}  {BOLD}{}{RESET}  {DIM}{}: {}{inner}  {date}{RESET}",
                    document.id,
                    document.title,
                    document.source,
                    document.item
                )?;
            }
            return Ok(());
        }
        let sources = knowledge.base.sources()?;
        if global.json {
            return out::json(&json!({
                "sources": sources, "chunks": knowledge.base.chunks(&self.scope.reader())?,
                "embedder": knowledge.base.embedder()?.map(|(name, _)| name), "bytes": knowledge.base.bytes()?,
            }));
        }
        for source in &sources {
            let about =
                source.definition["path"].as_str().map(String::from).unwrap_or_else(|| source.kind.clone());
            say!("{BOLD}{}{RESET}  {DIM}{about}{RESET}", source.name)?;
            let (items, documents, failures) = (source.items, source.documents, source.failures);
            match academy.lang {
                Lang::Zh => say!("  {items} 项,{documents} 篇文档,{failures} 项没有读全")?,
                Lang::En => say!("  {items} items, {documents} documents, {failures} not read in full")?,
            }
            if let Some(error) = &source.state.error {
                say!("  {RED}{error}{RESET}")?;
            }
        }
        say!("{DIM}{}, {}{RESET}", mode(&academy)?, bytes(knowledge.base.bytes()? as f64))
    }
}

/// Take a source out, with all that came from it; its files stay
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan kb remove handbook")]
pub(crate) struct Remove {
    /// Its name
    source: String,
}

impl Remove {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        global.academy()?.knowledge()?.remove(&self.source)
    }
}

/// Choose the embedding model, and make the vectors of all chunks
///
/// The old vectors are searched until the new ones are complete; interrupted, the same command goes on.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan kb embedder all-MiniLM-L6-v2\n  shuyuan kb embedder --none")]
pub(crate) struct Embedder {
    /// A folder or GGUF file of a model that embeds, or its name in the home folder
    #[arg(required_unless_present = "none", value_name = "MODEL")]
    model: Option<String>,
    /// Search by words alone
    #[arg(long, conflicts_with = "model")]
    none: bool,
}

impl Embedder {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let knowledge = academy.knowledge()?;
        let Some(model) = &self.model else { return knowledge.set_model("") };
        knowledge.set_model(model)?;
        unless_stopped(shown(&academy, || knowledge::embed(&academy, &STOP)))?;
        say!("{DIM}{}{RESET}", mode(&academy)?)
    }
}

/// Copy the knowledge base to one file, while it is used
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan kb backup knowledge-2026-11-28.sqlite")]
pub(crate) struct Backup {
    /// The file to make
    file: PathBuf,
}

impl Backup {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        Ok(global.academy()?.knowledge()?.base.backup(&self.file)?)
    }
}

/// Put a backup in the place of the knowledge base, while it is used
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan kb restore knowledge-2026-11-28.sqlite")]
pub(crate) struct Restore {
    /// What `kb backup` made
    file: PathBuf,
}

impl Restore {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        Ok(global.academy()?.knowledge()?.base.restore(&self.file)?)
    }
}
