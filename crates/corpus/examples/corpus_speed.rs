//! Times the corpus pipeline on files of your own and prints a line of JSON.
//!
//! `cargo run --release -p shuyuan-corpus --example corpus_speed -- tokenizer DIR VOCAB INPUT…` trains a tokenizer;
//! `… -- build OUTPUT TOKENIZER [--web] [--limit BYTES] INPUT…` builds a corpus with it and reads batches back.
//! In JSON lines with `id`s, `N-again` marks a planted near-duplicate of `N`; the line then says how many
//! of those pairs that passed cleaning were found.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use shuyuan_corpus::{
    BatchConfig, Batches, BuildConfig, Corpus, Filters, Report, Shard, Source, Split, Stage, build, texts,
};
use shuyuan_text::{Tokenizer, TrainConfig, train};

type Anything = Box<dyn std::error::Error>;

fn main() -> Result<(), Anything> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tokenizer", dir, vocab, ref inputs @ ..] if !inputs.is_empty() => {
            let texts = texts(inputs, Some(30 << 20))?;
            let trained = train(texts, &TrainConfig::new(vocab.parse()?), |_| ControlFlow::Continue(()))?;
            Ok(trained.tokenizer.save(dir)?)
        }
        ["build", output, tokenizer, ref rest @ ..] => measure(Path::new(output), Path::new(tokenizer), rest),
        _ => Err("see the first lines of examples/corpus_speed.rs for how to call this".into()),
    }
}

fn measure(output: &Path, tokenizer: &Path, rest: &[&str]) -> Result<(), Anything> {
    let (mut inputs, mut config) = (Vec::new(), BuildConfig::new(Vec::new(), output));
    let mut rest = rest.iter();
    while let Some(&arg) = rest.next() {
        match arg {
            "--web" => config.filters = Filters::web(),
            "--limit" => config.limit = Some(rest.next().ok_or("--limit BYTES")?.parse()?),
            path => inputs.push(PathBuf::from(path)),
        }
    }
    config.inputs = inputs.iter().map(Source::new).collect();
    let tokenizer = Tokenizer::load(tokenizer)?;

    let clock = Instant::now();
    let ends: RefCell<Vec<(Stage, f64)>> = RefCell::default();
    let progress = |p: shuyuan_corpus::Progress| {
        let (mut ends, now) = (ends.borrow_mut(), clock.elapsed().as_secs_f64());
        match ends.last_mut() {
            Some(last) if last.0 == p.stage => last.1 = now,
            _ => ends.push((p.stage, now)),
        }
    };
    let report = build(&config, &tokenizer, &progress, &AtomicBool::new(false))?;
    let all = clock.elapsed().as_secs_f64();
    let peak = peak_mib();
    let sum = |f: fn(&shuyuan_corpus::SourceReport) -> u64| report.sources.iter().map(f).sum::<u64>();
    let (mut seconds, mut rates, mut before) = (serde_json::Map::new(), serde_json::Map::new(), 0.0);
    let megabytes = sum(|s| s.bytes_in) as f64 / 1e6;
    let stages = ends.into_inner().into_iter().map(|(stage, end)| {
        let name = match stage {
            Stage::Reading => "clean_and_tokens",
            Stage::Comparing => "dedup",
            Stage::Writing => "write",
        };
        (name, end - std::mem::replace(&mut before, end))
    });
    for (name, s) in stages.chain([("all", all)]) {
        seconds.insert(name.into(), ((s * 1e3).round() / 1e3).into());
        rates.insert(name.into(), ((megabytes / s * 10.0).round() / 10.0).into());
    }
    let corpus = Corpus::open(output)?;
    // Untimed: what would be there without the search for near-duplicates.
    config.output = output.with_extension("clean");
    config.near_duplicates = false;
    build(&config, &tokenizer, &|_| {}, &AtomicBool::new(false))?;
    let (pairs, found) = planted(&inputs, &corpus, &Corpus::open(&config.output)?, &tokenizer)?;
    let line = serde_json::json!({
        "bench": "corpus", "program": "shuyuan", "threads": rayon::current_num_threads(),
        "documents": sum(|s| s.documents_in), "bytes": sum(|s| s.bytes_in),
        "clean_documents": sum(|s| s.kept + s.dropped.exact_duplicate + s.dropped.near_duplicate),
        "removed": sum(|s| s.dropped.exact_duplicate + s.dropped.near_duplicate),
        "planted_pairs": pairs, "planted_found": found,
        "tokens": report.tokens + report.validation_tokens,
        "dropped": dropped(&report),
        "seconds": seconds, "mb_per_s": rates, "peak_rss_mib": peak,
        "batch_tokens_per_s": batches(&corpus)?,
    });
    println!("{line}");
    Ok(())
}

fn dropped(report: &Report) -> serde_json::Value {
    report.sources.iter().map(|s| serde_json::json!([s.name, s.kept, s.dropped])).collect()
}

/// Tokens a second of batches of 8 rows of 512, on one thread.
fn batches(corpus: &Corpus) -> Result<u64, Anything> {
    let config = BatchConfig { batch: 8, tokens: 512, seed: 1, epochs: None };
    let clock = Instant::now();
    let mut n = 0;
    for batch in Batches::new(corpus, Split::Train, config)? {
        n += batch?.inputs.len() as u64;
        if clock.elapsed().as_secs_f64() > 1.0 {
            break;
        }
    }
    Ok((n as f64 / clock.elapsed().as_secs_f64()) as u64)
}

/// Pairs of documents `N` and `N-again` that both passed cleaning, and how many of them lost one.
fn planted(
    inputs: &[PathBuf],
    corpus: &Corpus,
    clean: &Corpus,
    tokenizer: &Tokenizer,
) -> Result<(usize, usize), Anything> {
    let (kept, clean) = (all_texts(corpus, tokenizer)?, all_texts(clean, tokenizer)?);
    let mut by_id: HashMap<String, String> = HashMap::new();
    let mut files = Vec::new();
    for input in inputs.iter().filter(|p| p.is_dir()) {
        files.extend(std::fs::read_dir(input)?.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?);
    }
    for file in files {
        let lines = std::io::BufReader::new(std::fs::File::open(&file)?).lines();
        for (line, text) in lines.zip(texts(&[&file], None)?) {
            let line: serde_json::Value = serde_json::from_str(&line?)?;
            by_id.insert(line["id"].as_str().unwrap_or_default().into(), text?);
        }
    }
    let (mut pairs, mut found) = (0, 0);
    for (id, two) in &by_id {
        let Some(one) = id.strip_suffix("-again").and_then(|id| by_id.get(id)) else { continue };
        if clean.contains(one) && clean.contains(two) {
            pairs += 1;
            let both = kept.contains(one) && kept.contains(two);
            found += usize::from(!both);
            if both {
                eprintln!("not found: {id}");
            }
        }
    }
    Ok((pairs, found))
}

/// All documents of a corpus, decoded.
fn all_texts(corpus: &Corpus, tokenizer: &Tokenizer) -> Result<HashSet<String>, Anything> {
    let (mut all, mut ids) = (HashSet::new(), Vec::new());
    for entry in &corpus.manifest().shards {
        let shard = Shard::open(&corpus.dir().join(&entry.file))?;
        for d in 0..shard.documents() {
            ids.clear();
            shard.read(d, 0, shard.len(d) - 1, &mut ids)?;
            all.insert(tokenizer.decode(&ids));
        }
    }
    Ok(all)
}

/// The most memory this process has had, as Linux counts it.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}
