//! `bench`: the same step as a run takes, on the clock.

use crate::args::{Global, count};
use crate::out::{self, say};
use crate::style::{BOLD, RESET, grouped};
use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use shuyuan_engine::{Engine, Load};
use shuyuan_model::{Config, Decoder};
use shuyuan_tensor::{Hardware, matmul_peak};
use shuyuan_train::{Bench, OptimizerKind, Recipe};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Train(Train),
    Decode(Decode),
    Prefill(Prefill),
    Serve(Serve),
    Retrieval(crate::bench_retrieval::Retrieval),
}

impl Verb {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        match self {
            Self::Train(verb) => verb.run(global),
            Self::Decode(verb) => verb.run(global),
            Self::Prefill(verb) => verb.run(global),
            Self::Serve(verb) => verb.run(global),
            Self::Retrieval(verb) => verb.run(global),
        }
    }
}

/// How fast a training step is
///
/// Random text, one batch again and again. Says tokens per second of the median step, the arithmetic done, its share of
/// what this machine multiplies at best, and which operation takes how much of the time. bench/train.sh runs it in turn
/// with PyTorch.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan bench train --batch 8 --seq 512\n  shuyuan bench train --config config.json --optimizer adamw --json"
)]
pub(crate) struct Train {
    /// A config.json with Hugging Face's names [default: the quickstart's model]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Rows of a step
    #[arg(long, value_name = "B", default_value = "8", value_parser = count)]
    batch: usize,
    /// Tokens of a row
    #[arg(long, value_name = "T", default_value = "512", value_parser = count)]
    seq: usize,
    /// Steps on the clock
    #[arg(long, value_name = "N", default_value = "7", value_parser = count)]
    steps: usize,
    /// Steps before it
    #[arg(long, value_name = "N", default_value = "2", value_parser = count)]
    warmup: usize,
    /// What turns the gradients of matrices into steps
    #[arg(long, default_value = "muon")]
    optimizer: Kind,
    /// What products are multiplied in
    #[arg(long, default_value = "bf16")]
    precision: Precision,
    /// Work layers out again on the way back instead of keeping them: slower, in less memory
    #[arg(long)]
    recompute: bool,
    /// Where: as `pretrain --device`, one of them
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// As the recipes do
    Muon,
    /// The plain step
    Adamw,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Precision {
    Bf16,
    F32,
}

/// Of the quickstart.
const VOCABULARY: usize = 4096;

impl Train {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let mut config = match &self.config {
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
                Config::shape(&text).with_context(|| format!("{}", path.display()))?
            }
            None => Recipe::quickstart().config(VOCABULARY),
        };
        config.max_position_embeddings = config.max_position_embeddings.max(self.seq);
        let bench = Bench {
            config,
            batch: self.batch,
            tokens: self.seq,
            steps: self.steps,
            warmup: self.warmup,
            optimizer: match self.optimizer {
                Kind::Muon => OptimizerKind::Muon,
                Kind::Adamw => OptimizerKind::AdamW,
            },
            precision: match self.precision {
                Precision::Bf16 => "bf16".into(),
                Precision::F32 => "f32".into(),
            },
            recompute: self.recompute,
            device: shuyuan_tensor::device(&self.device).map_err(anyhow::Error::msg)?,
        };
        let timing = bench.run(1)?;
        let rss = peak_rss_mib();
        let peak = matmul_peak(&bench.device);
        let share = timing.gflop_per_s / peak;
        if global.json {
            let also = json!({
                "bench": "train", "batch": self.batch, "seq": self.seq, "steps": self.steps,
                "optimizer": format!("{:?}", self.optimizer).to_lowercase(), "precision": bench.precision,
                "threads": Hardware::detect().cores, "peak_rss_mib": rss, "matmul_gflop_per_s": peak,
                "share_of_peak": share, "cpu": Hardware::detect().cpu,
                "device": shuyuan_tensor::device_name(&bench.device),
            });
            return out::json_with(&timing, also);
        }
        say!(
            "{BOLD}{}{RESET} tokens/s ({} to {}), {:.0} GFLOP/s, {:.0} % of the {peak:.0} of a large product",
            grouped(timing.tokens_per_s as u64),
            grouped(timing.tokens_per_s_worst as u64),
            grouped(timing.tokens_per_s_best as u64),
            timing.gflop_per_s,
            100.0 * share
        )?;
        let ms = |name| timing.ms.get(name).copied().unwrap_or_default();
        say!(
            "{:.1} ms a step: loss and gradients {:.1}, optimizer {:.1}",
            ms("step"),
            ms("loss and gradients"),
            ms("optimizer")
        )?;
        let mut shares: Vec<_> = timing.shares.iter().collect();
        shares.sort_by(|a, b| b.1.total_cmp(a.1));
        for (name, share) in shares {
            say!("  {:>5.1} %  {name}", 100.0 * share)?;
        }
        if let Some(rss) = rss {
            say!("{rss} MiB at most, {} expected", timing.predicted_mib)?;
        }
        Ok(())
    }
}

/// How fast a model writes
///
/// Reads a prompt, then one token after another, each of which reads all weights once. Says tokens per second of the median
/// run and the bytes of weights that went by; bench/decode.sh runs it in turn with llama.cpp.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan bench decode --model model.Q4_0.gguf --prompt-len 128 --json")]
pub(crate) struct Decode {
    #[command(flatten)]
    common: Common,
    /// Tokens read before
    #[arg(long, value_name = "N", default_value = "128", value_parser = count)]
    prompt_len: usize,
    /// Tokens written
    #[arg(long, value_name = "N", default_value = "128", value_parser = count)]
    gen_len: usize,
}

