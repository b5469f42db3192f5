//! What we save opens in transformers, which then writes the same text.
//!
//! Runs where SHUYUAN_PYTHON names a Python with torch and transformers; says that it was skipped elsewhere.

#[expect(dead_code, reason = "golden.rs uses all of it")]
mod common;

use common::Golden;
use shuyuan_model::save;
use std::path::Path;
use std::process::Command;

#[test]
fn a_saved_model_opens_in_transformers() {
    let Ok(python) = std::env::var("SHUYUAN_PYTHON") else {
        println!("skipped: SHUYUAN_PYTHON does not name a Python with transformers");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/model/opens_in_transformers.py");
    for golden in common::VARIANTS.map(Golden::read) {
        let dir = tempfile::tempdir().unwrap();
        save(&golden.model(), dir.path()).unwrap();
        let output = Command::new(&python)
            .arg(&script)
            .arg(dir.path())
            .arg(golden.dir.join("golden.json"))
            .output()
            .unwrap_or_else(|error| panic!("cannot run {python}: {error}"));
        let told = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {told}\n{complained}", golden.variant);
        println!("{}: {told}", golden.variant);
    }
}
