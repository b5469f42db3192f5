//! Who may ask: the key on every route, and without one only this machine.

use crate::common::{ask, start, tiny};
use shuyuan_academy::{Academy, Home, Lang};
use shuyuan_server::{ServeOptions, serve};
use std::sync::Arc;

const ROUTES: [&str; 40] = [
    "GET /metrics",
    "GET /v1/models",
    "GET /v1/models/tiny",
    "POST /v1/chat/completions",
    "POST /v1/completions",
    "POST /v1/responses",
    "GET /api/status",
    "GET /api/events",
    "POST /api/prompt",
    "GET /api/corpus",
    "GET /api/runs",
    "GET /api/runs/x",
    "GET /api/report",
    "POST /api/tokenize",
    "POST /api/explain",
    "GET /api/near?word=cat",
    "POST /api/teach",
    "GET /api/conversations",
    "POST /api/conversations",
    "GET /api/conversations/1",
    "PUT /api/conversations/1",
    "PATCH /api/conversations/1",
    "DELETE /api/conversations/1",
    "GET /api/kb",
    "POST /api/kb/search",
    "POST /api/kb/ask",
    "GET /api/kb/documents",
    "GET /api/kb/documents/1",
    "DELETE /api/kb/documents/1",
    "GET /api/kb/documents/1/original",
    "GET /api/kb/failures",
    "POST /api/kb/upload",
    "POST /api/kb/sources",
    "DELETE /api/kb/sources/x",
    "POST /api/kb/sync",
    "GET /api/kb/map",
    "GET /api/kb/near/1",
    "GET /",
    "GET /assets/x.js",
    "DELETE /nowhere",
];

#[test]
fn the_key_guards_every_route() {
    let world = start(Some("se-cr+et"), Some(tiny(64)));
    let to = world.server.address();
    for line in ROUTES {
        for wrong in [
            &[][..],
            &[("Authorization", "Bearer wrong")],
            &[("Authorization", "se-cr+et")],
            &[("Authorization", "Bearer se-cr+et2")],
            &[("Cookie", "shuyuan_key=se-cr")],
        ] {
            let answer = ask(to, line, wrong, "{}");
            assert_eq!(answer.status, 401, "{line} {wrong:?}");
            assert_eq!(answer.json()["error"]["code"], "invalid_api_key", "{line}");
        }
        if line != "GET /api/events" {
            for right in [("Authorization", "Bearer se-cr+et"), ("Cookie", "a=b; shuyuan_key=se-cr%2Bet")] {
                assert_ne!(ask(to, line, &[right], "{}").status, 401, "{line} {right:?}");
            }
        }
    }
}

#[test]
fn a_browser_gives_the_key_once() {
    let world = start(Some("se-cr+et"), Some(tiny(64)));
    let to = world.server.address();
    let page = [("Accept", "text/html,*/*")];
    let form = ask(to, "GET /", &page, "");
    assert!(form.status == 401 && form.body.contains("<form") && !form.body.contains("se-cr"));
    assert_eq!(ask(to, "GET /?key=wrong", &page, "").status, 401);
    let welcome = ask(to, "GET /?key=se-cr%2Bet", &page, "");
    assert_eq!(welcome.status, 303);
    assert!(welcome.head.contains("\r\nlocation: /\r\n"), "{}", welcome.head);
    assert!(welcome.head.contains("httponly; samesite=strict"), "{}", welcome.head);
    let elsewhere = ask(to, "GET //example.com?key=se-cr%2Bet", &page, "");
    assert!(!elsewhere.head.contains("location: //"), "{}", elsewhere.head);
    assert_eq!(ask(to, "GET /v1/models?key=se-cr%2Bet", &[], "").status, 200);
}

#[test]
fn without_a_key_only_this_machine() {
    let home = tempfile::tempdir().unwrap();
    let academy = Arc::new(Academy::new(Home::open(home.path()).unwrap(), Lang::En));
    for host in ["0.0.0.0", "192.168.0.1", "::"] {
        let options = ServeOptions { host: host.parse().unwrap(), port: Some(0), ..ServeOptions::default() };
        let error = serve(academy.clone(), &options).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("--api-key"), "{host}: {error}");
    }
    for key in ["", "two words", "钥匙"] {
        let options = ServeOptions { port: Some(0), api_key: Some(key.into()), ..ServeOptions::default() };
        assert!(serve(academy.clone(), &options).is_err(), "{key:?}");
    }
    let options = ServeOptions {
        host: [0, 0, 0, 0].into(),
        port: Some(0),
        api_key: Some("k".into()),
        ..ServeOptions::default()
    };
    assert!(serve(academy, &options).is_ok());
}

#[test]
fn a_page_from_elsewhere_is_refused() {
    let world = start(None, Some(tiny(64)));
    let to = world.server.address();
    for headers in [
        &[("Host", "example.com")][..],
        &[("Origin", "https://example.com")],
        &[("Origin", "null")],
        &[("Origin", "http://127.0.0.1:1")],
    ] {
        let answer = ask(to, "GET /api/status", headers, "");
        assert_eq!(answer.status, 403, "{headers:?}");
        assert!(answer.json()["error"]["message"].is_string());
    }
    let own = format!("http://{to}");
    assert_eq!(ask(to, "GET /api/status", &[("Origin", &own)], "").status, 200);
}

#[test]
fn a_taken_port_is_an_error_if_asked_for_and_else_passed_over() {
    let world = start(None, None);
    let taken = ServeOptions { port: Some(world.server.address().port()), ..ServeOptions::default() };
    let error = serve(world.academy.clone(), &taken).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("--port"), "{error}");
    let first = serve(world.academy.clone(), &ServeOptions::default()).unwrap();
    let second = serve(world.academy.clone(), &ServeOptions::default()).unwrap();
    assert_ne!(first.address(), second.address());
    assert!(second.url().starts_with("http://127.0.0.1:"));
    first.stop().unwrap();
    second.stop().unwrap();
}
