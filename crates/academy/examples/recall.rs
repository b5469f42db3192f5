//! How well a model's vectors find: `recall MODEL DOCS.jsonl QUERIES.jsonl`.
//!
//! DOCS hold `id` and `text`, QUERIES `query` and `rel`: which documents answer, by id (a grade below 1 does not). A query counts
//! as found at the rank of the best that answers it.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use shuyuan_academy::LiveEmbedder;
use shuyuan_chain::{TooLong, cosine};
use shuyuan_train::Recall;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

#[derive(Deserialize)]
struct Doc {
    id: String,
    text: String,
}

#[derive(Deserialize)]
struct Query {
    query: String,
    rel: BTreeMap<String, i64>,
}

fn read<T: DeserializeOwned>(path: &str) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(path).with_context(|| path.to_string())?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| path.to_string())).collect()
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [model, docs, queries] = words.as_slice() else {
        bail!("usage: recall MODEL DOCS.jsonl QUERIES.jsonl")
    };
    let embedder = LiveEmbedder::load(Path::new(model))?.embedder;
    let (docs, queries): (Vec<Doc>, Vec<Query>) = (read(docs)?, read(queries)?);
    let started = Instant::now();
    let texts: Vec<&str> = docs.iter().map(|doc| doc.text.as_str()).collect();
    let found = embedder.embed_with(&texts, TooLong::Truncate)?;
    let asked: Vec<&str> = queries.iter().map(|query| query.query.as_str()).collect();
    let vectors = embedder.embed_with(&asked, TooLong::Truncate)?.vectors;
    let mut ranks = Vec::new();
    for (query, vector) in queries.iter().zip(&vectors) {
        let near: Vec<(bool, f32)> = docs
            .iter()
            .zip(&found.vectors)
            .map(|(doc, passage)| {
                (query.rel.get(&doc.id).is_some_and(|grade| *grade >= 1), cosine(vector, passage))
            })
            .collect();
        let Some(best) = near.iter().filter(|doc| doc.0).map(|doc| doc.1).reduce(f32::max) else { continue };
        ranks.push(1 + near.iter().filter(|doc| !doc.0 && doc.1 >= best).count());
    }
    let Recall { at_1, at_5, mrr, queries, passages } = Recall::of(&ranks, docs.len());
    println!(
        "recall@1 {at_1:.3}, recall@5 {at_5:.3}, MRR {mrr:.3}: {queries} questions, {passages} passages, {} of them cut; {:.1} s",
        found.cut.len(),
        started.elapsed().as_secs_f64()
    );
    Ok(())
}
