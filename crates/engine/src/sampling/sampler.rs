//! The choice itself.

use super::Sampling;
use super::candidates::{Candidate, cut, mass};
use super::penalties::Penalties;

/// Which tokens may be chosen: bit i of word i / 32, at least one.
pub(crate) type Mask<'a> = &'a [u32];

/// Draws the tokens of one sequence, one after another.
#[derive(Debug)]
pub(crate) struct Sampler {
    sampling: Sampling,
    state: u64,
    penalties: Penalties,
    /// Changed logits; unused where nothing changes them.
    logits: Vec<f32>,
    candidates: Vec<Candidate>,
}

impl Sampler {
    pub(crate) fn new(sampling: Sampling) -> Self {
        let state = sampling.seed ^ 0x9e37_79b9_7f4a_7c15;
        let penalties = Penalties::default();
        Self { sampling, state, penalties, logits: Vec::new(), candidates: Vec::new() }
    }

    /// Chooses from `logits` (V), given the ids so far. Of equals the smallest id. The choice counts as written.
    pub(crate) fn choose(&mut self, logits: &[f32], ids: &[u32], mask: Option<Mask>) -> u32 {
        let id = if self.sampling.changes_logits() {
            let mut changed = std::mem::take(&mut self.logits);
            changed.clear();
            changed.extend_from_slice(logits);
            self.penalties.apply(&self.sampling, ids, &mut changed);
            let id = self.pick(&changed, mask);
            self.logits = changed;
            id
        } else {
            self.pick(logits, mask)
        };
        self.penalties.wrote(&self.sampling, id);
        id
    }

    fn pick(&mut self, logits: &[f32], mask: Option<Mask>) -> u32 {
        let likeliest = match mask {
            Some(mask) => argmax_of(logits, mask),
            None => argmax(logits),
        };
        if self.sampling.temperature == 0.0 || self.sampling.top_k == 1 {
            return likeliest;
        }
        let most = logits.get(likeliest as usize).copied().unwrap_or_default();
        let s = &self.sampling;
        // exp of less is 0. A cut by min_p alone can be made before anything is computed.
        let least = if s.top_p == 1.0 && s.typical_p == 1.0 { s.min_p.ln().max(-88.0) } else { -88.0 };
        // A little lower, since the cut itself rounds: it is made again below.
        let floor = most + (least * 1.0001 - 1e-3) * s.temperature;
        self.candidates.clear();
        let mut add = |id: usize, logit: f32| {
            if logit >= floor {
                self.candidates.push(Candidate::new(id as u32, logit));
            }
        };
        match mask {
            Some(mask) => for_allowed(logits, mask, add),
            None => logits.iter().enumerate().for_each(|(id, &logit)| add(id, logit)),
        }
        cut(s, most, &mut self.candidates);
        let mut left = f64::from(self.draw()) * mass(&self.candidates);
        let drawn = self.candidates.iter().find(|candidate| {
            left -= f64::from(candidate.p);
            left < 0.0
        });
        drawn.or(self.candidates.last()).map_or(likeliest, |candidate| candidate.id)
    }

    /// From 0 to below 1. SplitMix64; source: doi.org/10.1145/2714064.2660195.
    fn draw(&mut self) -> f32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }
}

/// The greatest of 16 lanes side by side, then where it is: the compiler makes vectors of it.
fn argmax(logits: &[f32]) -> u32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (chunks, rest) = logits.as_chunks::<16>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = if *x > *lane { *x } else { *lane };
        }
    }
    let most = lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter().position(|x| *x == most).unwrap_or_default() as u32
}

fn argmax_of(logits: &[f32], mask: Mask) -> u32 {
    let mut best: Option<(usize, f32)> = None;
    for_allowed(logits, mask, |id, logit| {
        if best.is_none_or(|(_, most)| logit > most) {
            best = Some((id, logit));
        }
    });
    best.map_or(0, |(id, _)| id as u32)
}

