//! What the model's own probabilities say of a text.

use crate::{ChainError, Local};
use shuyuan_engine::Passage as Scored;
use shuyuan_knowledge::Passage;
use shuyuan_text::TokenId;

/// How much more likely `span` makes `claim` as an answer to `question`, in nats per token.
pub(super) fn gain(local: &Local, span: &str, question: &str, claim: &str) -> Result<f64, ChainError> {
    let with = scored(local, &format!("{span}\n{question}\n"), claim);
    let without = scored(local, &format!("{question}\n"), claim);
    let (Some(with), Some(without)) = (with, without) else { return Ok(0.0) };
    let tokens = (with.ids.len() - with.from) as f64;
    let found = local.engine().logprobs(&[with, without])?;
    Ok((found[0] - found[1]) / tokens)
}

/// Passages in the order in which they make the question likely, mixed with the order in which they came.
///
/// Source: Sachan et al., *Improving Passage Retrieval with Zero-Shot Question Generation*, 2022.
///
/// # Errors
/// If the model cannot read them.
pub fn rerank(local: &Local, question: &str, passages: Vec<Passage>) -> Result<Vec<Passage>, ChainError> {
    let mut texts = Vec::new();
    let mut places = Vec::new();
    for (place, passage) in passages.iter().enumerate() {
        if let Some(text) = scored(local, &format!("{}\n", passage.text.trim()), question) {
            texts.push(text);
            places.push(place);
        }
    }
    let likely = local.engine().logprobs(&texts)?;
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|&a, &b| likely[b].total_cmp(&likely[a]));
    // Ranks are added as reciprocals: a small model's word is one of two.
    let mut scores: Vec<f64> = (0..passages.len()).map(|place| 1.0 / (10.0 + place as f64)).collect();
    for (rank, &index) in order.iter().enumerate() {
        scores[places[index]] += 1.0 / (10.0 + rank as f64);
    }
    let mut all: Vec<(f64, Passage)> = scores.into_iter().zip(passages).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(all.into_iter().map(|(_, passage)| passage).collect())
}

/// `text` after `before`, of which the beginning is left out where the context is too short; `None` where even the text is
/// too long, or empty.
fn scored(local: &Local, before: &str, text: &str) -> Option<Scored> {
    let context = local.engine().model().config().max_position_embeddings;
    let tokenizer = local.tokenizer();
    let tail = tokenizer.encode(text);
    let head = tokenizer.encode(before);
    let room = context.checked_sub(tail.len() + tokenizer.prefix().len())?;
    let head = &head[head.len() - head.len().min(room)..];
    let ids: Vec<TokenId> = [tokenizer.prefix(), head, &tail].concat();
    let from = ids.len() - tail.len();
    (from > 0 && !tail.is_empty()).then_some(Scored { ids, from })
}
