//! Multiple choice: the choice that the model holds likeliest is its answer. No text is generated.

use crate::prefix::rows;
use crate::report::most_common;
use crate::{EvalError, Item, Items, Progress, Score, TaskResult};
use shuyuan_engine::{Engine, Passage};
use shuyuan_text::{END_OF_TEXT, Tokenizer};
use std::sync::Arc;

/// A model and its tokenizer, as something that says how likely a text is.
#[derive(Clone, Debug)]
pub struct Scorer {
    engine: Engine,
    tokenizer: Arc<Tokenizer>,
}

/// How likely the choices of some questions are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Likelihoods {
    /// By question the ln p of each choice; none for a question with a choice longer than the context.
    pub questions: Vec<Option<Vec<f64>>>,
    /// Questions that lost their beginning, for which the context has no room.
    pub cut: usize,
}

/// Questions scored at a time: enough for full passes, few enough to stop soon.
const AT_A_TIME: usize = 32;

impl Scorer {
    /// A model and the tokenizer that it was trained with.
    pub fn new(engine: Engine, tokenizer: Arc<Tokenizer>) -> Self {
        Self { engine, tokenizer }
    }

    pub(crate) fn context(&self) -> usize {
        self.engine.model().config().max_position_embeddings
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// How likely each choice of each question is.
    ///
    /// # Errors
    /// What the engine refuses.
    pub fn choices(&self, items: &[Item]) -> Result<Likelihoods, EvalError> {
        let (mut passages, mut counts, mut cut) = (Vec::new(), Vec::with_capacity(items.len()), 0);
        for item in items {
            let (these, shortened) = self.passages(item);
            cut += usize::from(shortened && these.is_some());
            counts.push(these.as_ref().map(Vec::len));
            passages.extend(these.into_iter().flatten());
        }
        let mut sums = self.engine.logprobs(&passages)?.into_iter();
        let questions = counts.into_iter().map(|n| n.map(|n| sums.by_ref().take(n).collect())).collect();
        Ok(Likelihoods { questions, cut })
    }

    fn passages(&self, item: &Item) -> (Option<Vec<Passage>>, bool) {
        let mut rows = rows(&self.tokenizer, &item.choices);
        // Something must stand before the first scored token; in training, documents are parted by this one.
        let end = self.tokenizer.special(END_OF_TEXT).unwrap_or(0);
        for (ids, from) in rows.iter_mut().filter(|(_, from)| *from == 0) {
            ids.insert(0, end);
            *from = 1;
        }
        // All lose as many from the front as the longest must, so that all are scored after the same.
        let over =
            rows.iter().map(|(ids, _)| ids.len().saturating_sub(self.context() + 1)).max().unwrap_or(0);
        let fits = rows.iter().all(|(_, from)| *from > over);
        let passage =
            |(ids, from): (Vec<u32>, usize)| Passage { ids: ids[over..].to_vec(), from: from - over };
        (fits.then(|| rows.into_iter().map(passage).collect()), over > 0)
    }
}

/// Takes a file's questions as the task `task`. The answer is the choice with the highest ln p a byte
/// (`score`), or the highest ln p (`raw`); ties go to the first. `baseline` is the most common place of the right one.
///
/// # Errors
/// What the engine refuses, no question that fits the context, a stop.
pub fn multiple_choice(
    scorer: &Scorer,
    task: &str,
    questions: &Items,
    on: Progress,
) -> Result<TaskResult, EvalError> {
    let items = &questions.items;
    let (mut right, mut right_raw, mut n, mut cut) = (0, 0, 0, 0);
    let mut golds = Vec::new();
    let mut skipped = questions.skipped.clone();
    for (nth, part) in items.chunks(AT_A_TIME).enumerate() {
        let found = scorer.choices(part)?;
        cut += found.cut;
        for (item, scores) in part.iter().zip(found.questions) {
            let Some(scores) = scores else {
                skipped
                    .record(|| format!("{task}: a choice longer than the context of {}", scorer.context()));
                continue;
            };
            n += 1;
            golds.push(item.gold);
            right_raw += usize::from(best(&scores) == item.gold);
            let per_byte = scores.iter().zip(&item.choices).map(|(sum, (_, text))| sum / text.len() as f64);
            right += usize::from(best(&per_byte.collect::<Vec<_>>()) == item.gold);
        }
        let done = (nth * AT_A_TIME + part.len()).min(items.len());
        if on(done, items.len()).is_break() && done < items.len() {
            return Err(EvalError::Stopped { task: task.into(), done, total: items.len() });
        }
    }
    if n == 0 {
        let why = skipped.first.unwrap_or_else(|| "there is none".into());
        return Err(EvalError::NoItems { path: task.into(), why });
    }
    let baseline = most_common(golds.into_iter());
    let mut result = TaskResult::new(task, "accuracy_per_byte", Score::of(right, n), baseline, n);
    (result.raw, result.cut, result.skipped) = (Some(Score::of(right_raw, n)), cut, skipped);
    Ok(result)
}

fn best(scores: &[f64]) -> usize {
    (0..scores.len()).rev().max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn ties_go_to_the_first() {
        assert_eq!(super::best(&[-2.0, -1.0, -1.0]), 1);
        assert_eq!(super::best(&[]), 0);
    }
}
