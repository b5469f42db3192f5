//! Changes to logits by what the text holds already.

use super::{Dry, Sampling};
use std::collections::HashMap;

/// What the penalties of one sequence remember. Empty where there are none.
#[derive(Debug, Default)]
pub(super) struct Penalties {
    /// How often each token was written.
    written: HashMap<u32, u32>,
    /// Per token the round in which it was last seen to; grows to the vocabulary on first use.
    seen: Vec<u32>,
    round: u32,
    /// For DRY: by token the longest repetition that it would go on with.
    repeated: HashMap<u32, usize>,
}

/// Repetitions are measured up to this length: what is longer costs as much.
const LONGEST: usize = 50;

impl Sampling {
    /// Whether logits are changed at all.
    pub(super) fn changes_logits(&self) -> bool {
        self.repetition_penalty != 1.0 || self.counts() || self.dry.is_some() || !self.logit_bias.is_empty()
    }

    fn counts(&self) -> bool {
        self.presence_penalty != 0.0 || self.frequency_penalty != 0.0
    }
}

impl Penalties {
    /// Remembers a token that was written.
    pub(super) fn wrote(&mut self, sampling: &Sampling, id: u32) {
        if sampling.counts() {
            *self.written.entry(id).or_default() += 1;
        }
    }

    /// Changes `logits` (V) by the text `ids`.
    pub(super) fn apply(&mut self, sampling: &Sampling, ids: &[u32], logits: &mut [f32]) {
        for (&id, bias) in &sampling.logit_bias {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit += bias;
            }
        }
        if sampling.repetition_penalty != 1.0 {
            self.repetition(sampling.repetition_penalty, latest(ids, sampling.repetition_window), logits);
        }
        for (&id, &count) in &self.written {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit -= sampling.presence_penalty + count as f32 * sampling.frequency_penalty;
            }
        }
        if let Some(dry) = &sampling.dry {
            self.dry(dry, latest(ids, dry.window), logits);
        }
    }

    fn repetition(&mut self, penalty: f32, ids: &[u32], logits: &mut [f32]) {
        self.seen.resize(logits.len(), 0);
        self.round += 1;
        for &id in ids {
            let (Some(logit), Some(seen)) = (logits.get_mut(id as usize), self.seen.get_mut(id as usize))
            else {
                continue;
            };
            if std::mem::replace(seen, self.round) != self.round {
                *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
            }
        }
    }

    fn dry(&mut self, dry: &Dry, ids: &[u32], logits: &mut [f32]) {
        let Some((&last, before)) = ids.split_last() else { return };
        if dry.breakers.contains(&last) {
            return;
        }
        self.repeated.clear();
        for (at, _) in before.iter().enumerate().filter(|(_, id)| **id == last) {
            let same = before[..at].iter().rev().zip(before.iter().rev());
            let length =
                1 + same.take(LONGEST - 1).take_while(|(a, b)| a == b && !dry.breakers.contains(a)).count();
            let longest = self.repeated.entry(ids[at + 1]).or_default();
            *longest = (*longest).max(length);
        }
        for (id, length) in &self.repeated {
            let Some(over) = length.checked_sub(dry.allowed_length) else { continue };
            if let Some(logit) = logits.get_mut(*id as usize) {
                *logit -= (dry.multiplier * dry.base.powi(over as i32)).min(f32::MAX / 2.0);
            }
        }
    }
}

fn latest(ids: &[u32], window: Option<usize>) -> &[u32] {
    &ids[ids.len().saturating_sub(window.unwrap_or(usize::MAX))..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(sampling: &Sampling, ids: &[u32], written: &[u32]) -> Vec<f32> {
        let mut penalties = Penalties::default();
        written.iter().for_each(|&id| penalties.wrote(sampling, id));
        let mut logits = vec![1.0, -1.0, 2.0, 3.0, 0.5];
        penalties.apply(sampling, ids, &mut logits);
        logits
    }

    #[test]
    fn repetition_looks_at_the_window() {
        let all = Sampling { repetition_penalty: 2.0, ..Sampling::default() };
        assert_eq!(changed(&all, &[0, 1, 0, 3], &[]), [0.5, -2.0, 2.0, 1.5, 0.5]);
        let some = Sampling { repetition_window: Some(1), ..all };
        assert_eq!(changed(&some, &[0, 1, 0, 3], &[]), [1.0, -1.0, 2.0, 1.5, 0.5]);
    }

    #[test]
    fn presence_and_frequency_count_what_was_written() {
        let sampling = Sampling { presence_penalty: 0.5, frequency_penalty: 0.25, ..Sampling::default() };
        assert_eq!(changed(&sampling, &[0, 1, 2, 2], &[2, 2]), [1.0, -1.0, 1.0, 3.0, 0.5]);
    }

    #[test]
    fn bias_is_added() {
        let sampling = Sampling { logit_bias: [(1, 100.0), (3, -100.0)].into(), ..Sampling::default() };
        assert_eq!(changed(&sampling, &[], &[]), [1.0, 99.0, 2.0, -97.0, 0.5]);
    }

    #[test]
    fn dry_costs_more_the_longer_the_repetition() {
        let dry = Dry { multiplier: 1.0, base: 2.0, allowed_length: 2, window: None, breakers: vec![4] };
        let cost = |dry: &Dry, ids: &[u32]| {
            let sampling = Sampling { dry: Some(dry.clone()), ..Sampling::default() };
            let before = [1.0, -1.0, 2.0, 3.0, 0.5];
            let after = changed(&sampling, ids, &[]);
            before.iter().zip(after).map(|(a, b)| a - b).collect::<Vec<f32>>()
        };
        // 0 1 2 came before 3, and comes again: three tokens, one more than allowed.
        assert_eq!(cost(&dry, &[0, 1, 2, 3, 0, 1, 2]), [0.0, 0.0, 0.0, 2.0, 0.0]);
        assert_eq!(cost(&dry, &[1, 2, 3, 0, 1, 2]), [0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(cost(&dry, &[2, 3, 0, 1, 2]), [0.0; 5]);
        assert_eq!(cost(&dry, &[0, 4, 2, 3, 0, 4, 2]), [0.0; 5]);
        assert_eq!(cost(&dry, &[2, 3, 4, 2, 3, 4]), [0.0; 5]);
        let near = Dry { window: Some(4), ..dry };
        assert_eq!(cost(&near, &[0, 1, 2, 3, 0, 1, 2]), [0.0; 5]);
        let far: Vec<u32> = (0..4000).map(|i| i % 3).collect();
        let steep = Dry { multiplier: 100.0, base: 8.0, ..Dry::default() };
        assert!(cost(&steep, &far).iter().all(|x| x.is_finite()));
    }
}
