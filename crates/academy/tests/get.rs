//! Models fetched from a hub on this machine: whole, in shards, as GGUF; and what is refused before it costs anything.

#[path = "../../store/tests/server/mod.rs"]
mod server;

use serde_json::{Value, json};
use server::{Reply, Request, Server};
use shuyuan_academy::stages::get::{self, HttpOptions, Options, Outcome};
use shuyuan_academy::{Academy, Event, Home, Lang, LiveModel};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

type Files = BTreeMap<String, Vec<u8>>;

/// A small model with its tokenizer.
fn model() -> Files {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/eval/model");
    let read = |name: &str| (name.to_string(), std::fs::read(dir.join(name)).unwrap());
    let mut files: Files =
        ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"].map(read).into();
    files.insert("README.md".into(), b"not wanted".to_vec());
    files.insert("pytorch_model.bin".into(), b"not wanted".to_vec());
    files
}

/// The repository `owner/tiny` with `files`; `extra` goes into the listing, `answer` before all else.
fn hub(
    files: Files,
    extra: Vec<Value>,
    answer: impl Fn(&Request) -> Option<Reply> + Send + 'static,
) -> Server {
    let files = Arc::new(files);
    Server::start(move |request| {
        if let Some(reply) = answer(request) {
            return reply;
        }
        let path = request.path.as_str();
        if path == "/api/models/owner/tiny/tree/main?recursive=true" {
            let entry = |(path, bytes): (&String, &Vec<u8>)| json!({ "type": "file", "path": path, "size": bytes.len() });
            let mut all: Vec<Value> = files.iter().map(entry).collect();
            all.extend(extra.clone());
            // Two pages, as of a long list.
            let next = format!("<{path}&cursor=2>; rel=\"next\"");
            let body = serde_json::to_vec(&all[..1]).unwrap();
            return Reply { body, ..Reply::status(200) }.with("Link", &next);
        }
        if path == "/api/models/owner/tiny/tree/main?recursive=true&cursor=2" {
            let entry = |(path, bytes): (&String, &Vec<u8>)| json!({ "type": "file", "path": path, "size": bytes.len() });
            let mut all: Vec<Value> = files.iter().map(entry).collect();
            all.extend(extra.clone());
            return Reply { body: serde_json::to_vec(&all[1..]).unwrap(), ..Reply::status(200) };
        }
        match path.strip_prefix("/owner/tiny/resolve/main/").and_then(|path| files.get(path)) {
            Some(bytes) => Reply::file(request, bytes, "\"v1\"").with("X-Repo-Commit", "c0ffee"),
            None => Reply::status(404),
        }
    })
}

struct School {
    academy: Academy,
    dir: tempfile::TempDir,
}

