//! `model export`: a model as a file that other programs open.

use crate::args::Global;
use crate::models;
use crate::out::{self, say};
use crate::style::{BOLD, DIM, RESET, bytes};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use shuyuan_academy::{Lang, LiveModel};
use shuyuan_model::gguf::{ExportOptions, Mix};
use std::path::{Path, PathBuf};

/// Write a model for other programs: GGUF for llama.cpp, or safetensors
///
/// FILE.gguf holds everything: weights, settings, vocabulary, chat template. A folder gets Hugging Face's layout, in f32.
/// For models of the architecture that is trained here (Qwen3's dense decoder), from wherever they were loaded.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan model export academy --output academy.gguf --format Q8_0\n  shuyuan model export model.gguf --output folder"
)]
pub(crate) struct Export {
    /// Its folder, its GGUF file, or its name in the home folder
    model: String,
    /// A file that ends in .gguf, or a folder
    #[arg(long, short, value_name = "PATH")]
    output: PathBuf,
    /// F32, F16, BF16, Q8_0, Q4_0, Q6_K, Q4_K_M or Q5_K_M [default: F16 in GGUF, F32 in a folder]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Mix>,
}

impl Export {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let live = models::load(&global.academy()?, Some(&self.model))?;
        if self.output.extension().is_some_and(|extension| extension == "gguf") {
            return self.gguf(global, &live);
        }
        if self.format.is_some_and(|format| format != Mix::F32) {
            bail!(
                "a folder holds safetensors in F32: leave --format out, or give --output a name that ends in .gguf"
            );
        }
        let trainable = live.model.trainable(&shuyuan_tensor::cpu())?;
        let output = &self.output;
        std::fs::create_dir_all(output).with_context(|| format!("making {}", output.display()))?;
        shuyuan_model::save(&trainable, output)?;
        live.tokenizer.save(output)?;
        self.done(global, size_of(output))
    }

    fn gguf(&self, global: &Global, live: &LiveModel) -> Result<()> {
        let mix = self.format.unwrap_or(Mix::F16);
        let mut options = ExportOptions::new(mix, live.name.clone());
        if let Some(template) = &live.tokenizer.roles().chat_template {
            options.chat_template = Some(template.clone());
        }
        let trainable = live.model.trainable(&shuyuan_tensor::cpu())?;
        let report = shuyuan_model::gguf::export(&self.output, &trainable, &live.tokenizer, options)?;
        for tensor in report.fallbacks() {
            let (name, wanted, kind) = (&tensor.spec.name, tensor.wanted, tensor.spec.kind);
            let text = match global.lang() {
                Lang::Zh => format!("{name}:每行长度不合 {wanted},存为 {kind}"),
                Lang::En => format!("{name}: its rows do not fill {wanted}'s blocks, stored as {kind}"),
            };
            out::note(format_args!("{DIM}{text}{RESET}"));
        }
        self.done(global, report.bytes)
    }

    fn done(&self, global: &Global, size: u64) -> Result<()> {
        if global.json {
            return out::json(&json!({ "output": self.output, "bytes": size }));
        }
        let (path, size) = (self.output.display(), bytes(size as f64));
        match global.lang() {
            Lang::Zh => say!("{BOLD}{path}{RESET} 写好了,{size}"),
            Lang::En => say!("{BOLD}{path}{RESET} written, {size}"),
        }
    }
}

fn size_of(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}
