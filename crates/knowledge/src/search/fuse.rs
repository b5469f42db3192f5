//! One order out of two.

use super::{Hit, Why};
use rustc_hash::FxHashMap;

/// How much a rank counts: 1 / (60 + rank). Source: Cormack, Clarke and Büttcher, *Reciprocal Rank Fusion*, 2009.
const RANKS: f32 = 60.0;

/// Chunks by words and by vectors, best first each, in one order; vectors with the weight that they have.
pub(super) fn fuse(by_words: &[(u32, f32)], by_vector: Option<(&[(u32, f32)], f32)>) -> Vec<Hit> {
    let mut hits: Vec<Hit> = Vec::new();
    let mut places: FxHashMap<u32, usize> = FxHashMap::default();
    for (index, &(slot, score)) in by_words.iter().enumerate() {
        places.insert(slot, index);
        let why = Why { words: score, words_rank: Some(index + 1), ..Why::default() };
        hits.push(Hit { slot, score, why });
    }
    let Some((by_vector, weight)) = by_vector else { return hits };
    for hit in &mut hits {
        hit.score = 0.0;
    }
    for (index, &(slot, cosine)) in by_vector.iter().enumerate() {
        let place = *places.entry(slot).or_insert_with(|| {
            hits.push(Hit { slot, score: 0.0, why: Why::default() });
            hits.len() - 1
        });
        (hits[place].why.cosine, hits[place].why.vector_rank) = (Some(cosine), Some(index + 1));
    }
    for hit in &mut hits {
        let part = |rank: Option<usize>| rank.map_or(0.0, |rank| 1.0 / (RANKS + rank as f32));
        hit.score = part(hit.why.words_rank) + weight * part(hit.why.vector_rank);
        hit.why.vector_weight = weight;
    }
    hits.retain(|hit| hit.score > 0.0);
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.slot.cmp(&b.slot)));
    hits
}
