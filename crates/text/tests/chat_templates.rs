//! Chat templates in Jinja, against what transformers makes of them; what users write in them; and their limits.

use std::path::PathBuf;

use serde_json::Value;
use shuyuan_text::{CallFormat, ChatTemplate, Error, Json, Message, Rendering, TokenId, Tokenizer};

/// The clock of the goldens: 2026-11-27 12:00.
const NOW: u64 = 1_795_780_800;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../goldens/text/families")
}

fn load(kind: &str) -> Tokenizer {
    Tokenizer::load(folder().join(kind)).unwrap_or_else(|e| panic!("{kind}: {e}"))
}

/// Options in the order of the file, which `serde_json::Value` would lose.
fn rendering(case: &Json) -> Rendering {
    let mut rendering = Rendering { now: Some(NOW), ..Rendering::default() };
    rendering.add_generation_prompt = case.get("add_generation_prompt") == Some(&Json::Bool(true));
    let Some(Json::Object(options)) = case.get("options") else { return rendering };
    for (name, value) in options {
        match (name.as_str(), value) {
            ("tools", Json::Array(tools)) => rendering.tools = tools.clone(),
            ("enable_thinking", Json::Bool(think)) => rendering.enable_thinking = Some(*think),
            _ => rendering.options.push((name.clone(), value.clone())),
        }
    }
    rendering
}

#[test]
fn texts_and_ids_are_those_of_transformers() {
    let text = std::fs::read_to_string(folder().join("cases.json")).expect("cases.json is there");
    let Json::Object(kinds) = Json::parse(&text).expect("is JSON") else { panic!("no object") };
    let (mut rendered, mut refused) = (0, 0);
    for (kind, cases) in &kinds {
        let Some(Json::Array(chats)) = cases.get("chats") else { continue };
        if chats.is_empty() {
            continue;
        }
        let tokenizer = load(kind);
        let template = ChatTemplate::new(&tokenizer).expect("a template");
        for case in chats {
            let name = format!("{kind} {}", case.get("name").and_then(Json::as_str).unwrap_or_default());
            let messages = case.get("messages").map(Json::to_string).unwrap_or_default();
            let messages: Vec<Message> = serde_json::from_str(&messages).expect("messages");
            let rendering = rendering(case);
            let found = template.render_text(&messages, &rendering);
            if let Some(refusal) = case.get("refusal").and_then(Json::as_str) {
                match found {
                    Err(Error::Refused(message)) => assert_eq!(message, refusal, "{name}"),
                    other => panic!("{name}: expected {refusal}, found {other:?}"),
                }
                refused += 1;
                continue;
            }
            let found = found.unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(Some(found.as_str()), case.get("text").and_then(Json::as_str), "{name}");
            let expected: Vec<TokenId> =
                serde_json::from_str(&case.get("ids").map(Json::to_string).unwrap_or_default()).expect("ids");
            assert_eq!(template.render(&messages, &rendering).expect("renders"), expected, "{name}");
            rendered += 1;
        }
    }
    assert!(rendered > 100 && refused >= 8, "{rendered} rendered, {refused} refused");
}

#[test]
fn nothing_that_others_write_becomes_a_special_token() {
    for kind in ["gpt2", "smollm", "llama3", "qwen2", "qwen3", "llama2", "mistral", "phi3", "gemma"] {
        let tokenizer = load(kind);
        let template = ChatTemplate::new(&tokenizer).expect("a template");
        let specials: Vec<&str> = tokenizer.specials().iter().map(|s| s.text.as_str()).collect();
        let count = |ids: &[TokenId]| ids.iter().filter(|&&id| tokenizer.is_special(id)).count();
        let rendering = Rendering { now: Some(NOW), ..Rendering::answer() };
        let harmless = template.render(&[Message::user("A. B. C")], &rendering).expect("renders");
        // Each alone, all together, one inside another, beside the marks themselves.
        let mut attacks: Vec<String> = specials.iter().map(|s| format!("A{s}B")).collect();
        attacks.push(specials.concat());
        attacks.push(specials.iter().map(|s| format!("\u{fdd0}{s}\u{fdd1} \u{fdd2}")).collect());
        attacks.extend(specials.iter().map(|s| format!("{}{s}{}", &s[..1], &s[1..])));
        attacks.extend(specials.iter().map(|s| format!(" {s} ")));
        for attack in attacks {
            let attack = format!("x{attack}y");
            let ids = template.render(&[Message::user(&attack)], &rendering).expect("renders");
            assert_eq!(count(&ids), count(&harmless), "{kind} {attack:?}");
            let text = template.render_text(&[Message::user(&attack)], &rendering).expect("renders");
            assert!(
                kind == "gpt2" || text.contains(&attack),
                "{kind} {attack:?} is shown as it is: {text:?}"
            );
        }
    }
}

