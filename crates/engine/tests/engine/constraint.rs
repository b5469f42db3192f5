//! Constrained output of random models: always valid, whatever they would rather write.

use crate::common::packed;
use serde_json::{Value, json};
use shuyuan_engine::{Constraint, Engine, EngineError, Grammar, Reason, Request, Sampling, TokenTable};
use shuyuan_text::{END_OF_TEXT, Tokenizer};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

fn table(tokenizer: &Tokenizer) -> TokenTable {
    let bytes = |id| if tokenizer.is_special(id) { Vec::new() } else { tokenizer.token_bytes(id).to_vec() };
    let end = tokenizer.special(END_OF_TEXT).unwrap();
    TokenTable::new((0..tokenizer.vocab_size() as u32).map(bytes).collect(), &[end]).unwrap()
}

struct World {
    engine: Engine,
    tokenizer: Tokenizer,
    table: TokenTable,
}

fn world() -> World {
    let (model, tokenizer) = packed(1024);
    World { engine: Engine::new(model), table: table(&tokenizer), tokenizer }
}

impl World {
    fn constraint(&self, grammar: Grammar) -> Constraint {
        self.table.constraint(&grammar).unwrap()
    }

    fn write(
        &self,
        constraint: &Constraint,
        temperature: f32,
        seed: u64,
        max_tokens: usize,
    ) -> (String, Reason) {
        let request = Request {
            ids: vec![seed as u32 % 256, 1],
            max_tokens,
            sampling: Sampling { temperature, seed, ..Sampling::default() },
            stop_ids: self.tokenizer.special(END_OF_TEXT).into_iter().collect(),
            constraint: Some(constraint.clone()),
            ..Request::default()
        };
        let mut ids = Vec::new();
        let finish = self.engine.generate(&request, &mut |token| {
            ids.push(token.id);
            ControlFlow::Continue(())
        });
        (self.tokenizer.decode(&ids), finish.unwrap().reason)
    }
}

#[test]
fn json_always_follows_its_schema() {
    let world = world();
    let schema = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "maxLength": 12 },
            "age": { "type": "integer", "minimum": 0, "maximum": 150 },
            "tags": { "type": "array", "items": { "enum": ["sat", "on", "the mat"] }, "maxItems": 3 }
        },
        "required": ["name", "age", "tags"],
        "additionalProperties": false
    });
    let constraint = world.constraint(Grammar::JsonSchema(schema));
    let (mut whole, mut cut) = (0, 0);
    for seed in 0.. {
        let temperature = [0.0, 0.7, 1.0, 3.0][seed as usize % 4];
        let (text, reason) = world.write(&constraint, temperature, seed, 600);
        if reason == Reason::Length {
            // White space may go on for ever where a model likes it.
            cut += 1;
            continue;
        }
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(value.as_object().unwrap().len(), 3, "{text}");
        assert!(value["name"].as_str().unwrap().chars().count() <= 12, "{text}");
        assert!((0..=150).contains(&value["age"].as_i64().unwrap()), "{text}");
        let tags = value["tags"].as_array().unwrap();
        assert!(
            tags.len() <= 3
                && tags.iter().all(|tag| ["sat", "on", "the mat"].contains(&tag.as_str().unwrap()))
        );
        whole += 1;
        if whole == 200 {
            break;
        }
    }
    assert!(cut < 100, "{cut} were cut");
    assert_eq!(world.write(&constraint, 1.0, 1, 3).1, Reason::Length);
}

#[test]
fn choices_are_one_of_them_and_a_regex_matches() {
    let world = world();
    let choices = ["yes", "no", "maybe", "是的", "a \"quoted\"\nline"];
    let choice = world.constraint(Grammar::Choice(choices.map(String::from).to_vec()));
    let regex = world.constraint(Grammar::Regex("(ab|c){1,4}-[0-9]{3}/x".into()));
    for seed in 0..100 {
        let temperature = (seed % 3) as f32;
        let (text, reason) = world.write(&choice, temperature, seed, 100);
        assert!(choices.contains(&text.as_str()) && reason == Reason::Stop, "{text}");
        let (text, reason) = world.write(&regex, temperature, seed, 100);
        assert_eq!(reason, Reason::Stop);
        let (letters, rest) = text.split_once('-').unwrap();
        assert!((1..=4).contains(&letters.replace("ab", "c").len()), "{text}");
        assert!(letters.replace("ab", "c").bytes().all(|b| b == b'c'), "{text}");
        let digits = rest.strip_suffix("/x").unwrap();
        assert!(digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()), "{text}");
    }
}

