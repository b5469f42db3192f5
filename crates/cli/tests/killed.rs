//! A run that is killed again and again ends with the weights of one that was left alone.
//!
//! `SHUYUAN_KILLS=200 cargo test --release -p shuyuan-cli --test killed` kills more often than every day's six times.

mod common;

use common::{command, json, recipe, school};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const STEPS: u64 = 60;

/// Both kinds of optimizer memory, shorter rows first, several passes over the text, a checkpoint nearly always in the making.
const TRAIN: &str = "
batch = 2
tokens = 128
steps = 60
accumulation = 2
validate_every = 20
checkpoint_every = 2

[train.first]
part = 0.4
batch = 4
tokens = 64
";

const PRETRAIN: [&str; 8] =
    ["pretrain", "--recipe", "recipe.toml", "--corpus", "corpus", "--resume", "--json", "--output"];

fn weights(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("model/model.safetensors")).unwrap()
}

/// The step of the last checkpoint.
fn saved(run: &Path) -> u64 {
    let state = std::fs::read(run.join("checkpoint/state.json")).unwrap_or_default();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap_or_default();
    state["step"].as_u64().unwrap_or(0)
}

/// Waits until a checkpoint is being written, or the run is over.
fn until_writing(child: &mut Child, run: &Path) {
    while !run.join(".checkpoint.staged").exists() && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_micros(50));
    }
}

#[test]
fn killed_runs_end_with_the_same_weights() {
    let kills: u32 = std::env::var("SHUYUAN_KILLS").map_or(6, |kills| kills.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    school(at, "60");
    recipe(at, TRAIN);
    let started = Instant::now();
    assert_eq!(json(at, &[&PRETRAIN[..], &["whole"]].concat())["steps"], STEPS);
    let (whole, wanted) = (started.elapsed(), weights(&at.join("whole")));

    // Where a kill lands is chance in any case; a seed that is printed would not bring it back.
    let mut state = std::process::id();
    let mut random = |most: Duration| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        most.mul_f64(f64::from(state >> 8) / f64::from(1 << 24))
    };
    let (mut killed, mut writing, mut resumed, mut runs) = (0, 0, 0, 0);
    while killed < kills || writing == 0 || resumed == 0 {
        runs += 1;
        let name = format!("run{runs}");
        let run = at.join(&name);
        let words = [&PRETRAIN[..], &[&name]].concat();
        while killed < kills || writing == 0 || resumed == 0 {
            resumed += u32::from(saved(&run) > 0);
            let mut child = command(at, &words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            if killed % 2 == 0 {
                sleep(random(whole));
                until_writing(&mut child, &run);
                sleep(random(Duration::from_millis(2)));
            } else {
                sleep(random(whole));
            }
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
            writing += u32::from(run.join(".checkpoint.staged").exists());
        }
        assert_eq!(json(at, &words)["steps"], STEPS);
        assert!(weights(&run) == wanted, "{name} ends with other weights");
        let steps = shuyuan_train::read_metrics(&run).unwrap().into_iter().map(|metric| metric.step);
        assert!(steps.eq(1..=STEPS), "{name} lost or repeated a step in metrics.jsonl");
    }
    println!("{killed} kills in {runs} runs, {writing} while a checkpoint was written, {resumed} resumed");
}
