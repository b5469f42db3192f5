//! `model info` and `runs`: what is in the folders.

use crate::args::Global;
use crate::models;
use crate::out::{self, say};
use crate::style::{BOLD, DIM, RESET, bytes, duration, grouped, pad, spark};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum ModelVerb {
    Info(Info),
}

impl ModelVerb {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let Self::Info(verb) = self;
        verb.run(global)
    }
}

/// What a model is: shape, size, memory
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan model info tuned/model\n  shuyuan model info academy --json")]
pub(crate) struct Info {
    /// Its folder, or its name in the home folder [default: academy, or the newest]
    model: Option<String>,
}

impl Info {
    fn run(&self, global: &Global) -> Result<()> {
        let live = models::load(&global.academy()?, self.model.as_deref())?;
        let c = live.model.config();
        let params = c.num_params();
        // Keys and values of every layer, f32.
        let cache = 2 * c.num_hidden_layers * c.num_key_value_heads * c.head_dim * 4;
        let full = params * 4 + cache * c.max_position_embeddings;
        if global.json {
            return out::json(&json!({
                "name": live.name, "architecture": "Qwen3ForCausalLM", "parameters": params, "config": c,
                "weight_bytes": params * 4, "cache_bytes_per_token": cache,
            }));
        }
        say!("{BOLD}{}{RESET}  Qwen3ForCausalLM, {:.2} M parameters", live.name, params as f64 / 1e6)?;
        let rows = [
            ("layers", c.num_hidden_layers),
            ("state", c.hidden_size),
            ("query heads", c.num_attention_heads),
            ("key-value heads", c.num_key_value_heads),
            ("head size", c.head_dim),
            ("feed-forward", c.intermediate_size),
            ("vocabulary", c.vocab_size),
            ("context", c.max_position_embeddings),
        ];
        for (name, value) in rows {
            say!("  {}{:>8}", pad(name, 18), grouped(value as u64))?;
        }
        let tied = if c.tie_word_embeddings { "the embedding" } else { "its own" };
        say!("  {}{tied}", pad("output layer", 18))?;
        let (weights, full, token) = (bytes(params as f64 * 4.0), bytes(full as f64), bytes(cache as f64));
        say!("  {}{weights} of weights, {full} with a full context ({token} a token)", pad("memory", 18))
    }
}

/// The runs in the home folder
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan runs\n  shuyuan runs --json")]
pub(crate) struct Runs;

impl Runs {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let home = &academy.home;
        let (mut rows, mut curves) = (Vec::new(), Vec::new());
        for name in home.runs() {
            let metrics = shuyuan_train::read_metrics(&home.run(&name)).unwrap_or_default();
            let Some(last) = metrics.last() else { continue };
            let bits = metrics.iter().rev().find_map(|metric| metric.validation_bits_per_byte);
            rows.push(json!({
                "name": name, "steps": last.step, "tokens": last.tokens, "seconds": last.seconds, "loss": last.loss,
                "bits_per_byte": bits, "finished": home.run(&name).join("model").exists(),
            }));
            let losses: Vec<f64> = metrics.iter().map(|metric| metric.loss).collect();
            curves.push(spark(&losses, losses.iter().copied().fold(f64::INFINITY, f64::min), 24));
        }
        if global.json {
            return out::json(&rows);
        }
        if rows.is_empty() {
            return say!("no runs in {} yet: shuyuan quickstart makes one", home.root().display());
        }
        let number = |row: &Value, key: &str| row[key].as_f64().unwrap_or_default();
        for (row, curve) in rows.iter().zip(curves) {
            let bits =
                row["bits_per_byte"].as_f64().map_or(String::new(), |bits| format!("  {bits:.3} bits/byte"));
            let state = if row["finished"] == true { "" } else { "  unfinished" };
            say!(
                "{BOLD}{}{RESET} {:>9} steps {:>13} tokens {:>10}  loss {:.3}{bits}  {DIM}{curve}{state}{RESET}",
                pad(row["name"].as_str().unwrap_or_default(), 16),
                grouped(number(row, "steps") as u64),
                grouped(number(row, "tokens") as u64),
                duration(number(row, "seconds")),
                number(row, "loss"),
            )?;
        }
        Ok(())
    }
}
