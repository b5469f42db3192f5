//! `/v1/embeddings` over a tiny encoder: vectors, both encodings, and what bad input gets.

use crate::common::{Answer, World, post, start, tiny};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A server that generates with "tiny", whose home holds the encoder "bert".
fn world() -> World {
    let world = start(None, Some(tiny(64)));
    copy(&goldens(), &world.academy.home.model("bert"));
    world
}

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/encoder/bert")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, target).unwrap();
        }
    }
}

fn vectors(answer: &Answer) -> Vec<Vec<f32>> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let data = answer.json()["data"].clone();
    data.as_array()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(index, item)| {
            assert_eq!((&item["object"], &item["index"]), (&json!("embedding"), &json!(index)));
            serde_json::from_value(item["embedding"].clone()).unwrap()
        })
        .collect()
}

fn near(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
}

#[test]
fn texts_and_their_ids_have_the_same_vectors() {
    let world = world();
    let golden: Value =
        serde_json::from_str(&std::fs::read_to_string(goldens().join("golden.json")).unwrap()).unwrap();
    let (text, ids) = (&golden["texts"][0], &golden["ids"][0]);
    let ask = |input: Value| post(&world, "/v1/embeddings", json!({ "model": "bert", "input": input }));
    let answer = ask(text.clone());
    let one = vectors(&answer).remove(0);
    assert_eq!(one.len(), 32);
    assert_eq!(answer.json()["object"], "list");
    assert_eq!(answer.json()["model"], "bert");
    let tokens = ids.as_array().unwrap().len();
    assert_eq!(answer.json()["usage"], json!({ "prompt_tokens": tokens, "total_tokens": tokens }));
    for same in [json!([text]), ids.clone(), json!([ids])] {
        assert!(near(&vectors(&ask(same))[0], &one));
    }
    let many = vectors(&ask(json!([golden["texts"][1], text, "a"])));
    assert_eq!(many.len(), 3);
    assert!(near(&many[1], &one) && !near(&many[0], &one));
    let body = json!({ "model": "bert", "input": text, "encoding_format": "base64", "dimensions": 32 });
    let packed = post(&world, "/v1/embeddings", body).json()["data"][0]["embedding"].clone();
    assert!(near(&unpacked(packed.as_str().unwrap()), &one));
}

/// f32 out of base64.
fn unpacked(text: &str) -> Vec<f32> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> = text.chars().filter_map(|c| DIGITS.find(c)).map(|digit| digit as u32).collect();
    let mut bytes = Vec::new();
    for four in digits.chunks(4) {
        let bits = four.iter().enumerate().fold(0, |bits, (i, digit)| bits | digit << (18 - 6 * i));
        bytes.extend(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

#[test]
fn every_refusal_names_the_field() {
    let world = world();
    let long = "a ".repeat(200);
    let with = |more: Value| {
        let mut body = json!({ "model": "bert", "input": "a" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (body, status, param, said) in [
        (json!({ "input": "a" }), 400, "model", "missing"),
        (json!({ "model": "bert" }), 400, "input", "missing"),
        (with(json!({ "model": "gpt" })), 404, "model", "does not exist"),
        (with(json!({ "model": "../../etc" })), 404, "model", "does not exist"),
        (with(json!({ "model": "tiny" })), 400, "model", "does not embed; those that embed are bert"),
        (with(json!({ "input": "" })), 400, "input", "empty"),
        (with(json!({ "input": [] })), 400, "input", "found []"),
        (with(json!({ "input": ["a", 3] })), 400, "input", "found 3"),
        (with(json!({ "input": ["a", ""] })), 400, "input", "empty"),
        (with(json!({ "input": [1, 100_000] })), 400, "input", "found 100000"),
        (with(json!({ "input": [[1], []] })), 400, "input", "found []"),
        (with(json!({ "input": [[1], ["a"]] })), 400, "input", "found \"a\""),
        (with(json!({ "input": { "text": "a" } })), 400, "input", "an object"),
        (with(json!({ "input": vec!["a"; 2049] })), 400, "input", "a list of 2049"),
        (with(json!({ "input": ["a", long] })), 400, "input", "202 tokens, the model's context holds 160"),
        (with(json!({ "input": vec![5; 161] })), 400, "input", "161 tokens"),
        (with(json!({ "encoding_format": "hex" })), 400, "encoding_format", "float or base64"),
        (with(json!({ "dimensions": 16 })), 400, "dimensions", "vectors of 32 numbers"),
        (with(json!({ "dimensions": "x" })), 400, "dimensions", "found \"x\""),
    ] {
        let answer = post(&world, "/v1/embeddings", body.clone());
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, error["param"].as_str()), (status, Some(param)), "{body}: {error}");
        assert!(error["message"].as_str().unwrap().contains(said), "{body}: {error}");
    }
}

#[test]
fn without_a_model_that_embeds_the_error_says_so() {
    let world = start(None, Some(tiny(64)));
    let answer = post(&world, "/v1/embeddings", json!({ "model": "tiny", "input": "a" }));
    assert!(answer.status == 400 && answer.body.contains("none that embeds"), "{}", answer.body);
}
