//! `embed`: vectors of texts, and how near they are to one another.

use crate::args::Global;
use crate::models;
use crate::out::{self, say};
use crate::style::{DIM, RESET, cut, pad, visible};
use anyhow::Result;
use clap::Args;
use serde_json::json;
use shuyuan_academy::LiveEmbedder;
use shuyuan_chain::{TooLong, cosine};
use std::time::Instant;

/// Vectors of texts; without --json how near the texts are
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan embed --model all-MiniLM-L6-v2 \"a cat\" \"a kitten\" \"a car\"")]
pub(crate) struct Embed {
    /// A folder or GGUF file of a model that embeds, or its name in the home folder
    #[arg(long, value_name = "DIR")]
    model: String,
    /// The texts
    #[arg(required = true, value_name = "TEXT")]
    texts: Vec<String>,
    /// Embed the beginning of texts that are too long, and say so, rather than refuse them
    #[arg(long)]
    truncate: bool,
}

impl Embed {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let LiveEmbedder { name, embedder } =
            LiveEmbedder::load(&models::find(&global.academy()?.home, Some(&self.model))?)?;
        let too_long = if self.truncate { TooLong::Truncate } else { TooLong::Refuse };
        let started = Instant::now();
        let found = embedder.embed_with(&self.texts, too_long)?;
        let seconds = started.elapsed().as_secs_f64();
        for cut in &found.cut {
            out::note(format_args!(
                "text {} has {} tokens: its first {} were read",
                cut.text + 1,
                cut.tokens,
                cut.kept
            ));
        }
        if global.json {
            let cut: Vec<_> = found
                .cut
                .iter()
                .map(|cut| json!({ "text": cut.text, "tokens": cut.tokens, "kept": cut.kept }))
                .collect();
            return out::json(&json!({
                "model": name, "dimensions": embedder.dimensions(), "vectors": found.vectors, "tokens": found.tokens,
                "cut": cut, "seconds": seconds,
            }));
        }
        for (index, (text, vector)) in self.texts.iter().zip(&found.vectors).enumerate() {
            let row: Vec<String> =
                found.vectors.iter().map(|other| format!("{:5.2}", cosine(vector, other))).collect();
            say!("{:3}  {}  {}", index + 1, pad(&visible(&cut(text, WIDTH)), WIDTH), row.join(" "))?;
        }
        let dimensions = embedder.dimensions();
        say!("{DIM}cosines; vectors of {dimensions} numbers, with --json{RESET}")
    }
}

/// Columns for a text.
const WIDTH: usize = 32;
