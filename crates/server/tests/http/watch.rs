//! Watching over a server: health, metrics, and its end.

use crate::common::{CONTEXT, ask, get, post, send, start, start_with, tiny};
use serde_json::json;
use shuyuan_server::ServeOptions;
use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn health_needs_no_key() {
    let world = start(Some("secret"), Some(tiny(64)));
    let to = world.server.address();
    for path in ["/health", "/health/ready"] {
        assert_eq!(ask(to, &format!("GET {path}"), &[], "").status, 200, "{path}");
        assert_eq!(ask(to, &format!("POST {path}"), &[], "").status, 405, "{path}");
    }
    assert_eq!(get(&start(None, None), "/health/ready").json()["status"], "no model");
}

#[test]
fn metrics_count_requests_and_tokens() {
    let world = start(None, Some(tiny(512)));
    let body = json!({ "model": "tiny", "prompt": "the cat", "max_tokens": 6, "temperature": 0 });
    let read =
        post(&world, "/v1/completions", body.clone()).json()["usage"]["prompt_tokens"].as_u64().unwrap();
    let mut streamed = body;
    streamed["stream"] = true.into();
    post(&world, "/v1/completions", streamed);
    post(&world, "/v1/chat/completions", json!({}));
    get(&world, "/somewhere?secret=1");
    let answer = get(&world, "/metrics");
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    for line in [
        "shuyuan_requests_total{route=\"/v1/completions\",status=\"200\"} 2",
        "shuyuan_requests_total{route=\"/v1/chat/completions\",status=\"400\"} 1",
        "shuyuan_requests_total{route=\"other\",status=\"404\"} 1",
        &format!("shuyuan_prompt_tokens_total {}", 2 * read),
        "shuyuan_generated_tokens_total 12",
        "shuyuan_time_to_first_token_seconds_count 2",
        "shuyuan_time_per_token_seconds_count 10",
        "shuyuan_queue_length 0",
        "shuyuan_models_loaded 1",
    ] {
        assert!(answer.body.lines().any(|found| found == line), "{line}\n{}", answer.body);
    }
    assert!(answer.body.contains("shuyuan_model_bytes{model=\"tiny\"} "));
    assert!(!answer.body.contains("secret"));
    // Each name is described once, and each line is a name and a number.
    for line in answer.body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let family = name.split('{').next().unwrap();
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| family.strip_suffix(end)).unwrap_or(family);
        assert_eq!(answer.body.matches(&format!("# TYPE {family} ")).count(), 1, "{line}");
    }
}

#[test]
fn a_full_queue_says_when_to_come_again() {
    let world = start(None, Some(tiny(CONTEXT)));
    let body =
        json!({ "model": "tiny", "prompt": "a", "max_tokens": CONTEXT, "temperature": 0, "stream": true });
    let to = world.server.address();
    let waiting: Vec<TcpStream> =
        (0..33).map(|_| send(to, "POST /v1/completions", &[], &body.to_string())).collect();
    let start = Instant::now();
    while !get(&world, "/metrics").body.contains("shuyuan_queue_length 32\n") {
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(20));
    }
    let refused = ask(to, "POST /v1/completions", &[], &body.to_string());
    assert_eq!((refused.status, refused.json()["error"]["type"].as_str()), (429, Some("rate_limit_error")));
    assert!(refused.head.contains("\r\nretry-after: 5"), "{}", refused.head);
    drop(waiting);
}

/// A stream that has begun.
fn streaming(world: &crate::common::World, tokens: usize) -> TcpStream {
    let body =
        json!({ "model": "tiny", "prompt": "a", "max_tokens": tokens, "temperature": 0, "stream": true });
    let mut stream = send(world.server.address(), "POST /v1/completions", &[], &body.to_string());
    let mut some = [0; 600];
    stream.read_exact(&mut some).unwrap();
    stream
}

fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is broken off may end with an error.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn the_end_waits_for_what_runs_and_not_for_what_waits() {
    let world = start(None, Some(tiny(CONTEXT)));
    let running = streaming(&world, 20_000);
    let events = send(world.server.address(), "GET /api/events", &[], "");
    let body = json!({ "model": "tiny", "prompt": "a", "max_tokens": 3, "temperature": 0 });
    let waiting = send(world.server.address(), "POST /v1/completions", &[], &body.to_string());
    std::thread::sleep(Duration::from_millis(50));
    let address = world.server.address();
    world.server.stop().unwrap();
    assert!(rest(running).contains("[DONE]"));
    assert!(rest(waiting).contains("the server is ending"));
    rest(events);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn the_end_does_not_wait_for_ever() {
    let options = ServeOptions { drain: Duration::from_millis(200), ..ServeOptions::default() };
    let world = start_with(Some(tiny(CONTEXT)), options);
    let running = streaming(&world, CONTEXT);
    let start = Instant::now();
    world.server.stop().unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(!rest(running).contains("[DONE]"));
}
