//! Tools, calls and thinking, over HTTP. The tiny model writes no call by itself, so one is begun for it.

use crate::common::{Answer, World, post, start, tiny, tiny_with_template};
use serde_json::{Value, json};

/// Writes tools and calls in Hermes' form, as Qwen3's template does, and knows of thinking.
const TEMPLATE: &str = "{% if tools %}<|im_start|>system\n<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools><|im_end|>\n{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% for call in m.tool_calls %}<tool_call>\n{\"name\": \"{{ call.function.name }}\", \"arguments\": {{ call.function.arguments | tojson }}}\n</tool_call>{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking is defined and enable_thinking %}<think>\n{% else %}<think>\n\n</think>\n\n{% endif %}{% endif %}";
const CALL: &str = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"乌尔姆\", \"at\": [1, 2.5]}}\n</tool_call>";

fn tools() -> Value {
    json!([
        { "type": "function", "function": {
            "name": "weather", "description": "Tells the weather.", "strict": true,
            "parameters": { "type": "object", "properties": { "city": { "type": "string" } } },
        } },
        { "type": "function", "function": { "name": "time" } },
    ])
}

fn ask(world: &World, path: &str, more: Value) -> Answer {
    let mut body = json!({ "model": "tiny", "temperature": 0, "max_tokens": 4, "tools": tools() });
    body[if path == "/v1/responses" { "input" } else { "messages" }] =
        json!([{ "role": "user", "content": "the cat" }]);
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    post(world, path, body)
}

/// What makes the model's answer `text` and nothing more: begun for it, and stopped at what it would add.
fn answering(world: &World, text: &str) -> Value {
    let model = world.academy.live().unwrap();
    let ids = model.tokenizer.encode(text);
    let mut more = json!({ "continue_ids": ids, "max_tokens": 1, "logprobs": true });
    let probe = ask(world, "/v1/chat/completions", more.clone()).json();
    let added = probe["choices"][0]["logprobs"]["content"][0]["token"].as_str().unwrap().to_string();
    more["stop"] = json!([added]);
    more["max_tokens"] = 8.into();
    more
}

#[test]
fn a_call_in_openais_shape() {
    for model in [tiny(1024), tiny_with_template(1024, TEMPLATE)] {
        let world = start(None, Some(model));
        let more = answering(&world, CALL);
        let whole = ask(&world, "/v1/chat/completions", more.clone()).json();
        let choice = &whole["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls", "{whole}");
        let message = &choice["message"];
        assert_eq!((&message["role"], &message["content"]), (&json!("assistant"), &Value::Null));
        let call = &message["tool_calls"][0];
        assert!(call["id"].as_str().is_some_and(|id| id.starts_with("call_")));
        assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("weather")));
        let arguments = call["function"]["arguments"].as_str().unwrap();
        assert_eq!(arguments, r#"{"city":"乌尔姆","at":[1,2.5]}"#, "as text, in the order written");

        let mut more = more;
        more["stream"] = true.into();
        let streamed = ask(&world, "/v1/chat/completions", more);
        let chunks: Vec<Value> =
            streamed.events().iter().filter_map(|event| serde_json::from_str(event).ok()).collect();
        let calls: Vec<&Value> =
            chunks.iter().map(|c| &c["choices"][0]["delta"]["tool_calls"]).filter(|c| c.is_array()).collect();
        assert_eq!(calls.len(), 1);
        assert_eq!((&calls[0][0]["index"], &calls[0][0]["function"]), (&json!(0), &call["function"]));
        let last = &chunks[chunks.len() - 1]["choices"][0];
        assert_eq!((&last["finish_reason"], &last["delta"]), (&json!("tool_calls"), &json!({})));
        assert!(chunks.iter().all(|c| c["choices"][0]["delta"]["content"].as_str().unwrap_or("").is_empty()));
    }
}

