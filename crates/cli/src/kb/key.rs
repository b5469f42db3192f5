//! `kb key`: who may read what over the server.

use crate::args::Global;
use crate::out::{self, note, say};
use crate::style::{BOLD, DIM, RESET};
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use shuyuan_server::{NamedKey, read_keys, write_keys};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Add(Add),
    List(List),
    Remove(Remove),
}

impl Verb {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        match self {
            Self::Add(verb) => verb.run(global),
            Self::List(verb) => verb.run(global),
            Self::Remove(verb) => verb.run(global),
        }
    }
}

/// Make a key, which is shown once
///
/// With it one may chat, search, ask and read what everyone may and what the groups may; nothing else. A running server
/// knows it at once. A server with readers' keys needs the owner's, too: serve --api-key.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan kb key add anna --groups hr sales")]
pub(crate) struct Add {
    /// Whose; a key of that name is replaced, and what was kept for it stays
    name: String,
    /// What it may read beside what everyone may
    #[arg(long, num_args = 1.., value_name = "GROUP")]
    groups: Vec<String>,
}

impl Add {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let home = academy.home.root();
        let mut keys = read_keys(home)?;
        keys.retain(|key| key.name != self.name);
        let (key, kept) = NamedKey::make(&self.name, self.groups.iter().cloned().collect())?;
        keys.push(kept);
        write_keys(home, &keys)?;
        if global.json {
            return out::json(&json!({ "name": self.name, "key": key, "groups": self.groups }));
        }
        say!("{key}")?;
        let told = academy.lang.pick(
            "只显示这一次;这里只保存它的 SHA-256。服务器还要有主人的钥匙:shuyuan serve --api-key",
            "Shown this once; only its SHA-256 is kept. The server needs the owner's key, too: shuyuan serve --api-key",
        );
        note(format_args!("{DIM}{told}{RESET}"));
        Ok(())
    }
}

/// Who has a key, and for which groups
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan kb key list")]
pub(crate) struct List {}

impl List {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let keys = read_keys(global.academy()?.home.root())?;
        if global.json {
            let all: Vec<_> =
                keys.iter().map(|key| json!({ "name": key.name, "groups": key.groups })).collect();
            return out::json(&all);
        }
        for key in &keys {
            let groups: Vec<&str> = key.groups.iter().map(String::as_str).collect();
            say!("{BOLD}{}{RESET}  {DIM}{}{RESET}", key.name, groups.join(", "))?;
        }
        Ok(())
    }
}

/// Take a key back; a running server refuses it at once
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan kb key remove anna")]
pub(crate) struct Remove {
    /// Whose
    name: String,
}

impl Remove {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let home = academy.home.root();
        let mut keys = read_keys(home)?;
        let before = keys.len();
        keys.retain(|key| key.name != self.name);
        if keys.len() == before {
            let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
            let there = if names.is_empty() { "nobody has one".into() } else { names.join(", ") + " have" };
            bail!("nobody called {:?} has a key; {there}", self.name);
        }
        write_keys(home, &keys)
    }
}