fn for_allowed(logits: &[f32], mask: Mask, mut f: impl FnMut(usize, f32)) {
    for (index, (&word, logits)) in mask.iter().zip(logits.chunks(32)).enumerate() {
        let mut left = word;
        while left != 0 {
            let bit = left.trailing_zeros() as usize;
            left &= left - 1;
            let Some(&logit) = logits.get(bit) else { break };
            f(index * 32 + bit, logit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 3.0, 2.0, -1.0, 3.0];

    fn draws(sampling: Sampling) -> Vec<u32> {
        let mut sampler = Sampler::new(sampling);
        (0..2000).map(|_| sampler.choose(&LOGITS, &[], None)).collect()
    }

    #[test]
    fn greedy_takes_the_likeliest_and_the_smaller_id() {
        assert!(draws(Sampling::default()).iter().all(|&id| id == 1));
        let top = Sampling { top_k: 1, temperature: 2.0, ..Sampling::default() };
        assert!(draws(top).iter().all(|&id| id == 1));
        for n in [1, 15, 16, 17, 100] {
            for at in [0, n / 2, n - 1] {
                let mut logits = vec![-2.0; n];
                logits[at] = -1.0;
                assert_eq!(argmax(&logits), at as u32);
            }
        }
    }

    #[test]
    fn frequencies_follow_the_probabilities() {
        let drawn = draws(Sampling { temperature: 1.0, ..Sampling::default() });
        let total: f32 = LOGITS.iter().map(|x| x.exp()).sum();
        for (id, logit) in LOGITS.iter().enumerate() {
            let share = drawn.iter().filter(|&&d| d == id as u32).count() as f32 / 2000.0;
            // Four standard deviations of 2,000 draws are at most .045.
            assert!((share - logit.exp() / total).abs() < 0.045, "{id}: {share}");
        }
    }

    #[test]
    fn cuts_keep_the_likeliest_only() {
        let warm = Sampling { temperature: 1.0, ..Sampling::default() };
        let only = |sampling: Sampling, allowed: &[u32]| {
            assert!(draws(sampling.clone()).iter().all(|id| allowed.contains(id)), "{sampling:?}");
        };
        only(Sampling { top_k: 3, ..warm.clone() }, &[1, 2, 4]);
        only(Sampling { top_p: 0.5, ..warm.clone() }, &[1, 4]);
        only(Sampling { min_p: 0.5, ..warm.clone() }, &[1, 4]);
        only(Sampling { min_p: 0.5, top_p: 0.99, ..warm.clone() }, &[1, 4]);
        only(Sampling { typical_p: 0.3, ..warm.clone() }, &[1, 2, 4]);
        only(Sampling { min_p: 1.0, top_p: 1e-6, ..warm }, &[1]);
    }

    #[test]
    fn only_what_the_mask_allows() {
        for sampling in [
            Sampling::default(),
            Sampling { temperature: 5.0, ..Sampling::default() },
            Sampling { temperature: 1.0, top_p: 0.9, logit_bias: [(1, 100.0)].into(), ..Sampling::default() },
        ] {
            let mut sampler = Sampler::new(sampling);
            for _ in 0..200 {
                assert!([2, 3].contains(&sampler.choose(&LOGITS, &[], Some(&[0b1100]))));
            }
        }
    }

    #[test]
    fn same_seed_same_draws() {
        let seeded = |seed| draws(Sampling { temperature: 1.0, seed, ..Sampling::default() });
        assert_eq!(seeded(7), seeded(7));
        assert_ne!(seeded(7), seeded(8));
    }

    #[test]
    fn penalties_change_the_choice() {
        let sampling = Sampling { repetition_penalty: 2.0, ..Sampling::default() };
        assert_eq!(Sampler::new(sampling).choose(&LOGITS, &[1, 4], None), 2);
        // 1 and 4 lead by one: each is written once before 2 is.
        let mut sampler = Sampler::new(Sampling { presence_penalty: 1.5, ..Sampling::default() });
        assert_eq!([(); 3].map(|()| sampler.choose(&LOGITS, &[], None)), [1, 4, 2]);
    }

    #[test]
    fn bad_numbers_are_named() {
        let good = Sampling::default();
        let dry = Some(super::super::Dry { base: 0.5, ..Default::default() });
        for (sampling, named) in [
            (Sampling { temperature: f32::NAN, ..good.clone() }, "temperature"),
            (Sampling { temperature: -1.0, ..good.clone() }, "temperature"),
            (Sampling { top_p: 0.0, ..good.clone() }, "top_p"),
            (Sampling { min_p: 1.5, ..good.clone() }, "min_p"),
            (Sampling { typical_p: 0.0, ..good.clone() }, "typical_p"),
            (Sampling { presence_penalty: 2.5, ..good.clone() }, "presence_penalty"),
            (Sampling { frequency_penalty: f32::NAN, ..good.clone() }, "frequency_penalty"),
            (Sampling { logit_bias: [(1, 101.0)].into(), ..good.clone() }, "logit_bias"),
            (Sampling { dry, ..good.clone() }, "dry.base"),
            (Sampling { repetition_penalty: f32::INFINITY, ..good }, "repetition_penalty"),
        ] {
            assert!(sampling.validate().unwrap_err().to_string().contains(named));
        }
    }
}
