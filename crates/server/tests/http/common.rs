//! A server over a random tiny model, and a client that speaks plain HTTP.

use serde_json::Value;
use shuyuan_academy::{Academy, Home, Lang, LiveModel};
use shuyuan_model::{Config, Decoder, Qwen3ForCausalLM};
use shuyuan_server::{ServeOptions, Server, serve};
use shuyuan_text::{Tokenizer, TrainConfig};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// The context of the tiny model.
pub const CONTEXT: usize = 200_000;

/// A server with its home folder.
pub struct World {
    pub server: Server,
    pub academy: Arc<Academy>,
    _home: tempfile::TempDir,
}

pub fn tokenizer() -> Tokenizer {
    let text = "the cat sat on the mat, 我今天吃了狮子头和蔬菜。红色让人觉得温暖。".repeat(20);
    let trained = shuyuan_text::train([Ok(text)], &TrainConfig::new(300), |_| ControlFlow::Continue(()));
    trained.unwrap().tokenizer
}

/// A model whose layers add little at the start: greedily it says its last token again and again, so that a long
/// answer is long.
pub fn tiny(context: usize) -> LiveModel {
    let (decoder, tokenizer) = tiny_parts(context);
    LiveModel::new("tiny", decoder, Arc::new(tokenizer))
}

fn tiny_parts(context: usize) -> (Decoder, Tokenizer) {
    let tokenizer = tokenizer();
    let model = Qwen3ForCausalLM::init(&config(&tokenizer, context), 7, &shuyuan_tensor::cpu()).unwrap();
    (Decoder::of(&model), tokenizer)
}

fn config(tokenizer: &Tokenizer, context: usize) -> Config {
    Config {
        vocab_size: tokenizer.vocab_size(),
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 8,
        max_position_embeddings: context,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-6,
        tie_word_embeddings: true,
        eos_token_id: None,
    }
}

/// The tiny model with a chat template of its own.
pub fn tiny_with_template(context: usize, jinja: &str) -> LiveModel {
    let dir = tempfile::tempdir().unwrap();
    let (decoder, tokenizer) = tiny_parts(context);
    tokenizer.save(dir.path()).unwrap();
    std::fs::write(dir.path().join("chat_template.jinja"), jinja).unwrap();
    LiveModel::new("tiny", decoder, Arc::new(Tokenizer::load(dir.path()).unwrap()))
}

/// Writes a tiny model into a folder; another `seed`, other weights.
pub fn write_model(dir: &std::path::Path, seed: u64) {
    std::fs::create_dir_all(dir).unwrap();
    let tokenizer = tokenizer();
    tokenizer.save(dir).unwrap();
    let model = Qwen3ForCausalLM::init(&config(&tokenizer, 128), seed, &shuyuan_tensor::cpu()).unwrap();
    shuyuan_model::save(&model, dir).unwrap();
}

/// One answer at a time, so that a test can hold the turn.
pub fn one_at_a_time() -> ServeOptions {
    ServeOptions { at_once: 1, ..ServeOptions::default() }
}

pub fn start(api_key: Option<&str>, model: Option<LiveModel>) -> World {
    start_with(model, ServeOptions { api_key: api_key.map(str::to_string), ..one_at_a_time() })
}

pub fn start_with(model: Option<LiveModel>, options: ServeOptions) -> World {
    let home = tempfile::tempdir().unwrap();
    let academy = Arc::new(Academy::new(Home::open(home.path()).unwrap(), Lang::En));
    if let Some(model) = model {
        academy.set_live(model);
    }
    let options = ServeOptions { port: Some(0), ..options };
    World { server: serve(academy.clone(), &options).unwrap(), academy, _home: home }
}

/// An answer as it came.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The payloads of a stream.
    pub fn events(&self) -> Vec<String> {
        self.body.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_string).collect()
    }
}

/// Sends a request without waiting. HTTP/1.0, so that the body is plain and ends with the connection.
pub fn send(to: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut head = format!("{line} HTTP/1.0\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "Host") {
        head += &format!("Host: {to}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    // A body that is too large is refused before it is sent to its end: what was said of it is still to be read.
    if let Err(error) = stream.write_all(format!("{head}\r\n{body}").as_bytes()) {
        assert!(is_cut_off(&error), "{error}");
    }
    stream
}

fn is_cut_off(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

pub fn ask(to: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut bytes = Vec::new();
    // What the kernel still held of a connection that was cut off may be lost with it: then it is asked again.
    for _ in 0..10 {
        bytes.clear();
        match send(to, line, headers, body).read_to_end(&mut bytes) {
            Ok(_) if !bytes.is_empty() => break,
            Err(error) if !is_cut_off(&error) => panic!("{error}"),
            _ => {}
        }
    }
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.into() }
}

pub fn get(world: &World, path: &str) -> Answer {
    ask(world.server.address(), &format!("GET {path}"), &[], "")
}

pub fn post(world: &World, path: &str, body: Value) -> Answer {
    ask(world.server.address(), &format!("POST {path}"), &[], &body.to_string())
}
