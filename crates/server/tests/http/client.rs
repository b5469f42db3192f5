//! Clients that people use, against the server: `openai` for Python and for Node, and a program in LangChain.

use crate::common::{start, tiny};
use std::path::Path;
use std::process::Command;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Runs `program script BASE_URL API_KEY MODEL`, if `try_it` succeeds in `program`; in CI it must.
fn works(program: &str, try_it: &[&str], script: &Path, needs: &str) {
    let there = !program.is_empty()
        && Command::new(program).args(try_it).output().is_ok_and(|output| output.status.success());
    if !there {
        let message = format!("{}: needs {needs}", script.display());
        assert!(std::env::var_os("CI").is_none(), "{message}");
        println!("skipped {message}");
        return;
    }
    let world = start(Some("secret"), Some(tiny(2048)));
    let url = format!("{}v1", world.server.url());
    let output = Command::new(program).arg(script).args([&url, "secret", "tiny"]).output().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
}

#[test]
fn the_python_client_works() {
    let python = std::env::var("SHUYUAN_PYTHON").unwrap_or_default();
    let script = Path::new(HERE).join("tests/openai_client.py");
    works(&python, &["-c", "import openai"], &script, "SHUYUAN_PYTHON, a Python that has the package openai");
}

#[test]
fn a_langchain_program_works() {
    let python = std::env::var("SHUYUAN_PYTHON").unwrap_or_default();
    let script = Path::new(HERE).join("tests/langchain_program.py");
    let needs = "SHUYUAN_PYTHON, a Python that has the package langchain-openai";
    works(&python, &["-c", "import langchain_openai"], &script, needs);
}

#[test]
fn the_node_client_works() {
    let web = Path::new(HERE).join("../../web");
    let package = web.join("node_modules/openai/package.json");
    let check = format!("require({:?})", package.display().to_string());
    works("node", &["-e", &check], &web.join("tests/openai_client.mjs"), "Node, and `npm ci` in web/");
}
