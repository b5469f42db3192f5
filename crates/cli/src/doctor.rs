//! `doctor`: what this machine has, and what fits.

use crate::args::Global;
use crate::out::{self, say};
use crate::style::{BOLD, DIM, GREEN, RED, RESET, pad};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use shuyuan_tensor::Hardware;
use shuyuan_train::{Plan, Recipe};

/// What this machine has, and which models can be trained on it
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shuyuan doctor\n  shuyuan doctor --json")]
pub(crate) struct Doctor;

/// Of the vocabulary that memory is planned with.
const VOCABULARY: usize = 6400;

impl Doctor {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let hardware = Hardware::detect();
        let mut fits = Vec::new();
        for (name, recipe) in recipes()? {
            let plan = Plan::new(&recipe, &recipe.config(VOCABULARY));
            fits.push((name, plan.check(&recipe).is_ok(), plan));
        }
        let academy = global.academy()?;
        let models = academy.home.models();
        if global.json {
            let fits: Vec<_> = fits
                .iter()
                .map(|(name, fits, plan)| {
                    json!({ "recipe": name, "parameters": plan.params, "memory_mib": plan.memory_mib, "fits": fits })
                })
                .collect();
            return out::json(&json!({
                "cpu": hardware.cpu, "cores": hardware.cores, "memory_gib": hardware.memory_gib,
                "features": hardware.features, "fits": fits, "home": academy.home.root(), "models": models,
            }));
        }
        let lang = academy.lang;
        let say_row = |zh, en, text: String| say!("{}{text}", pad(lang.pick(zh, en), 12));
        say_row("处理器", "processor", format!("{BOLD}{}{RESET}", hardware.cpu))?;
        say_row("核", "cores", hardware.cores.to_string())?;
        say_row("内存", "memory", format!("{:.1} GiB", hardware.memory_gib))?;
        let features = if hardware.features.is_empty() {
            "none: portable code".into()
        } else {
            hardware.features.join(" ")
        };
        say_row("指令", "kernels", features)?;
        let held =
            if models.is_empty() { String::new() } else { format!("  {DIM}{}{RESET}", models.join(", ")) };
        say_row("文件夹", "home", format!("{}{held}", academy.home.root().display()))?;
        say!("\n{BOLD}{}{RESET}", lang.pick("能训练什么", "What can be trained here"))?;
        for (name, fits, plan) in fits {
            let mark = if fits { format!("{GREEN}✓{RESET}") } else { format!("{RED}✗{RESET}") };
            let (params, gflop) = (plan.params as f64 / 1e6, plan.flops_per_step / 1e9);
            say!(
                "  {mark} {}{params:>7.1} M {:>7} MiB {gflop:>8.0} GFLOP a step",
                pad(name, 18),
                plan.memory_mib
            )?;
        }
        Ok(())
    }
}

/// The recipes that come with the program, and one size beyond.
fn recipes() -> Result<Vec<(&'static str, Recipe)>> {
    let medium: Recipe =
        toml::from_str(include_str!("../../../recipes/26m.toml")).context("recipes/26m.toml, built in")?;
    let mut large = medium.clone();
    large.model.hidden_size = 768;
    large.model.intermediate_size = 2048;
    large.model.num_hidden_layers = 14;
    large.model.num_attention_heads = 12;
    large.model.num_key_value_heads = 4;
    Ok(vec![("quickstart", Recipe::quickstart()), ("recipes/26m.toml", medium), ("100M", large)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_recipes_are_valid() {
        for (name, recipe) in recipes().unwrap() {
            assert_eq!(recipe.validate(), Ok(()), "{name}");
        }
    }
}
