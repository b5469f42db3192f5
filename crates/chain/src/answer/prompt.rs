//! What the model is given to answer from.

use super::Source;
use crate::trades::is_chinese;
use crate::{ChainError, Local};
use shuyuan_text::{Message, Rendering};

/// The prompt, and how many of the sources fitted into it. The best ones come first; none is cut.
pub(super) fn prompt(
    local: &Local,
    question: &str,
    sources: &[Source],
    max_tokens: usize,
) -> Result<(String, usize), ChainError> {
    let context = local.engine().model().config().max_position_embeddings;
    let room = context.saturating_sub(max_tokens.min(context / 4));
    let mut fitting = None;
    for read in 1..=sources.len() {
        let text = worded(question, &sources[..read]);
        if tokens(local, &text)? > room {
            break;
        }
        fitting = Some((text, read));
    }
    match fitting {
        Some(fitting) => Ok(fitting),
        // The first passage alone is too long: its sentences nearest to the question, as many as fit.
        None => {
            Ok((shortened(local, question, &sources[..sources.len().min(1)], room)?, sources.len().min(1)))
        }
    }
}

fn tokens(local: &Local, text: &str) -> Result<usize, ChainError> {
    let messages = [Message::user(text.to_string())];
    Ok(local.template()?.render(&messages, &Rendering::answer())?.len())
}

fn worded(question: &str, sources: &[Source]) -> String {
    let texts: Vec<String> = sources.iter().enumerate().map(|(index, source)| shown(index, source)).collect();
    framed(question, &texts.join("\n\n"))
}

fn framed(question: &str, texts: &str) -> String {
    if is_chinese(question) {
        format!(
            "资料：\n{texts}\n\n只根据以上资料，用一两句话回答问题；资料里没有就回答“没有找到”。\n问题：{question}"
        )
    } else {
        format!(
            "Texts:\n{texts}\n\nAnswer the question in one or two sentences, from these texts alone; if they do not say \
             it, answer \"not found\".\nQuestion: {question}"
        )
    }
}

/// A passage as the model sees it, without the sentences that give orders.
fn shown(index: usize, source: &Source) -> String {
    let passage = source.passage;
    let mut text = String::new();
    let mut at = 0;
    for order in &source.orders {
        text += &passage.text[at..order.start];
        at = order.end;
    }
    text += &passage.text[at..];
    let above: Vec<&str> = [passage.document.title.as_str(), &passage.context]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    format!("[{}] {}\n{}", index + 1, above.join(" › "), text.trim())
}

fn shortened(local: &Local, question: &str, sources: &[Source], room: usize) -> Result<String, ChainError> {
    let Some(source) = sources.first() else { return Ok(framed(question, "")) };
    let wanted = super::content(question);
    let text = &source.passage.text;
    let mut ranges: Vec<(usize, std::ops::Range<usize>)> = shuyuan_knowledge::sentences(text)
        .into_iter()
        .filter(|range| !source.orders.contains(range))
        .map(|range| (super::content(&text[range.clone()]).intersection(&wanted).count(), range))
        .collect();
    ranges.sort_by_key(|(common, _)| std::cmp::Reverse(*common));
    let mut kept: Vec<std::ops::Range<usize>> = Vec::new();
    let written = |kept: &[std::ops::Range<usize>]| {
        let mut kept = kept.to_vec();
        kept.sort_by_key(|range| range.start);
        framed(question, &kept.into_iter().map(|range| &text[range]).collect::<Vec<_>>().join("\n"))
    };
    for (_, range) in ranges {
        kept.push(range);
        if tokens(local, &written(&kept))? > room {
            kept.pop();
        }
    }
    Ok(written(&kept))
}

/// A sentence of an answer without numbers of sources in brackets, which the model may have copied.
pub(super) fn without_marks(sentence: &str) -> String {
    let mut text = String::new();
    let mut rest = sentence;
    while let Some(at) = rest.find('[') {
        text += &rest[..at];
        let inside = rest[at + 1..].split(']').next().unwrap_or("");
        if !inside.is_empty()
            && inside.len() < 6
            && inside.bytes().all(|b| b.is_ascii_digit() || b", ".contains(&b))
        {
            rest = &rest[(at + 2 + inside.len()).min(rest.len())..];
        } else {
            text.push('[');
            rest = &rest[at + 1..];
        }
    }
    text += rest;
    text.trim().to_string()
}
