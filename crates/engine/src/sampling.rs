//! Which token comes next: from logits to a choice.

use crate::EngineError;

/// How tokens are chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// 0 always takes the likeliest token; 1 draws as the model believes.
    pub temperature: f32,
    /// Only the K likeliest; 0 for all.
    pub top_k: usize,
    /// Only the likeliest that together have this probability.
    pub top_p: f32,
    /// Only those at least this likely, relative to the likeliest.
    pub min_p: f32,
    /// Divides the logits of tokens that occurred (multiplies negative ones); 1 for none. Source: arXiv:1909.05858.
    pub repetition_penalty: f32,
    /// Of the draws.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0, seed: 0 }
    }
}

impl Sampling {
    /// Checks every number.
    ///
    /// # Errors
    /// Names the field, its bounds and what was found.
    pub fn validate(&self) -> Result<(), EngineError> {
        let fields = [
            ("temperature", self.temperature, 0.0, 100.0, "0 to 100"),
            ("top_p", self.top_p, f32::MIN_POSITIVE, 1.0, "above 0, at most 1"),
            ("min_p", self.min_p, 0.0, 1.0, "0 to 1"),
            ("repetition_penalty", self.repetition_penalty, 0.01, 100.0, "0.01 to 100"),
        ];
        for (field, value, least, most, expected) in fields {
            if !(least..=most).contains(&value) {
                return Err(EngineError::Field { field, expected, found: value.to_string() });
            }
        }
        Ok(())
    }
}

/// Draws tokens, one after another.
pub(crate) struct Sampler {
    sampling: Sampling,
    state: u64,
    candidates: Vec<(u32, f32)>,
}

impl Sampler {
    pub(crate) fn new(sampling: Sampling) -> Self {
        let state = sampling.seed ^ 0x9e37_79b9_7f4a_7c15;
        Self { sampling, state, candidates: Vec::new() }
    }

    /// Chooses from `logits` (V), given the ids so far. Ties go to the smaller id.
    pub(crate) fn choose(&mut self, logits: &[f32], ids: &[u32]) -> u32 {
        let s = self.sampling.clone();
        self.candidates.clear();
        self.candidates.extend(logits.iter().enumerate().map(|(id, &logit)| (id as u32, logit)));
        if s.repetition_penalty != 1.0 {
            let mut seen: Vec<u32> = ids.to_vec();
            seen.sort_unstable();
            seen.dedup();
            for id in seen {
                if let Some((_, logit)) = self.candidates.get_mut(id as usize) {
                    *logit = if *logit > 0.0 {
                        *logit / s.repetition_penalty
                    } else {
                        *logit * s.repetition_penalty
                    };
                }
            }
        }
        let likelier = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if s.temperature == 0.0 || s.top_k == 1 {
            return self.candidates.iter().copied().min_by(likelier).map_or(0, |(id, _)| id);
        }
        if s.top_k > 0 && s.top_k < self.candidates.len() {
            self.candidates.select_nth_unstable_by(s.top_k - 1, likelier);
            self.candidates.truncate(s.top_k);
        }
        self.candidates.sort_unstable_by(likelier);
        let most = self.candidates.first().map_or(0.0, |c| c.1);
        for (_, p) in &mut self.candidates {
            *p = ((*p - most) / s.temperature).exp();
        }
        let total: f32 = self.candidates.iter().map(|c| c.1).sum();
        let mut kept = 0;
        let mut mass = 0.0;
        for (_, p) in &self.candidates {
            // The likeliest always stays; its relative probability is 1.
            if kept > 0 && (mass >= s.top_p * total || *p < s.min_p) {
                break;
            }
            mass += p;
            kept += 1;
        }
        let mut left = self.draw() * mass;
        for (id, p) in &self.candidates[..kept] {
            left -= p;
            if left < 0.0 {
                return *id;
            }
        }
        self.candidates[kept.saturating_sub(1)].0
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

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 3.0, 2.0, -1.0, 3.0];

    fn draws(sampling: Sampling) -> Vec<u32> {
        let mut sampler = Sampler::new(sampling);
        (0..2000).map(|_| sampler.choose(&LOGITS, &[])).collect()
    }

    #[test]
    fn greedy_takes_the_likeliest_and_the_smaller_id() {
        assert!(draws(Sampling::default()).iter().all(|&id| id == 1));
        let top = Sampling { top_k: 1, temperature: 2.0, ..Sampling::default() };
        assert!(draws(top).iter().all(|&id| id == 1));
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
        only(Sampling { min_p: 1.0, top_p: 1e-6, ..warm }, &[1]);
    }

    #[test]
    fn same_seed_same_draws() {
        let seeded = |seed| draws(Sampling { temperature: 1.0, seed, ..Sampling::default() });
        assert_eq!(seeded(7), seeded(7));
        assert_ne!(seeded(7), seeded(8));
    }

    #[test]
    fn repetition_is_penalised() {
        let sampling = Sampling { repetition_penalty: 2.0, ..Sampling::default() };
        assert_eq!(Sampler::new(sampling).choose(&LOGITS, &[1, 4]), 2);
    }

    #[test]
    fn bad_numbers_are_named() {
        let good = Sampling::default();
        for (sampling, named) in [
            (Sampling { temperature: f32::NAN, ..good.clone() }, "temperature"),
            (Sampling { temperature: -1.0, ..good.clone() }, "temperature"),
            (Sampling { top_p: 0.0, ..good.clone() }, "top_p"),
            (Sampling { min_p: 1.5, ..good.clone() }, "min_p"),
            (Sampling { repetition_penalty: f32::INFINITY, ..good }, "repetition_penalty"),
        ] {
            assert!(sampling.validate().unwrap_err().to_string().contains(named));
        }
    }
}
