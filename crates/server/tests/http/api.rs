//! The routes over a random tiny model: what they answer, and what bad input gets.

use crate::common::{CONTEXT, ask, get, post, send, start, tiny, tokenizer};
use serde_json::{Value, json};
use shuyuan_text::{ChatTemplate, Message, Rendering};
use std::io::Read;
use std::time::{Duration, Instant};

fn chat(more: Value) -> Value {
    let mut body =
        json!({ "model": "tiny", "messages": [{ "role": "user", "content": "the cat" }], "max_tokens": 8 });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn every_refusal_has_openais_shape_and_names_the_field() {
    let world = start(None, Some(tiny(64)));
    let long = "cat ".repeat(100);
    let cases = [
        ("/v1/chat/completions", json!([]), 400, "", "JSON object"),
        ("/v1/chat/completions", json!({ "model": "tiny" }), 400, "messages", "missing"),
        ("/v1/chat/completions", json!({ "messages": [] }), 400, "model", "missing"),
        ("/v1/chat/completions", chat(json!({ "model": "gpt" })), 404, "model", "tiny"),
        ("/v1/chat/completions", chat(json!({ "model": "../../etc" })), 404, "model", "does not exist"),
        ("/v1/chat/completions", chat(json!({ "messages": [] })), 400, "messages", "at least one"),
        (
            "/v1/chat/completions",
            chat(json!({ "messages": [{ "role": "tool" }] })),
            400,
            "messages[0].content",
            "null",
        ),
        (
            "/v1/chat/completions",
            chat(json!({ "messages": [{ "role": "user" }] })),
            400,
            "messages[0].content",
            "null",
        ),
        (
            "/v1/chat/completions",
            chat(json!({ "max_tokens": -5 })),
            400,
            "max_tokens",
            "from 1 to 64, found -5",
        ),
        ("/v1/chat/completions", chat(json!({ "max_tokens": 1e300 })), 400, "max_tokens", "found 1e+300"),
        ("/v1/chat/completions", chat(json!({ "max_tokens": 65 })), 400, "max_tokens", "from 1 to 64"),
        ("/v1/chat/completions", chat(json!({ "max_tokens": "8" })), 400, "max_tokens", "found \"8\""),
        ("/v1/chat/completions", chat(json!({ "temperature": -0.1 })), 400, "temperature", "from 0 to 2"),
        ("/v1/chat/completions", chat(json!({ "temperature": "hot" })), 400, "temperature", "hot"),
        ("/v1/chat/completions", chat(json!({ "top_p": 1.5 })), 400, "top_p", "1.5"),
        ("/v1/chat/completions", chat(json!({ "top_k": -1 })), 400, "top_k", "-1"),
        ("/v1/chat/completions", chat(json!({ "min_p": 2 })), 400, "min_p", "2"),
        ("/v1/chat/completions", chat(json!({ "repetition_penalty": 0 })), 400, "repetition_penalty", "0"),
        ("/v1/chat/completions", chat(json!({ "seed": 1.5 })), 400, "seed", "1.5"),
        ("/v1/chat/completions", chat(json!({ "n": 17 })), 400, "n", "from 1 to 16"),
        ("/v1/chat/completions", chat(json!({ "stop": [""] })), 400, "stop", "1 to 500 bytes"),
        ("/v1/chat/completions", chat(json!({ "stop": 3 })), 400, "stop", "3"),
        ("/v1/chat/completions", chat(json!({ "stream": "yes" })), 400, "stream", "true or false"),
        ("/v1/chat/completions", chat(json!({ "top_logprobs": 3 })), 400, "top_logprobs", "logprobs: true"),
        (
            "/v1/chat/completions",
            chat(json!({ "logprobs": true, "top_logprobs": 21 })),
            400,
            "top_logprobs",
            "21",
        ),
        ("/v1/chat/completions", chat(json!({ "tools": [{}] })), 400, "tools[0].type", "found nothing"),
        ("/v1/chat/completions", chat(json!({ "tools": "all" })), 400, "tools", "a list"),
        (
            "/v1/chat/completions",
            chat(json!({ "tool_choice": "required" })),
            400,
            "tool_choice",
            "needs tools",
        ),
        ("/v1/chat/completions", chat(json!({ "tool_choice": "maybe" })), 400, "tool_choice", "maybe"),
        (
            "/v1/chat/completions",
            chat(json!({ "messages": [{ "role": "tool", "content": "4" }] })),
            400,
            "messages[0].tool_call_id",
            "missing",
        ),
        ("/v1/chat/completions", chat(json!({ "functions": [{}] })), 400, "functions", "tools"),
        ("/v1/responses", json!({ "model": "tiny" }), 400, "input", "missing"),
        ("/v1/responses", json!({ "model": "tiny", "input": long }), 400, "", "context holds 64"),
        (
            "/v1/responses",
            json!({ "model": "tiny", "input": "a", "previous_response_id": "resp_1" }),
            400,
            "previous_response_id",
            "no response is kept",
        ),
        (
            "/v1/responses",
            json!({ "model": "tiny", "input": "a", "max_output_tokens": 0 }),
            400,
            "max_output_tokens",
            "found 0",
        ),
        ("/v1/chat/completions", chat(json!({ "continue_ids": [100_000] })), 400, "continue_ids", "100000"),
        ("/v1/completions", json!({ "model": "tiny" }), 400, "prompt", "missing"),
        ("/v1/completions", json!({ "model": "tiny", "prompt": ["a", "b"] }), 400, "prompt", "one at a time"),
        ("/v1/completions", json!({ "model": "tiny", "prompt": [-1] }), 400, "prompt", "-1"),
        ("/v1/completions", json!({ "model": "tiny", "prompt_ids": [] }), 400, "prompt_ids", "empty"),
        ("/v1/completions", json!({ "model": "tiny", "prompt": "a", "logprobs": 21 }), 400, "logprobs", "21"),
        ("/v1/completions", json!({ "model": "tiny", "prompt": long }), 400, "", "context holds 64"),
        ("/api/tokenize", json!({}), 400, "text", "missing"),
        ("/api/explain", json!({ "text": "" }), 400, "text", "empty"),
        ("/api/explain", json!({ "text": long }), 400, "text", "at most 64"),
        ("/api/teach", json!({ "lines": [] }), 400, "lines", "1 to 100"),
        ("/api/teach", json!({ "lines": ["a"], "seconds": -1 }), 400, "seconds", "-1"),
        ("/api/prompt", json!({ "text": 3 }), 400, "text", "3"),
    ];
    for (path, body, status, param, contains) in cases {
        let answer = post(&world, path, body.clone());
        let error = answer.json()["error"].clone();
        let message = error["message"].as_str().unwrap_or_default();
        assert_eq!(answer.status, status, "{path} {body}: {message}");
        assert_eq!(error["type"], "invalid_request_error", "{path} {body}");
        assert_eq!(error["param"].as_str().unwrap_or_default(), param, "{path} {body}: {message}");
        assert!(message.contains(contains), "{path} {body}: {message}");
        assert!(error.as_object().unwrap().contains_key("code"));
    }
    let unknown = post(&world, "/v1/chat/completions", chat(json!({ "model": "gpt" }))).json();
    assert_eq!(unknown["error"]["code"], "model_not_found");
}

#[test]
fn what_is_no_request_is_refused_in_the_same_shape() {
    let world = start(None, Some(tiny(64)));
    let to = world.server.address();
    let huge = "x".repeat(5 << 20);
    for (line, body, status) in [
        ("POST /v1/chat/completions", "{", 400),
        ("POST /v1/chat/completions", "", 400),
        ("GET /v1/chat/completions", "", 405),
        ("DELETE /v1/models", "", 405),
        ("GET /v1/nothing", "", 404),
        ("GET /v1/models/none", "", 404),
        ("GET /../../etc/passwd", "", 404),
        ("GET /api/runs/..%2f..%2fx", "", 404),
        ("POST /nothing", "", 404),
        ("GET /api/near", "", 400),
        ("GET /api/near?word=%20", "", 400),
        ("GET /api/near?word=cat&k=0", "", 400),
        ("GET /api/near?word=cat&k=many", "", 400),
        ("GET /api/corpus", "", 404),
        ("GET /api/report", "", 404),
        ("POST /api/tokenize", huge.as_str(), 413),
    ] {
        let answer = ask(to, line, &[], body);
        assert_eq!(answer.status, status, "{line}: {}", answer.body);
        assert!(answer.json()["error"]["message"].is_string(), "{line}");
    }
}

#[test]
fn a_prompt_past_the_context_is_refused_with_both_lengths() {
    let world = start(None, Some(tiny(64)));
    let ids = vec![40; 64];
    let answer = post(&world, "/v1/completions", json!({ "model": "tiny", "prompt": ids, "stream": true }));
    let error = answer.json()["error"].clone();
    assert_eq!((answer.status, error["code"].as_str()), (400, Some("context_length_exceeded")));
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("64") && message.contains("65"), "{message}");
    let ids = vec![40; 63];
    let answer =
        post(&world, "/v1/completions", json!({ "model": "tiny", "prompt": ids, "max_tokens": 9 })).json();
    let usage = json!({
        "prompt_tokens": 63, "completion_tokens": 1, "total_tokens": 64,
        "prompt_tokens_details": { "cached_tokens": 0 }, "completion_tokens_details": { "reasoning_tokens": 0 },
    });
    assert_eq!(answer["usage"], usage);
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
}

