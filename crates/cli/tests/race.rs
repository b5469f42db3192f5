//! A race of seconds, from raw text to bits per byte.

mod common;

use common::{json, out, recipe, shuyuan};
use std::fs;

#[test]
fn a_race_learns_within_its_time_and_leaves_other_folders_alone() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    for (split, docs, seeds) in [("train", "4000", ["1", "2"]), ("heldout", "20", ["3", "4"])] {
        fs::create_dir_all(at.join("data").join(split)).unwrap();
        for (file, seed) in [("zh_a", seeds[0]), ("en_b", seeds[1])] {
            let to = format!("data/{split}/{file}.jsonl");
            let words =
                ["corpus", "world", "--seed", seed, "--docs", docs, "--split", "train", "--output", &to];
            out(at, &words);
            // Conversations have no `text`.
            let world = fs::read_to_string(at.join(&to)).unwrap();
            let texts: Vec<&str> = world.lines().filter(|line| line.contains("\"text\":")).collect();
            fs::write(at.join(&to), texts.join("\n")).unwrap();
        }
    }
    fs::write(at.join("data/heldout/en_empty.jsonl"), "").unwrap();
    recipe(at, "batch = 4\ntokens = 128\n");
    let words =
        ["race", "--data", "data", "--minutes", "0.1", "--recipe", "recipe.toml", "--vocab-size", "600"];
    let words = [&words[..], &["--output", "race", "--json"]].concat();
    let found = json(at, &words);
    // Bytes alike need 8 bits; the first token of each text counts, too.
    let number = |name: &str| found[name].as_f64().unwrap_or_else(|| panic!("{name}: {found}"));
    assert!((0.5..4.0).contains(&number("bpb_mean")), "{found}");
    assert!((number("bpb_zh") + number("bpb_en") - 2.0 * number("bpb_mean")).abs() < 1e-9, "{found}");
    assert!(
        found["bpb"]["zh_a"].is_f64() && found["bpb"]["en_b"].is_f64() && found["bpb"]["en_empty"].is_null()
    );
    let bytes: u64 = ["zh_a", "en_b"]
        .iter()
        .map(|name| {
            let text = fs::read_to_string(at.join(format!("data/heldout/{name}.jsonl"))).unwrap();
            let length = |line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["text"].as_str().unwrap().len()
            };
            text.lines().map(length).sum::<usize>() as u64
        })
        .sum();
    assert_eq!(found["heldout_bytes"], bytes, "every byte is predicted");
    let curve = found["curve"].as_array().unwrap();
    assert!(curve.len() > 2 && curve[0][2].as_f64() > curve[curve.len() - 1][2].as_f64(), "{curve:?}");
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(at.join("race/race.json")).unwrap()).unwrap();
    assert_eq!(report["bpb"], found["bpb"]);

    // A corpus that no race made stays.
    fs::create_dir_all(at.join("mine/corpus")).unwrap();
    let words = ["race", "--data", "data", "--minutes", "0.1", "--output", "mine"];
    let refused = shuyuan(at, &words);
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && text.contains("mine") && text.contains("corpus"), "{text}");
    assert!(at.join("mine/corpus").is_dir());
    // And what is no split of text is named.
    let refused = shuyuan(at, &["race", "--data", "mine", "--minutes", "1"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("mine/train"));
}
