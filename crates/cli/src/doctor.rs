//! `doctor`: what this machine has and can do, and what fits.

use crate::args::Global;
use crate::out::{self, say};
use crate::style::{BOLD, DIM, GREEN, RED, RESET, grouped, pad};
use anyhow::Result;
use clap::Args;
use serde_json::json;
use shuyuan_tensor::{Hardware, matmul_peak, read_bandwidth};
use shuyuan_train::{Plan, Size, sizes};

/// What this machine has and can do, and which models can be trained on it
///
/// Measures for about a second how fast products and memory are, and says of each recipe whether it fits, and about how
/// many tokens it would learn from in an hour.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan doctor\n  shuyuan doctor --json")]
pub(crate) struct Doctor;

/// Of the vocabulary that memory is planned with.
const VOCABULARY: usize = 6400;

/// What a recipe would come to here.
struct Prospect {
    size: Size,
    plan: Plan,
    fits: bool,
    tokens_per_second: f64,
}

impl Doctor {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let hardware = Hardware::detect();
        let (gflops, bandwidth) = (matmul_peak(&shuyuan_tensor::cpu()), read_bandwidth());
        let devices = shuyuan_tensor::devices();
        let prospects = sizes().map(|size| {
            let mut recipe = size.recipe.clone();
            let config = recipe.config(VOCABULARY);
            let fitting = Plan::fitting(&mut recipe, &config, 1);
            let (fits, plan) = (fitting.is_ok(), fitting.unwrap_or_else(|_| Plan::new(&recipe, &config)));
            let tokens_per_second = size.tokens_per_second(&plan, VOCABULARY, 1e9 * gflops);
            Prospect { size, plan, fits, tokens_per_second }
        });
        let academy = global.academy()?;
        let models = academy.home.models();
        if global.json {
            let fits = prospects.iter().map(|Prospect { size, plan, fits, tokens_per_second }| {
                json!({ "recipe": size.name, "parameters": plan.params, "memory_mib": plan.memory_mib, "fits": fits,
                    "tokens_per_second": tokens_per_second.round() })
            });
            return out::json(&json!({
                "cpu": hardware.cpu, "cores": hardware.cores, "memory_gib": hardware.memory_gib,
                "features": hardware.features, "gpus": hardware.gpus, "devices": devices, "matmul_gflop_per_s": gflops,
                "read_gb_per_s": bandwidth, "fits": fits.collect::<Vec<_>>(), "home": academy.home.root(),
                "models": models,
            }));
        }
        let lang = academy.lang;
        let say_row = |zh, en, text: String| say!("{}{text}", pad(lang.pick(zh, en), 12));
        say_row("处理器", "processor", format!("{BOLD}{}{RESET}", hardware.cpu))?;
        let cores = lang.pick("乘法 bf16", "products of bf16");
        let products = format!("{} · {cores} {gflops:.0} GFLOP/s", hardware.cores);
        say_row("核", "cores", products)?;
        let reading = format!("{:.1} GiB · {bandwidth:.0} GB/s", hardware.memory_gib);
        say_row("内存", "memory", reading)?;
        let features = if hardware.features.is_empty() {
            "none: portable code".into()
        } else {
            hardware.features.join(" ")
        };
        say_row("指令", "kernels", features)?;
        for gpu in &hardware.gpus {
            say_row("显卡", "GPU", gpu.clone())?;
        }
        let more = match devices.len() {
            1 => lang.pick(
                "要用显卡,以 --features cuda、rocm、metal、vulkan 或 webgpu 编译",
                "for a GPU build with --features cuda, rocm, metal, vulkan or webgpu",
            ),
            _ => "--device",
        };
        say_row("可在其上训练", "trains on", format!("{}  {DIM}({more}){RESET}", devices.join(", ")))?;
        let held =
            if models.is_empty() { String::new() } else { format!("  {DIM}{}{RESET}", models.join(", ")) };
        say_row("文件夹", "home", format!("{}{held}", academy.home.root().display()))?;
        say!("\n{BOLD}{}{RESET}", lang.pick("能训练什么", "What can be trained here"))?;
        for Prospect { size, plan, fits, tokens_per_second } in prospects {
            let mark = if fits { format!("{GREEN}✓{RESET}") } else { format!("{RED}✗{RESET}") };
            let params = plan.params as f64 / 1e6;
            let hour = grouped((3.6 * tokens_per_second / 1e3).round() as u64);
            let hourly = lang.pick("M 词元每小时", "M tokens an hour");
            let recipe = format!("recipes/{}.toml", size.name);
            say!(
                "  {mark} {}{params:>7.1} M {:>7} MiB {hour:>6} {hourly}",
                pad(&recipe, 20),
                plan.memory_mib
            )?;
        }
        Ok(())
    }
}
