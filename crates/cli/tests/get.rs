//! `model get` as a person types it, from a hub on this machine.

mod common;
#[path = "../../store/tests/server/mod.rs"]
mod server;

use server::{Reply, Request, Server};
use std::path::Path;
use std::process::{Command, Output};

const FILES: [&str; 4] = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];

fn hub() -> Server {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/eval/model");
    let read = move |name: &str| std::fs::read(dir.join(name)).unwrap();
    Server::start(move |request: &Request| match request.path.as_str() {
        "/api/models/owner/tiny/tree/v%2F1?recursive=true" => {
            let entry =
                |name: &&str| serde_json::json!({ "type": "file", "path": name, "size": read(name).len() });
            let list: Vec<_> = FILES.iter().map(entry).collect();
            Reply { body: serde_json::to_vec(&list).unwrap(), ..Reply::status(200) }
        }
        path => match path.strip_prefix("/owner/tiny/resolve/v%2F1/").filter(|name| FILES.contains(name)) {
            Some(name) => Reply::file(request, &read(name), "\"1\""),
            None => Reply::status(404),
        },
    })
}

fn run(dir: &Path, hub: &str, words: &[&str]) -> Output {
    let mut command: Command = common::command(dir, words);
    for proxy in ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    command.env("HF_ENDPOINT", hub).env("HF_TOKEN", "hf_secret").output().unwrap()
}

#[test]
fn a_model_is_fetched_and_then_known_by_name() {
    let (dir, hub) = (tempfile::tempdir().unwrap(), hub());
    let words = ["model", "get", "owner/tiny", "--revision", "v/1", "--name", "mine", "--json"];
    let output = run(dir.path(), &hub.url, &words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let got: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((got["name"].as_str(), got["repo"].as_str()), (Some("mine"), Some("owner/tiny")));
    assert_eq!(
        (got["revision"].as_str(), got["architecture"].as_str()),
        (Some("v/1"), Some("Qwen3ForCausalLM"))
    );
    assert_eq!(got["files"].as_array().unwrap().len(), FILES.len());
    let info = common::json(dir.path(), &["model", "info", "mine", "--json"]);
    assert_eq!(info["parameters"], got["parameters"]);
    assert!(hub.asked().iter().all(|asked| asked.header("authorization") == Some("Bearer hf_secret")));

    let again = run(dir.path(), &hub.url, &words);
    let said = said + &String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(1));
    assert!(said.contains("is there already") && !said.contains("hf_secret"), "{said}");
}

#[test]
fn what_is_not_there_is_named() {
    let (dir, hub) = (tempfile::tempdir().unwrap(), hub());
    let output = run(dir.path(), &hub.url, &["model", "get", "owner/other"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("owner/other") && said.contains("404") && !said.contains("hf_secret"), "{said}");
}
