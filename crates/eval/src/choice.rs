//! Multiple choice by likelihood: which ending does the model find likeliest, byte for byte?

use crate::Score;
use serde::Deserialize;
use shuyuan_chain::{ChainError, Local};
use std::collections::BTreeMap;

/// One question with its endings.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices {
    /// What comes before each ending: one for all, or one each (partial evaluation, as in Winograd schemas).
    pub contexts: Vec<String>,
    /// The endings; one for all contexts, or one each.
    pub endings: Vec<String>,
    /// Which is right.
    pub gold: usize,
}

/// The forms that public sets come in.
#[derive(Deserialize)]
struct Line {
    query: Option<String>,
    ctx: Option<String>,
    context: Option<String>,
    question: Option<String>,
    context_options: Option<Vec<String>>,
    continuation: Option<String>,
    #[serde(alias = "endings")]
    choices: Option<Vec<String>>,
    #[serde(alias = "label", alias = "answer")]
    gold: Option<serde_json::Value>,
}

impl Line {
    fn choices(self) -> Option<Choices> {
        let gold = match self.gold? {
            serde_json::Value::Number(number) => number.as_u64()? as usize,
            // c3 names the answer itself; others give the index as text.
            serde_json::Value::String(text) => {
                let named =
                    self.choices.as_ref().and_then(|all| all.iter().position(|choice| *choice == text));
                named.or_else(|| text.parse().ok())?
            }
            _ => return None,
        };
        let (contexts, endings) = match (self.context_options, self.continuation, self.choices) {
            (Some(contexts), Some(continuation), _) => (contexts, vec![spaced(&continuation)]),
            (_, _, Some(endings)) => {
                let before: Vec<String> =
                    [self.context, self.query.or(self.ctx), self.question].into_iter().flatten().collect();
                (vec![before.join("\n")], endings.iter().map(|ending| spaced(ending)).collect())
            }
            _ => return None,
        };
        (gold < contexts.len().max(endings.len()) && !contexts.iter().any(String::is_empty))
            .then_some(Choices { contexts, endings, gold })
    }
}

/// Latin words are separated from what is before them by a space, which belongs to the ending.
fn spaced(ending: &str) -> String {
    if ending.starts_with(|c: char| c.is_ascii_alphanumeric()) { format!(" {ending}") } else { ending.into() }
}

/// Reads JSON lines; returns the questions and the numbers of the lines that are none.
pub fn read_choices(text: &str) -> (Vec<Choices>, Vec<usize>) {
    let (mut questions, mut bad) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str::<Line>(line).ok().and_then(Line::choices) {
            Some(question) => questions.push(question),
            None => bad.push(index + 1),
        }
    }
    (questions, bad)
}

/// The accuracy of taking the ending with the largest ln probability per byte of ending.
///
/// # Errors
/// If a question is longer than the model's context, or holds ids that it does not know.
pub fn choose(model: &Local, questions: &[Choices], asked: &mut dyn FnMut()) -> Result<Score, ChainError> {
    let mut right = 0;
    let mut golds: BTreeMap<usize, usize> = BTreeMap::new();
    for question in questions {
        let count = question.contexts.len().max(question.endings.len());
        let mut best = (f64::NEG_INFINITY, 0);
        for index in 0..count {
            let context = &question.contexts[index.min(question.contexts.len() - 1)];
            let ending = &question.endings[index.min(question.endings.len() - 1)];
            let per_byte = model.score(context, ending)? / ending.len().max(1) as f64;
            if per_byte > best.0 {
                best = (per_byte, index);
            }
        }
        right += usize::from(best.1 == question.gold);
        *golds.entry(question.gold).or_default() += 1;
        asked();
    }
    let most = golds.values().max().copied().unwrap_or(0);
    Ok(Score::new(right, questions.len(), most as f64 / questions.len().max(1) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_public_sets_are_read() {
        let text = r#"{"query": "Sun is", "choices": ["cold", "hot"], "gold": 1}
{"ctx": "She", "endings": ["ran", "flew", "sat"], "label": 2}
{"context": "文章", "question": "谁？", "choices": ["甲", "乙"], "answer": 0}
{"context_options": ["The cup is big", "The bag is big"], "continuation": "so it fits", "gold": 0}
{"query": "no choices"}
not json
{"query": "out of range", "choices": ["a"], "gold": 3}"#;
        let (questions, bad) = read_choices(text);
        assert_eq!(bad, [5, 6, 7]);
        assert_eq!(questions.iter().map(|q| q.gold).collect::<Vec<_>>(), [1, 2, 0, 0]);
        assert_eq!(questions[0].endings, [" cold", " hot"]);
        assert_eq!(questions[2].contexts, ["文章\n谁？"]);
        assert_eq!(questions[3].contexts.len(), 2);
    }

    #[test]
    fn standard_error_is_that_of_a_share() {
        let score = Score::new(25, 100, 0.2);
        assert!((score.stderr - 0.0433).abs() < 1e-4);
    }
}
