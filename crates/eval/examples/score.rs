//! Scores files of questions and texts, and prints what goldens/eval/reference.py prints:
//! `cargo run --release -p shuyuan-eval --example score -- MODEL [--limit N] QUESTIONS.jsonl … [--texts F.jsonl …]`

use serde_json::{Map, Value, json};
use shuyuan_engine::Engine;
use shuyuan_eval::{Scorer, bits_per_byte, multiple_choice, read_items, texts_of};
use shuyuan_text::Tokenizer;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("give a model folder, then files")?;
    let (mut limit, mut texts, mut files, mut is_text) = (None, Vec::new(), Vec::new(), false);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--limit" => limit = Some(args.next().ok_or("--limit needs a number")?.parse()?),
            "--texts" => is_text = true,
            _ if is_text => texts.push(arg),
            _ => files.push(arg),
        }
    }
    let model = shuyuan_model::Decoder::load(Path::new(&dir))?;
    let scorer = Scorer::new(Engine::new(Arc::new(model)), Arc::new(Tokenizer::load(&dir)?));
    let mut choices = Map::new();
    for file in &files {
        let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
        let name = name.split('.').next().unwrap_or_default();
        choices.insert(name.into(), questions(&scorer, name, Path::new(file), limit)?);
    }
    let bits = match texts.is_empty() {
        true => None,
        false => {
            Some(bits_per_byte(&scorer, &texts_of(&texts, 1 << 20)?, &mut |_, _| ControlFlow::Continue(()))?)
        }
    };
    println!("{}", json!({ "choices": choices, "bits_per_byte": bits }));
    Ok(())
}

fn questions(scorer: &Scorer, name: &str, file: &Path, limit: Option<usize>) -> Result<Value, Failure> {
    let all = read_items(file, limit)?;
    let started = Instant::now();
    let result = multiple_choice(scorer, name, &all, &mut |_, _| ControlFlow::Continue(()))?;
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "{name}: {} questions in {seconds:.1} s, cut {}, skipped {:?}",
        result.n, result.cut, result.skipped
    );
    let sums = scorer.choices(&all.items)?.questions;
    let items: Vec<Value> = all
        .items
        .iter()
        .zip(sums)
        .map(|(item, sums)| {
            let bytes: Vec<usize> = item.choices.iter().map(|(_, text)| text.len()).collect();
            json!({ "logprobs": sums, "bytes": bytes })
        })
        .collect();
    Ok(json!({
        "n": result.n, "score": result.score, "raw": result.raw.map(|raw| raw.score), "stderr": result.stderr,
        "baseline": result.baseline, "items": items,
    }))
}