#[test]
fn streamed_and_whole_answers_are_the_same() {
    let world = start(None, Some(tiny(512)));
    for seed in 0..12 {
        let mut more = json!({
            "seed": seed, "temperature": 1.0, "max_tokens": 100, "logprobs": true, "top_logprobs": 3, "stop": ["a", "他"],
        });
        let whole = post(&world, "/v1/chat/completions", chat(more.clone())).json();
        more["stream"] = true.into();
        more["stream_options"] = json!({ "include_usage": true });
        let streamed = post(&world, "/v1/chat/completions", chat(more));
        assert!(streamed.head.contains("content-type: text/event-stream"));
        let events = streamed.events();
        assert_eq!(events.last().map(String::as_str), Some("[DONE]"));
        let (mut text, mut tokens, mut finish, mut usage) =
            (String::new(), Vec::new(), Value::Null, Value::Null);
        for event in &events[..events.len() - 1] {
            let chunk: Value = serde_json::from_str(event).unwrap();
            assert_eq!(chunk["object"], "chat.completion.chunk");
            if chunk["usage"].is_object() {
                usage = chunk["usage"].clone();
            }
            for choice in chunk["choices"].as_array().unwrap() {
                text += choice["delta"]["content"].as_str().unwrap_or("");
                tokens.extend(choice["logprobs"]["content"].as_array().cloned().unwrap_or_default());
                if choice["finish_reason"].is_string() {
                    finish = choice["finish_reason"].clone();
                }
            }
        }
        let choice = &whole["choices"][0];
        assert_eq!(choice["message"]["content"], text.as_str());
        assert_eq!(choice["logprobs"]["content"], Value::from(tokens.clone()));
        assert_eq!((&choice["finish_reason"], &whole["usage"]), (&finish, &usage));
        assert!(!text.contains(['a', '他']));
        for token in tokens {
            assert!(
                token["id"].is_u64()
                    && token["bytes"].is_array()
                    && token["logprob"].as_f64().unwrap() <= 0.0
            );
            assert_eq!(token["top_logprobs"].as_array().map(Vec::len), Some(3));
        }
    }
}

