//! `serve`: the web app and OpenAI's API.

use crate::args::Global;
use crate::out::{self, note};
use crate::style::{BOLD, DIM, RESET, YELLOW};
use crate::{models, stop};
use anyhow::Result;
use clap::Args;
use serde_json::json;
use shuyuan_server::ServeOptions;
use std::net::IpAddr;
use std::sync::Arc;

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
}

impl Serve {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = Arc::new(global.academy()?);
        if self.model.is_none() && academy.home.models().is_empty() {
            let say = academy.lang.pick(
                "还没有模型:先运行 shuyuan quickstart,或用 --model 指定。",
                "There is no model yet: run shuyuan quickstart, or give --model.",
            );
            note(format_args!("{YELLOW}{say}{RESET}"));
        } else {
            academy.set_live(models::load(&academy, self.model.as_deref())?);
        }
        let options = ServeOptions { host: self.host, port: self.port, api_key: self.api_key.clone() };
        let server = shuyuan_server::serve(academy.clone(), &options)?;
        let (url, name) = (server.url(), academy.live().map(|live| live.name));
        if global.json {
            out::json(&json!({ "url": url, "model": name }))?;
        } else {
            let end = academy.lang.pick("Ctrl-C 结束", "Ctrl-C ends");
            note(format_args!("{} {BOLD}{url}{RESET}  {DIM}{url}v1  {end}{RESET}", name.unwrap_or_default()));
        }
        stop::wait();
        server.stop()
    }
}
