//! The real `openai` Python client against the server.

use crate::common::{start, tiny};
use std::process::Command;

/// Runs openai_client.py with the Python that `SHUYUAN_PYTHON` names; in CI it must be there.
#[test]
fn the_python_client_works() {
    let python = std::env::var("SHUYUAN_PYTHON").unwrap_or_default();
    let there = !python.is_empty()
        && Command::new(&python)
            .args(["-c", "import openai"])
            .output()
            .is_ok_and(|output| output.status.success());
    if !there {
        let message = "the_python_client_works: set SHUYUAN_PYTHON to a Python that has the package openai";
        assert!(std::env::var_os("CI").is_none(), "{message}");
        println!("skipped {message}");
        return;
    }
    let world = start(Some("secret"), Some(tiny(2048)));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openai_client.py");
    let url = format!("{}v1", world.server.url());
    let output = Command::new(python).args([script, &url, "secret", "tiny"]).output().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
}
