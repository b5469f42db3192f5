//! Which live sources are asked, and what for: `goldens/knowledge/live`. `school`, `workshop` and `hospital` are what the rule
//! was made with; `unseen` came after it.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use shuyuan_academy::LiveModel;
use shuyuan_chain::{Evidence, LiveSources, Local, Options};
use shuyuan_knowledge::{Base, Definition, Filter, Reader};
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Asked {
    query: String,
    call: Option<String>,
    #[serde(default)]
    arguments: Value,
}

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/knowledge/live")
}

/// A base with sources like these, which answer with what they were asked.
fn base(dir: &Path, set: &str) -> Base {
    let base = Base::open(dir).unwrap();
    rusqlite_file(&dir.join("rows.db"));
    let tools: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(goldens().join(format!("{set}.json"))).unwrap())
            .unwrap();
    for tool in &tools {
        let mut parameters = Map::new();
        for (name, property) in tool["parameters"]["properties"].as_object().unwrap() {
            let kind = match (&property["enum"], &property["format"], property["type"].as_str()) {
                (Value::Array(_), ..) => "enum",
                (_, Value::String(_), _) => "date",
                (.., Some(kind)) => kind,
                _ => "string",
            };
            let needed = tool["parameters"]["required"].as_array().unwrap().contains(&json!(name));
            let mut parameter =
                json!({ "type": kind, "required": needed, "description": { "en": property["description"] } });
            if kind == "enum" {
                parameter["values"] = property["enum"].clone();
            }
            parameters.insert(name.clone(), parameter);
        }
        let columns: Vec<String> = parameters.keys().map(|name| format!(":{name} AS {name}")).collect();
        let columns = if columns.is_empty() { "1 AS one".into() } else { columns.join(", ") };
        let definition = json!({
            "name": tool["name"], "kind": "sqlite", "path": dir.join("rows.db"),
            "live": { "description": tool["description"], "sql": format!("SELECT {columns}"), "parameters": parameters },
        });
        base.add_source(&Definition::parse(&toml::to_string(&definition).unwrap()).unwrap()).unwrap();
    }
    base
}

/// The sources are SQLite's; all that they need is a file.
fn rusqlite_file(path: &Path) {
    std::fs::write(path, "").unwrap();
}

#[derive(Debug, Default)]
struct Counts {
    /// Questions that need a source, and those of them put to it, with the right arguments.
    needing: f64,
    asked: f64,
    right: f64,
    /// Questions that need none, and those put to one.
    others: f64,
    disturbed: f64,
}

fn count(local: Option<&Local>, set: &str) -> Counts {
    let dir = tempfile::tempdir().unwrap();
    let base = base(dir.path(), set);
    let filter = Filter::default();
    let sources = LiveSources { base: &base, reader: &Reader::Owner, filter: &filter };
    let mut counts = Counts::default();
    for line in std::fs::read_to_string(goldens().join(format!("{set}.jsonl"))).unwrap().lines() {
        let asked: Asked = serde_json::from_str(line).unwrap();
        let evidence =
            Evidence::gather(local, &sources, &asked.query, Vec::new(), &Options::default()).unwrap();
        for call in &evidence.calls {
            assert_eq!(call.error, None, "{}: {call:?}", asked.query);
        }
        let shown: Vec<String> = evidence.calls.iter().map(|call| call.written()).collect();
        println!("{:>10} {shown:?}  {}", asked.call.as_deref().unwrap_or("-"), asked.query);
        match &asked.call {
            Some(name) => {
                counts.needing += 1.0;
                if let Some(call) = evidence.calls.iter().find(|call| call.source == *name) {
                    counts.asked += 1.0;
                    counts.right += f64::from(u8::from(call.arguments == asked.arguments));
                }
            }
            None => {
                counts.others += 1.0;
                counts.disturbed += f64::from(u8::from(!evidence.calls.is_empty()));
            }
        }
    }
    println!("{set}: {counts:?}");
    counts
}

#[test]
fn without_a_model_only_what_is_certain_is_asked() {
    for set in ["school", "workshop", "hospital", "unseen"] {
        let counts = count(None, set);
        assert_eq!(counts.asked, counts.right, "{set}");
        assert!(counts.asked >= 0.25 * counts.needing, "{set}: {counts:?}");
        assert!(counts.disturbed <= 0.05 * counts.others, "{set}: {counts:?}");
    }
}

/// `SHUYUAN_LIVE_MODEL=FILE`: a model that chats.
#[test]
fn a_model_asks_what_the_question_needs() {
    let Some(path) = std::env::var_os("SHUYUAN_LIVE_MODEL") else { return };
    let local = LiveModel::load(Path::new(&path)).unwrap().local();
    for set in ["school", "workshop", "hospital", "unseen"] {
        let counts = count(Some(&local), set);
        assert!(counts.right >= 0.7 * counts.needing, "{set}: {counts:?}");
        assert!(counts.disturbed <= 0.3 * counts.others, "{set}: {counts:?}");
    }
}
