//! Which live sources a question is put to.
//!
//! Not by asking the model for a name: a small one has its favourite, whatever the question. What it says of the question
//! is worth more: how much likelier it is among questions that need this source than among questions at large. To that
//! comes which share of its words the source's description has.

use super::said::about;
use crate::answer::support::content;
use crate::trades::is_chinese;
use crate::{ChainError, Local};
use shuyuan_engine::Passage as Scored;
use shuyuan_knowledge::live::ToolDescription;
use shuyuan_text::{Message, Rendering};

/// Likelihood (nats per token of the question) and share of words, added, from which a source is asked. Found with 135M
/// parameters on the questions of `goldens/knowledge/live` but for those of `unseen.jsonl`.
pub(super) const ENOUGH: f64 = 0.8;
/// Without a model: share of the question's words, and how many of them.
const SHARE: f64 = 0.6;
const WORDS: usize = 2;

/// The share of the question's words that a source's name, description and parameters have, and how many they are. Numbers
/// and days are words of whatever takes them.
pub(super) fn covered(question: &str, tool: &ToolDescription) -> (f64, usize) {
    let have = about(tool);
    let mut properties = tool.parameters["properties"].as_object().into_iter().flatten();
    let counts = properties.any(|(_, property)| {
        matches!(property["type"].as_str(), Some("integer" | "number")) || property["format"] == "date"
    });
    let wanted = content(question);
    let is_number = |word: &str| word.chars().all(|c| !c.is_alphabetic());
    let common = wanted.iter().filter(|word| have.contains(*word) || (counts && is_number(word))).count();
    (common as f64 / wanted.len().max(1) as f64, common)
}

/// Whether the words alone say that a source is asked for.
pub(super) fn is_named((share, words): (f64, usize)) -> bool {
    share >= SHARE && words >= WORDS
}

/// How much likelier the question is among those that need a source than at large, in nats per token, source by source.
pub(super) fn likelihoods(
    local: &Local,
    question: &str,
    tools: &[&ToolDescription],
) -> Result<Vec<f64>, ChainError> {
    let zh = is_chinese(question);
    let at_large = match zh {
        true => ["写一个问题，答案写在手册、规定或教材里。", "写一个问题。"],
        false => {
            ["Write a question whose answer stands in a handbook, a rule or a textbook.", "Write a question."]
        }
    };
    let needs = tools.iter().map(|tool| match zh {
        true => format!("写一个问题，要查这里的实时数据才能回答：{}", tool.description.zh),
        false => format!("Write a question that needs this live data: {}", tool.description.en),
    });
    let template = local.template()?;
    let answer = local.tokenizer().encode(question);
    let context = local.engine().model().config().max_position_embeddings;
    let mut texts = Vec::new();
    for prompt in at_large.into_iter().map(str::to_string).chain(needs) {
        let mut ids = template.render(&[Message::user(prompt)], &Rendering::answer())?;
        let from = ids.len();
        ids.extend(&answer);
        if from == 0 || answer.is_empty() || ids.len() > context {
            // What the model cannot read it has no opinion on.
            return Ok(vec![0.0; tools.len()]);
        }
        texts.push(Scored { ids, from });
    }
    let likely = local.engine().logprobs(&texts)?;
    let (at_large, needs) = likely.split_at(at_large.len());
    let base = at_large.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Ok(needs.iter().map(|likely| (likely - base) / answer.len() as f64).collect())
}
