//! Several at once, and answers that keep to a form.

use crate::common::{get, post, send, start_with, tiny};
use serde_json::{Value, json};
use shuyuan_server::ServeOptions;
use std::time::{Duration, Instant};

fn ask(more: Value) -> Value {
    let mut body =
        json!({ "model": "tiny", "max_tokens": 48, "messages": [{ "role": "user", "content": "the cat" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn eight_users_get_what_each_gets_alone_in_fewer_steps() {
    let world = start_with(Some(tiny(512)), ServeOptions::default());
    let question = |i: usize| ask(json!({ "temperature": 0, "logit_bias": { (40 + i).to_string(): 2.0 } }));
    let answer = |i: usize| -> Value {
        post(&world, "/v1/chat/completions", question(i)).json()["choices"][0]["message"]["content"].clone()
    };
    let alone: Vec<Value> = (0..8).map(answer).collect();
    let mut by_default = question(0);
    by_default["model"] = "default".into();
    assert_eq!(
        post(&world, "/v1/chat/completions", by_default).json()["choices"][0]["message"]["content"],
        alone[0]
    );
    let steps = || world.academy.live().unwrap().local().engine().stats().steps;
    let before = steps();
    let together: Vec<Value> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8).map(|i| scope.spawn(move || answer(i))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
    assert!(alone.iter().all(|text| text.as_str().is_some_and(|text| !text.is_empty())));
    let taken = steps() - before;
    println!("{taken} steps for 8 answers");
    assert!(taken < 8 * 48 * 3 / 4, "{taken} steps: they were not generated together");
}

#[test]
fn an_answer_keeps_to_its_schema() {
    let world = start_with(Some(tiny(2048)), ServeOptions::default());
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["animal", "legs"],
        "properties": { "animal": { "enum": ["cat", "狮子"] }, "legs": { "type": "integer", "minimum": 0, "maximum": 9 } },
    });
    for seed in 0..10 {
        let format = json!({ "type": "json_schema", "json_schema": { "name": "animal", "schema": schema } });
        let body = ask(json!({ "response_format": format, "seed": seed, "max_tokens": 1000 }));
        let reply = post(&world, "/v1/chat/completions", body).json();
        let text = reply["choices"][0]["message"]["content"].as_str().unwrap();
        if reply["choices"][0]["finish_reason"] == "length" {
            continue; // White space without end is allowed by the schema.
        }
        let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(["cat", "狮子"].contains(&value["animal"].as_str().unwrap()), "{text}");
        assert!((0..=9).contains(&value["legs"].as_i64().unwrap()), "{text}");
    }
    for (format, named) in [
        (json!({ "type": "xml" }), "response_format.type"),
        (json!({ "type": "json_schema", "json_schema": {} }), "response_format.json_schema.schema"),
        (json!({ "type": "json_schema", "json_schema": { "schema": { "type": "nothing" } } }), ""),
    ] {
        let refused = post(&world, "/v1/chat/completions", ask(json!({ "response_format": format })));
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(refused.body.contains(named), "{}", refused.body);
    }
}

#[test]
fn work_stops_when_the_client_leaves_also_before_the_first_token() {
    let world = start_with(Some(tiny(200_000)), ServeOptions::default());
    let stats = || world.academy.live().unwrap().local().engine().stats();
    let long = "the cat sat on the mat, ".repeat(5000);
    for (prompt, stream) in [(long.as_str(), true), (long.as_str(), false), ("the cat", true)] {
        let mut body = ask(json!({ "max_tokens": 100_000, "ignore_eos": true, "n": 2, "stream": stream }));
        body["messages"][0]["content"] = prompt.into();
        let before = stats();
        let client = send(world.server.address(), "POST /v1/chat/completions", &[], &body.to_string());
        let begun = Instant::now();
        while stats().running < 2 {
            assert!(begun.elapsed() < Duration::from_secs(60), "it was never begun");
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(client);
        let left = Instant::now();
        while stats().running > 0 {
            assert!(left.elapsed() < Duration::from_secs(20), "{:?}", stats());
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(stats().tokens_written - before.tokens_written < 200_000);
    }
    let metrics = get(&world, "/metrics").body;
    assert!(metrics.contains("shuyuan_engine_running{model=\"tiny\"} 0\n"), "{metrics}");
    assert!(metrics.contains("shuyuan_engine_requests_total{model=\"tiny\"} 6\n"), "{metrics}");
}

#[test]
fn a_text_longer_than_the_context_may_lose_its_middle_and_the_reply_says_so() {
    let world = start_with(Some(tiny(128)), ServeOptions::default());
    let long = "the cat sat on the mat, ".repeat(100);
    let mut body = ask(json!({ "max_tokens": 4, "temperature": 0 }));
    body["messages"] = json!([{ "role": "system", "content": "红色" }, { "role": "user", "content": long }]);
    let refused = post(&world, "/v1/chat/completions", body.clone());
    assert_eq!(refused.status, 400, "{}", refused.body);
    body["overflow"] = "slide".into();
    let usage = post(&world, "/v1/chat/completions", body.clone()).json()["usage"].clone();
    let (read, dropped) =
        (&usage["prompt_tokens"], usage["prompt_tokens_details"]["dropped_tokens"].as_u64().unwrap());
    assert!(dropped > 0 && read.as_u64().unwrap() - dropped <= 128, "{usage}");
    body["overflow"] = "cut".into();
    let wrong = post(&world, "/v1/chat/completions", body);
    assert!(wrong.status == 400 && wrong.body.contains("refuse or slide"), "{}", wrong.body);
    let body = json!({ "model": "tiny", "input": long, "max_output_tokens": 4, "truncation": "auto" });
    let reply = post(&world, "/v1/responses", body).json();
    assert_eq!(reply["truncation"], "auto");
    assert!(reply["usage"]["input_tokens_details"]["dropped_tokens"].as_u64().unwrap() > 0, "{reply}");

    // What the server was told holds where a request does not say.
    let world = start_with(Some(tiny(128)), ServeOptions { slide: true, ..ServeOptions::default() });
    let mut body = ask(json!({ "max_tokens": 4 }));
    body["messages"][0]["content"] = long.into();
    assert_eq!(post(&world, "/v1/chat/completions", body.clone()).status, 200);
    body["overflow"] = "refuse".into();
    assert_eq!(post(&world, "/v1/chat/completions", body).status, 400);
}

#[test]
fn what_was_read_before_is_told() {
    let world = start_with(Some(tiny(4096)), ServeOptions::default());
    let mut body = ask(json!({ "max_tokens": 4 }));
    body["messages"][0]["content"] = "the cat sat on the mat, ".repeat(40).into();
    let cached = || {
        let usage = post(&world, "/v1/chat/completions", body.clone()).json()["usage"].clone();
        usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap()
    };
    assert_eq!(cached(), 0);
    assert!(cached() > 100);
}
