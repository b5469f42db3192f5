//! Questions of the test split with their answers, and what counts as right.

use std::collections::HashMap;

use shuyuan_text::Message;

use super::{Lang, Split, Trade, World};
use crate::Example;

/// The tasks that [`World::items`] knows, in the order of a scorecard.
pub const TASKS: [&str; 5] = ["one_fact", "two_facts", "sums", "translation", "summary"];

/// One question for evaluation.
#[derive(Clone, Debug)]
pub struct Item {
    /// One of [`TASKS`].
    pub task: &'static str,
    /// The language of the question.
    pub lang: Lang,
    /// What the model is shown, ending with the user's turn.
    pub messages: Vec<Message>,
    /// The reference answer, as it is in training documents.
    pub answer: String,
    /// Shorter answers that are as right.
    pub alternatives: Vec<String>,
}

/// What in a chain of reasoning stands before its conclusion, by language.
pub(crate) const SO_ZH: &str = "所以答案是";
/// As [`SO_ZH`].
pub(crate) const SO_EN: &str = "So the answer is ";

impl World {
    /// The first `n` questions of a task, all from the test split; empty for a name that is not in [`TASKS`].
    pub fn items(&self, task: &str, n: usize) -> Vec<Item> {
        let Some(trade) = Trade::ALL.into_iter().find(|trade| trade.name() == task && TASKS.contains(&task))
        else {
            return Vec::new();
        };
        (0..n as u64).filter_map(|index| self.item(trade, index)).collect()
    }

    fn item(&self, trade: Trade, index: u64) -> Option<Item> {
        let (_, draft) = self.draft(trade, Split::Test, index);
        let Example::Chat { mut messages } = draft.example else { return None };
        let answer = messages.pop()?.content;
        Some(Item {
            task: trade.name(),
            lang: draft.lang,
            messages,
            answer,
            alternatives: draft.alternatives,
        })
    }

    /// The accuracy of the best constant answer to the first 1,000 questions of a task: what a model reaches
    /// without reading.
    pub fn baseline(&self, task: &str) -> f64 {
        let items = self.items(task, 1000);
        let mut counts: HashMap<String, usize> = HashMap::new();
        for item in &items {
            let mut answers: Vec<String> =
                item.alternatives.iter().chain([&item.answer]).map(|answer| conclusion(answer)).collect();
            answers.sort();
            answers.dedup();
            for answer in answers {
                *counts.entry(answer).or_default() += 1;
            }
        }
        counts.into_values().max().unwrap_or(0) as f64 / items.len().max(1) as f64
    }
}

/// Whether a reply is right: after [`normalise`], what follows its last 所以答案是 or "so the answer is" (all of
/// it where there is none) equals the same of the reference answer, or one of the alternatives.
pub fn accepts(item: &Item, reply: &str) -> bool {
    let reply = conclusion(reply);
    item.alternatives.iter().chain([&item.answer]).any(|answer| conclusion(answer) == reply)
}

/// The reply without outer space and final stops, in lower case, inner space as one blank.
pub fn normalise(reply: &str) -> String {
    let words: Vec<&str> = reply.split_whitespace().collect();
    let text = words.join(" ").to_lowercase();
    text.trim_end_matches(['。', '.', '！', '!', ' ']).to_owned()
}

fn conclusion(reply: &str) -> String {
    let reply = normalise(reply);
    for so in [SO_ZH, "so the answer is "] {
        if let Some((_, rest)) = reply.rsplit_once(so) {
            return rest.to_owned();
        }
    }
    reply
}
