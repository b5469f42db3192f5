//! `model info` and `runs`: what is in the folders.

use crate::args::Global;
use crate::models;
use crate::out::{self, say};
use crate::style::{BOLD, DIM, RESET, bytes, duration, grouped, pad, spark};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use shuyuan_academy::Lang;

#[derive(Debug, Subcommand)]
pub(crate) enum ModelVerb {
    Info(Info),
    Export(crate::export::Export),
    Get(crate::get::Get),
}

impl ModelVerb {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        match self {
            Self::Info(verb) => verb.run(global),
            Self::Export(verb) => verb.run(global),
            Self::Get(verb) => verb.run(global),
        }
    }
}

/// What a model is: shape, size, memory
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan model info tuned/model\n  shuyuan model info academy --json")]
pub(crate) struct Info {
    /// Its folder, its GGUF file, or its name in the home folder [default: academy, or the newest]
    model: Option<String>,
}

impl Info {
    fn run(&self, global: &Global) -> Result<()> {
        let (lang, live) = (global.lang(), models::load(&global.academy()?, self.model.as_deref())?);
        let c = live.model.config();
        let params = live.model.num_params();
        let cache = live.model.cache().page_bytes() / shuyuan_model::PAGE_TOKENS;
        let weights = live.model.bytes();
        let full = weights + cache * c.max_position_embeddings;
        let architecture = c.family.architecture();
        if global.json {
            return out::json(&json!({
                "name": live.name, "architecture": architecture, "parameters": params, "formats": live.model.formats(),
                "config": {
                    "num_hidden_layers": c.num_hidden_layers(), "hidden_size": c.hidden_size,
                    "num_attention_heads": c.num_attention_heads, "num_key_value_heads": c.num_key_value_heads,
                    "head_dim": c.head_dim, "intermediate_size": c.intermediate_size(), "vocab_size": c.vocab_size,
                    "max_position_embeddings": c.max_position_embeddings, "tie_word_embeddings": c.tie_word_embeddings,
                },
                "weight_bytes": weights, "cache_bytes_per_token": cache,
            }));
        }
        let parameters = lang.pick("M 参数", "M parameters");
        say!("{BOLD}{}{RESET}  {architecture}, {:.2} {parameters}", live.name, params as f64 / 1e6)?;
        let rows = [
            (lang.pick("层", "layers"), c.num_hidden_layers()),
            (lang.pick("状态", "state"), c.hidden_size),
            (lang.pick("查询头", "query heads"), c.num_attention_heads),
            (lang.pick("键值头", "key-value heads"), c.num_key_value_heads),
            (lang.pick("头的大小", "head size"), c.head_dim),
            (lang.pick("前馈", "feed-forward"), c.intermediate_size()),
            (lang.pick("词表", "vocabulary"), c.vocab_size),
            (lang.pick("上下文", "context"), c.max_position_embeddings),
        ];
        for (name, value) in rows {
            say!("  {}{:>8}", pad(name, 18), grouped(value as u64))?;
        }
        let tied = match c.tie_word_embeddings {
            true => lang.pick("就是词向量", "the embedding"),
            false => lang.pick("另有一份", "its own"),
        };
        say!("  {}{tied}", pad(lang.pick("输出层", "output layer"), 18))?;
        let (weights, full, token) = (bytes(weights as f64), bytes(full as f64), bytes(cache as f64));
        let text = match lang {
            Lang::Zh => format!("权重 {weights},上下文用满 {full}(每词元 {token})"),
            Lang::En => format!("{weights} of weights, {full} with a full context ({token} a token)"),
        };
        say!("  {}{text}", pad(lang.pick("内存", "memory"), 18))
    }
}

/// The runs in the home folder
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan runs\n  shuyuan runs --json")]
pub(crate) struct Runs;

impl Runs {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let (lang, home) = (academy.lang, &academy.home);
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
            let home = home.root().display();
            return match lang {
                Lang::Zh => say!("{home} 里还没有训练:shuyuan quickstart 会开始一次"),
                Lang::En => say!("no runs in {home} yet: shuyuan quickstart makes one"),
            };
        }
        let number = |row: &Value, key: &str| row[key].as_f64().unwrap_or_default();
        for (row, curve) in rows.iter().zip(curves) {
            let per_byte = lang.pick("比特/字节", "bits/byte");
            let bits =
                row["bits_per_byte"].as_f64().map_or(String::new(), |bits| format!("  {bits:.3} {per_byte}"));
            let state = if row["finished"] == true { "" } else { lang.pick("  未完", "  unfinished") };
            let (steps, tokens) = (lang.pick("步", "steps"), lang.pick("词元", "tokens"));
            let loss = lang.pick("损失", "loss");
            say!(
                "{BOLD}{}{RESET} {:>9} {steps} {:>13} {tokens} {:>10}  {loss} {:.3}{bits}  {DIM}{curve}{state}{RESET}",
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
