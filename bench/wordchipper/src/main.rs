//! `wordchipper-bench DOCS.jsonl RANKS qwen2|cl100k REPS`: encodes on one thread, prints one JSON line.
//!
//! RANKS has a token in hexadecimal on each line, in the order of their ids. `cl100k` is a pattern for which the crate has a
//! compiled lexer, its fastest way; its ids are then not those of `qwen2`.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use wordchipper::pretrained::openai::OA_CL100K_BASE_PATTERN;
use wordchipper::spanners::TextSpanningConfig;
use wordchipper::support::regex::RegexPattern;
use wordchipper::vocab::{SpanMapVocab, SpanTokenMap};
use wordchipper::{TokenEncoderOptions, UnifiedTokenVocab};

const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, docs, ranks, pattern, reps] = args.as_slice() else { return Err("four arguments".into()) };
    let docs: Vec<String> = std::fs::read_to_string(docs)?
        .lines()
        .map(|line| Ok(serde_json::from_str::<serde_json::Value>(line)?["text"].as_str().ok_or("no text")?.into()))
        .collect::<Result<_, Box<dyn Error>>>()?;
    let mut spans: SpanTokenMap<u32> = SpanTokenMap::default();
    for (id, line) in std::fs::read_to_string(ranks)?.lines().enumerate() {
        let bytes: Result<Vec<u8>, _> =
            (0..line.len() / 2).map(|i| u8::from_str_radix(&line[2 * i..2 * i + 2], 16)).collect();
        spans.insert(bytes?, id as u32);
    }
    let pattern = match pattern.as_str() {
        "cl100k" => OA_CL100K_BASE_PATTERN.to_pattern(),
        _ => RegexPattern::Adaptive(QWEN2.into()),
    };
    let spanning = TextSpanningConfig::from_pattern(pattern);
    let vocab = UnifiedTokenVocab::from_span_vocab(spanning, SpanMapVocab::from(spans))?;
    let encoder = TokenEncoderOptions::default().build(Arc::new(vocab));
    let mut seconds = Vec::new();
    let mut ids: Vec<Vec<u32>> = Vec::new();
    for _ in 0..reps.parse::<usize>()? {
        let start = Instant::now();
        ids = docs.iter().map(|d| encoder.try_encode(d, None)).collect::<Result<_, _>>()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for doc in &ids {
        for word in std::iter::once(doc.len() as u64).chain(doc.iter().map(|&id| u64::from(id))) {
            hash = (hash ^ word).wrapping_mul(0x100_0000_01b3);
        }
    }
    let tokens: usize = ids.iter().map(Vec::len).sum();
    println!("{}", serde_json::json!({"seconds": seconds[seconds.len() / 2], "tokens": tokens, "digest": format!("{hash:016x}")}));
    Ok(())
}
