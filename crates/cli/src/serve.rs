//! `serve`: the web app and OpenAI's API.

use crate::args::{Global, StoreArgs};
use crate::models::{self, Overflow};
use crate::out::{self, note};
use crate::stop;
use crate::style::{BOLD, DIM, RESET, YELLOW};
use anyhow::Result;
use clap::Args;
use serde_json::json;
use shuyuan_academy::Academy;
use shuyuan_server::ServeOptions;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Serve the models: web app and OpenAI's API
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan serve --model tuned/model --port 8787\n  shuyuan serve --host 0.0.0.0 --api-key a-long-secret"
)]
pub(crate) struct Serve {
    /// A model's folder, or its name in the home folder [default: academy, or the newest]
    #[arg(long, value_name = "DIR")]
    model: Option<String>,
    /// The port; 0 for any free one [default: 8787 or the next free one]
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Any address but this machine's own needs --api-key
    #[arg(long, default_value = "127.0.0.1", value_name = "IP")]
    host: IpAddr,
    /// What every request must carry
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// Answers that are generated together; more wait
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    at_once: u16,
    /// Unload a model that nobody has used for so long
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    idle_minutes: u64,
    /// The most weights in memory beside the model above [default: half of the memory]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    model_memory_mib: Option<u64>,
    /// The most keys and values of each model; at least one full context [default: a quarter of free memory]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    cache_memory_mib: Option<u64>,
    /// A text longer than a model reads is an error, or loses its middle; a request may say
    #[arg(long, default_value = "refuse", value_name = "HOW")]
    overflow: Overflow,
    /// How long Ctrl-C waits for answers under way
    #[arg(long, default_value_t = 30, value_name = "N")]
    drain_seconds: u64,
    /// No line on standard error for each request
    #[arg(long)]
    no_access_log: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

impl Serve {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = Arc::new(global.academy()?);
        if self.model.is_none() && models::default(&academy.home).is_none() {
            note(format_args!("{YELLOW}{}{RESET}", no_model(&academy)));
        } else {
            academy.set_live(models::load(&academy, self.model.as_deref())?);
        }
        let options = ServeOptions {
            host: self.host,
            port: self.port,
            api_key: self.api_key.clone(),
            at_once: self.at_once.into(),
            idle: Duration::from_secs(self.idle_minutes.saturating_mul(60)),
            model_memory: self.model_memory_mib.map(|mib| (mib as usize) << 20),
            cache_memory: self.cache_memory_mib.map(|mib| (mib as usize) << 20),
            slide: self.overflow == Overflow::Slide,
            access_log: !self.no_access_log,
            drain: Duration::from_secs(self.drain_seconds),
        };
        let server = shuyuan_server::serve(academy.clone(), &options)?;
        let (url, name) = (server.url(), academy.live().map(|live| live.name));
        if global.json {
            out::json(&json!({ "url": url, "model": name }))?;
        } else {
            let end = academy.lang.pick("Ctrl-C 结束", "Ctrl-C ends");
            note(format_args!("{} {BOLD}{url}{RESET}  {DIM}{url}v1  {end}{RESET}", name.unwrap_or_default()));
        }
        stop::wait();
        if server.is_busy() {
            let say = academy.lang.pick(
                "等正在进行的回答结束;再按一次 Ctrl-C 立即结束。",
                "Waiting for answers under way; Ctrl-C again ends at once.",
            );
            note(format_args!("{DIM}{say}{RESET}"));
        }
        server.stop()
    }
}

/// What is there instead, and how to get one.
fn no_model(academy: &Academy) -> String {
    let home = &academy.home;
    let (zh, en) = match home.models().as_slice() {
        [] => (String::new(), String::new()),
        others => {
            let others = others.join(", ");
            (format!("({others} 只会做向量)"), format!(" ({others} makes vectors only)"))
        }
    };
    let at = home.root().display();
    academy
        .lang
        .pick(
            &format!(
                "{at} 里还没有会说话的模型{zh}。网页和知识库照常;一有模型就能用:\n\
                 \x20 shuyuan quickstart              几分钟做一个\n\
                 \x20 shuyuan model get OWNER/REPO    从 Hugging Face 下载一个\n\
                 \x20 shuyuan serve --model FILE      用别处的文件夹或 GGUF 文件"
            ),
            &format!(
                "There is no model to talk to in {at} yet{en}. The pages and the knowledge base are served; so is a \
                 model once it is there:\n\
                 \x20 shuyuan quickstart              makes one in minutes\n\
                 \x20 shuyuan model get OWNER/REPO    fetches one from the Hugging Face hub\n\
                 \x20 shuyuan serve --model FILE      serves a folder or GGUF file from anywhere"
            ),
        )
        .into()
}
