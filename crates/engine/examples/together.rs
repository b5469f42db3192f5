//! How fast a model writes for one, for several at once, where the text repeats itself, and under a JSON schema.
//!
//! `together MODEL.gguf TOKENIZER_FOLDER`

use shuyuan_engine::{Engine, EngineOptions, Grammar, Request, Sampling, TokenTable};
use shuyuan_model::Decoder;
use shuyuan_text::{END_OF_TEXT, IM_END, Tokenizer};
use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

const TOKENS: usize = 96;

/// Tokens per second of all requests together, and of one of them seconds for a token, the constraint's part last.
fn rate(engine: &Engine, requests: &[Request]) -> (f64, f64, f64) {
    let start = Instant::now();
    let write = |request| engine.generate(request, &mut |_| ControlFlow::Continue(()));
    let ends: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = requests.iter().map(|request| scope.spawn(move || write(request))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()?.ok()).collect()
    });
    let tokens: usize = ends.iter().map(|finish| finish.tokens).sum();
    let writing = ends.iter().map(|finish| finish.seconds.writing / finish.tokens.max(2) as f64).sum::<f64>();
    let constraint =
        ends.iter().map(|finish| finish.seconds.constraint / finish.tokens.max(2) as f64).sum::<f64>();
    let n = ends.len().max(1) as f64;
    (tokens as f64 / start.elapsed().as_secs_f64(), writing / n, constraint / n)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(model), Some(folder)) = (args.next(), args.next()) else {
        return Err("expected two arguments: a GGUF file, and the folder of its tokenizer".into());
    };
    let (model, tokenizer) = (Arc::new(Decoder::load(&model)?), Tokenizer::load(&folder)?);
    let vocab = tokenizer.vocab_size() as u32;
    let ids = |seed: u32| -> Vec<u32> { (0..64).map(|i: u32| (i * 7919 + seed * 104_729) % vocab).collect() };
    let request = |seed| Request {
        ids: ids(seed),
        max_tokens: TOKENS,
        sampling: Sampling { temperature: 1.0, seed: u64::from(seed), ..Sampling::default() },
        owner: u64::from(seed),
        ..Request::default()
    };
    let quiet = EngineOptions { speculate: 0, ..EngineOptions::default() };
    let engine = Engine::with_options(model.clone(), quiet.clone())?;
    rate(&engine, &[request(1000)]);
    for n in [1, 2, 4, 8, 16] {
        let requests: Vec<Request> = (0..n).map(|i| request(100 * n + i)).collect();
        let (rate, writing, _) = rate(&engine, &requests);
        println!(
            "{n:2} at once: {rate:7.1} tokens/s together, {:5.1} ms between the tokens of one",
            writing * 1e3
        );
    }

    let greedy = Request { sampling: Sampling::default(), ..request(1) };
    let (plainly, ..) = rate(&engine, std::slice::from_ref(&greedy));
    let guessing = Engine::new(model.clone());
    let (guessed, ..) = rate(&guessing, &[greedy]);
    let stats = guessing.stats();
    println!(
        "greedy: {plainly:.1} tokens/s, with guesses {guessed:.1} ({} of {} right)",
        stats.accepted, stats.proposed
    );

    let bytes = |id| if tokenizer.is_special(id) { Vec::new() } else { tokenizer.token_bytes(id).to_vec() };
    let ends: Vec<u32> = [END_OF_TEXT, IM_END].iter().filter_map(|text| tokenizer.special(text)).collect();
    let start = Instant::now();
    let table = TokenTable::new((0..vocab).map(bytes).collect(), &ends)?;
    println!("table of {vocab} tokens: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let schema = serde_json::json!({ "type": "array", "minItems": 200, "items": {
        "type": "object",
        "properties": { "name": { "type": "string" }, "age": { "type": "integer" }, "kind": { "enum": ["cat", "dog"] } },
        "required": ["name", "age", "kind"], "additionalProperties": false
    } });
    let start = Instant::now();
    let constraint = table.constraint(&Grammar::JsonSchema(schema))?;
    println!("constraint of a schema: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let (mut sums, mut masks) = ((0.0, 0.0), 0.0);
    for round in 0..4 {
        let free = Request { max_tokens: 2 * TOKENS, ..request(5000 + round) };
        let bound = Request { constraint: Some(constraint.clone()), ..free.clone() };
        sums.0 += rate(&engine, &[free]).1;
        let (_, writing, mask) = rate(&engine, &[bound]);
        sums.1 += writing;
        masks += mask;
    }
    let slower = (sums.1 / sums.0 - 1.0) * 100.0;
    println!(
        "a token: {:.2} ms free, {:.2} ms under a schema: {slower:+.1} %",
        sums.0 * 250.0,
        sums.1 * 250.0
    );
    println!("of which the constraint: {:.3} ms, {:.1} %", masks * 250.0, masks / sums.0 * 100.0);
    Ok(())
}
