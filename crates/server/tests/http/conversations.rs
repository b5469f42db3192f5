//! Conversations that the server keeps: each reader's own, saved by version.

use crate::common::{Answer, ask, start, tiny};
use serde_json::{Value, json};
use shuyuan_server::{NamedKey, write_keys};
use std::collections::BTreeSet;
use std::net::SocketAddr;

fn content(words: &str) -> Value {
    json!({
        "model": "tiny", "system": "Be brief.", "tools": "", "temperature": 0.3, "top_p": 0.95, "max_tokens": 160,
        "seed": null,
        "messages": [
            { "role": "user", "content": words },
            {
                "role": "assistant", "content": "Let me look.", "reasoning_content": "They want the weather.",
                "tool_calls": [{ "id": "call_0", "type": "function", "function": { "name": "weather", "arguments": "{}" } }],
                "finish_reason": "stop",
            },
            { "role": "user", "content": "And now?" },
            { "role": "assistant", "content": "No" },
        ],
    })
}

fn with(mut content: Value, name: &str, value: Value) -> Value {
    content[name] = value;
    content
}

fn by(to: SocketAddr, key: &str, line: &str, body: &Value) -> Answer {
    ask(to, line, &[("Authorization", &format!("Bearer {key}"))], &body.to_string())
}

#[test]
fn a_conversation_is_kept_listed_renamed_and_deleted() {
    let world = start(None, Some(tiny(64)));
    let to = world.server.address();
    let ask = |line: &str, body: &Value| by(to, "", line, body);
    let nothing = json!({});
    assert_eq!(ask("GET /api/conversations", &nothing).json(), json!({ "total": 0, "conversations": [] }));
    let begun = ask("POST /api/conversations", &content("Weather?\nIn Ulm."));
    assert_eq!(begun.status, 201, "{}", begun.body);
    let info = begun.json();
    assert_eq!((&info["id"], &info["version"], &info["title"]), (&json!(1), &json!(1), &json!("Weather?")));

    // What comes back is what was given.
    let mut found = ask("GET /api/conversations/1", &nothing).json();
    for name in ["id", "title", "version", "created", "changed"] {
        assert_eq!(found.as_object_mut().unwrap().remove(name), Some(info[name].clone()));
    }
    let mut wanted = content("Weather?\nIn Ulm.");
    wanted.as_object_mut().unwrap().remove("seed");
    assert_eq!(found, wanted);

    let saved = ask("PUT /api/conversations/1", &with(content("Snow?"), "version", json!(1)));
    assert_eq!((saved.status, &saved.json()["version"]), (200, &json!(2)), "{}", saved.body);
    let late = ask("PUT /api/conversations/1", &with(content("Rain?"), "version", json!(1)));
    assert_eq!((late.status, &late.json()["error"]["code"]), (409, &json!("changed")));
    assert!(late.body.contains("expected version 1, found version 2"), "{}", late.body);

    let renamed = ask("PATCH /api/conversations/1", &json!({ "title": "On snow" })).json();
    assert_eq!((&renamed["title"], &renamed["version"]), (&json!("On snow"), &json!(2)));
    assert_eq!(ask("POST /api/conversations", &content("Second")).status, 201);
    let list = |query: &str| {
        let list = ask(&format!("GET /api/conversations{query}"), &nothing).json();
        let titles: Vec<String> =
            list["conversations"].as_array().unwrap().iter().map(|one| one["title"].to_string()).collect();
        (list["total"].as_u64().unwrap(), titles.join(" "))
    };
    assert_eq!(list(""), (2, "\"Second\" \"On snow\"".into()));
    assert_eq!(list("?limit=1&skip=1"), (2, "\"On snow\"".into()));
    assert_eq!(list("?text=SNOW"), (1, "\"On snow\"".into()));
    assert_eq!(list("?text=the%20weather"), (2, "\"Second\" \"On snow\"".into()));

    assert_eq!(ask("DELETE /api/conversations/1", &nothing).status, 204);
    for line in ["GET", "DELETE"] {
        assert_eq!(ask(&format!("{line} /api/conversations/1"), &nothing).status, 404, "{line}");
    }
    let gone = ask("PUT /api/conversations/1", &with(content("x"), "version", json!(2)));
    assert!(gone.status == 404 && gone.body.contains("conversation 1"), "{}", gone.body);
}

