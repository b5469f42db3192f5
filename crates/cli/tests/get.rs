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

/// TLS in front of a server, from Python, with an authority of its own; killed when it is dropped.
struct Tls {
    process: std::process::Child,
    url: String,
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const FRONT: &str = r#"
import socket, ssl, sys, threading
folder, host, port = sys.argv[1], *sys.argv[2].split(":")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
def pipe(a, b):
    try:
        while data := a.recv(1 << 16):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass
def one(plain):
    try:
        client = context.wrap_socket(plain, server_side=True)
    except OSError:
        return
    behind = socket.create_connection((host, int(port)))
    threading.Thread(target=pipe, args=(client, behind), daemon=True).start()
    pipe(behind, client)
while True:
    threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()
"#;

impl Tls {
    /// None on a machine without `openssl` or `python3`; in CI they must be there.
    fn before(behind: &Server, dir: &Path) -> Option<Self> {
        let new = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        let script = format!(
            "openssl req -x509 {new} -days 2 -keyout ca.key -out ca.pem -subj '/CN=Test authority' && \
             openssl req {new} -keyout key.pem -out request.pem -subj /CN=server && \
             printf 'subjectAltName=IP:127.0.0.1\n' >names && \
             openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem"
        );
        let made = Command::new("sh").args(["-c", &script]).current_dir(dir).output().unwrap();
        let front = Command::new("python3")
            .args(["-c", FRONT, dir.to_str().unwrap(), behind.url.strip_prefix("http://").unwrap()])
            .stdout(std::process::Stdio::piped())
            .spawn();
        let (true, Ok(mut process)) = (made.status.success(), front) else {
            assert!(std::env::var_os("CI").is_none(), "{}", String::from_utf8_lossy(&made.stderr));
            eprintln!("skipped: no openssl or no python3");
            return None;
        };
        let mut port = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(process.stdout.take().unwrap()), &mut port)
            .unwrap();
        Some(Self { process, url: format!("https://127.0.0.1:{}", port.trim()) })
    }
}

#[test]
fn a_hub_behind_tls_is_trusted_by_its_authority_alone() {
    let (dir, hub) = (tempfile::tempdir().unwrap(), hub());
    let tls = dir.path().join("tls");
    std::fs::create_dir(&tls).unwrap();
    let Some(front) = Tls::before(&hub, &tls) else { return };
    let get = |authority: bool| {
        let mut command = common::command(dir.path(), &["model", "get", "owner/tiny", "--revision", "v/1"]);
        for proxy in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "SSL_CERT_FILE"] {
            command.env_remove(proxy);
        }
        if authority {
            command.env("SSL_CERT_FILE", tls.join("ca.pem"));
        }
        command.env("HF_ENDPOINT", &front.url).env("HF_TOKEN", "hf_secret").output().unwrap()
    };
    let output = get(false);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("SSL_CERT_FILE") && said.contains(&front.url), "{said}");
    assert!(hub.asked().is_empty(), "nothing is said to a server that is not trusted");
    let output = get(true);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let info = common::json(dir.path(), &["model", "info", "tiny", "--json"]);
    assert!(info["parameters"].as_u64().unwrap() > 0);
    assert!(hub.asked().iter().all(|asked| asked.header("authorization") == Some("Bearer hf_secret")));
}
