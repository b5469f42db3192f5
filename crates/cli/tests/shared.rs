//! Two servers, each with a home of its own, on one database and one bucket. Needs both; from the repository:
//! `crates/knowledge/tests/servers.sh cargo test --release --workspace --features shuyuan-cli/postgres,shuyuan-cli/s3 --test shared -- --ignored`
#![cfg(all(feature = "postgres", feature = "s3"))]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

struct Server {
    process: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; see the top of this file"))
}

impl Server {
    fn start(home: &Path, name: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_shuyuan"))
            .args(["--home", home.to_str().expect("a path"), "--json", "serve", "--port", "0"])
            .env("SHUYUAN_STORE", format!("{}?schema={name}", variable("SHUYUAN_TEST_POSTGRES")))
            .env("SHUYUAN_ORIGINALS", format!("s3://shared/{name}?endpoint={}", variable("SHUYUAN_TEST_S3")))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut said = BufReader::new(process.stdout.take().expect("its output"));
        let mut json = String::new();
        let told = loop {
            assert!(said.read_line(&mut json).expect("a line") > 0, "it ended: {json}");
            if let Ok(told) = serde_json::from_str::<Value>(&json) {
                break told;
            }
        };
        let url = told["url"].as_str().expect("its address").trim_end_matches('/').to_string();
        Self { process, url }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let mut answer = ureq::get(format!("{}{path}", self.url))
            .config()
            .http_status_as_error(false)
            .build()
            .call()
            .expect("an answer");
        (answer.status().as_u16(), answer.body_mut().read_to_string().expect("text"))
    }

    fn post(&self, path: &str, body: &str) -> Value {
        let mut answer = ureq::post(format!("{}{path}", self.url))
            .config()
            .http_status_as_error(false)
            .build()
            .content_type("application/json")
            .send(body.as_bytes())
            .expect("an answer");
        let text = answer.body_mut().read_to_string().expect("text");
        assert!(answer.status().is_success(), "{path}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    fn found(&self, question: &str) -> Vec<Value> {
        let body = json!({ "query": question }).to_string();
        self.post("/api/kb/search", &body)["passages"].as_array().expect("a list").clone()
    }
}

#[test]
#[ignore = "needs servers; see the top of this file"]
fn what_one_server_is_given_the_other_shows() {
    let name = format!("shared_{}", std::process::id());
    let bucket = format!("{}/shared", variable("SHUYUAN_TEST_S3"));
    ureq::put(bucket).config().http_status_as_error(false).build().send_empty().expect("a bucket");
    let dir = tempfile::tempdir().expect("a folder");
    let one = Server::start(&dir.path().join("one"), &name);
    let other = Server::start(&dir.path().join("other"), &name);
    let state: Value = serde_json::from_str(&other.get("/api/kb").1).expect("JSON");
    assert_eq!((&state["shared"], &state["sources"][0]["name"]), (&json!(true), &json!("course")));

    let given = one.post("/api/kb/upload?name=parking.md", "# Parking\n\nBicycles stand behind house 4.");
    assert_eq!(given["documents"][0]["item"], "parking.md", "{given}");
    let found = other.found("Where do bicycles stand?");
    assert_eq!(found[0]["document"]["item"], "parking.md");
    let id = &found[0]["document"]["id"];
    let (status, text) = other.get(&format!("/api/kb/documents/{id}/original"));
    assert_eq!((status, text.as_str()), (200, "# Parking\n\nBicycles stand behind house 4."));
    // The course is there on both, and its files too.
    let course =
        other.post("/api/kb/search", r#"{"query": "What is a token?", "filter": {"source": "course"}}"#);
    let id = &course["passages"][0]["document"]["id"];
    assert_eq!(other.get(&format!("/api/kb/documents/{id}/original")).0, 200);

    // A server that dies while it reads leaves nothing behind that stops the other.
    drop(one);
    let again =
        other.post("/api/kb/upload?name=parking.md", "# Parking\n\nBicycles stand in the cellar now.");
    assert_eq!(again["documents"][0]["item"], "parking.md", "{again}");
    let one = Server::start(&dir.path().join("one"), &name);
    assert!(one.found("bicycles")[0]["text"].as_str().expect("text").contains("cellar"));
    let id = one.found("bicycles")[0]["document"]["id"].clone();
    let gone = ureq::delete(format!("{}/api/kb/documents/{id}", one.url)).call().expect("an answer");
    assert_eq!(gone.status().as_u16(), 204);
    assert!(other.found("bicycles").iter().all(|passage| passage["document"]["source"] == "course"));
    // Files on their way in do not stay.
    for home in ["one", "other"] {
        let left =
            std::fs::read_dir(dir.path().join(home).join("knowledge/uploads")).expect("a folder").count();
        assert_eq!(left, 0, "{home}");
    }
}