#[test]
fn the_next_turn_takes_the_call_and_its_answer() {
    for model in [tiny(1024), tiny_with_template(1024, TEMPLATE)] {
        let world = start(None, Some(model));
        let messages = json!([
            { "role": "user", "content": "the cat" },
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": "{\"city\": \"Ulm\"}" } },
            ] },
            { "role": "tool", "tool_call_id": "call_1", "content": "rain" },
        ]);
        let with = ask(&world, "/v1/chat/completions", json!({ "messages": messages }));
        assert_eq!(with.status, 200, "{}", with.body);
        let without =
            ask(&world, "/v1/chat/completions", json!({ "messages": messages, "tool_choice": "none" }));
        let read = |answer: &Answer| answer.json()["usage"]["prompt_tokens"].as_u64().unwrap();
        assert!(read(&with) > read(&without), "tool_choice none: the model is not told of the tools");
    }
}

#[test]
fn what_is_no_call_stays_content() {
    let world = start(None, Some(tiny(1024)));
    let garbage =
        ask(&world, "/v1/chat/completions", json!({ "temperature": 1, "seed": 3, "max_tokens": 30 })).json();
    let message = &garbage["choices"][0]["message"];
    assert!(message["content"].is_string() && message.get("tool_calls").is_none(), "{garbage}");
    // A function that nobody offered.
    let text = CALL.replace("weather", "launch");
    let unknown = ask(&world, "/v1/chat/completions", answering(&world, &text)).json();
    let choice = &unknown["choices"][0];
    assert_eq!((&choice["finish_reason"], &choice["message"]["content"]), (&json!("stop"), &json!(text)));
    // Nobody offered anything.
    let mut more = answering(&world, CALL);
    more["tools"] = json!([]);
    let none = ask(&world, "/v1/chat/completions", more).json();
    // Then what is begun is not said again, as always.
    assert!(none["choices"][0]["message"].get("tool_calls").is_none());
}

#[test]
fn a_demanded_call_is_begun() {
    let world = start(None, Some(tiny(1024)));
    let named = json!({ "type": "function", "function": { "name": "time" } });
    for (choice, expected) in [
        (json!("required"), "<tool_call>\n{\"name\": \""),
        (named, "<tool_call>\n{\"name\": \"time\", \"arguments\": "),
    ] {
        let answer = ask(&world, "/v1/chat/completions", json!({ "tool_choice": choice })).json();
        // This model does not go on with a call, so that what was begun for it shows.
        let content = answer["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(content.starts_with(expected), "{answer}");
    }
    let unknown = json!({ "tool_choice": { "type": "function", "function": { "name": "launch" } } });
    let refused = ask(&world, "/v1/chat/completions", unknown);
    assert!(refused.status == 400 && refused.body.contains("weather, time"), "{}", refused.body);
}

#[test]
fn thinking_is_set_apart() {
    let world = start(None, Some(tiny_with_template(1024, TEMPLATE)));
    let think = json!({ "chat_template_kwargs": { "enable_thinking": true }, "max_tokens": 6 });
    let whole = ask(&world, "/v1/chat/completions", think.clone()).json();
    let message = &whole["choices"][0]["message"];
    assert!(message["reasoning_content"].as_str().is_some_and(|text| !text.is_empty()), "{whole}");
    assert_eq!(message["content"], "");
    assert_eq!(whole["usage"]["completion_tokens_details"]["reasoning_tokens"], 6);
    let mut more = think;
    more["stream"] = true.into();
    let streamed = ask(&world, "/v1/chat/completions", more);
    let chunks = streamed.events();
    let text: String = chunks
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok())
        .filter_map(|chunk| chunk["choices"][0]["delta"]["reasoning_content"].as_str().map(str::to_string))
        .collect();
    assert_eq!(message["reasoning_content"], text.as_str());
    let plain = ask(&world, "/v1/chat/completions", json!({})).json();
    assert!(plain["choices"][0]["message"].get("reasoning_content").is_none());
}

