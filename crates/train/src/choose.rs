//! Which of the shipped sizes a given time makes the most of, from how bits per byte fell with size and text in our study.

use crate::{Plan, Recipe, TrainError};
use shuyuan_model::Config;

/// What a run has to work with.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Seconds of training.
    pub seconds: f64,
    /// Tokens of one pass over the corpus, weighted.
    pub tokens_per_epoch: f64,
    /// Bytes of text in a token.
    pub bytes_per_token: f64,
    /// Size of the vocabulary.
    pub vocab_size: usize,
    /// FLOP/s of this machine at most.
    pub peak: f64,
}

/// A size, and what the time makes of it.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The name of its recipe.
    pub name: &'static str,
    /// Its recipe, with the time as its length.
    pub recipe: Recipe,
    /// Seconds of a step, as counted or as measured.
    pub seconds_per_step: f64,
    /// What is foretold at the end.
    pub bits_per_byte: f64,
}

/// A recipe that ships for text.
#[derive(Clone, Debug)]
pub struct Size {
    /// Its file is recipes/NAME.toml.
    pub name: &'static str,
    /// What is in it.
    pub recipe: Recipe,
    /// The part of this machine's peak that its step reached when it was measured (docs/LOG.md, 2026-11-28).
    pub reached: f64,
}

impl Size {
    /// Tokens a second where products are multiplied at `peak` FLOP/s, with a vocabulary of `vocab_size`.
    pub fn tokens_per_second(&self, plan: &Plan, vocab_size: usize, peak: f64) -> f64 {
        let tokens = plan.tokens_per_step as f64;
        // Forward and back, by input and by weight: three products of two operations.
        let logits = 6.0 * tokens * rows_past(&self.recipe, vocab_size);
        tokens * self.reached * peak / (plan.flops_per_step - (1.0 - LOGITS) * logits)
    }
}

/// The recipes that ship for text, from small to large.
pub fn sizes() -> [Size; 5] {
    [
        ("2m", include_str!("../../../recipes/2m.toml"), 0.62),
        ("4m", include_str!("../../../recipes/4m.toml"), 0.64),
        ("8m", include_str!("../../../recipes/8m.toml"), 0.68),
        ("26m", include_str!("../../../recipes/26m.toml"), 0.75),
        ("110m", include_str!("../../../recipes/110m.toml"), 0.8),
    ]
    .map(|(name, recipe, reached)| Size { name, recipe: Recipe::shipped(recipe), reached })
}

/// Bits per byte of a model of `params` numbers after `bytes` of text, of which one pass has `unique`.
///
/// The form is Hoffmann's (arXiv 2203.15556), E + A/N^α + B/D^β; text that is read again counts less each time, as
/// Muennighoff found (arXiv 2305.16264). The numbers are of our own runs: docs/LOG.md, 2026-11-28.
pub fn foretold(params: f64, bytes: f64, unique: f64) -> f64 {
    let [e, a, alpha, b, beta] = LAW;
    let again = (bytes / unique - 1.0).max(0.0);
    let worth = bytes.min(unique) + unique * REPEATS * (1.0 - (-again / REPEATS).exp());
    e + a / params.powf(alpha) + b / worth.powf(beta)
}

/// E, A, α, B, β.
const LAW: [f64; 5] = [1.389, 270.5, 0.5, 399.7, 0.4];
/// After so many passes more, text is worn out.
const REPEATS: f64 = 15.0;
/// Passes over a corpus at most. Past these it is learned by heart; with a decay that keeps it from that, more passes came to
/// no more than two (docs/LOG.md, 2026-11-29, fifth part).
const PASSES: f64 = 2.0;
/// The vocabulary of the runs that the law is of.
const VOCABULARY: f64 = 6400.0;
/// What a number in the embedding's rows past that is worth beside the model's others, and what a product with it costs
/// beside other products: as measured with 9,600 and 12,800 (docs/LOG.md, 2026-11-29, fifth part).
const ROWS: f64 = 0.65;
const LOGITS: f64 = 0.45;

