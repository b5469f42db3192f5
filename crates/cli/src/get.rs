//! `model get`: a model from the Hugging Face hub.

use crate::args::Global;
use crate::out::{self, say};
use crate::render::shown;
use crate::stop::{self, STOP};
use crate::style::{BOLD, DIM, RESET, bytes, duration};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use shuyuan_academy::Lang;
use shuyuan_academy::stages::get::{self, HttpOptions};

/// Fetch a model from the Hugging Face hub
///
/// The hub is https://huggingface.co, or the mirror in HF_ENDPOINT; HF_TOKEN opens models that are not public. What
/// breaks off goes on with the same command.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan model get Qwen/Qwen3-0.6B\n  shuyuan model get Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf --name q8"
)]
pub(crate) struct Get {
    /// owner/repo, or owner/repo/FILE.gguf
    #[arg(value_name = "MODEL")]
    model: String,
    /// A branch, tag or commit [default: main]
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
    /// Its name in the home folder [default: as on the hub]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl Get {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let options = get::Options {
            model: self.model.clone(),
            revision: self.revision.clone(),
            name: self.name.clone(),
            hub: hub()?,
        };
        let result = shown(&academy, || get::run(&academy, &options, &STOP));
        // What was cut off reports that as a failure; it is none.
        stop::check()?;
        let (got, live) = result?;
        let architecture = live.model.config().family.architecture();
        if global.json {
            return out::json_with(
                &got,
                json!({ "architecture": architecture, "parameters": live.model.num_params() }),
            );
        }
        let parameters = academy.lang.pick("M 参数", "M parameters");
        say!(
            "{BOLD}{}{RESET}  {architecture}, {:.2} {parameters}",
            got.name,
            live.model.num_params() as f64 / 1e6
        )?;
        let (size, time, path) = (bytes(got.bytes as f64), duration(got.seconds), got.path.display());
        match academy.lang {
            Lang::Zh => {
                say!("  {DIM}{path}{RESET}\n  {size},用时 {time};和它说话:shuyuan chat --model {}", got.name)
            }
            Lang::En => say!(
                "  {DIM}{path}{RESET}\n  {size} in {time}; to talk to it: shuyuan chat --model {}",
                got.name
            ),
        }
    }
}

/// How the environment says the hub is reached.
fn hub() -> Result<HttpOptions> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
    // As curl and others read them: http's own proxy only in lower case.
    let own = if endpoint.starts_with("https:") {
        set("https_proxy").or_else(|| set("HTTPS_PROXY"))
    } else {
        set("http_proxy")
    };
    let roots = set("SSL_CERT_FILE").map(|path| {
        std::fs::read(&path).with_context(|| format!("cannot read {path}, which SSL_CERT_FILE names"))
    });
    Ok(HttpOptions {
        endpoint,
        token: set("HF_TOKEN").map(|token| token.trim().to_string()),
        proxy: own.or_else(|| set("all_proxy")).or_else(|| set("ALL_PROXY")),
        no_proxy: set("no_proxy").or_else(|| set("NO_PROXY")),
        roots: roots.transpose()?,
        pause: None,
    })
}
