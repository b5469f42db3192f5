//! How good the search is on judged collections: `quality DOCS.jsonl QUERIES.jsonl MOST`.
//!
//! Documents are `{"id", "text"}`, queries `{"query", "rel": {id: grade}}`. Prints nDCG@10, recall@10 and hit@5.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "an example")]

use serde_json::Value;
use shuyuan_knowledge::parse::Parsed;
use shuyuan_knowledge::{Base, Block, Document, Item, Kind, Prepared, Query, Reader, Size, estimate};
use std::io::BufRead;
use std::time::Instant;

fn lines(path: &str) -> impl Iterator<Item = Value> {
    std::io::BufReader::new(std::fs::File::open(path).unwrap())
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let cranfield = args[1].contains("cranfield");
    let most: usize = args[3].parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let base = Base::open(dir.path()).unwrap();
    let source = base.set_source("docs", "test", &Value::Null).unwrap();
    let mut writer = base.writer().unwrap();
    let began = Instant::now();
    for line in lines(&args[1]) {
        let text = line["text"].as_str().unwrap().to_string();
        let blocks = vec![Block { kind: Kind::Text, span: 0..text.len() }];
        let document =
            Document { title: Some(String::new()), format: "txt", text, blocks, ..Document::default() };
        let item = Item { key: line["id"].as_str().unwrap().into(), ..Item::default() };
        if item.key.is_empty() {
            continue;
        }
        let parsed = Parsed { documents: vec![document], unread: vec![] };
        writer.put(source.id, &item, &Prepared::new(parsed, &Size { most, count: &estimate })).unwrap();
    }
    writer.finish().unwrap();
    println!(
        "indexed in {:.2} s, {} chunks, {} bytes",
        began.elapsed().as_secs_f64(),
        base.chunks(&Reader::Owner).unwrap(),
        base.bytes()
    );
    let (mut ndcg, mut recall, mut hit, mut n) = (0.0, 0.0, 0.0, 0.0);
    let began = Instant::now();
    for line in lines(&args[2]) {
        let gain = |grade: f64| {
            if !cranfield {
                grade
            } else if (1.0..=4.0).contains(&grade) {
                5.0 - grade
            } else {
                0.0
            }
        };
        let rel: std::collections::HashMap<String, f64> = line["rel"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(id, g)| (id.clone(), gain(g.as_f64().unwrap())))
            .filter(|(_, g)| *g > 0.0)
            .collect();
        if rel.is_empty() {
            continue;
        }
        let found = base
            .search(&Query {
                limit: 40,
                join: false,
                ..Query::new(line["query"].as_str().unwrap(), Reader::Owner)
            })
            .unwrap();
        let mut ids: Vec<String> = Vec::new();
        for passage in found.passages {
            if !ids.contains(&passage.document.item) {
                ids.push(passage.document.item)
            }
        }
        ids.truncate(10);
        let dcg =
            |gains: &[f64]| gains.iter().enumerate().map(|(r, g)| g / (r as f64 + 2.0).log2()).sum::<f64>();
        let gains: Vec<f64> = ids.iter().map(|id| rel.get(id).copied().unwrap_or(0.0)).collect();
        let mut ideal: Vec<f64> = rel.values().copied().collect();
        ideal.sort_by(|a, b| b.total_cmp(a));
        ideal.truncate(10);
        ndcg += dcg(&gains) / dcg(&ideal);
        recall += gains.iter().filter(|g| **g > 0.0).count() as f64 / rel.len() as f64;
        hit += f64::from(u8::from(gains.iter().take(5).any(|g| *g > 0.0)));
        n += 1.0;
    }
    println!(
        "{n} queries: ndcg@10 {:.4}, recall@10 {:.4}, hit@5 {:.4}, {:.0} queries/s",
        ndcg / n,
        recall / n,
        hit / n,
        n / began.elapsed().as_secs_f64()
    );
}