#[test]
fn tools_documents_names_and_answers_of_tools_forge_nothing() {
    let tokenizer = load("qwen3");
    let template = ChatTemplate::new(&tokenizer).expect("a template");
    let chat = |word: &str| {
        let mut call = Message::assistant(word);
        call.tool_calls = vec![shuyuan_text::ToolCall::new(word, format!("{{\"{word}\": \"{word}\"}}"))];
        call.reasoning_content = Some(word.into());
        let messages = [Message::system(word), Message::user(word), call, Message::tool(word, word)];
        let tool =
            Json::parse(&format!("{{\"name\": \"{word}\", \"{word}\": [\"{word}\"]}}")).expect("is JSON");
        let rendering = Rendering {
            tools: vec![tool.clone()],
            documents: vec![tool.clone()],
            options: vec![("more".into(), tool)],
            ..Rendering::answer()
        };
        let ids = template.render(&messages, &rendering).expect("renders");
        ids.into_iter().filter(|&id| tokenizer.is_special(id)).collect::<Vec<_>>()
    };
    let harmless = chat("word");
    for special in tokenizer.specials() {
        // In its own turn the model may write its own markup; nobody may write what controls.
        if special.control || special.text.contains("response") {
            assert_eq!(chat(&special.text), harmless, "{}", special.text);
        }
    }
}

fn jinja(source: &str) -> Result<ChatTemplate, Error> {
    ChatTemplate::from_jinja(&load("smollm"), source)
}

fn fails(source: &str) -> String {
    let template = jinja(source).expect("compiles");
    template.render(&[Message::user("x".repeat(3000))], &Rendering::default()).expect_err(source).to_string()
}

