//! How fast a model reads and writes, on the clock.

use crate::EngineError;
use serde::Serialize;
use shuyuan_model::Decoder;
use std::time::Instant;

/// Rates of several runs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rates {
    /// Of the median run.
    pub median: f64,
    /// The fastest.
    pub best: f64,
    /// The slowest.
    pub worst: f64,
}

impl Rates {
    fn of(mut rates: Vec<f64>) -> Self {
        rates.sort_by(f64::total_cmp);
        let at = |i: usize| rates.get(i).copied().unwrap_or_default();
        let n = rates.len();
        let median = if n % 2 == 1 { at(n / 2) } else { (at((n / 2).saturating_sub(1)) + at(n / 2)) / 2.0 };
        Self { median, best: at(n.saturating_sub(1)), worst: at(0) }
    }
}

/// Tokens per second of a prompt read at once, and of tokens read one by one after it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Timing {
    /// The prompt.
    pub prefill_tokens_per_s: Rates,
    /// Tokens after it, each of which reads all weights; none where none were asked for.
    pub decode_tokens_per_s: Option<Rates>,
}

/// Reads `prompt` tokens, then `written` more one at a time, `runs` times after once that does not count. Which
/// tokens does not matter.
///
/// # Errors
/// If both together are longer than the context.
pub fn time(model: &Decoder, prompt: usize, written: usize, runs: usize) -> Result<Timing, EngineError> {
    let vocab = model.config().vocab_size as u32;
    let ids: Vec<u32> = (0..(prompt + written) as u32).map(|i| i % (vocab - 1) + 1).collect();
    model.check(&ids, ids.len())?;
    let mut rates = (Vec::new(), Vec::new());
    // The first product with a matrix reads it, the second packs it.
    model.extend(&ids[..ids.len().min(1)], &mut model.cache())?;
    for run in 0..=runs {
        let mut cache = model.cache();
        let start = Instant::now();
        // As the engine does: a long prompt in pieces.
        for piece in ids[..prompt].chunks(crate::PIECE) {
            model.extend(piece, &mut cache)?;
        }
        let read = start.elapsed().as_secs_f64();
        let start = Instant::now();
        for id in &ids[prompt..] {
            model.extend(&[*id], &mut cache)?;
        }
        // The first warms up.
        if run > 0 {
            rates.0.push(prompt as f64 / read);
            rates.1.push(written as f64 / start.elapsed().as_secs_f64());
        }
    }
    let decode_tokens_per_s = (written > 0).then(|| Rates::of(rates.1));
    Ok(Timing { prefill_tokens_per_s: Rates::of(rates.0), decode_tokens_per_s })
}