impl School {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { academy: Academy::new(Home::open(dir.path()).unwrap(), Lang::En), dir }
    }

    fn get(&self, server: &Server, model: &str, stop: &AtomicBool) -> anyhow::Result<(Outcome, LiveModel)> {
        let pause = Some(Duration::from_millis(1));
        let hub = HttpOptions { endpoint: server.url.clone(), pause, ..HttpOptions::default() };
        get::run(&self.academy, &Options { model: model.into(), revision: None, name: None, hub }, stop)
    }

    fn refused(&self, server: &Server, model: &str) -> String {
        let Err(error) = self.get(server, model, &AtomicBool::new(false)) else {
            panic!("{model} was taken")
        };
        assert_eq!(self.academy.home.models(), [""; 0], "nothing appears");
        format!("{error:#}")
    }

    /// What lies in the folder of models.
    fn there(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir.path().join("models")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

fn paths(server: &Server) -> Vec<String> {
    let short = |path: &str| path.strip_prefix("/owner/tiny/resolve/main/").map(str::to_string);
    server.asked().iter().filter_map(|request| short(&request.path)).collect()
}

static GO: AtomicBool = AtomicBool::new(false);

#[test]
fn a_whole_repository() {
    let school = School::new();
    let mut files = model();
    files.insert("1_Pooling/config.json".into(), b"{}".to_vec());
    let server = hub(files.clone(), Vec::new(), |_| None);
    let (got, live) = school.get(&server, "owner/tiny", &GO).unwrap();
    assert_eq!(
        (got.name.as_str(), got.commit.as_deref(), live.name.as_str()),
        ("tiny", Some("c0ffee"), "tiny")
    );
    assert_eq!(got.bytes, got.fetched_bytes);
    assert_eq!(school.academy.home.models(), ["tiny"]);
    assert_eq!(school.there(), [school.academy.home.model("tiny")], "no hidden folder is left");
    for file in &got.files {
        assert_eq!(std::fs::read(got.path.join(&file.path)).unwrap(), files[&file.path], "{}", file.path);
    }
    let asked = paths(&server);
    assert_eq!(asked.len(), 5);
    assert_eq!((asked[0].as_str(), asked[4].as_str()), ("config.json", "model.safetensors"));
    let (told, _) = school.academy.events.subscribe();
    let whole = |event: &Event| matches!(event, Event::Progress { done, total, .. } if done == total && *done == got.bytes);
    assert!(told.iter().any(whole), "{told:?}");
    // A model that is there is not written over.
    let error = school.get(&server, "owner/tiny", &GO).err().unwrap().to_string();
    assert!(error.contains("is there already") && error.contains("--name"), "{error}");
}

/// Splits `model.safetensors` in two.
fn sharded() -> Files {
    let mut files = model();
    let whole = files.remove("model.safetensors").unwrap();
    let end = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&whole[8..end]).unwrap();
    let tensors: Vec<_> =
        header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__").collect();
    let mut map = serde_json::Map::new();
    for (nth, half) in tensors.chunks(tensors.len().div_ceil(2)).enumerate() {
        let (name, mut header, mut data) =
            (format!("model-{nth}.safetensors"), serde_json::Map::new(), Vec::new());
        for (tensor, entry) in half {
            let at = |i: usize| end + entry["data_offsets"][i].as_u64().unwrap() as usize;
            let from = data.len();
            data.extend_from_slice(&whole[at(0)..at(1)]);
            let mut entry = (*entry).clone();
            entry["data_offsets"] = json!([from, data.len()]);
            header.insert(tensor.to_string(), entry);
            map.insert(tensor.to_string(), json!(name));
        }
        let header = serde_json::to_vec(&header).unwrap();
        files.insert(name, [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat());
    }
    let index = json!({ "metadata": {}, "weight_map": map });
    files.insert("model.safetensors.index.json".into(), serde_json::to_vec(&index).unwrap());
    files
}

#[test]
fn shards_and_a_later_run_that_goes_on() {
    let school = School::new();
    let files = sharded();
    let server = hub(files.clone(), Vec::new(), |_| None);
    // Stopped in the first shard.
    let stop = Arc::new(AtomicBool::new(false));
    let (_, events) = school.academy.events.subscribe();
    let stopping = stop.clone();
    let config_and_more: u64 =
        files.iter().filter(|(name, _)| name.ends_with(".json")).map(|(_, bytes)| bytes.len() as u64).sum();
    let watcher = std::thread::spawn(move || {
        for event in events {
            if matches!(event, Event::Progress { done, .. } if done > config_and_more) {
                stopping.store(true, Ordering::Relaxed);
                return;
            }
        }
    });
    let first = school.get(&server, "owner/tiny", &stop);
    // On a fast machine all may have come before the stop was seen; then there is nothing to go on with.
    if let Err(error) = first {
        assert!(format!("{error:#}").contains("stopped"), "{error:#}");
        assert_eq!(school.academy.home.models(), [""; 0]);
        school.get(&server, "owner/tiny", &GO).unwrap();
    }
    watcher.join().unwrap();
    let path = school.academy.home.model("tiny");
    for (name, bytes) in
        files.iter().filter(|(name, _)| name.ends_with(".safetensors") || name.ends_with(".json"))
    {
        assert_eq!(&std::fs::read(path.join(name)).unwrap(), bytes, "{name}");
    }
    assert!(!path.join("README.md").exists() && !path.join(".lock").exists());
}

#[test]
fn what_cannot_be_read_is_said_before_the_weights() {
    let unknown = |key: &str, bytes: &[u8]| {
        let mut files = model();
        files.insert(key.into(), bytes.to_vec());
        hub(files, Vec::new(), |_| None)
    };
    let school = School::new();
    let server = unknown("config.json", br#"{"model_type": "mamba"}"#);
    let error = school.refused(&server, "owner/tiny");
    assert!(error.contains("\"mamba\" is not known here") && error.contains("owner/tiny"), "{error}");
    assert_eq!(paths(&server), ["config.json"]);
    let server = unknown("tokenizer.json", b"{}");
    let error = school.refused(&server, "owner/tiny");
    assert!(error.contains("tokenizer of owner/tiny"), "{error}");
    assert!(!paths(&server).contains(&"model.safetensors".to_string()));
}

/// The small model as GGUF.
fn gguf() -> Vec<u8> {
    use shuyuan_model::gguf::{ExportOptions, Mix, Words, export};
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/eval/model");
    let to = tempfile::tempdir().unwrap();
    let path = to.path().join("m.gguf");
    let model = shuyuan_model::Decoder::load(&dir).unwrap();
    let tokenizer = shuyuan_text::Tokenizer::load(&dir).unwrap();
    let options = ExportOptions::new(Mix::F32, "tiny");
    export(&path, &model, Words::Tokenizer(&tokenizer), &options).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn a_gguf_file() {
    let school = School::new();
    let whole = gguf();
    let files: Files =
        [("sub/tiny.F32.gguf".into(), whole.clone()), ("other.gguf".into(), b"GGUF".to_vec())].into();
    let server = hub(files, Vec::new(), |_| None);
    let error = school.refused(&server, "owner/tiny");
    assert!(error.contains("owner/tiny/other.gguf") && error.contains("sub/tiny.F32.gguf"), "{error}");
    let error = school.refused(&server, "owner/tiny/no.gguf");
    assert!(
        error.contains("owner/tiny") && error.contains("no.gguf") && error.contains("other.gguf"),
        "{error}"
    );
    let (got, _) = school.get(&server, "owner/tiny/sub/tiny.F32.gguf", &GO).unwrap();
    assert_eq!(got.path, school.dir.path().join("models/tiny.F32.gguf"));
    assert_eq!(std::fs::read(&got.path).unwrap(), whole);
    assert_eq!(school.academy.home.models(), ["tiny.F32"]);
    assert_eq!(paths(&server), ["sub/tiny.F32.gguf"]);
}

#[test]
fn a_large_gguf_file_is_looked_into_first() {
    let mut bytes = gguf();
    let len = bytes.len();
    // Weights of megabytes behind the header: none belongs to a tensor, but the header does not tell.
    bytes.resize(len + (12 << 20), 7);
    let unknown = {
        let at = bytes.windows(5).position(|window| window == b"qwen3").unwrap();
        let mut bytes = bytes.clone();
        bytes[at..at + 5].copy_from_slice(b"rwkv7");
        bytes
    };
    let mut broken = bytes.clone();
    broken[..4].copy_from_slice(b"GGML");
    let files: Files =
        [("good.gguf".into(), bytes), ("rwkv.gguf".into(), unknown), ("broken.gguf".into(), broken)].into();
    let server = hub(files, Vec::new(), |_| None);
    let school = School::new();
    for (name, why) in [("rwkv", "\"rwkv7\" is not known here"), ("broken", "GGML")] {
        let error = school.refused(&server, &format!("owner/tiny/{name}.gguf"));
        assert!(error.contains(why) && error.contains("most of it was not fetched"), "{error}");
        let part = school.dir.path().join(format!("models/.{name}.getting/{name}.gguf.part"));
        assert!(part.metadata().unwrap().len() < 2 << 20);
    }
    let (got, _) = school.get(&server, "owner/tiny/good.gguf", &GO).unwrap();
    assert_eq!(got.bytes, len as u64 + (12 << 20));
    let from: Vec<usize> =
        server.asked().iter().filter(|asked| asked.path.ends_with("good.gguf")).map(Request::from).collect();
    assert!(from.len() == 2 && from[0] == 0 && from[1] >= 1 << 20, "{from:?}");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for path in ["../../evil.json", "/etc/evil.json", "a/../../tokenizer_evil.json"] {
        let school = School::new();
        let server = hub(model(), vec![json!({ "type": "file", "path": path, "size": 4 })], |_| None);
        let error = school.refused(&server, "owner/tiny");
        assert!(error.contains("leads out of the repository"), "{error}");
        assert_eq!(paths(&server), [""; 0]);
    }
    let school = School::new();
    let mut files = sharded();
    files.insert(
        "model.safetensors.index.json".into(),
        br#"{"weight_map": {"a": "../../x.safetensors"}}"#.to_vec(),
    );
    let server = hub(files, Vec::new(), |_| None);
    let error = school.refused(&server, "owner/tiny");
    assert!(error.contains("../../x.safetensors"), "{error}");
}

#[test]
fn what_is_missing_is_named() {
    let school = School::new();
    let server = hub(model(), Vec::new(), |_| None);
    let error = school.refused(&server, "owner/nothing");
    assert!(error.contains("owner/nothing") && error.contains("404"), "{error}");
    let server =
        hub(model(), vec![json!({ "type": "file", "path": "tokenizer_gone.json", "size": 4 })], |_| None);
    let error = school.refused(&server, "owner/tiny");
    assert!(error.contains("tokenizer_gone.json of owner/tiny") && error.contains("404"), "{error}");
    let mut files = model();
    files.remove("tokenizer.json");
    let error = school.refused(&hub(files, Vec::new(), |_| None), "owner/tiny");
    assert!(error.contains("has no tokenizer.json"), "{error}");
}

#[test]
fn a_repository_that_changes_meanwhile_is_refused() {
    let school = School::new();
    let files = model();
    let tokenizer = files["tokenizer.json"].clone();
    let server = hub(files, Vec::new(), move |request| {
        let new = request.path.ends_with("/tokenizer.json");
        new.then(|| Reply::file(request, &tokenizer, "\"v2\"").with("X-Repo-Commit", "beef"))
    });
    let error = school.refused(&server, "owner/tiny");
    assert!(error.contains("changed while it was fetched"), "{error}");
}

#[test]
fn a_model_that_only_its_weights_betray_stays_with_the_reason() {
    let school = School::new();
    let mut files = model();
    let weights = files.get_mut("model.safetensors").unwrap();
    weights.truncate(weights.len() - 4);
    let server = hub(files, Vec::new(), |_| None);
    let Err(error) = school.get(&server, "owner/tiny", &GO) else { panic!("it was read") };
    let error = format!("{error:#}");
    assert!(error.contains("came whole and is kept in") && error.contains("cannot be read here"), "{error}");
}