/// What many users of a model at once would feel
///
/// In this process, without HTTP: users ask one request after another each, with prompts of random tokens that nobody has
/// asked before. To load a server over HTTP, any client of OpenAI's API will do.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan bench serve --model model.Q8_0.gguf --users 8 --requests 64 --json"
)]
pub(crate) struct Serve {
    /// A GGUF file, a folder with safetensors, or a name in the home folder [default: academy, or the newest]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Requests in flight
    #[arg(long, value_name = "N", default_value = "8", value_parser = count)]
    users: usize,
    /// Requests in all
    #[arg(long, value_name = "N", default_value = "64", value_parser = count)]
    requests: usize,
    /// Tokens of a prompt
    #[arg(long, value_name = "N", default_value = "128", value_parser = count)]
    prompt_len: usize,
    /// Tokens of an answer, on average
    #[arg(long, value_name = "N", default_value = "64", value_parser = count)]
    gen_len: usize,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = count)]
    threads: Option<usize>,
}

/// How fast a model reads
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan bench prefill --model model.Q4_0.gguf --prompt-len 512 --json")]
pub(crate) struct Prefill {
    #[command(flatten)]
    common: Common,
    /// Tokens of the prompt
    #[arg(long, value_name = "N", default_value = "512", value_parser = count)]
    prompt_len: usize,
}

#[derive(Debug, Args)]
struct Common {
    /// A GGUF file, a folder with safetensors, or a name in the home folder [default: academy, or the newest]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Runs on the clock
    #[arg(long, value_name = "N", default_value = "5", value_parser = count)]
    reps: usize,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = count)]
    threads: Option<usize>,
}

impl Common {
    fn load(&self, global: &Global, tokens: usize) -> Result<(std::path::PathBuf, Decoder)> {
        if let Some(threads) = self.threads {
            shuyuan_engine::set_threads(threads);
        }
        let path = crate::models::find(&global.academy()?.home, self.model.as_deref())?;
        let mut model = Decoder::load(&path)?;
        // Which tokens they are does not matter, nor whether the model was made for so many.
        model.stretch(tokens);
        Ok((path, model))
    }
}

impl Decode {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let (path, model) = self.common.load(global, self.prompt_len + self.gen_len)?;
        let timing = shuyuan_engine::time(&model, self.prompt_len, self.gen_len, self.common.reps)?;
        let rates = timing.decode_tokens_per_s.context("no tokens were written")?;
        let read = model.bytes_per_token();
        let gb_per_s = read as f64 * rates.median / 1e9;
        if global.json {
            return out::json(&json!({
                "bench": "decode", "file": path, "params": model.num_params(), "formats": model.formats(),
                "prompt_len": self.prompt_len, "gen_len": self.gen_len, "threads": shuyuan_engine::threads(),
                "decode_after_prompt_tokens_per_s": rates, "weight_bytes_per_token": read,
                "decode_weights_gb_per_s": gb_per_s, "peak_rss_mib": peak_rss_mib(), "cpu": Hardware::detect().cpu,
            }));
        }
        say!(
            "{BOLD}{:.1}{RESET} tokens/s after {} ({:.1} to {:.1}), {gb_per_s:.1} GB/s of weights",
            rates.median,
            self.prompt_len,
            rates.worst,
            rates.best
        )
    }
}

impl Serve {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        if let Some(threads) = self.threads {
            shuyuan_engine::set_threads(threads);
        }
        let path = crate::models::find(&global.academy()?.home, self.model.as_deref())?;
        let mut model = Decoder::load(&path)?;
        model.stretch(self.prompt_len + 2 * self.gen_len);
        let engine = Engine::new(Arc::new(model));
        let load =
            |requests| Load { users: self.users, requests, prompt: self.prompt_len, written: self.gen_len };
        // The first requests start the threads and read the weights in.
        load(2).run(&engine)?;
        let felt = load(self.requests).run(&engine)?;
        if global.json {
            let also = json!({
                "bench": "serve", "file": path, "users": self.users, "requests": self.requests,
                "prompt_len": self.prompt_len, "gen_len": self.gen_len, "threads": shuyuan_engine::threads(),
                "peak_rss_mib": peak_rss_mib(), "cpu": Hardware::detect().cpu,
            });
            return out::json_with(&felt, also);
        }
        say!(
            "{BOLD}{:.1}{RESET} tokens/s for {} users; first token {:.0} ms (p99 {:.0}), then one each {:.1} ms (p99 {:.1})",
            felt.output_tokens_per_s,
            self.users,
            felt.ttft_ms.p50,
            felt.ttft_ms.p99,
            felt.inter_token_ms.p50,
            felt.inter_token_ms.p99
        )
    }
}

impl Prefill {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let (path, model) = self.common.load(global, self.prompt_len)?;
        let rates = shuyuan_engine::time(&model, self.prompt_len, 0, self.common.reps)?.prefill_tokens_per_s;
        if global.json {
            return out::json(&json!({
                "bench": "prefill", "file": path, "params": model.num_params(), "formats": model.formats(),
                "prompt_len": self.prompt_len, "threads": shuyuan_engine::threads(), "prefill_tokens_per_s": rates,
                "peak_rss_mib": peak_rss_mib(), "cpu": Hardware::detect().cpu,
            }));
        }
        say!("{BOLD}{:.1}{RESET} tokens/s ({:.1} to {:.1})", rates.median, rates.worst, rates.best)
    }
}

/// The most memory that this process ever held, where the system tells.
pub(crate) fn peak_rss_mib() -> Option<u64> {
    shuyuan_tensor::peak_memory().map(|bytes| bytes >> 20)
}
