//! `model export`: a model as a file that other programs open.

use crate::args::Global;
use crate::models;
use crate::out::{self, say};
use crate::style::{BOLD, DIM, RESET, bytes};
use anyhow::Result;
use clap::Args;
use serde_json::json;
use shuyuan_academy::Lang;
use shuyuan_academy::stages::export::{self, Exported};
use shuyuan_model::gguf::Mix;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Write a model for other programs: GGUF for llama.cpp, or safetensors
///
/// FILE.gguf holds everything: weights, settings, vocabulary, chat template. A folder gets Hugging Face's layout:
/// config.json, model.safetensors, tokenizer.json. Any model that can be chatted with can be exported, whichever of the two it
/// came as. Out of a quantised file, numbers are as good as they were there, no better.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan model export academy --output academy.gguf --format Q8_0\n  shuyuan model export model.gguf --output folder\n  shuyuan model export folder -o small.gguf --format Q4_K_M --importance my.txt"
)]
pub(crate) struct Export {
    /// Its folder, its GGUF file, or its name in the home folder
    model: String,
    /// A file that ends in .gguf, or a folder
    #[arg(long, short, value_name = "PATH")]
    output: PathBuf,
    /// F32, F16, BF16, Q8_0, Q4_0, Q6_K, Q4_K_M or Q5_K_M [default: F16 in GGUF; in a folder as they are, F16 if quantised]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Mix>,
    /// A text like those that the model will read: quantisation then spares what matters to it (the first 32,768 tokens count)
    #[arg(long, value_name = "FILE")]
    importance: Option<PathBuf>,
}

impl Export {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let ask = export::Export {
            from: models::find(&global.academy()?.home, Some(&self.model))?,
            to: self.output.clone(),
            format: self.format,
            importance: self.importance.clone(),
        };
        let done = export::export(&ask)?;
        let notes = notes(global.lang(), &done);
        if global.json {
            return out::json(&json!({
                "output": self.output, "bytes": done.bytes, "format": done.format.to_string(),
                "dequantised": done.dequantised, "notes": notes,
            }));
        }
        for note in notes {
            out::note(format_args!("{DIM}{note}{RESET}"));
        }
        let (path, size, format) = (self.output.display(), bytes(done.bytes as f64), done.format);
        match global.lang() {
            Lang::Zh => say!("{BOLD}{path}{RESET} 写好了,{format},{size}"),
            Lang::En => say!("{BOLD}{path}{RESET} written, {format}, {size}"),
        }
    }
}

/// What people should know of it.
fn notes(lang: Lang, done: &Exported) -> Vec<String> {
    let mut notes = Vec::new();
    if !done.dequantised.is_empty() {
        let kinds = done.dequantised.join(", ");
        notes.push(match lang {
            Lang::Zh => format!("原来的权重是 {kinds},先还原成数字再写:已经丢掉的精度找不回来"),
            Lang::En => format!(
                "the weights were {kinds} and were turned back into numbers first: what that lost is not regained. Export from \
                 the original weights if there are any"
            ),
        });
    }
    let Some(report) = &done.report else { return notes };
    // Of each kind of tensor there is one in every layer.
    let mut fallbacks: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for tensor in report.fallbacks() {
        let key = (tensor.wanted.to_string(), tensor.spec.kind.to_string());
        fallbacks.entry(key).or_default().push(&tensor.spec.name);
    }
    for ((wanted, kind), names) in fallbacks {
        let (count, first) = (names.len(), names[0]);
        notes.push(match lang {
            Lang::Zh => format!("{count} 个张量({first} 等)每行长度不合 {wanted},存为 {kind}"),
            Lang::En => format!(
                "rows of {count} tensors ({first}, …) do not fill {wanted}'s blocks: stored as {kind}"
            ),
        });
    }
    notes.extend(report.notes.iter().cloned());
    notes
}
