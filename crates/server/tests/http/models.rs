//! Several models by name: loaded when asked for, kept within a budget, unloaded when idle.

use crate::common::{Answer, World, get, one_at_a_time, post, start_with, tiny, write_model};
use serde_json::{Value, json};
use shuyuan_server::ServeOptions;
use std::time::{Duration, Instant};

/// A home with the live model `tiny` and the models `a` and `b` on disk.
fn world(options: ServeOptions) -> World {
    let world = start_with(Some(tiny(128)), options);
    for (name, seed) in [("a", 1), ("b", 2)] {
        write_model(&world.academy.home.model(name), seed);
    }
    world
}

fn say(world: &World, model: &str) -> Answer {
    let body =
        json!({ "model": model, "prompt": "the cat", "max_tokens": 3, "temperature": 0, "logprobs": 0 });
    post(world, "/v1/completions", body)
}

fn logprob(world: &World, model: &str) -> Value {
    say(world, model).json()["choices"][0]["logprobs"]["token_logprobs"].clone()
}

fn loaded(world: &World) -> Vec<String> {
    let models = get(world, "/v1/models").json();
    let loaded = models["data"].as_array().unwrap().iter().filter(|model| model["loaded"] == true);
    loaded.map(|model| model["id"].as_str().unwrap().to_string()).collect()
}

fn wait_until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn each_is_named_listed_and_answers() {
    let world = world(one_at_a_time());
    let models = get(&world, "/v1/models").json();
    let names: Vec<_> = models["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    assert_eq!(names, ["tiny", "a", "b"]);
    assert_eq!(loaded(&world), ["tiny"]);
    assert_ne!(logprob(&world, "a"), logprob(&world, "b"));
    assert_eq!(logprob(&world, "a"), logprob(&world, "a"));
    assert_eq!(loaded(&world), ["tiny", "a", "b"]);
    assert_eq!(get(&world, "/v1/models/a").json()["context_length"], 128);
    // One that comes while the server runs is there, too.
    std::fs::rename(world.academy.home.model("b"), world.academy.home.model("c")).unwrap();
    assert_eq!(say(&world, "c").status, 200);
    assert_eq!(say(&world, "b").status, 404);
}

#[test]
fn the_least_recently_used_makes_room() {
    let bytes = weights_bytes();
    let world = world(ServeOptions { model_memory: Some(bytes + bytes / 2), ..one_at_a_time() });
    for (model, expected) in
        [("a", ["tiny", "a"]), ("b", ["tiny", "b"]), ("tiny", ["tiny", "b"]), ("a", ["tiny", "a"])]
    {
        assert_eq!(say(&world, model).status, 200, "{model}");
        assert_eq!(loaded(&world), expected);
    }
}

#[test]
fn keys_and_values_stay_within_their_bound() {
    // Three pages; a context is two.
    let page = tiny(128).local().engine().stats().page_bytes;
    let world = world(ServeOptions { cache_memory: Some(3 * page), ..one_at_a_time() });
    for model in ["tiny", "a"] {
        for number in 0..6 {
            let prompt = format!("{number}{}", " the cat".repeat(40));
            let body = json!({ "model": model, "prompt": prompt, "max_tokens": 2, "temperature": 0 });
            let answer = post(&world, "/v1/completions", body);
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert!(answer.json()["usage"]["prompt_tokens"].as_u64().unwrap() > 64, "{}", answer.body);
        }
        let metrics = get(&world, "/metrics").body;
        let told = |name: &str| -> usize {
            let line = format!("shuyuan_engine_{name}{{model=\"{model}\"}} ");
            metrics.lines().find_map(|l| l.strip_prefix(&line)).unwrap().parse().unwrap()
        };
        assert_eq!(told("cache_bytes"), 3 * page, "{model}");
        // Each prompt leaves a page: they are given up for the next one's.
        assert!(
            (2 * page..=3 * page).contains(&told("cache_used_bytes")),
            "{model} {}",
            told("cache_used_bytes")
        );
    }
}

#[test]
fn one_in_use_is_not_unloaded() {
    let bytes = weights_bytes();
    let world = world(ServeOptions { model_memory: Some(bytes + bytes / 2), ..one_at_a_time() });
    // This one holds the turn and its model until its client leaves.
    let body = json!({ "model": "a", "prompt": "the cat", "max_tokens": 100, "temperature": 0, "stream": true, "n": 16 });
    let to = world.server.address();
    let mut told = Value::Null;
    for _ in 0..20 {
        let streaming = crate::common::send(to, "POST /v1/completions", &[], &body.to_string());
        wait_until(|| loaded(&world).contains(&"a".to_string()));
        let answer = say(&world, "b");
        drop(streaming);
        told = answer.json();
        if answer.status == 503 {
            assert!(answer.head.contains("retry-after: 5"), "{}", answer.head);
            break;
        }
    }
    assert_eq!(told["error"]["code"], "models_busy", "{told}");
    let message = told["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("\"b\"") && message.contains("(a)") && message.contains("--model-memory-mib"),
        "{message}"
    );
    wait_until(|| say(&world, "b").status == 200);
}

#[test]
fn one_larger_than_the_budget_is_refused_with_both_sizes() {
    let world = world(ServeOptions { model_memory: Some(1000), ..one_at_a_time() });
    let answer = say(&world, "a");
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (507, Some("model_too_large")));
    assert_eq!(say(&world, "tiny").status, 200);
}

#[test]
fn an_idle_one_is_unloaded_and_comes_back() {
    let world = world(ServeOptions { idle: Duration::from_millis(300), ..one_at_a_time() });
    let before = logprob(&world, "a");
    wait_until(|| loaded(&world) == ["tiny"]);
    assert_eq!(logprob(&world, "a"), before);
}

#[test]
fn a_file_that_is_replaced_is_read_again() {
    let world = world(one_at_a_time());
    let before = logprob(&world, "a");
    write_model(&world.academy.home.model("a"), 3);
    assert_ne!(logprob(&world, "a"), before);
}

#[test]
fn a_broken_file_is_named_and_its_repair_noticed() {
    let world = world(one_at_a_time());
    let path = world.academy.home.model("a").join("model.safetensors");
    std::fs::write(&path, "nonsense").unwrap();
    let error = say(&world, "a").json()["error"]["message"].to_string();
    assert!(error.contains("model.safetensors"), "{error}");
    assert_eq!(say(&world, "b").status, 200);
    write_model(&world.academy.home.model("a"), 1);
    assert_eq!(say(&world, "a").status, 200);
}

#[test]
fn many_who_ask_at_once_get_the_same_model() {
    let world = world(one_at_a_time());
    let expected = logprob(&world, "b");
    std::thread::scope(|scope| {
        let ask = |model: &'static str| {
            let world = &world;
            scope.spawn(move || logprob(world, model))
        };
        let asked: Vec<_> = (0..8).map(|at| ask(if at % 2 == 0 { "a" } else { "b" })).collect();
        let found: Vec<Value> = asked.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(found.iter().skip(1).step_by(2).all(|one| *one == expected));
        assert!(found.iter().step_by(2).all(|one| *one == found[0] && *one != expected));
    });
}

/// What one of the small models takes in memory, and so on disk at most.
fn weights_bytes() -> usize {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path(), 1);
    let memory = shuyuan_academy::LiveModel::load(dir.path()).unwrap().model.bytes();
    memory.max(std::fs::metadata(dir.path().join("model.safetensors")).unwrap().len() as usize)
}
