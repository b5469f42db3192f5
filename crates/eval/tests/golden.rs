//! The same numbers as goldens/eval/reference.py, which computes them with transformers row by row.

use serde_json::Value;
use shuyuan_chain::Local;
use shuyuan_engine::Engine;
use shuyuan_eval::{EvalError, Plan, Scorer, TaskResult, bits_per_byte, multiple_choice, read_items};
use shuyuan_text::Tokenizer;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../goldens/eval"))
}

fn scorer() -> Scorer {
    let dir = folder().join("model");
    let model = shuyuan_model::Decoder::load(&dir).unwrap();
    Scorer::new(Engine::new(Arc::new(model)), Arc::new(Tokenizer::load(&dir).unwrap()))
}

fn golden() -> Value {
    serde_json::from_slice(&std::fs::read(folder().join("golden.json")).unwrap()).unwrap()
}

fn texts() -> Vec<String> {
    let lines = std::fs::read_to_string(folder().join("texts.jsonl")).unwrap();
    let text = |line| serde_json::from_str::<Value>(line).unwrap()["text"].as_str().unwrap().to_string();
    lines.lines().map(text).collect()
}

fn on(_: usize, _: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn choices_are_as_likely_as_in_transformers() {
    let golden = &golden()["choices"]["questions"];
    let questions = read_items(&folder().join("questions.jsonl"), None).unwrap();
    let scorer = scorer();
    let found = scorer.choices(&questions.items).unwrap();
    let cut = found.cut;
    for ((item, sums), wanted) in
        questions.items.iter().zip(found.questions).zip(golden["items"].as_array().unwrap())
    {
        let sums = sums.unwrap();
        let wanted_sums: Vec<f64> = serde_json::from_value(wanted["logprobs"].clone()).unwrap();
        let bytes: Vec<usize> = serde_json::from_value(wanted["bytes"].clone()).unwrap();
        assert_eq!(item.choices.iter().map(|(_, text)| text.len()).collect::<Vec<_>>(), bytes);
        for (a, b) in sums.iter().zip(&wanted_sums) {
            // Up to 40 terms of a few nats, each an f32 sum in another order: 1e-6 of a term is expected.
            assert!((a - b).abs() < 2e-4, "{item:?}: {sums:?} and {wanted_sums:?}");
        }
    }
    let result = multiple_choice(&scorer, "questions", &questions, &mut on).unwrap();
    assert_eq!(result.n as u64, golden["n"].as_u64().unwrap());
    assert_eq!(result.score, golden["score"].as_f64().unwrap());
    assert_eq!(result.raw.unwrap().score, golden["raw"].as_f64().unwrap());
    assert_eq!(result.baseline, golden["baseline"].as_f64().unwrap());
    // The long question does not fit 48 tokens.
    assert!(cut >= 1 && cut == result.cut, "{cut}");
    let json = serde_json::to_string(&result).unwrap();
    assert_eq!(serde_json::from_str::<TaskResult>(&json).unwrap(), result);
}

#[test]
fn bits_per_byte_are_those_of_transformers() {
    let golden = &golden()["bits_per_byte"];
    let result = bits_per_byte(&scorer(), &texts(), &mut on).unwrap();
    assert_eq!(result.bytes, golden["bytes"].as_u64());
    assert_eq!(result.tokens, golden["tokens"].as_u64());
    // Relative error of an f32 loss averaged over some hundred tokens.
    let wanted = golden["score"].as_f64().unwrap();
    assert!((result.score - wanted).abs() < 1e-5 * wanted, "{} and {wanted}", result.score);
    // "a" is one token, predicted from nothing but the end of another text.
    assert_eq!(result.n, texts().len());
}

#[test]
fn a_plan_is_carried_out_or_refused_before_it_begins() {
    let scorer = scorer();
    let local = Local::new(scorer.engine().clone(), Arc::new(scorer.tokenizer().clone()));
    let file = |name: &str| vec![folder().join(name)];
    let both =
        Plan { choices: file("questions.jsonl"), text: file("texts.jsonl"), limit: 2, ..Plan::default() };
    let tasks = both.tasks().unwrap();
    let names: Vec<_> = tasks.iter().map(|task| (task.name(), task.parts(), task.reads_text())).collect();
    assert_eq!(names, [("questions", 2, false), ("bits_per_byte", texts().len(), true)]);
    let results: Vec<_> = tasks.iter().map(|task| task.take(&scorer, &local, &mut on).unwrap()).collect();
    assert_eq!(
        results[0],
        multiple_choice(&scorer, "questions", &read_items(&both.choices[0], Some(2)).unwrap(), &mut on)
            .unwrap()
    );
    assert_eq!(results[1], bits_per_byte(&scorer, &texts(), &mut on).unwrap());
    // The first text is long enough.
    let short = Plan { bytes: 1, ..both.clone() };
    assert_eq!(short.tasks().unwrap()[1].parts(), 1);
    assert_eq!(Plan::default().tasks().unwrap().len(), 5);
    let twice = [file("questions.jsonl"), file("questions.jsonl")].concat();
    for (plan, named) in [
        (
            Plan { trades: vec!["poetry".into()], ..both.clone() },
            "unknown task \"poetry\"; there are one_fact",
        ),
        (Plan { choices: vec!["/none.jsonl".into()], ..both.clone() }, "/none.jsonl"),
        (Plan { text: vec!["/none.txt".into()], ..both.clone() }, "/none.txt"),
        (Plan { choices: twice, ..both.clone() }, "questions"),
    ] {
        let error = plan.tasks().unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    // 48 tokens hold no question of the world in so small a vocabulary: the engine says so.
    let trade = &Plan::default().tasks().unwrap()[0];
    let error = trade.take(&scorer, &local, &mut on).unwrap_err().to_string();
    assert!(error.contains("context holds 48"), "{error}");
}

#[test]
fn nothing_to_do_and_stops_are_said() {
    let scorer = scorer();
    let error = bits_per_byte(&scorer, &[String::new()], &mut on).unwrap_err();
    assert!(error.to_string().contains("1 texts"), "{error}");
    let mut questions = read_items(&folder().join("questions.jsonl"), None).unwrap();
    questions.items = std::iter::repeat_n(questions.items[0].clone(), 70).collect();
    let stop = multiple_choice(&scorer, "x", &questions, &mut |_, _| ControlFlow::Break(()));
    assert!(matches!(stop, Err(EvalError::Stopped { done: 32, total: 70, .. })));
    // A choice that no context can hold is skipped, and named when it was the only one.
    let word = " word".repeat(200);
    questions.items[0].choices[0].1 = word;
    let result = multiple_choice(&scorer, "x", &questions, &mut on).unwrap();
    assert_eq!((result.n, result.skipped.count), (69, 1));
    questions.items.truncate(1);
    let error = multiple_choice(&scorer, "x", &questions, &mut on).unwrap_err().to_string();
    assert!(error.contains("context of 48"), "{error}");
}