#[test]
fn a_refusal_names_the_field() {
    let world = start(None, Some(tiny(64)));
    let to = world.server.address();
    for (body, param) in [
        (json!({}), "messages"),
        (json!({ "messages": [] }), "messages"),
        (json!({ "messages": [{ "role": "cat", "content": "" }] }), "messages[0].role"),
        (json!({ "messages": [{ "role": "user", "content": 1 }] }), "messages[0].content"),
        (with(content("x"), "temperature", json!("hot")), "temperature"),
        (with(content("x"), "max_tokens", json!(1.5)), "max_tokens"),
        (with(content("x"), "system", json!([])), "system"),
        (
            json!({ "messages": [{ "role": "user", "content": "", "finish_reason": 1 }] }),
            "messages[0].finish_reason",
        ),
    ] {
        let answer = by(to, "", "POST /api/conversations", &body);
        assert_eq!(
            (answer.status, &answer.json()["error"]["param"]),
            (400, &json!(param)),
            "{}",
            answer.body
        );
    }
    let answer = by(to, "", "PUT /api/conversations/1", &content("x"));
    assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!("version")));
    let answer = by(to, "", "PATCH /api/conversations/1", &json!({}));
    assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!("title")));
    assert_eq!(by(to, "", "GET /api/conversations?limit=x", &json!({})).status, 400);
    assert_eq!(by(to, "", "GET /api/conversations/x", &json!({})).status, 404);
    let long = by(to, "", "POST /api/conversations", &content(&"x".repeat(3 << 20)));
    assert_eq!((long.status, &long.json()["error"]["code"]), (413, &json!("too_large")), "{}", long.body);
    // A silly setting is kept as it was set.
    let silly = by(to, "", "POST /api/conversations", &with(content("x"), "max_tokens", json!(-5)));
    assert_eq!(silly.status, 201, "{}", silly.body);
}

#[test]
fn each_key_has_its_own_conversations() {
    let world = start(Some("owner"), Some(tiny(64)));
    let (to, home) = (world.server.address(), world.academy.home.root());
    // The same groups: what tells them apart is their name.
    let (anna, annas) = NamedKey::make("anna", BTreeSet::from(["hr".into()])).unwrap();
    let (ben, bens) = NamedKey::make("owner", BTreeSet::from(["hr".into()])).unwrap();
    write_keys(home, &[annas, bens.clone()]).unwrap();
    for key in ["owner", &anna, &ben] {
        assert_eq!(by(to, key, "POST /api/conversations", &content(key)).status, 201);
    }
    assert_eq!(by(to, "nobody", "GET /api/conversations", &json!({})).status, 401);
    for (id, key) in [(1, "owner"), (2, &anna), (3, &ben)] {
        let list = by(to, key, "GET /api/conversations", &json!({})).json();
        assert_eq!((&list["total"], &list["conversations"][0]["id"]), (&json!(1), &json!(id)));
        assert_eq!(by(to, key, "GET /api/conversations?text=o", &json!({})).json()["total"], 1);
        for other in 1..=3 {
            let one = |method: &str, body: &Value| {
                by(to, key, &format!("{method} /api/conversations/{other}"), body).status
            };
            let (read, written) = if other == id { (200, 200) } else { (404, 404) };
            assert_eq!(one("GET", &json!({})), read);
            assert_eq!(one("PATCH", &json!({ "title": "mine" })), written);
            assert_eq!(one("PUT", &with(content(key), "version", json!(1))), written);
            if other != id {
                assert_eq!(one("DELETE", &json!({})), 404);
            }
        }
    }
    // A key that is replaced goes on with what was said under its name.
    let (fresh, freshs) = NamedKey::make("anna", BTreeSet::new()).unwrap();
    write_keys(home, &[freshs, bens]).unwrap();
    assert_eq!(by(to, &anna, "GET /api/conversations", &json!({})).status, 401);
    assert_eq!(by(to, &fresh, "GET /api/conversations", &json!({})).json()["conversations"][0]["id"], 2);
}

#[test]
fn a_file_that_is_not_ours_stops_no_answer() {
    let world = start(None, Some(tiny(64)));
    let to = world.server.address();
    std::fs::write(world.academy.home.conversations(), "a text of more than sixteen characters").unwrap();
    let refused = by(to, "", "GET /api/conversations", &json!({}));
    assert!(refused.status == 500 && refused.body.contains("move it away"), "{}", refused.body);
    let request =
        json!({ "model": "tiny", "max_tokens": 2, "messages": [{ "role": "user", "content": "the cat" }] });
    assert_eq!(by(to, "", "POST /v1/chat/completions", &request).status, 200);
    std::fs::remove_file(world.academy.home.conversations()).unwrap();
    assert_eq!(by(to, "", "GET /api/conversations", &json!({})).status, 200);
}
