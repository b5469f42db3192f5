//! How good an order of documents is, by judgements of which ones are right.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A question with its right documents.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Question {
    /// What is asked.
    #[serde(alias = "question")]
    pub query: String,
    /// How right each document is, by its name: an item's key, a path within it, or a title; what is not named is wrong.
    /// Empty: no document answers it.
    #[serde(alias = "relevant")]
    pub rel: HashMap<String, f64>,
}

/// Sums over questions; [`Scores::mean`] are their means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Scores {
    /// Questions that some document answers.
    pub questions: f64,
    /// Discounted gain of the first ten, as a part of the best possible.
    pub ndcg_at_10: f64,
    /// Which part of the right documents is among the first ten.
    pub recall_at_10: f64,
    /// Whether a right one is among the first five.
    pub hit_at_5: f64,
    /// 1 / the rank of the first right one.
    pub mrr: f64,
}

impl Scores {
    /// Adds a question for which documents with these grades were found, best first, each document once.
    ///
    /// Source: Järvelin and Kekäläinen, *Cumulated Gain-Based Evaluation of IR Techniques*, 2002, with grades as gains.
    pub fn add(&mut self, found: &[f64], question: &Question) {
        let right = question.rel.values().filter(|grade| **grade > 0.0).count();
        if right == 0 {
            return;
        }
        let dcg = |grades: &[f64]| {
            let discounted =
                grades.iter().take(10).enumerate().map(|(rank, grade)| grade / (rank as f64 + 2.0).log2());
            discounted.sum::<f64>()
        };
        let mut best: Vec<f64> = question.rel.values().copied().collect();
        best.sort_by(|a, b| b.total_cmp(a));
        let is_right = |grade: &&f64| **grade > 0.0;
        self.questions += 1.0;
        self.ndcg_at_10 += dcg(found) / dcg(&best);
        self.recall_at_10 += found.iter().take(10).filter(is_right).count() as f64 / right as f64;
        self.hit_at_5 += f64::from(u8::from(found.iter().take(5).any(|grade| *grade > 0.0)));
        self.mrr += found.iter().position(|grade| *grade > 0.0).map_or(0.0, |rank| 1.0 / (rank as f64 + 1.0));
    }

    /// The means.
    pub fn mean(&self) -> Self {
        let n = self.questions.max(1.0);
        Self {
            questions: self.questions,
            ndcg_at_10: self.ndcg_at_10 / n,
            recall_at_10: self.recall_at_10 / n,
            hit_at_5: self.hit_at_5 / n,
            mrr: self.mrr / n,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_counted_by_hand() {
        let question = Question { query: String::new(), rel: [("a".into(), 2.0), ("b".into(), 1.0)].into() };
        let mut scores = Scores::default();
        scores.add(&[0.0, 2.0, 0.0, 0.0, 0.0, 1.0], &question);
        let (found, best) = (2.0 / 3f64.log2() + 1.0 / 7f64.log2(), 2.0 + 1.0 / 3f64.log2());
        assert!((scores.ndcg_at_10 - found / best).abs() < 1e-12);
        assert_eq!((scores.recall_at_10, scores.hit_at_5, scores.mrr), (1.0, 1.0, 0.5));
        scores.add(&[], &question);
        assert_eq!(scores.mean().mrr, 0.25);
        scores.add(&[1.0], &Question::default());
        assert_eq!(scores.questions, 2.0);
    }
}
