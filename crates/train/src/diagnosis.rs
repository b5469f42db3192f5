//! What a curve tells about a run: a few rules that an experienced eye follows.

use crate::Metric;
use crate::trouble::{Trouble, TroubleKind, median};
use serde::Serialize;

/// What looks wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The run ended with a loss or gradients that are no numbers. `value`: the learning rate.
    NotFinite,
    /// The loss jumped, `count` times; last at `step`, to `value` where `than` was usual.
    Spike,
    /// At `step` the loss is still `value`; it began at `than`.
    Flat,
    /// Held-out text needs `value` bits a byte, and needed only `than` at `step`; the training loss has fallen since.
    Memorising,
    /// The gradients' norm is `value`, and was `than` before.
    Exploding,
    /// The loss has risen to `value` since `step`, when it was `than`, and the rate is still high.
    TooFast,
}

/// Something that looks wrong, with the numbers that say so.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// By which rule.
    pub rule: Rule,
    /// Where.
    pub step: u64,
    /// What is.
    pub value: f64,
    /// What would be expected.
    pub than: f64,
    /// How often.
    pub count: usize,
}

/// Steps whose mean stands for a moment.
const FEW: usize = 20;
/// Steps that a rise must last to be more than noise.
const SOME: usize = 50;
/// A run shorter than this says nothing yet.
const LEAST: usize = 100;

/// What looks wrong in a run's record. `trouble` is what is left of trouble/, `warmup_steps` the recipe's.
pub fn diagnose(metrics: &[Metric], trouble: &[Trouble], warmup_steps: u64) -> Vec<Finding> {
    let warm = &metrics[metrics.partition_point(|metric| metric.step <= warmup_steps)..];
    let found = [
        not_finite(metrics, trouble),
        too_fast(warm),
        flat(metrics, warm),
        memorising(metrics),
        exploding(warm),
        spike(metrics),
    ];
    found.into_iter().flatten().collect()
}

fn not_finite(metrics: &[Metric], trouble: &[Trouble]) -> Option<Finding> {
    let reached = metrics.last().map_or(0, |metric| metric.step);
    let last = trouble.iter().rfind(|one| one.what == TroubleKind::NotFinite && one.step > reached)?;
    let than = metrics.last().map_or(0.0, |metric| metric.loss);
    Some(Finding { rule: Rule::NotFinite, step: last.step, value: last.lr, than, count: 1 })
}

fn spike(metrics: &[Metric]) -> Option<Finding> {
    let last = metrics.iter().rposition(|metric| metric.spike)?;
    // The steps of one jump count once.
    let count = (0..metrics.len()).filter(|&i| metrics[i].spike && (i == 0 || !metrics[i - 1].spike)).count();
    let than = median(metrics[last.saturating_sub(LEAST)..last].iter().map(|metric| metric.loss));
    Some(Finding { rule: Rule::Spike, step: metrics[last].step, value: metrics[last].loss, than, count })
}

fn flat(metrics: &[Metric], warm: &[Metric]) -> Option<Finding> {
    if warm.len() < LEAST {
        return None;
    }
    let (first, now) = (mean(&metrics[..5]), mean(&warm[warm.len() - FEW..]));
    let step = warm.last()?.step;
    (now > 0.98 * first).then_some(Finding { rule: Rule::Flat, step, value: now, than: first, count: 1 })
}

fn memorising(metrics: &[Metric]) -> Option<Finding> {
    let looks: Vec<(usize, f64)> = metrics
        .iter()
        .enumerate()
        .filter_map(|(at, metric)| Some((at, metric.validation_bits_per_byte?)))
        .collect();
    let best = (0..looks.len()).min_by(|&a, &b| looks[a].1.total_cmp(&looks[b].1))?;
    let ((at, than), (_, value)) = (looks[best], *looks.last()?);
    let around = |at: usize| mean(&metrics[(at + 1).saturating_sub(FEW)..=at]);
    let learned = around(metrics.len() - 1) < around(at);
    // One worse look may be chance.
    let wrong = best + 2 < looks.len() && value > 1.02 * than && learned;
    wrong.then_some(Finding { rule: Rule::Memorising, step: metrics[at].step, value, than, count: 1 })
}

fn exploding(warm: &[Metric]) -> Option<Finding> {
    if warm.len() < LEAST {
        return None;
    }
    let (before, now) = warm.split_at(warm.len() - FEW);
    let norm = |metrics: &[Metric]| median(metrics.iter().map(|metric| metric.grad_norm));
    let (than, value, step) = (norm(before), norm(now), now.last()?.step);
    (value > 10.0 * than).then_some(Finding { rule: Rule::Exploding, step, value, than, count: 1 })
}