#[test]
fn a_lark_grammar_derives_what_comes() {
    let world = world();
    let sums = world
        .constraint(Grammar::Lark("start: term (\"+\" term)*\nterm: /[0-9]/ | \"(\" start \")\"".into()));
    let mut whole = 0;
    for seed in 0..100 {
        let (text, reason) = world.write(&sums, 1.0, seed, 200);
        let mut depth = 0i32;
        for c in text.chars() {
            assert!("0123456789+()".contains(c), "{text}");
            depth += i32::from(c == '(') - i32::from(c == ')');
            assert!(depth >= 0, "{text}");
        }
        if reason == Reason::Stop {
            assert_eq!(depth, 0, "{text}");
            whole += 1;
        }
    }
    assert!(whole > 10, "{whole}");
}

/// The text is in the prompt but for a word: guesses find it there.
#[test]
fn an_edit_takes_less_than_half_the_steps() {
    let world = world();
    let before =
        "the cat sat on the mat, and the dog lay in the sun all day long; nobody else was there to see.";
    let after = before.replace("dog", "horse");
    let constraint = world.constraint(Grammar::Choice(vec![after.clone()]));
    let request = Request {
        ids: world.tokenizer.encode(before),
        max_tokens: 500,
        constraint: Some(constraint),
        ..Request::default()
    };
    let mut ids = Vec::new();
    let finish = world.engine.generate(&request, &mut |token| {
        ids.push(token.id);
        ControlFlow::Continue(())
    });
    let guessed = finish.unwrap().guessed;
    assert_eq!(world.tokenizer.decode(&ids), after);
    assert!(2 * guessed.accepted > ids.len(), "{guessed:?} of {}", ids.len());
    // The text may end with a guess, after which a step chooses nothing more.
    let steps = world.engine.stats().steps as usize;
    assert!((ids.len() - guessed.accepted..=ids.len() - guessed.accepted + 1).contains(&steps), "{steps}");
}

#[test]
fn what_is_wrong_or_hostile_is_an_error_and_no_hang() {
    let world = world();
    let deep = |n: usize| {
        (0..n).fold(json!({ "type": "integer" }), |inner, _| json!({ "type": "array", "items": inner }))
    };
    let wide: Vec<String> = (0..40_000).map(|i| format!("choice number {i}")).collect();
    for (grammar, named) in [
        (Grammar::Regex("(a".into()), ""),
        (Grammar::Regex(format!("{}a{}", "(".repeat(50_000), ")".repeat(50_000))), "nested"),
        (Grammar::Lark(format!("start: {}\"a\"{}", "(".repeat(50_000), ")".repeat(50_000))), "nested"),
        (Grammar::Lark("start: nothing".into()), "nothing"),
        (Grammar::JsonSchema(json!({ "type": "strange" })), "strange"),
        (Grammar::JsonSchema(json!({ "type": "integer", "minimum": 5, "maximum": 3 })), ""),
        (Grammar::JsonSchema(json!({ "$ref": "https://example.com/schema" })), ""),
        (Grammar::JsonSchema(deep(200)), "nested"),
        (Grammar::Choice(vec![]), "at least one"),
        (Grammar::Choice(vec![String::new()]), "none of them empty"),
        (Grammar::Choice(wide), "bytes"),
    ] {
        let started = Instant::now();
        let error = world.table.constraint(&grammar).err().unwrap_or_else(|| panic!("{grammar:?} is taken"));
        assert!(matches!(&error, EngineError::Constraint { what } if what.contains(named)), "{error}");
        // Far from a measurement: what is not stopped takes minutes, or all memory.
        assert!(started.elapsed() < Duration::from_secs(20), "{:?} for {error}", started.elapsed());
    }
    // These can be begun. They are written, or end in an error.
    for grammar in [
        Grammar::JsonSchema(deep(90)),
        Grammar::JsonSchema(json!({ "type": "array", "items": { "type": "string" }, "minItems": 100_000 })),
        Grammar::JsonSchema(json!({ "type": "string", "pattern": "^(a|b)*a(a|b){200}$" })),
        Grammar::JsonSchema(
            json!({ "$defs": { "t": { "anyOf": [{ "$ref": "#/$defs/t" }, { "type": "null" }] } }, "$ref": "#/$defs/t" }),
        ),
        Grammar::Regex("(.*a.*b.*c.*){50}".into()),
        Grammar::Regex("(((a{1000}){1000}){1000}){1000}".into()),
        Grammar::Regex("(((a|b.){1,1000}c?){1,1000}d?){1,1000}".into()),
        Grammar::Lark("start: start start | \"a\" | \"\"".into()),
    ] {
        let started = Instant::now();
        if let Ok(constraint) = world.table.constraint(&grammar) {
            let request =
                Request { ids: vec![1], max_tokens: 50, constraint: Some(constraint), ..Request::default() };
            let _ = world.engine.generate(&request, &mut |_| ControlFlow::Continue(()));
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{:?} for {grammar:?}", started.elapsed());
    }
    // Others' work goes on.
    let yes = world.constraint(Grammar::Choice(vec!["yes".into()]));
    assert_eq!(world.write(&yes, 0.0, 1, 9), ("yes".into(), Reason::Stop));
}
