//! What the home folder remembers: the newest corpus, the runs, the report.

use crate::app::{Shared, aside};
use crate::error::{ApiError, Result};
use crate::key::Owner;
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use shuyuan_train::Metric;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path as FilePath;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// More points than a chart has pixels.
const POINTS: usize = 4000;
/// A run that wrote nothing for so long is not running.
const QUIET: Duration = Duration::from_secs(90);

pub(crate) async fn corpus(_: Owner, State(app): Shared) -> Result<Json<Value>> {
    aside(move || {
        let home = &app.academy.home;
        let folders = home.corpora().into_iter().map(|name| home.corpus(&name));
        let newest = folders.max_by_key(|folder| changed(&folder.join("corpus.json")));
        let Some(folder) = newest else {
            return Err(ApiError::missing(format!(
                "there is no corpus in {} yet: `shuyuan quickstart` or `shuyuan corpus build` makes one",
                home.root().display()
            )));
        };
        let report = shuyuan_corpus::stats(&folder).map_err(anyhow::Error::from)?;
        Ok(Json(serde_json::to_value(report).map_err(anyhow::Error::from)?))
    })
    .await
}

pub(crate) async fn report(State(app): Shared) -> Result<Json<Value>> {
    let path = app.academy.home.report();
    match read_json(&path) {
        Some(report) => Ok(Json(report)),
        None => Err(ApiError::missing(format!(
            "{} is not there yet: it is written at the end of quickstart",
            path.display()
        ))),
    }
}

pub(crate) async fn runs(State(app): Shared) -> Result<Json<Value>> {
    aside(move || {
        let home = &app.academy.home;
        let mut runs: Vec<_> =
            home.runs().into_iter().map(|name| (started(&home.run(&name)), name)).collect();
        runs.sort();
        Ok(Json(runs.into_iter().map(|(when, name)| summary(&home.run(&name), &name, when)).collect()))
    })
    .await
}

pub(crate) async fn run(State(app): Shared, Path(name): Path<String>) -> Result<Json<Value>> {
    aside(move || {
        let home = &app.academy.home;
        let names = home.runs();
        if !names.contains(&name) {
            let there = if names.is_empty() { "none yet".into() } else { names.join(", ") };
            return Err(ApiError::missing(format!("there is no run {name:?}; there is {there}")));
        }
        let folder = home.run(&name);
        let recipe = read_json(&folder.join("recipe.json"));
        let warmup = recipe.as_ref().and_then(|recipe| recipe.pointer("/optimizer/warmup_steps")?.as_u64());
        // What cannot be read is not there for a page: the run itself will say so.
        let lines = read_lines(&folder.join("metrics.jsonl"));
        let record: Vec<Metric> = lines.iter().filter_map(|line| Metric::deserialize(line).ok()).collect();
        let trouble = shuyuan_train::read_trouble(&folder).unwrap_or_default();
        Ok(Json(json!({
            "findings": shuyuan_train::diagnose(&record, &trouble, warmup.unwrap_or_default()),
            "recipe": recipe,
            "metrics": thinned(lines),
            "samples": read_lines(&folder.join("samples.jsonl")),
        })))
    })
    .await
}

fn summary(folder: &FilePath, name: &str, when: SystemTime) -> Value {
    let recipe = read_json(&folder.join("recipe.json")).unwrap_or_default();
    let steps = last_step(&folder.join("metrics.jsonl"));
    let state = state(folder);
    let total = match state {
        "done" => Some(steps),
        _ => recipe.pointer("/train/steps").and_then(Value::as_u64),
    };
    json!({
        "name": name,
        "kind": recipe.get("kind").and_then(Value::as_str).unwrap_or_else(|| guessed(name)),
        "state": state,
        "steps": steps,
        "total_steps": total,
        "recipe": recipe,
        "started": rfc3339(when),
    })
}

/// The kind of a run from before recipe.json said it.
fn guessed(name: &str) -> &'static str {
    let kinds = [("finetune", "finetune"), ("sft", "finetune"), ("teach", "teach")];
    kinds.iter().find(|(start, _)| name.starts_with(start)).map_or("pretrain", |(_, kind)| kind)
}

/// Done: its model is as new as its last step. Running: its process lives and wrote lately.
fn state(folder: &FilePath) -> &'static str {
    let wrote = changed(&folder.join("metrics.jsonl"));
    let model = folder.join("model").join("model.safetensors");
    if model.is_file() && changed(&model) >= wrote {
        return "done";
    }
    // The lock itself is not tried: to hold it for an instant would turn away a run that begins just then.
    let holder = std::fs::read_to_string(folder.join(".lock")).unwrap_or_default();
    let alive = !FilePath::new("/proc/self").exists()
        || FilePath::new("/proc").join(holder.trim()).join("stat").exists();
    let lately = wrote.elapsed().is_ok_and(|quiet| quiet < QUIET);
    if alive && lately { "running" } else { "stopped" }
}

fn changed(path: &FilePath) -> SystemTime {
    std::fs::metadata(path).and_then(|file| file.modified()).unwrap_or(UNIX_EPOCH)
}

/// The recipe is written as a run begins.
fn started(folder: &FilePath) -> SystemTime {
    changed(&folder.join("recipe.json"))
}

fn read_json(path: &FilePath) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// The JSON lines of a file; one that a running process is still writing is left out.
fn read_lines(path: &FilePath) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Every n-th line, but every look at held-out text, and the last.
fn thinned(lines: Vec<Value>) -> Vec<Value> {
    let every = lines.len().div_ceil(POINTS).max(1);
    let last = lines.len().saturating_sub(1);
    let keep = |(at, line): &(usize, Value)| {
        at % every == 0 || *at == last || line.get("validation_bits_per_byte").is_some_and(|v| !v.is_null())
    };
    lines.into_iter().enumerate().filter(keep).map(|(_, line)| line).collect()
}

/// The step of the last whole line, found from the end: a long run's file is large and is asked about often.
fn last_step(path: &FilePath) -> u64 {
    let tail = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = tail().unwrap_or_default();
    let mut lines = bytes.rsplit(|byte| *byte == b'\n');
    lines.find_map(|line| serde_json::from_slice::<Value>(line).ok()?.get("step")?.as_u64()).unwrap_or(0)
}

/// A moment as RFC 3339 writes it, in UTC.
fn rfc3339(when: SystemTime) -> String {
    let seconds = when.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    shuyuan_text::strftime(seconds, "%Y-%m-%dT%H:%M:%SZ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let at = |seconds| rfc3339(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_735_689_599), "2024-12-31T23:59:59Z");
        assert_eq!(at(1_764_021_295), "2025-11-24T21:54:55Z");
    }

    #[test]
    fn the_last_step_survives_a_torn_line() {
        let path = std::env::temp_dir().join(format!("shuyuan-last-step-{}", std::process::id()));
        std::fs::write(&path, "{\"step\":1}\n{\"step\":2}\n{\"ste").unwrap();
        assert_eq!(last_step(&path), 2);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(last_step(&path), 0);
    }

    #[test]
    fn thinning_keeps_ends_and_validation() {
        let lines = (0..10_000).map(|step| match step {
            4001 => json!({ "step": step, "validation_bits_per_byte": 1.5 }),
            _ => json!({ "step": step }),
        });
        let kept = thinned(lines.collect());
        assert!(kept.len() <= POINTS && kept[0]["step"] == 0);
        assert!(kept.iter().any(|line| line["step"] == 4001) && kept.iter().any(|line| line["step"] == 9999));
    }
}