#[test]
fn one_goes_on_from_another_token() {
    let world = start(None, Some(tiny(512)));
    let greedy = json!({ "temperature": 0, "continue_ids": [50, 60], "max_tokens": 2, "logprobs": true });
    let answer = post(&world, "/v1/chat/completions", chat(greedy)).json()["choices"][0].clone();
    // The same ids, given whole; what it was given is not said again.
    let template = ChatTemplate::new(&tokenizer()).unwrap();
    let ids =
        [template.render(&[Message::user("the cat")], &Rendering::answer()).unwrap(), vec![50, 60]].concat();
    let body =
        json!({ "model": "tiny", "prompt_ids": ids, "temperature": 0, "max_tokens": 2, "logprobs": 2 });
    let choice = post(&world, "/v1/completions", body).json()["choices"][0].clone();
    assert_eq!(answer["message"]["content"], choice["text"]);
    let old = &choice["logprobs"];
    assert_eq!(answer["logprobs"]["content"][0]["id"], old["content"][0]["id"]);
    assert_eq!(old["tokens"].as_array().map(Vec::len), Some(2));
    assert_eq!(old["text_offset"][0], 0);
    assert!(old["top_logprobs"][0].as_object().is_some_and(|top| !top.is_empty() && top.len() <= 2));
}