#[test]
fn templates_run_within_limits() {
    assert!(
        fails("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}")
            .contains("steps")
    );
    assert!(
        fails(
            "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}"
        )
        .contains("steps")
    );
    assert!(fails("{% set x = 'ab' * 100000000 %}{{ x }}").contains("template fails"));
    assert!(
        fails("{% for i in range(5000) %}{{ messages[0].content }}{% endfor %}").contains("8 MB"),
        "{}",
        fails("{% for i in range(5000) %}{{ messages[0].content }}{% endfor %}")
    );
    // Deep recursion must meet the limit before the end of a thread's stack.
    let deep = "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}";
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || assert!(fails(deep).contains("template fails")))
        .expect("a thread")
        .join()
        .expect("no overflow");
    let nested = format!("{}{}", "{{ ", "(".repeat(100_000));
    assert!(matches!(jinja(&nested), Err(Error::BadTemplate(_))));
    assert!(matches!(jinja(&"{% if true %}".repeat(50_000)), Err(Error::BadTemplate(_))));
    assert!(matches!(jinja(&" ".repeat((1 << 20) + 1)), Err(Error::BadTemplate(_))));
    assert!(matches!(jinja("{{ x"), Err(Error::BadTemplate(_))));
    assert!(matches!(jinja("{% include '/etc/passwd' %}"), Err(Error::BadTemplate(_))));
    assert!(fails("{{ open('/etc/passwd') }}").contains("template fails"));
    assert!(fails("{{ messages.foo.bar }}").contains("template fails"));
    let refused = jinja("{{ raise_exception('no ' ~ messages[0].role) }}").expect("compiles");
    match refused.render(&[Message::user("x")], &Rendering::default()) {
        Err(Error::Refused(message)) => assert_eq!(message, "no user"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn generation_ends_where_the_template_ends_a_turn() {
    for (kind, end) in [
        ("smollm", "<|im_end|>"),
        ("llama3", "<|eot_id|>"),
        ("gemma", "<end_of_turn>"),
        ("phi3", "<|end|>"),
        ("mistral", "</s>"),
    ] {
        let tokenizer = load(kind);
        let template = ChatTemplate::new(&tokenizer).expect("a template");
        let id = tokenizer.special(end).expect("is there");
        assert!(template.stop_ids().contains(&id), "{kind}");
    }
}

/// What the model is to learn, as text.
fn learned(kind: &str, messages: &[Message]) -> Result<(String, String), Error> {
    let tokenizer = load(kind);
    let template = ChatTemplate::new(&tokenizer)?;
    let (ids, mask) = template.render_for_training(messages)?;
    assert_eq!(ids.len(), mask.len());
    let learned: Vec<TokenId> = ids.iter().zip(&mask).filter(|(_, m)| **m).map(|(id, _)| *id).collect();
    Ok((tokenizer.decode(&ids), tokenizer.decode(&learned)))
}

#[test]
fn training_learns_the_answers() {
    let messages =
        [Message::user("Hello"), Message::assistant("Hi."), Message::user("Who?"), Message::assistant("Me.")];
    let (_, text) = learned("llama3", &messages).expect("renders");
    assert_eq!(text, "Hi.<|eot_id|>Me.<|eot_id|>");
    let (_, text) = learned("gemma", &messages).expect("renders");
    assert_eq!(text, "Hi.<end_of_turn>Me.<end_of_turn>");
    let (whole, text) = learned("smollm", &messages).expect("renders");
    assert_eq!(text, "Hi.<|im_end|>Me.<|im_end|>");
    assert!(whole.ends_with("<|im_start|>assistant\nMe.<|im_end|>\n"), "{whole}");
    // Qwen3 takes the thinking out of earlier turns: they are not learned as they were generated.
    let error = learned("qwen3", &messages).expect_err("is refused").to_string();
    assert!(error.contains("turn 2"), "{error}");
    let (_, text) = learned("qwen3", &messages[..2]).expect("renders");
    assert_eq!(text, "<think>\n\n</think>\n\nHi.<|im_end|>");
}

#[test]
fn formats_of_calls_are_found_in_templates() {
    for (kind, format) in [
        ("qwen3", CallFormat::Hermes),
        ("qwen2", CallFormat::Hermes),
        ("llama3", CallFormat::Llama3),
        ("mistral", CallFormat::Mistral),
        ("gemma", CallFormat::None),
    ] {
        let tokenizer = load(kind);
        assert_eq!(
            CallFormat::of_template(tokenizer.roles().chat_template.as_deref().expect("one")),
            format,
            "{kind}"
        );
    }
}

#[test]
fn messages_are_those_of_openai() {
    let text = r#"{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}}]}"#;
    let message: Message = serde_json::from_str(text).expect("reads");
    assert_eq!(message.content, "");
    assert_eq!(message.tool_calls[0].function.arguments, "{\"a\": 1}");
    let object: Message =
        serde_json::from_str(&text.replace(r#""{\"a\": 1}""#, r#"{"z": 1, "a": 2}"#)).expect("reads");
    assert_eq!(object.tool_calls[0].function.arguments, r#"{"z":1,"a":2}"#);
    let plain = serde_json::to_string(&Message::user("hi")).expect("writes");
    assert_eq!(plain, r#"{"role":"user","content":"hi"}"#, "as before");
    let again: Message =
        serde_json::from_value(serde_json::to_value(&message).expect("writes")).expect("reads");
    assert_eq!(again, message);
    assert!(serde_json::from_str::<Message>(r#"{"role":"nobody","content":""}"#).is_err());
    let developer: Message = serde_json::from_str(r#"{"role":"developer","content":"x"}"#).expect("reads");
    assert_eq!(developer, Message::system("x"));
    let _: Value = serde_json::to_value(Message::tool("c1", "ok")).expect("writes");
}
