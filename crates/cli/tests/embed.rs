//! `embed` on a tiny encoder.

mod common;

use common::{json, out, recipe, school, shuyuan};
use std::path::Path;

#[test]
fn vectors_as_json_or_a_table_of_cosines() {
    let dir = tempfile::tempdir().unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/encoder/bert");
    let model = model.to_str().unwrap();
    let found = json(dir.path(), &["embed", "--model", model, "一只猫", "the cat", "--json"]);
    assert_eq!(found["dimensions"], 32);
    assert_eq!(found["vectors"].as_array().unwrap().len(), 2);
    assert_eq!(found["vectors"][1].as_array().unwrap().len(), 32);
    let table = out(dir.path(), &["embed", "--model", model, "一只猫", "the cat"]);
    assert!(table.contains("  1  一只猫") && table.contains(" 1.00"), "{table}");

    let long = "a ".repeat(200);
    let refused = shuyuan(dir.path(), &["embed", "--model", model, &long]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("202 tokens") && said.contains("160"), "{said}");
    let found = json(dir.path(), &["embed", "--model", model, "a", &long, "--truncate", "--json"]);
    assert_eq!(found["cut"], serde_json::json!([{ "text": 1, "tokens": 202, "kept": 160 }]));
    assert_eq!(found["tokens"], serde_json::json!([3, 160]));

    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/eval/model");
    let refused = shuyuan(dir.path(), &["embed", "--model", other.to_str().unwrap(), "a"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("does not embed"), "{said}");
}

#[test]
fn a_model_that_was_taught_to_find_finds() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    school(dir, "300");
    recipe(dir, "batch = 4\ntokens = 64\nsteps = 5");
    out(dir, &["pretrain", "--recipe", "recipe.toml", "--corpus", "corpus", "--output", "run"]);
    let mut lines = String::new();
    for (w, who) in ["Anna", "Bob", "李明", "王芳", "Carol", "张伟", "David", "Emma"].iter().enumerate()
    {
        for (t, what) in ["cat", "dog", "书", "伞", "bird", "fish"].iter().enumerate() {
            for (p, place) in
                ["Rome", "Oslo", "北京", "成都", "Lima", "Paris", "西安", "Cairo"].iter().enumerate()
            {
                let name = ["passage", "positive", "text"][(w + t + p) % 3];
                let passage = format!("{place}: {who}, {what}.");
                let pair = serde_json::json!({ "query": format!("{what}? {who} {place}"), name: passage });
                lines += &format!("{pair}\n");
            }
        }
    }
    std::fs::write(dir.join("pairs.jsonl"), lines + "nonsense\n").unwrap();
    let embed = "\n[optimizer]\nmatrix_lr = 0.02\nembedding_lr = 0.03\n\n[embed]\nquery_tokens = 32\npassage_tokens = 64\n";
    let train = "[train]\nbatch = 16\ntokens = 64\nsteps = 200\nvalidate_every = 100\n";
    std::fs::write(dir.join("embed.toml"), format!("{train}{embed}")).unwrap();
    let words = [
        "finetune",
        "--method",
        "embed",
        "--model",
        "run/model",
        "--data",
        "pairs.jsonl",
        "--recipe",
        "embed.toml",
        "--output",
        "finder",
        "--json",
    ];
    let summary = json(dir, &words);
    // Chance is 1 in 15 or so.
    assert!(summary["recall"]["passages"].as_u64().unwrap() >= 8, "{summary}");
    assert!(summary["recall"]["at_1"].as_f64().unwrap() > 0.4, "{summary}");
    let found = json(
        dir,
        &[
            "embed",
            "--model",
            "finder/model",
            "cat? Anna Rome",
            "Rome: Anna, cat.",
            "西安: 张伟, 伞.",
            "--json",
        ],
    );
    let vectors: Vec<Vec<f64>> = serde_json::from_value(found["vectors"].clone()).unwrap();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    assert!(vectors.iter().all(|vector| (dot(vector, vector) - 1.0).abs() < 1e-5));
    assert!(dot(&vectors[0], &vectors[1]) > dot(&vectors[0], &vectors[2]));
    let refused = shuyuan(dir, &["generate", "--model", "finder/model", "--prompt", "a cat"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("makes vectors"), "{said}");
}
