//! Times training and encoding, and prints one JSON line.
//!
//! ```text
//! cargo run --release -p shuyuan-text --example bench -- --input docs.jsonl --limit-mb 40 --vocab 8192
//! ```
//!
//! Inputs are `.jsonl` with a `text` in each line, or plain text, which is cut at line ends into documents of about 4 KB.
//! `--output DIR` saves the tokenizer; `--tokenizer DIR` loads one instead of training; `--reps N` timed encodings, the
//! median counts; `--train-only` leaves encoding out. `bench/tokenizer.sh` at the repository's root times the peers beside it.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::time::Instant;

use serde_json::{Value, json};
use shuyuan_text::{Tokenizer, TrainConfig, TrainReport, train};

struct Args {
    inputs: Vec<String>,
    limit: usize,
    vocab: usize,
    reps: usize,
    tokenizer: Option<String>,
    output: Option<String>,
    train_only: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = parse()?;
    let mut docs = Vec::new();
    for path in &args.inputs {
        read(path, args.limit / args.inputs.len(), &mut docs)?;
    }
    let bytes: usize = docs.iter().map(String::len).sum();
    let rate = |seconds: f64| json!({"seconds": seconds, "mb_per_s": bytes as f64 / 1e6 / seconds});
    let mut line =
        json!({"bench": "tokenizer", "bytes": bytes, "documents": docs.len(), "rss_with_text_mib": rss()});

    let tokenizer = if let Some(dir) = &args.tokenizer {
        Tokenizer::load(dir)?
    } else {
        let (tokenizer, seconds, report) = train_timed(&docs, args.vocab)?;
        line["train"] = rate(seconds);
        line["report"] = serde_json::to_value(report)?;
        line["peak_rss_mib"] = rss();
        tokenizer
    };
    if let Some(dir) = &args.output {
        tokenizer.save(dir)?;
    }
    if !args.train_only {
        let one = || docs.iter().map(|d| tokenizer.encode(d)).collect();
        let (seconds, ids) = median(args.reps, one);
        line["encode_1t"] = rate(seconds);
        let (seconds, again) = median(args.reps, || tokenizer.encode_batch(&docs));
        line["encode_all"] = rate(seconds);
        line["threads"] = rayon::current_num_threads().into();
        line["same_ids"] = (ids == again).into();
        line["tokens"] = ids.iter().map(Vec::len).sum::<usize>().into();
        line["digest"] = format!("{:016x}", digest(&ids)).into();
        line["lossless"] = docs.iter().zip(&ids).all(|(d, ids)| tokenizer.decode(ids) == *d).into();
    }
    println!("{line}");
    Ok(())
}

fn train_timed(docs: &[String], vocab: usize) -> Result<(Tokenizer, f64, TrainReport), Box<dyn Error>> {
    let start = Instant::now();
    let texts = docs.iter().map(|d| Ok(d.clone()));
    let trained = train(texts, &TrainConfig::new(vocab), |_| ControlFlow::Continue(()))?;
    Ok((trained.tokenizer, start.elapsed().as_secs_f64(), trained.report))
}

fn median(reps: usize, mut encode: impl FnMut() -> Vec<Vec<u32>>) -> (f64, Vec<Vec<u32>>) {
    let mut seconds = Vec::new();
    let mut last = Vec::new();
    for _ in 0..reps {
        let start = Instant::now();
        last = encode();
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    (seconds[seconds.len() / 2], last)
}

/// FNV-1a over each document's length and ids, as the peers' script computes it.
fn digest(docs: &[Vec<u32>]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for doc in docs {
        for word in std::iter::once(doc.len() as u64).chain(doc.iter().map(|&id| u64::from(id))) {
            hash = (hash ^ word).wrapping_mul(0x100_0000_01b3);
        }
    }
    hash
}

fn read(path: &str, limit: usize, docs: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    const DOC: usize = 4096;
    let file = std::fs::File::open(path).map_err(|e| format!("{path}: {e}"))?;
    let (mut doc, mut out) = (String::new(), 0);
    let jsonl = path.ends_with(".jsonl");
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while out < limit {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if jsonl {
            let value: Value = serde_json::from_slice(&line)?;
            doc.push_str(value["text"].as_str().ok_or("a line has no text")?);
        } else {
            doc.push_str(&String::from_utf8_lossy(&line));
        }
        if jsonl || doc.len() >= DOC {
            out += doc.len();
            docs.push(std::mem::take(&mut doc));
        }
    }
    docs.extend(Some(doc).filter(|d| !d.is_empty()));
    Ok(())
}

fn parse() -> Result<Args, Box<dyn Error>> {
    let mut args = Args {
        inputs: Vec::new(),
        limit: usize::MAX,
        vocab: 8192,
        reps: 3,
        tokenizer: None,
        output: None,
        train_only: false,
    };
    let mut words = std::env::args().skip(1).peekable();
    while let Some(flag) = words.next() {
        let mut value = || words.next().ok_or(format!("{flag} needs a value"));
        match flag.as_str() {
            "--input" => {
                while let Some(path) = words.next_if(|w| !w.starts_with("--")) {
                    args.inputs.push(path);
                }
            }
            "--limit-mb" => args.limit = (value()?.parse::<f64>()? * 1e6) as usize,
            "--vocab" => args.vocab = value()?.parse()?,
            "--reps" => args.reps = value()?.parse::<usize>()?.max(1),
            "--tokenizer" => args.tokenizer = Some(value()?),
            "--output" => args.output = Some(value()?),
            "--train-only" => args.train_only = true,
            other => {
                return Err(
                    format!("unknown option {other}; see the first lines of examples/bench.rs").into()
                );
            }
        }
    }
    if args.inputs.is_empty() {
        return Err("--input FILES is missing".into());
    }
    Ok(args)
}

/// Peak resident memory so far, in MiB, where the system tells it.
fn rss() -> Value {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .map_or(Value::Null, |kb| (kb / 1024).into())
}