#[test]
fn several_answers() {
    let world = start(None, Some(tiny(512)));
    let three = json!({ "n": 3, "temperature": 1, "seed": 4, "max_tokens": 9, "tools": [] });
    let whole = ask(&world, "/v1/chat/completions", three.clone()).json();
    let choices = whole["choices"].as_array().unwrap();
    assert_eq!(
        choices.iter().map(|choice| choice["index"].as_u64()).collect::<Vec<_>>(),
        [Some(0), Some(1), Some(2)]
    );
    assert_ne!(choices[0]["message"], choices[1]["message"]);
    assert_eq!(whole["usage"]["completion_tokens"], 27);
    let mut more = three;
    more["stream"] = true.into();
    let mut texts = vec![String::new(); 3];
    for event in ask(&world, "/v1/chat/completions", more).events() {
        let Ok(chunk) = serde_json::from_str::<Value>(&event) else { continue };
        let choice = &chunk["choices"][0];
        texts[choice["index"].as_u64().unwrap() as usize] +=
            choice["delta"]["content"].as_str().unwrap_or("");
    }
    for (choice, text) in choices.iter().zip(texts) {
        assert_eq!(choice["message"]["content"], text.as_str());
    }
}

#[test]
fn the_arguments_of_a_demanded_call_are_what_the_parameters_allow() {
    let weather = json!({ "type": "function", "function": { "name": "weather", "parameters": {
        "type": "object", "additionalProperties": false, "required": ["city", "days"],
        "properties": { "city": { "enum": ["Ulm", "杭州"] }, "days": { "type": "integer", "minimum": 1, "maximum": 9 } },
    } } });
    let time = json!({ "type": "function", "function": { "name": "time", "parameters": {
        "type": "object", "additionalProperties": false, "properties": {},
    } } });
    let named = json!({ "type": "function", "function": { "name": "weather" } });
    for model in [tiny(4096), tiny_with_template(4096, TEMPLATE)] {
        let world = start(None, Some(model));
        let mut whole = 0;
        for (seed, choice) in (0..12).zip([named.clone(), json!("required")].into_iter().cycle()) {
            let more = json!({
                "tools": [weather.clone(), time.clone()], "tool_choice": choice, "parallel_tool_calls": false,
                "temperature": 1, "seed": seed, "max_tokens": 400,
            });
            let answer = ask(&world, "/v1/chat/completions", more).json();
            let choice = &answer["choices"][0];
            if choice["finish_reason"] == "length" {
                continue; // White space without end is allowed.
            }
            whole += 1;
            assert_eq!(choice["finish_reason"], "tool_calls", "{answer}");
            assert_eq!(choice["message"]["tool_calls"].as_array().unwrap().len(), 1, "{answer}");
            let function = &choice["message"]["tool_calls"][0]["function"];
            let arguments: Value = serde_json::from_str(function["arguments"].as_str().unwrap()).unwrap();
            if function["name"] == "time" {
                assert_eq!(arguments, json!({}));
                continue;
            }
            assert_eq!(function["name"], "weather");
            assert!(["Ulm", "杭州"].contains(&arguments["city"].as_str().unwrap()), "{arguments}");
            assert!((1..=9).contains(&arguments["days"].as_i64().unwrap()), "{arguments}");
        }
        assert!(whole >= 6, "{whole} of 12 came to an end");
    }
}

#[test]
fn parameters_that_cannot_be_kept_to_are_refused_where_they_must_be() {
    let world = start(None, Some(tiny(1024)));
    let tool = |strict: bool| {
        json!([{ "type": "function", "function": {
            "name": "f", "strict": strict, "parameters": { "type": "nothing" },
        } }])
    };
    let refused =
        ask(&world, "/v1/chat/completions", json!({ "tools": tool(true), "tool_choice": "required" }));
    assert_eq!(
        (refused.status, refused.json()["error"]["param"].as_str()),
        (400, Some("tools")),
        "{}",
        refused.body
    );
    let refused = ask(&world, "/v1/chat/completions", json!({ "tools": tool(true) }));
    assert_eq!(refused.status, 400, "where the model decides, too: {}", refused.body);
    let taken = ask(&world, "/v1/chat/completions", json!({ "tools": tool(false) }));
    assert_eq!(taken.status, 200, "{}", taken.body);
    let taken =
        ask(&world, "/v1/chat/completions", json!({ "tools": tool(false), "tool_choice": "required" }));
    assert_eq!(taken.status, 200, "{}", taken.body);
}
