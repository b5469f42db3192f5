//! `bench retrieval`: a collection of any size, made and searched on the clock.

use crate::args::{Global, count};
use crate::out::{self, say};
use crate::style::{BOLD, RESET, bytes, grouped};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use shuyuan_knowledge::{Base, Embed, Folder, Query, Reader, Role, Size, estimate};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

/// How fast passages are indexed and found
///
/// Cuts text into passages of 1,000 characters (again at other places when it ends), writes them as files, reads the files
/// into a knowledge base, gives each chunk a made-up vector and asks half-remembered words. Vectors are random in 32 hidden
/// dimensions plus noise, as real ones roughly are.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan bench retrieval --text en_wikipedia.jsonl.zst --passages 50000 --json"
)]
pub(crate) struct Retrieval {
    /// txt, md, jsonl, jsonl.zst, parquet: where passages come from
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    text: Vec<PathBuf>,
    /// How many
    #[arg(long, default_value = "50000", value_name = "N", value_parser = count)]
    passages: usize,
    /// Questions on the clock
    #[arg(long, default_value = "500", value_name = "N", value_parser = count)]
    queries: usize,
    /// Where the base is made, and kept [default: a folder that is deleted]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Make it in an empty database: postgres://user@host/database
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

const DIMENSIONS: usize = 384;
const HIDDEN: usize = 32;
const PASSAGE: usize = 1000;
/// Passages of a file.
const TOGETHER: usize = 100;

impl Retrieval {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let temporary = tempfile::tempdir().context("a folder for the benchmark")?;
        let dir = self.dir.as_deref().unwrap_or(temporary.path());
        let files = temporary.path().join("files");
        let written = self.write(&files)?;
        let open = || match &self.store {
            Some(address) => Base::open_at(&dir.join("base"), address),
            None => Base::open(&dir.join("base")),
        };
        let base = open()?;
        let source = base.add_folder(&Folder { path: files, ..Folder::default() })?;
        let mut writer = base.writer()?;
        let size = Size { most: 256, count: &estimate };
        let began = Instant::now();
        let report = base.sync(&mut writer, &source.name, size, &mut |_| !crate::stop::stopped())?;
        let index_s = began.elapsed().as_secs_f64();
        let model = Random::new();
        let began = Instant::now();
        base.embed(&mut writer, &model, &mut |_, _| !crate::stop::stopped())?;
        let vectors_s = began.elapsed().as_secs_f64();
        writer.finish()?;
        drop(base);
        let began = Instant::now();
        let base = open()?;
        let chunks = base.chunks(&Reader::Owner)?;
        let open_s = began.elapsed().as_secs_f64();
        let asked = self.ask(&base, &model, &written.questions)?;
        let indexed = written.bytes as f64 / 1e6 / index_s;
        if global.json {
            return out::json(&json!({
                "bench": "retrieval", "passages": self.passages, "bytes": written.bytes, "chunks": chunks, "dim": DIMENSIONS,
                "documents": report.documents, "index_s": index_s, "index_mb_per_s": indexed, "vectors_s": vectors_s,
                "open_s": open_s, "disk_bytes": base.bytes()?, "queries": written.questions.len(), "words_ms": asked.words,
                "vector_ms": asked.vector, "hybrid_ms": asked.hybrid, "recall_at_10": asked.recall,
                "peak_rss_mib": crate::bench::peak_rss_mib(),
            }));
        }
        say!(
            "{BOLD}{}{RESET} chunks, {} on disk, opened in {open_s:.2} s",
            grouped(u64::from(chunks)),
            bytes(base.bytes()? as f64)
        )?;
        say!("indexed {} at {indexed:.1} MB/s", bytes(written.bytes as f64))?;
        for (name, ms) in [("words", &asked.words), ("vector", &asked.vector), ("hybrid", &asked.hybrid)] {
            say!("{name:7}  p50 {:.2} ms, p99 {:.2} ms", ms["p50"], ms["p99"])?;
        }
        say!("recall@10 of the vectors {:.4}", asked.recall)
    }