/// The shipped sizes, best first. `measure` gives the seconds of a step, or none where that would take too long; it was asked
/// for the two that come out first.
///
/// # Errors
/// Of `measure`; if nothing fits into memory, what the smallest needs.
pub fn choose(
    budget: &Budget,
    mut measure: impl FnMut(&Recipe, &Config) -> Result<Option<f64>, TrainError>,
) -> Result<Vec<Choice>, TrainError> {
    let mut candidates = Vec::new();
    let mut refused = None;
    for size in sizes() {
        let (name, mut recipe) = (size.name, size.recipe.clone());
        (recipe.train.minutes, recipe.train.passes) = (Some(budget.seconds / 60.0), Some(PASSES));
        let config = recipe.config(budget.vocab_size);
        match Plan::fitting(&mut recipe, &config, 1) {
            Ok(plan) => {
                let counted = plan.tokens_per_step as f64
                    / size.tokens_per_second(&plan, budget.vocab_size, budget.peak);
                let bits_per_byte = at_the_end(budget, &recipe, &plan, counted);
                let choice = Choice { name, recipe, seconds_per_step: counted, bits_per_byte };
                candidates.push(Candidate { choice, counted, asked: false, measured: false });
            }
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    if let (true, Some(error)) = (candidates.is_empty(), refused) {
        return Err(error);
    }
    // What is measured may fall behind others, and these are asked for, too. What is not measured is taken to be as much
    // slower than counted as the worst that was.
    let mut slower = 0.0_f64;
    loop {
        candidates.sort_by(|a, b| a.choice.bits_per_byte.total_cmp(&b.choice.bits_per_byte));
        let Some(next) = candidates.iter_mut().take(2).find(|candidate| !candidate.asked) else {
            return Ok(candidates.into_iter().map(|candidate| candidate.choice).collect());
        };
        next.asked = true;
        let recipe = &next.choice.recipe;
        let Some(seconds) = measure(recipe, &recipe.config(budget.vocab_size))? else { continue };
        (next.measured, next.choice.seconds_per_step) = (true, seconds);
        slower = slower.max(seconds / next.counted);
        for Candidate { choice, counted, measured, .. } in &mut candidates {
            if !*measured {
                choice.seconds_per_step = slower * *counted;
            }
            let plan = Plan::new(&choice.recipe, &choice.recipe.config(budget.vocab_size));
            choice.bits_per_byte = at_the_end(budget, &choice.recipe, &plan, choice.seconds_per_step);
        }
    }
}

/// Which vocabulary makes the most of `seconds` of training on `unique` bytes of text, at `peak` FLOP/s: with a larger one a
/// token is more text, and costs more.
///
/// # Errors
/// If no size fits into memory, what the smallest needs.
pub fn vocabulary(seconds: f64, unique: f64, peak: f64) -> Result<usize, TrainError> {
    let mut best = (f64::INFINITY, 0);
    for vocab_size in
        VOCABULARIES.into_iter().filter(|size| *size as f64 * RARE <= unique || *size == VOCABULARIES[0])
    {
        let bytes_per_token = bytes_per_token(vocab_size);
        let tokens_per_epoch = unique / bytes_per_token;
        let budget = Budget { seconds, tokens_per_epoch, bytes_per_token, vocab_size, peak };
        let bits = choose(&budget, |_, _| Ok(None))?[0].bits_per_byte;
        if bits < best.0 {
            best = (bits, vocab_size);
        }
    }
    Ok(best.1)
}

/// Vocabularies to choose from.
const VOCABULARIES: [usize; 5] = [3200, 4800, 6400, 9600, 12_800];

/// Bytes of text for each token of the vocabulary at least: rarer ones are not learned.
const RARE: f64 = 450.0;

/// Bytes in a token of Chinese and English text alike, as our tokenizers came out (docs/LOG.md, 2026-11-29).
fn bytes_per_token(vocab_size: usize) -> f64 {
    3.2 * (vocab_size as f64 / VOCABULARY).powf(0.17)
}

/// A size while the choice is made.
struct Candidate {
    choice: Choice,
    /// Seconds of a step as counted.
    counted: f64,
    /// Whether `measure` was asked for it, and whether it answered.
    asked: bool,
    measured: bool,
}

/// What is foretold of `recipe` when the time is over.
fn at_the_end(budget: &Budget, recipe: &Recipe, plan: &Plan, seconds_per_step: f64) -> f64 {
    let steps = budget.seconds / seconds_per_step;
    // What is done while rates rise counts for less.
    let steps = steps * steps / (steps + recipe.optimizer.warmup_steps as f64);
    let bytes = |tokens: f64| tokens * budget.bytes_per_token;
    let params = plan.params as f64 - (1.0 - ROWS) * rows_past(recipe, budget.vocab_size);
    let tokens = (steps * plan.tokens_per_step as f64).min(PASSES * budget.tokens_per_epoch);
    foretold(params, bytes(tokens), bytes(budget.tokens_per_epoch))
}

/// Numbers in the embedding's rows past [`VOCABULARY`]; below 0 for a smaller one.
fn rows_past(recipe: &Recipe, vocab_size: usize) -> f64 {
    recipe.model.hidden_size as f64 * (vocab_size as f64 - VOCABULARY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(minutes: f64, tokens_per_epoch: f64, peak: f64) -> Budget {
        Budget { seconds: 60.0 * minutes, tokens_per_epoch, bytes_per_token: 3.2, vocab_size: 6400, peak }
    }

    fn chosen(budget: Budget) -> &'static str {
        choose(&budget, |_, _| Ok(None)).unwrap()[0].name
    }

    #[test]
    fn more_time_or_a_faster_machine_is_worth_a_larger_model() {
        let size = |name| sizes().iter().position(|size| size.name == name).unwrap();
        let mut last = 0;
        for minutes in [1.0, 10.0, 60.0, 600.0, 6000.0] {
            let at = size(chosen(budget(minutes, 1e9, 4e11)));
            assert!(at >= last, "{minutes} minutes");
            last = at;
        }
        assert!(last >= 2, "four days are worth more than 4m");
        for minutes in [0.01, 5.0] {
            assert_eq!(chosen(budget(minutes, 1e9, 4e11)), "2m");
        }
        assert!(size(chosen(budget(60.0, 1e9, 4e13))) > size(chosen(budget(60.0, 1e9, 4e11))));
    }

    #[test]
    fn more_time_is_worth_a_larger_vocabulary() {
        let mut last = 0;
        for minutes in [0.1, 2.0, 10.0, 60.0, 600.0] {
            let size = vocabulary(60.0 * minutes, 1e9, 4e11).unwrap();
            assert!(size >= last, "{minutes} minutes: {size} after {last}");
            last = size;
        }
        assert!(vocabulary(1.0, 1e9, 1e11).unwrap() < last);
        assert_eq!(last, *VOCABULARIES.last().unwrap());
    }

    #[test]
    fn text_read_again_counts_less() {
        let once = foretold(2e6, 1e8, 1e8);
        assert!(foretold(2e6, 1e8, 1e7) > once && foretold(2e6, 1e8, 1e9) == once);
        assert!(foretold(2e6, 2e8, 1e8) < once);
        assert!((foretold(2e6, 1e12, 1e7) - foretold(2e6, 1e11, 1e7)).abs() < 1e-3, "it wears out");
    }

    #[test]
    fn little_text_ends_a_run_and_has_few_words() {
        let of = |text, minutes| choose(&budget(minutes, text, 4e11), |_, _| Ok(None)).unwrap().remove(0);
        assert_eq!(of(1e6, 10.0).recipe.train.passes, Some(PASSES));
        assert!(of(1e6, 10.0).bits_per_byte > of(1e9, 10.0).bits_per_byte);
        let words = |bytes| vocabulary(600.0, bytes, 4e11).unwrap();
        assert!(words(3e6) < words(3e8) && words(1e3) == VOCABULARIES[0]);
    }

    #[test]
    fn what_is_measured_decides() {
        let mut asked = 0;
        let choices = choose(&budget(60.0, 1e9, 4e11), |_, _| {
            asked += 1;
            Ok(Some(if asked == 1 { 1e9 } else { 0.2 }))
        });
        let choices = choices.unwrap();
        assert_eq!((asked, choices[0].seconds_per_step), (2, 0.2));
        assert!(choices.iter().all(|choice| choice.recipe.train.minutes == Some(60.0)));
    }

    /// On a machine that reaches a quarter of what was counted on; large sizes take too long to be measured.
    #[test]
    fn what_is_not_measured_is_as_slow_as_what_is() {
        let budget = budget(60.0, 1e9, 1e12);
        let counted = choose(&budget, |_, _| Ok(None)).unwrap();
        for largest in [512, 768, usize::MAX] {
            let choices = choose(&budget, |_, config| {
                let same = |choice: &&Choice| choice.recipe.config(6400).hidden_size == config.hidden_size;
                let seconds = 4.0 * counted.iter().find(same).unwrap().seconds_per_step;
                Ok((config.hidden_size < largest).then_some(seconds))
            });
            let quarter = Budget { peak: budget.peak / 4.0, ..budget };
            let expected = choose(&quarter, |_, _| Ok(None)).unwrap();
            let names = |choices: &[Choice]| choices.iter().map(|choice| choice.name).collect::<Vec<_>>();
            assert_eq!(names(&choices.unwrap()), names(&expected), "{largest}");
        }
    }
}
