//! The checkpoints that a run keeps, as a person uses them; and two trainers in one folder.

mod common;

use common::{command, json, out, recipe, school, shuyuan};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

const TRAIN: &str = "
batch = 2
tokens = 64
validate_every = 4
checkpoint_every = 5
";

const PRETRAIN: [&str; 7] = ["pretrain", "--recipe", "recipe.toml", "--corpus", "corpus", "--output", "run"];

#[test]
fn kept_checkpoints_speak_and_can_be_gone_on_from() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    school(at, "100");
    recipe(at, TRAIN);
    let pretrain = |more: &[&'static str]| [&PRETRAIN[..], more].concat();
    assert_eq!(json(at, &pretrain(&["--steps", "12", "--json"]))["steps"], 12);
    for model in ["run/best", "run/checkpoint", "run/checkpoints/step-000010"] {
        let words = ["generate", "--model", model, "--prompt", "The", "--max-tokens", "3", "--json"];
        json(at, &words);
    }
    let events = std::fs::read_dir(at.join("run")).unwrap();
    let events = events.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().contains("tfevents"));
    assert_eq!(events.count(), 1);

    let weights = || std::fs::read(at.join("run/model/model.safetensors")).unwrap();
    let before = weights();
    let output = shuyuan(at, &pretrain(&["--steps", "12", "--rewind", "10"]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("step 10"), "{said}");
    assert!(weights() == before, "the same way again ends at the same weights");
    out(at, &pretrain(&["--steps", "13", "--rewind", "best"]));

    for (step, named) in [("7", "12, 13"), ("", "nothing went wrong"), ("x", "expected a step")] {
        let rewind: Vec<&str> = pretrain(&["--rewind"]).into_iter().chain([step]).collect();
        let rewind = if step.is_empty() { &rewind[..rewind.len() - 1] } else { &rewind[..] };
        let output = shuyuan(at, rewind);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(named), "{step}: {errors}");
    }
}

#[test]
fn a_second_trainer_in_one_folder_is_turned_away() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    school(at, "100");
    recipe(at, TRAIN);
    let words = [&PRETRAIN[..], &["--minutes", "5", "--resume"]].concat();
    let mut first = command(at, &words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !at.join("run/checkpoint/state.json").exists() {
        assert!(first.try_wait().unwrap().is_none(), "the first run ended");
        sleep(Duration::from_millis(20));
    }
    for more in [&[][..], &["--rewind", "5"]] {
        let output = shuyuan(at, &[&words[..], more].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        for named in ["run is in use", &first.id().to_string(), "choose another"] {
            assert!(errors.contains(named), "expected {named:?} in {errors}");
        }
    }
    assert!(first.try_wait().unwrap().is_none(), "the first run goes on");
    first.kill().unwrap();
    first.wait().unwrap();
    // What the first has left is whole.
    let words = [&PRETRAIN[..], &["--minutes", "0.001", "--resume", "--json"]].concat();
    assert!(json(at, &words)["steps"].as_u64().unwrap() >= 5);
}