    fn write(&self, dir: &Path) -> Result<Written> {
        std::fs::create_dir_all(dir)?;
        let mut written = Written { bytes: 0, questions: Vec::new() };
        let (mut file, mut n) = (String::new(), 0);
        let every = (self.passages / self.queries).max(1);
        'all: for round in 0.. {
            let before = n;
            // Each time round, passages begin elsewhere.
            let offset = [0, 500, 250, 750, 125, 625, 375, 875][round % 8] + round / 8;
            for text in shuyuan_corpus::texts(&self.text, None)? {
                let chars: Vec<char> = text?.chars().collect();
                for passage in chars.get(offset..).unwrap_or_default().chunks(PASSAGE) {
                    let passage: String = passage.iter().collect::<String>().replace('\n', " ");
                    if n % every == every / 2 && written.questions.len() < self.queries {
                        // A few words in a row: what someone would type who half remembers it.
                        let words: Vec<&str> = passage.split_whitespace().skip(5).take(6).collect();
                        written.questions.push(words.join(" "));
                    }
                    file += &passage;
                    file += "\n\n";
                    n += 1;
                    if n % TOGETHER == 0 || n == self.passages {
                        written.bytes += file.len() as u64;
                        std::fs::write(dir.join(format!("{:06}.txt", n / TOGETHER)), &file)?;
                        file.clear();
                    }
                    if n == self.passages {
                        break 'all;
                    }
                }
            }
            if n == before {
                anyhow::bail!("there is no text in {:?}", self.text);
            }
        }
        Ok(written)
    }

    fn ask(&self, base: &Base, model: &Random, questions: &[String]) -> Result<Asked> {
        let (mut recall, mut times) = (0.0, [Vec::new(), Vec::new(), Vec::new()]);
        let known = model.vectors.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let step = (questions.len() / 50).max(1);
        for (index, text) in questions.iter().enumerate() {
            let vector = model.vector(&mut Normal::new(0xa5ce_0000 + index as u64));
            let mut search = |kind: usize, text: &str, vector: Option<&[f32]>| -> Result<Vec<u32>> {
                let query =
                    Query { vector: vector.map(|v| (model.name(), v)), ..Query::new(text, Reader::Owner) };
                let began = Instant::now();
                let found = base.search(&query)?;
                times[kind].push(began.elapsed().as_secs_f64() * 1e3);
                Ok(found.passages.iter().map(|passage| passage.slot).collect())
            };
            search(0, text, None)?;
            search(2, text, Some(&vector))?;
            let raw =
                Query { vector: Some((model.name(), &vector)), join: false, ..Query::new("", Reader::Owner) };
            let began = Instant::now();
            let found = base.search(&raw)?;
            times[1].push(began.elapsed().as_secs_f64() * 1e3);
            // All of them by the numbers as they were made, for some questions.
            if index % step == 0 {
                let nearest = nearest(&known, &vector);
                recall += found.passages.iter().filter(|p| nearest.contains(&p.slot)).count() as f64 / 10.0;
            }
        }
        let judged = questions.len().div_ceil(step) as f64;
        let [words, vector, hybrid] = times.map(percentiles);
        Ok(Asked { words, vector, hybrid, recall: recall / judged })
    }
}

struct Written {
    bytes: u64,
    questions: Vec<String>,
}

struct Asked {
    words: serde_json::Value,
    vector: serde_json::Value,
    hybrid: serde_json::Value,
    recall: f64,
}

fn percentiles(mut ms: Vec<f64>) -> serde_json::Value {
    ms.sort_by(f64::total_cmp);
    let at = |part: f64| ms.get(((ms.len() as f64 - 1.0) * part).round() as usize).copied().unwrap_or(0.0);
    json!({ "p50": at(0.5), "p99": at(0.99) })
}

/// The ten nearest, one by one.
fn nearest(vectors: &[f32], query: &[f32]) -> Vec<u32> {
    let dot = |row: &[f32]| row.iter().zip(query).map(|(a, b)| a * b).sum::<f32>();
    let mut all: Vec<(f32, u32)> =
        vectors.chunks_exact(DIMENSIONS).enumerate().map(|(slot, row)| (dot(row), slot as u32)).collect();
    let n = all.len().min(10);
    if all.len() > n {
        all.select_nth_unstable_by(n, |a, b| b.0.total_cmp(&a.0));
    }
    all.truncate(n);
    all.into_iter().map(|(_, slot)| slot).collect()
}

/// Normally distributed numbers.
struct Normal(u64);

impl Normal {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn uniform(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 40) as f32 + 0.5) / (1u64 << 24) as f32
    }

    /// The sum of four uniform ones, brought to variance 1.
    fn next(&mut self) -> f32 {
        let sum = self.uniform() + self.uniform() + self.uniform() + self.uniform();
        (sum - 2.0) * 3f32.sqrt()
    }
}

/// A model that gives each text a random vector, and remembers them.
struct Random {
    /// (HIDDEN, DIMENSIONS)
    mix: Vec<f32>,
    vectors: Mutex<Vec<f32>>,
}

impl Random {
    fn new() -> Self {
        let mut normal = Normal::new(1);
        let mix = (0..HIDDEN * DIMENSIONS).map(|_| normal.next() / (HIDDEN as f32).sqrt()).collect();
        Self { mix, vectors: Mutex::default() }
    }

    fn vector(&self, normal: &mut Normal) -> Vec<f32> {
        let mut vector: Vec<f32> = (0..DIMENSIONS).map(|_| 0.3 * normal.next()).collect();
        for row in self.mix.chunks_exact(DIMENSIONS) {
            let weight = normal.next();
            vector.iter_mut().zip(row).for_each(|(x, m)| *x += weight * m);
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|x| *x /= length);
        vector
    }
}

impl Embed for Random {
    fn name(&self) -> &str {
        "random"
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    fn max_tokens(&self) -> usize {
        512
    }

    fn count(&self, text: &str) -> usize {
        estimate(text)
    }

    fn embed(&self, texts: &[&str], _: Role) -> Result<Vec<Vec<f32>>, String> {
        let mut known = self.vectors.lock().map_err(|error| error.to_string())?;
        let first = (known.len() / DIMENSIONS) as u64;
        let new: Vec<Vec<f32>> =
            (0..texts.len() as u64).map(|index| self.vector(&mut Normal::new(2 + first + index))).collect();
        known.extend(new.iter().flatten());
        Ok(new)
    }
}
