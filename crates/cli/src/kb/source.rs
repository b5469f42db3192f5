//! `kb source add`, `test`, `list`, `remove`, `call`: what docs/sources.md describes.

use crate::args::Global;
use crate::out::{self, say};
use crate::style::{BOLD, DIM, RED, RESET, YELLOW, cut, visible};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use shuyuan_academy::Lang;
use shuyuan_knowledge::{Definition, Reader, live, test};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Add(Add),
    Test(Test),
    List(List),
    Remove(Remove),
    Call(Call),
}

impl Verb {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        match self {
            Self::Add(verb) => verb.run(global),
            Self::Test(verb) => verb.run(global),
            Self::List(verb) => verb.run(global),
            Self::Remove(verb) => verb.run(global),
            Self::Call(verb) => verb.run(global),
        }
    }
}

fn definition(path: &Path) -> Result<Definition> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Definition::parse(&text)?)
}

/// Characters of a text or a cell that are shown.
const SHOWN: usize = 200;

fn short(text: &str) -> String {
    cut(&visible(&text.split_whitespace().collect::<Vec<_>>().join(" ")), SHOWN)
}

/// Add a source, or give one of that name a new definition; `kb sync` reads it
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan kb source add tickets.toml\n  shuyuan kb sync tickets")]
pub(crate) struct Add {
    /// The definition; without secrets: ${NAME} comes from the environment
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Add {
    fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let source = academy.knowledge()?.base.add_source(&definition(&self.file)?)?;
        if global.json {
            return out::json(&source);
        }
        let name = &source.name;
        match academy.lang {
            Lang::Zh => say!("已添加 {BOLD}{name}{RESET};读取:shuyuan kb sync {name}"),
            Lang::En => say!("added {BOLD}{name}{RESET}; to read it: shuyuan kb sync {name}"),
        }
    }
}

/// Try a source: show what would be synced, and write nothing
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan kb source test tickets.toml")]
pub(crate) struct Test {
    /// The definition
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Test {
    fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let preview = test(&definition(&self.file)?, academy.knowledge()?.base.dir())?;
        if global.json {
            return out::json(&preview);
        }
        if preview.live_only {
            return say!(
                "{}",
                academy
                    .lang
                    .pick("只供实时查询,没有要同步的内容", "asked live only: there is nothing to sync")
            );
        }
        for item in &preview.items {
            let date = item.date.as_deref().unwrap_or_default();
            say!("{BOLD}{}{RESET}  {DIM}{}  {date}{RESET}", visible(&item.title), visible(&item.key))?;
            if let Some(url) = &item.url {
                say!("  {DIM}{}{RESET}", visible(url))?;
            }
            if !item.groups.is_empty() {
                say!("  {DIM}[{}]{RESET}", item.groups.join(", "))?;
            }
            say!("  {}", short(&item.text))?;
        }
        for (name, kind) in &preview.columns {
            say!("{DIM}{}: {kind}{RESET}", visible(name))?;
        }
        let (count, more) = (preview.count, if preview.more { "+" } else { "" });
        match academy.lang {
            Lang::Zh => say!("共 {count}{more} 项;什么也没有写入"),
            Lang::En => say!("{count}{more} items; nothing was written"),
        }
    }
}

/// Sources and how they stand
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan kb source list\n  shuyuan kb source list --json")]
pub(crate) struct List {}

impl List {
    fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let sources = academy.knowledge()?.base.sources()?;
        if global.json {
            return out::json(&sources);
        }
        for source in &sources {
            let live = if source.definition.get("live").is_some() { ", live" } else { "" };
            say!("{BOLD}{}{RESET}  {DIM}{}{live}{RESET}", source.name, source.kind)?;
            let ago = source.state.synced.map(|at| ago(at, academy.lang));
            match (ago, academy.lang) {
                (Some(ago), Lang::Zh) => say!("  {} 项,{ago}同步", source.items)?,
                (Some(ago), Lang::En) => say!("  {} items, synced {ago}", source.items)?,
                (None, Lang::Zh) => say!("  尚未同步")?,
                (None, Lang::En) => say!("  not synced yet")?,
            }
            if let Some(error) = &source.state.error {
                say!("  {RED}{}{RESET}", visible(error))?;
            }
            for line in &source.state.drift {
                say!("  {YELLOW}{}{RESET}", visible(line))?;
            }
        }
        Ok(())
    }
}

/// How long ago a moment was.
fn ago(at: u64, lang: Lang) -> String {
    let passed = (UNIX_EPOCH + Duration::from_secs(at)).elapsed().unwrap_or_default().as_secs();
    let (number, zh, en) = match passed {
        0..120 => return lang.pick("刚刚", "just now").into(),
        120..7_200 => (passed / 60, "分钟", "minutes"),
        7_200..172_800 => (passed / 3600, "小时", "hours"),
        _ => (passed / 86_400, "天", "days"),
    };
    match lang {
        Lang::Zh => format!("{number} {zh}前"),
        Lang::En => format!("{number} {en} ago"),
    }
}

/// Take a source out, with all that came from it
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan kb source remove tickets")]
pub(crate) struct Remove {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
}

impl Remove {
    fn run(&self, global: &Global) -> Result<()> {
        global.academy()?.knowledge()?.remove(&self.name)
    }
}

/// Ask a source live
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan kb source call stock item=paper least=10")]
pub(crate) struct Call {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// Its parameters: KEY=VALUE
    #[arg(value_name = "KEY=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
    /// Call it as someone in these groups [default: the owner]
    #[arg(long = "as", num_args = 0.., value_name = "GROUP")]
    groups: Option<Vec<String>>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.into(), value.into()))
}

impl Call {
    fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let mut parameters = Map::new();
        for (key, value) in &self.parameters {
            if parameters.insert(key.clone(), Value::String(value.clone())).is_some() {
                bail!("the parameter {key} is given twice");
            }
        }
        let reader = self.groups.clone().map_or(Reader::Owner, Reader::of);
        let table = live::call(&academy.knowledge()?.base, &reader, &self.name, &Value::Object(parameters))?;
        if global.json {
            return out::json(&table);
        }
        say!("{BOLD}{}{RESET}", visible(&table.columns.join(" | ")))?;
        for row in &table.rows {
            let cells = row.iter().map(|cell| match cell {
                Value::Null => String::new(),
                Value::String(text) => short(text),
                other => short(&other.to_string()),
            });
            say!("{}", cells.collect::<Vec<_>>().join(" | "))?;
        }
        if table.more {
            say!("{DIM}{}{RESET}", academy.lang.pick("还有更多行", "there are more rows"))?;
        }
        Ok(())
    }
}
