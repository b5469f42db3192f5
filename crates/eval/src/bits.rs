//! How many bits the model needs for each byte of a text.

use crate::{EvalError, Progress, Score, Scorer, TaskResult};
use shuyuan_engine::Passage;
use shuyuan_text::END_OF_TEXT;
use std::ops::ControlFlow;
use std::path::Path;

/// Bits per byte of whole texts. Each text stands alone, its first token predicted from `<|endoftext|>`; with a
/// tokenizer that has none the first is read, not predicted, and its bytes do not count. A text longer than the context is
/// read through a window that moves by half: past the first window every token is predicted from at least half a context.
///
/// `stderr` is that of a ratio over texts; `baseline` is 8, every byte alike.
///
/// # Errors
/// What the engine refuses, no text with a token to predict, a stop.
pub fn bits_per_byte(scorer: &Scorer, texts: &[String], on: Progress) -> Result<TaskResult, EvalError> {
    let tokenizer = scorer.tokenizer();
    let end = tokenizer.special(END_OF_TEXT);
    // Of each text: nats and bytes.
    let mut each: Vec<(f64, f64)> = Vec::new();
    let mut tokens = 0;
    let total = texts.len();
    for (nth, part) in texts.chunks(16).enumerate() {
        let (mut passages, mut owners) = (Vec::new(), Vec::new());
        for text in part {
            let ids: Vec<_> = end.into_iter().chain(tokenizer.encode(text)).collect();
            let Some((_, predicted)) = ids.split_first().filter(|(_, rest)| !rest.is_empty()) else {
                continue;
            };
            tokens += predicted.len() as u64;
            let bytes: usize = predicted.iter().map(|id| tokenizer.token_bytes(*id).len()).sum();
            for (from, to, scored) in windows(ids.len(), scorer.context()) {
                passages.push(Passage { ids: ids[from..to].to_vec(), from: scored - from });
                owners.push(each.len());
            }
            each.push((0.0, bytes as f64));
        }
        for (owner, sum) in owners.into_iter().zip(scorer.engine().logprobs(&passages)?) {
            each[owner].0 -= sum;
        }
        let done = nth * 16 + part.len();
        if on(done, total) == ControlFlow::Break(()) && done < total {
            return Err(EvalError::Stopped { task: "bits_per_byte".into(), done, total });
        }
    }
    let (nats, bytes) = each.iter().fold((0.0, 0.0), |(n, b), (nats, bytes)| (n + nats, b + bytes));
    if bytes == 0.0 {
        return Err(EvalError::NoText { texts: total });
    }
    let rate = nats / bytes;
    let squares: f64 = each.iter().map(|(nats, bytes)| (nats - rate * bytes).powi(2)).sum();
    let ln2 = std::f64::consts::LN_2;
    let score = Score { score: rate / ln2, stderr: squares.sqrt() / bytes / ln2 };
    let mut result = TaskResult::new("bits_per_byte", "bits_per_byte", score, 8.0, each.len());
    (result.bytes, result.tokens) = (Some(bytes as u64), Some(tokens));
    Ok(result)
}

/// Reads whole texts from files or folders of the kinds that a corpus is built from, about `bytes` of them.
///
/// # Errors
/// A path that is not there or of another kind, a file that cannot be read.
pub fn texts_of<P: AsRef<Path>>(paths: &[P], bytes: usize) -> Result<Vec<String>, EvalError> {
    let (mut texts, mut read) = (Vec::new(), 0);
    for text in shuyuan_corpus::texts(paths, None)? {
        let text = text.map_err(|source| EvalError::Read {
            path: paths.first().map(|path| path.as_ref().to_path_buf()).unwrap_or_default(),
            source,
        })?;
        read += text.len();
        texts.push(text);
        if read >= bytes {
            break;
        }
    }
    Ok(texts)
}

/// Windows over `n` tokens, each of at most `context` inputs and the token after: (first, end, first scored).
fn windows(n: usize, context: usize) -> Vec<(usize, usize, usize)> {
    let step = (context / 2).max(1);
    let mut all = vec![(0, n.min(context + 1), 1)];
    while let Some(&(from, to, _)) = all.last().filter(|(_, to, _)| *to < n) {
        all.push((from + step, (to + step).min(n), to));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_score_each_token_once_with_half_a_context() {
        for context in [1, 2, 7, 16] {
            for n in 2..80 {
                let mut next = 1;
                for (from, to, scored) in windows(n, context) {
                    assert_eq!(scored, next);
                    assert!(scored < to && to <= n && to - from <= context + 1, "{n} {context}");
                    assert!(scored - from >= if next == 1 { 1 } else { context.div_ceil(2) });
                    next = to;
                }
                assert_eq!(next, n);
            }
        }
    }
}
