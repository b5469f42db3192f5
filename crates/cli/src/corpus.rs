//! `corpus build`, `stats`, `world`: the textbooks.

use crate::args::{Global, count, positive};
use crate::out::{self, note, say};
use crate::render::shown;
use crate::stop::STOP;
use crate::style::{BOLD, DIM, RESET, YELLOW, bytes, grouped};
use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use shuyuan_academy::stages::{corpus, world};
use shuyuan_corpus::Report;
use shuyuan_corpus::world::Split;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Build(Build),
    Stats(Stats),
    World(World),
}

impl Verb {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        match self {
            Self::Build(verb) => verb.run(global),
            Self::Stats(verb) => print(global, &shuyuan_corpus::stats(&verb.dir)?),
            Self::World(verb) => verb.run(global),
        }
    }
}

/// Clean, deduplicate and tokenise text files; interrupted, the same command goes on
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan corpus build --input texts --tokenizer tok --output corpus\n  shuyuan corpus build --input zh en --weight 1 0.5 --tokenizer tok --output c"
)]
pub(crate) struct Build {
    /// txt, md, jsonl, jsonl.zst, jsonl.gz, parquet: files or folders
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    input: Vec<PathBuf>,
    /// How often the documents of each input come [default: 1 each]
    #[arg(long, num_args = 1.., value_name = "WEIGHT", value_parser = positive)]
    weight: Vec<f64>,
    /// The tokenizer's folder
    #[arg(long, value_name = "DIR")]
    tokenizer: PathBuf,
    /// The folder to make
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Evaluation sets: documents that share a passage with them are left out
    #[arg(long, num_args = 1.., value_name = "PATH")]
    decontaminate: Vec<PathBuf>,
    /// Part of the documents that is held back for validation
    #[arg(long, default_value_t = 0.005, value_name = "SHARE")]
    validation_share: f64,
    /// The text is known to be clean: leave out nothing but copies
    #[arg(long)]
    clean: bool,
}

impl Build {
    fn run(&self, global: &Global) -> Result<()> {
        if !self.weight.is_empty() && self.weight.len() != self.input.len() {
            let (inputs, weights) = (self.input.len(), self.weight.len());
            bail!("--weight: expected {inputs} values, one for each --input, found {weights}");
        }
        let academy = global.academy()?;
        let weight = |index| self.weight.get(index).copied().unwrap_or(1.0);
        let options = corpus::Options {
            inputs: self
                .input
                .iter()
                .cloned()
                .enumerate()
                .map(|(index, path)| (path, weight(index)))
                .collect(),
            tokenizer: self.tokenizer.clone(),
            output: self.output.clone(),
            decontaminate: self.decontaminate.clone(),
            validation_share: self.validation_share,
            clean: self.clean,
        };
        let report = shown(&academy, || corpus::build(&academy, &options, &STOP))?;
        print(global, &report)
    }
}

/// What was kept of a corpus's input, what was dropped, and why
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan corpus stats corpus")]
pub(crate) struct Stats {
    /// The corpus's folder
    dir: PathBuf,
}

fn print(global: &Global, report: &Report) -> Result<()> {
    if global.json {
        return out::json(report);
    }
    for source in &report.sources {
        let (kept, all) = (grouped(source.kept), grouped(source.documents_in));
        let (kept_bytes, all_bytes) = (bytes(source.bytes_kept as f64), bytes(source.bytes_in as f64));
        say!("{BOLD}{}{RESET}  ×{}", source.name, source.weight)?;
        say!(
            "  kept      {kept} of {all} documents, {kept_bytes} of {all_bytes}, {} tokens",
            grouped(source.tokens)
        )?;
        let languages = &source.languages;
        say!("  languages zh {}, en {}, other {}", languages.zh, languages.en, languages.other)?;
        let dropped = counts(&serde_json::to_value(source.dropped)?);
        if !dropped.is_empty() {
            say!("  dropped   {dropped}")?;
        }
        let skipped = counts(&serde_json::to_value(&source.skipped.records)?);
        if !skipped.is_empty() {
            say!("  {YELLOW}skipped{RESET}   {skipped}")?;
        }
        for line in source.skipped.files.iter().chain(&source.skipped.first) {
            say!("  {DIM}          {line}{RESET}")?;
        }
    }
    say!("{} tokens to train on, {} held out", grouped(report.tokens), grouped(report.validation_tokens))
}

/// "short 3, near duplicate 2".
fn counts(value: &Value) -> String {
    let some = |(reason, n): (&String, &Value)| {
        let n = n.as_u64().filter(|n| *n > 0)?;
        Some(format!("{} {}", reason.replace('_', " "), grouped(n)))
    };
    value.as_object().into_iter().flatten().filter_map(some).collect::<Vec<_>>().join(", ")
}

/// Write out the built-in corpus as JSON lines
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan corpus world --seed 1 --docs 1000 --output world.jsonl")]
pub(crate) struct World {
    /// Of everything random
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// How many documents
    #[arg(long, value_name = "N", value_parser = count)]
    docs: usize,
    /// Which side of the split by content
    #[arg(long, default_value = "train")]
    split: SplitArg,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Only conversations, for fine-tuning
    #[arg(long)]
    chats: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SplitArg {
    Train,
    Test,
}

impl World {
    fn run(&self, global: &Global) -> Result<()> {
        let split = match self.split {
            SplitArg::Train => Split::Train,
            SplitArg::Test => Split::Test,
        };
        let kind = if self.chats { world::Kind::Chats } else { world::Kind::All };
        world::write_file(self.seed, self.docs as u64, split, kind, &self.output)?;
        if global.json {
            return out::json(&json!({ "output": self.output, "documents": self.docs }));
        }
        note(format_args!("{}: {} documents", self.output.display(), grouped(self.docs as u64)));
        Ok(())
    }
}
