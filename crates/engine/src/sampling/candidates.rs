//! Cuts: from all tokens to those that are drawn from. Nothing is sorted beyond what a cut has to know.

use super::Sampling;

/// A token that may be drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub id: u32,
    /// Its logit, and later its probability relative to the likeliest.
    pub p: f32,
    /// Less is better.
    rank: f32,
}

impl Candidate {
    pub(super) fn new(id: u32, logit: f32) -> Self {
        Self { id, p: logit, rank: -logit }
    }
}

fn better(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    a.rank.total_cmp(&b.rank).then(a.id.cmp(&b.id))
}

/// Leaves those that may be drawn, with their relative probabilities. `most` is the greatest logit.
pub(super) fn cut(s: &Sampling, most: f32, candidates: &mut Vec<Candidate>) {
    if s.top_k > 0 && s.top_k < candidates.len() {
        candidates.select_nth_unstable_by(s.top_k - 1, better);
        candidates.truncate(s.top_k);
    }
    for candidate in candidates.iter_mut() {
        candidate.p = ((candidate.p - most) / s.temperature).exp();
    }
    if s.top_p < 1.0 {
        keep_mass(candidates, s.top_p);
    }
    if s.min_p > 0.0 {
        // The likeliest always stays: its relative probability is 1.
        candidates.retain(|candidate| candidate.p >= s.min_p);
    }
    if s.typical_p < 1.0 {
        rank_by_surprise(candidates);
        keep_mass(candidates, s.typical_p);
    }
}

/// How far each one's −ln p is from the expected one, the entropy.
fn rank_by_surprise(candidates: &mut [Candidate]) {
    let total = mass(candidates);
    let surprise = |p: f32| -(f64::from(p) / total).ln();
    let certain = |c: &&Candidate| c.p > 0.0;
    let entropy: f64 =
        candidates.iter().filter(certain).map(|c| f64::from(c.p) / total * surprise(c.p)).sum();
    for candidate in candidates {
        candidate.rank = (surprise(candidate.p) - entropy).abs() as f32;
    }
}

/// Keeps the best that together have `share` of the whole, at least one.
fn keep_mass(candidates: &mut Vec<Candidate>, share: f32) {
    let needed = mass(candidates) * f64::from(share);
    let (mut sorted, mut sum) = (0, 0.0);
    while sorted < candidates.len() {
        let upto = (sorted * 4).max(64).min(candidates.len());
        let rest = &mut candidates[sorted..];
        if upto - sorted < rest.len() {
            rest.select_nth_unstable_by(upto - sorted - 1, better);
        }
        candidates[sorted..upto].sort_unstable_by(better);
        for at in sorted..upto {
            sum += f64::from(candidates[at].p);
            if sum >= needed {
                candidates.truncate(at + 1);
                return;
            }
        }
        sorted = upto;
    }
}

pub(super) fn mass(candidates: &[Candidate]) -> f64 {
    candidates.iter().map(|candidate| f64::from(candidate.p)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(s: &Sampling, logits: &[f32]) -> Vec<u32> {
        let mut candidates: Vec<_> =
            (0..).zip(logits).map(|(id, &logit)| Candidate::new(id, logit)).collect();
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        cut(s, most, &mut candidates);
        let mut ids: Vec<u32> = candidates.iter().map(|c| c.id).collect();
        ids.sort_unstable();
        ids
    }

    /// Of probabilities ½, ¼, … the entropy is near 2 bits: the surprise nearest to it is that of ¼.
    #[test]
    fn typical_keeps_what_surprises_as_expected() {
        let logits: Vec<f32> = (1..=12).map(|i| -(i as f32) * 2f32.ln()).collect();
        let typical =
            |typical_p| kept(&Sampling { temperature: 1.0, typical_p, ..Sampling::default() }, &logits);
        assert_eq!(typical(0.2), [1]);
        assert_eq!(typical(0.7), [0, 1]);
        assert_eq!(typical(1.0).len(), 12);
    }

    /// The oracle sorts everything.
    #[test]
    fn partial_selection_keeps_what_a_full_sort_keeps() {
        let mut state = 1u32;
        let logits: Vec<f32> = (0..5000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as f32 / 8192.0
            })
            .collect();
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for (top_k, top_p) in [(0, 0.3), (0, 0.9), (0, 0.999), (100, 0.5), (1000, 0.99), (4999, 1.0)] {
            let s = Sampling { temperature: 1.5, top_k, top_p, ..Sampling::default() };
            let mut order: Vec<u32> = (0..5000).collect();
            order.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
            order.truncate(if top_k == 0 { 5000 } else { top_k });
            let p = |id: u32| f64::from(((logits[id as usize] - most) / 1.5).exp());
            let total: f64 = order.iter().map(|&id| p(id)).sum();
            let mut sum = 0.0;
            let within = |&&id: &&u32| {
                let before = sum;
                sum += p(id);
                before < total * f64::from(top_p)
            };
            let mut expected: Vec<u32> = order.iter().take_while(within).copied().collect();
            expected.sort_unstable();
            let found = kept(&s, &logits);
            // Sums in another order: one token at the edge may differ.
            assert!(found.len().abs_diff(expected.len()) <= 1, "{} and {}", found.len(), expected.len());
            let n = found.len().min(expected.len());
            assert!(found.iter().filter(|id| expected.binary_search(id).is_ok()).count() >= n - 1);
        }
    }
}
