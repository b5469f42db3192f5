//! Several at once, and answers that keep to a form.

use crate::common::{post, start_with, tiny};
use serde_json::{Value, json};
use shuyuan_server::ServeOptions;

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