#[test]
fn a_client_that_leaves_stops_the_generation() {
    let world = start(None, Some(tiny(CONTEXT)));
    let endless = chat(json!({ "temperature": 0, "max_tokens": CONTEXT, "stream": true }));
    let waiting = chat(json!({ "temperature": 0, "max_tokens": CONTEXT }));
    let to = world.server.address();
    let mut streaming = send(to, "POST /v1/chat/completions", &[], &endless.to_string());
    let mut some = [0; 2000];
    streaming.read_exact(&mut some).unwrap();
    let unread = send(to, "POST /v1/chat/completions", &[], &waiting.to_string());
    std::thread::sleep(Duration::from_millis(200));
    drop(streaming);
    std::thread::sleep(Duration::from_millis(200));
    drop(unread);
    // Either of them would take minutes to its end, and keep the turn: this model does not end by itself.
    let long =
        post(&world, "/v1/chat/completions", chat(json!({ "temperature": 0, "max_tokens": 2000 }))).json();
    assert_eq!(long["usage"]["completion_tokens"], 2000);
    let start = Instant::now();
    assert_eq!(post(&world, "/v1/chat/completions", chat(json!({}))).status, 200);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn the_pages_data() {
    let world = start(None, Some(tiny(512)));
    let text = "我今天吃了狮子头和蔬菜";
    let tokens = post(&world, "/api/tokenize", json!({ "text": text })).json();
    assert_eq!((&tokens["characters"], &tokens["bytes"]), (&json!(11), &json!(33)));
    let t = tokens["tokens"].as_array().unwrap().len();
    let explained = post(&world, "/api/explain", json!({ "text": text })).json();
    let sizes = |value: &Value| value.as_array().map(Vec::len);
    assert_eq!(sizes(&explained["tokens"]), Some(t));
    assert_eq!(sizes(&explained["attention"][1][1][t - 1]), Some(t));
    assert_eq!((sizes(&explained["lens"]), sizes(&explained["lens"][2][t - 1])), (Some(3), Some(5)));
    assert_eq!(sizes(&explained["contributions"][0]["mlp"]), Some(t));
    assert_eq!(sizes(&explained["probe"]["accuracy"]), Some(3));
    assert_eq!(explained["probe"]["positions"][0]["word"], "狮子头");
    let near = get(&world, "/api/near?word=%E7%BA%A2%E8%89%B2&k=10").json();
    assert_eq!((near["word"].as_str(), sizes(&near["neighbours"])), (Some("红色"), Some(10)));
    assert!(sizes(&near["map"]).unwrap() >= 11 && near["map"][0]["word"] == "红色");
    let status = get(&world, "/api/status").json();
    assert_eq!(
        (&status["lang"], &status["model"], &status["stage"]),
        (&json!("en"), &json!("tiny"), &Value::Null)
    );
    assert_eq!(get(&world, "/health").json()["status"], "ok");
    assert_eq!(get(&world, "/v1/models").json()["data"][0]["id"], "tiny");
    assert_eq!(get(&world, "/api/runs").json(), json!([]));
    assert_eq!(post(&world, "/api/prompt", json!({ "text": "Who?" })).status, 204);
    assert_eq!(world.academy.my_prompt().as_deref(), Some("Who?"));
    assert!(get(&world, "/").head.contains("text/html"));
}

#[test]
fn runs_say_what_they_are_for() {
    let world = start(None, None);
    let home = &world.academy.home;
    // The last three are as they were written before they said so.
    for (name, recipe) in [
        ("a", json!({ "kind": "finetune" })),
        ("teacher-1", json!({ "kind": "pretrain" })),
        ("b", json!({})),
        ("sft-1", json!({})),
        ("teach", json!({})),
    ] {
        std::fs::create_dir_all(home.run(name)).unwrap();
        std::fs::write(home.run(name).join("recipe.json"), recipe.to_string()).unwrap();
    }
    let runs = get(&world, "/api/runs").json();
    for (name, kind) in [
        ("a", "finetune"),
        ("teacher-1", "pretrain"),
        ("b", "pretrain"),
        ("sft-1", "finetune"),
        ("teach", "teach"),
    ] {
        let run = runs.as_array().unwrap().iter().find(|run| run["name"] == name).unwrap();
        assert_eq!(run["kind"], kind, "{run}");
    }
}

#[test]
fn a_run_that_looks_wrong_says_why() {
    let world = start(None, None);
    let run = world.academy.home.run("r");
    std::fs::create_dir_all(run.join("trouble")).unwrap();
    std::fs::write(run.join("recipe.json"), json!({ "optimizer": { "warmup_steps": 5 } }).to_string())
        .unwrap();
    let lines = (1..=150).map(|step| {
        json!({
            "step": step, "tokens": step, "seconds": 1.0, "loss": 7.0, "lr": 0.1, "grad_norm": 1.0, "tokens_per_s": 1.0,
        })
    });
    let lines: Vec<String> = lines.map(|line| line.to_string()).collect();
    std::fs::write(run.join("metrics.jsonl"), lines.join("\n")).unwrap();
    let trouble = json!({
        "what": "not_finite", "step": 151, "loss": null, "usual": null, "lr": 0.1, "grad_norm": null, "cursors": [],
        "rows": [],
    });
    std::fs::write(run.join("trouble/step-000151.json"), trouble.to_string()).unwrap();
    let found = get(&world, "/api/runs/r").json()["findings"].clone();
    assert_eq!((&found[0]["rule"], &found[0]["step"]), (&"not_finite".into(), &151.into()), "{found}");
    assert_eq!((&found[1]["rule"], &found[1]["value"]), (&"flat".into(), &7.0.into()), "{found}");
    assert_eq!(found.as_array().unwrap().len(), 2, "{found}");
}

#[test]
fn an_empty_home_says_what_is_missing() {
    let world = start(None, None);
    assert_eq!(get(&world, "/health").json()["status"], "ok");
    assert_eq!(get(&world, "/health/ready").status, 503);
    assert_eq!(get(&world, "/v1/models").json()["data"], json!([]));
    for answer in [
        post(&world, "/v1/chat/completions", chat(json!({}))),
        post(&world, "/api/explain", json!({ "text": "a" })),
        post(&world, "/api/tokenize", json!({ "text": "a" })),
        post(&world, "/api/teach", json!({ "lines": ["a"] })),
        get(&world, "/api/near?word=a"),
    ] {
        assert_eq!(answer.status, 404, "{}", answer.body);
        assert!(answer.body.contains("quickstart"), "{}", answer.body);
    }
}

#[test]
fn events_tell_history_and_news() {
    let world = start(None, None);
    world.academy.events.message(shuyuan_academy::Level::Info, "old news");
    let mut stream = send(world.server.address(), "GET /api/events", &[], "");
    let mut text = String::new();
    let mut until = |word: &str| {
        let mut bytes = [0; 512];
        while !text.contains(word) {
            let n = stream.read(&mut bytes).unwrap();
            assert!(n > 0, "the stream ended: {text}");
            text += &String::from_utf8_lossy(&bytes[..n]);
        }
    };
    until("old news");
    world.academy.events.message(shuyuan_academy::Level::Warn, "fresh news");
    until("fresh news");
}
