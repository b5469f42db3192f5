//! `embed` on a tiny encoder.

mod common;

use common::{json, out, shuyuan};
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