fn too_fast(warm: &[Metric]) -> Option<Finding> {
    if warm.len() < 2 * SOME {
        return None;
    }
    // Means of windows that slide by a step, as sums.
    let mut sum: f64 = warm[..SOME].iter().map(|metric| metric.loss).sum();
    let (mut least, mut at) = (sum, SOME - 1);
    for end in SOME..warm.len() {
        sum += warm[end].loss - warm[end - SOME].loss;
        if sum < least {
            (least, at) = (sum, end);
        }
    }
    let now = &warm[warm.len() - SOME..];
    let (than, value) = (least / SOME as f64, mean(now));
    // The lowest of many means lies some standard errors low by chance; where batches differ much, that is much.
    let middle = median(now.iter().map(|metric| metric.loss));
    let distance = median(now.iter().map(|metric| (metric.loss - middle).abs()));
    let error = 1.5 * distance / (SOME as f64).sqrt();
    let highest = warm.iter().map(|metric| metric.lr).fold(0.0, f64::max);
    let wrong = value > 1.1 * than && value - than > 6.0 * error && now[SOME - 1].lr > 0.1 * highest;
    wrong.then_some(Finding { rule: Rule::TooFast, step: warm[at].step, value, than, count: 1 })
}

fn mean(metrics: &[Metric]) -> f64 {
    metrics.iter().map(|metric| metric.loss).sum::<f64>() / metrics.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run that learns: the loss falls from 7 to 2 and varies by a tenth, held-out text follows.
    fn healthy(steps: u64) -> Vec<Metric> {
        let metric = |step: u64| {
            let loss = 2.0 + 5.0 * (-(step as f64) / 100.0).exp();
            Metric {
                step,
                loss: loss * (1.0 + 0.1 * (step as f64 * 2.399).sin()),
                lr: 0.02,
                grad_norm: 1.0 + 0.5 * (step as f64 * 1.7).cos(),
                validation_bits_per_byte: step.is_multiple_of(50).then_some(loss / 2.5),
                ..Metric::default()
            }
        };
        (1..=steps).map(metric).collect()
    }

    fn rules(metrics: &[Metric], trouble: &[Trouble]) -> Vec<Rule> {
        diagnose(metrics, trouble, 20).into_iter().map(|finding| finding.rule).collect()
    }

    /// A healthy run, changed.
    fn changed(change: impl Fn(&mut Metric)) -> Vec<Metric> {
        let mut metrics = healthy(600);
        metrics.iter_mut().for_each(change);
        metrics
    }

    #[test]
    fn a_healthy_run_has_no_findings_at_any_length() {
        for steps in 0..600 {
            assert_eq!(rules(&healthy(steps), &[]), [], "{steps} steps");
        }
    }

    #[test]
    fn each_sickness_is_named_alone() {
        let flat = changed(|m| m.loss = 7.0 + 0.01 * (m.step as f64).sin());
        assert_eq!(rules(&flat, &[]), [Rule::Flat]);
        let memorising = changed(|m| {
            m.loss = 2.0 - m.step as f64 / 600.0;
            let bits = &mut m.validation_bits_per_byte;
            *bits = bits.map(|_| 1.0 + (m.step as f64 - 200.0).abs() / 1000.0);
        });
        let found = diagnose(&memorising, &[], 20);
        assert_eq!((found.len(), found[0].rule, found[0].step), (1, Rule::Memorising, 200));
        let exploding = changed(|m| m.grad_norm *= if m.step > 550 { 50.0 } else { 1.0 });
        assert_eq!(rules(&exploding, &[]), [Rule::Exploding]);
        let too_fast = changed(|m| m.loss += if m.step > 400 { (m.step - 400) as f64 / 100.0 } else { 0.0 });
        let found = diagnose(&too_fast, &[], 20);
        assert_eq!((found.len(), found[0].rule), (1, Rule::TooFast));
        assert!((350..=420).contains(&found[0].step) && found[0].value > 3.0, "{found:?}");
        let spikes = changed(|m| {
            m.spike = [300, 301, 302, 450].contains(&m.step);
            m.loss += if m.spike { 3.0 } else { 0.0 };
        });
        let found = diagnose(&spikes, &[], 20);
        assert_eq!((found.len(), found[0].rule, found[0].step, found[0].count), (1, Rule::Spike, 450, 2));
        assert!(found[0].value > 4.5 && found[0].than < 2.5, "{found:?}");
    }

    #[test]
    fn a_run_that_ended_without_numbers_says_so_until_it_is_past_it() {
        let trouble = Trouble {
            what: TroubleKind::NotFinite,
            step: 601,
            loss: None,
            usual: None,
            lr: 0.02,
            grad_norm: None,
            cursors: Vec::new(),
            rows: Vec::new(),
        };
        assert_eq!(rules(&healthy(600), std::slice::from_ref(&trouble)), [Rule::NotFinite]);
        assert_eq!(rules(&healthy(601), &[trouble]), []);
    }

    #[test]
    fn batches_that_differ_much_are_no_rise() {
        // As in fine-tuning on a few conversations at a time: half as much again, or half as much, by chance.
        let mut state = 7u64;
        for _ in 0..50 {
            let metrics: Vec<Metric> = (1..=2000)
                .map(|step| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let chance = (state >> 11) as f64 / (1u64 << 53) as f64;
                    Metric { step, loss: 1.5 - chance + 3.0 / step as f64, lr: 0.02, ..Metric::default() }
                })
                .collect();
            assert_eq!(too_fast(&metrics), None);
        }
    }
}
