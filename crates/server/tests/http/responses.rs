//! The responses API: items, events in OpenAI's order, no memory.

use crate::common::{post, start, tiny, tiny_with_template};
use serde_json::{Value, json};

#[test]
fn an_answer_and_its_events() {
    let world = start(None, Some(tiny(512)));
    let ask = json!({
        "model": "tiny", "input": "the cat", "instructions": "Be brief.", "max_output_tokens": 5, "temperature": 0,
        "metadata": { "for": "a test" }, "store": true,
    });
    let whole = post(&world, "/v1/responses", ask.clone()).json();
    assert_eq!(
        (&whole["object"], &whole["status"], &whole["store"]),
        (&json!("response"), &json!("incomplete"), &json!(false))
    );
    assert_eq!(whole["incomplete_details"], json!({ "reason": "max_output_tokens" }));
    assert_eq!((&whole["metadata"], &whole["instructions"]), (&ask["metadata"], &ask["instructions"]));
    assert_eq!(
        (whole["usage"]["output_tokens"].as_u64(), whole["tools"].as_array().map(Vec::len)),
        (Some(5), Some(0))
    );
    let part = &whole["output"][0]["content"][0];
    assert_eq!(part["type"], "output_text");

    let mut ask = ask;
    ask["stream"] = true.into();
    let streamed = post(&world, "/v1/responses", ask);
    let events: Vec<Value> =
        streamed.events().iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let names: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let deltas = names.iter().filter(|name| **name == "response.output_text.delta").count();
    let mut expected = vec![
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ];
    expected.extend(vec!["response.output_text.delta"; deltas]);
    expected.extend([
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.incomplete",
    ]);
    assert_eq!(names, expected);
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], at);
    }
    let text: String = events
        .iter()
        .filter(|e| e["type"] == "response.output_text.delta")
        .filter_map(|e| e["delta"].as_str())
        .collect();
    assert_eq!(part["text"], text.as_str());
    assert!(streamed.body.contains("event: response.created\n") && !streamed.body.contains("[DONE]"));
    assert_eq!(events.last().unwrap()["response"]["usage"], whole["usage"]);
}

#[test]
fn thinking_and_calls_are_items() {
    let template = "{% if tools %}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n{# <tool_call> <think> #}";
    let world = start(None, Some(tiny_with_template(1024, template)));
    let answer =
        "<think>hm</think>Look:\n<tool_call>\n{\"name\": \"time\", \"arguments\": {\"at\": 1}}\n</tool_call>";
    let ids = world.academy.live().unwrap().tokenizer.encode(answer);
    let mut ask = json!({
        "model": "tiny", "input": [{ "role": "user", "content": "the cat" }], "temperature": 0, "max_output_tokens": 1,
        "tools": [{ "type": "function", "name": "time", "parameters": { "type": "object" }, "strict": true }],
        "continue_ids": ids,
    });
    let whole = post(&world, "/v1/responses", ask.clone()).json();
    let call = whole["output"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&call["type"], &call["name"], &call["arguments"]),
        (&json!("function_call"), &json!("time"), &json!("{\"at\":1}")),
        "{whole}"
    );
    assert!(call["call_id"].as_str().unwrap().starts_with("call_"));
    ask["stream"] = true.into();
    let events = post(&world, "/v1/responses", ask).events();
    let names: Vec<String> = events
        .iter()
        .map(|event| serde_json::from_str::<Value>(event).unwrap()["type"].as_str().unwrap().to_string())
        .collect();
    assert_eq!(
        names[names.len() - 5..],
        [
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.incomplete", // This model does not end by itself.
        ]
    );
}
