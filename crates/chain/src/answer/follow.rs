//! A question that leans on the one before it.
//!
//! The model rewrites it into one that stands alone; a rule, which takes the question before along, where there is no model,
//! and where what the model writes is not the question that was asked.

use super::support::{content, denies, numbers};
use crate::trades::is_chinese;
use crate::{ChainError, Local, Options};
use serde::Serialize;
use shuyuan_engine::Sampling;
use shuyuan_text::Message;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// What was said before a question.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The question before it.
    pub question: String,
    /// The answer to that, if there was one.
    pub answer: String,
}

/// How a question was followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Followed {
    /// What to search for.
    pub searched: String,
    /// What to answer.
    pub question: String,
    /// Who made it stand alone; none if it does by itself.
    pub by: Option<By>,
    /// What the model wrote, where that was not taken.
    pub refused: Option<String>,
}

/// Who made a question stand alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The question before it was taken along.
    Rule,
    /// The model rewrote it.
    Model,
}

/// Words that point back.
const POINTS: [&str; 14] = [
    "it", "its", "they", "them", "their", "this", "that", "these", "those", "there", "he", "she", "his",
    "her",
];
/// Characters of an answer that the model is shown.
const SHOWN: usize = 600;
/// Tokens of a rewritten question.
const TOKENS: usize = 96;

/// Makes a question that leans on the one before it stand alone.
///
/// It leans if it points back (*it*, 那, *what about*) or has hardly a word of its own.
///
/// # Errors
/// If the model cannot read or write.
pub fn follow_up(
    local: Option<&Local>,
    before: Option<&History>,
    question: &str,
    options: &Options,
) -> Result<Followed, ChainError> {
    let alone = Followed { searched: question.into(), question: question.into(), by: None, refused: None };
    let Some(before) = before.filter(|before| leans(question, &before.question)) else { return Ok(alone) };
    let ruled = format!("{question} {}", before.question.trim());
    let Some(local) = local else { return Ok(Followed { searched: ruled, by: Some(By::Rule), ..alone }) };
    let written = rewritten(local, before, question, options)?;
    Ok(match keeps(&written, before, question) {
        true => Followed { searched: written.clone(), question: written, by: Some(By::Model), refused: None },
        false => {
            let refused = Some(written).filter(|text| !text.is_empty());
            Followed { searched: ruled, by: Some(By::Rule), refused, ..alone }
        }
    })
}

fn leans(question: &str, before: &str) -> bool {
    // *There* in *are there* points nowhere.
    let lower = question.to_lowercase().replace("is there", "is").replace("are there", "are");
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let begins = [
        "what about",
        "how about",
        "and ",
        "why",
        "how long",
        "how much",
        "how many",
        "then ",
        "where",
        "when",
    ];
    let chinese = ["它", "他", "她", "这", "那", "此", "其", "呢", "还有"];
    let own = content(question);
    let leans = words.iter().any(|word| POINTS.contains(word))
        || (begins.iter().any(|begin| lower.starts_with(begin)) && own.len() <= 2)
        || chinese.iter().any(|word| question.contains(word))
        || own.len() <= 1;
    leans && content(before).iter().any(|word| !own.contains(word))
}

/// What the model makes of it, on one line. Examples come first as turns of their own: small models follow them, not the
/// instruction.
fn rewritten(
    local: &Local,
    before: &History,
    question: &str,
    options: &Options,
) -> Result<String, ChainError> {
    let zh = is_chinese(question);
    let mut messages = vec![Message::system(match zh {
        true => "把追问改写成一个不看上文也能懂的完整问题：保留追问里的词，只补上文里的词。只写这个问题。",
        false => {
            "Rewrite the follow-up as one whole question that can be understood without what was said before: keep the \
             words of the follow-up, add only words of what was said before. Write nothing but the question."
        }
    })];
    let examples = match zh {
        true => [
            (["图书馆几点开门？", "八点。", "周日呢？"], "周日图书馆几点开门？"),
            (["谁负责采购？", "王芳。", "她的电话是多少？"], "王芳的电话是多少？"),
        ],
        false => [
            (
                ["When does the library open?", "At eight.", "And on Sundays?"],
                "When does the library open on Sundays?",
            ),
            (["Who buys the paper?", "Anna Berg.", "What is her number?"], "What is Anna Berg's number?"),
        ],
    };
    for ([asked, answered, follows], whole) in examples {
        messages.push(Message::user(worded(zh, asked, answered, follows)));
        messages.push(Message::assistant(whole));
    }
    let answer: String = before.answer.chars().take(SHOWN).collect();
    messages.push(Message::user(worded(zh, &before.question, &answer, question)));
    let options = Options {
        max_tokens: TOKENS,
        sampling: Sampling { temperature: 0.0, ..Sampling::default() },
        stop: vec!["\n".into()],
        ..options.clone()
    };
    let reply = local.chat(&messages, &options, &mut |_| ControlFlow::Continue(()))?;
    Ok(reply.text.trim().trim_matches(['"', '“', '”']).trim().to_string())
}

fn worded(zh: bool, asked: &str, answered: &str, follows: &str) -> String {
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (asked, answered, follows) = (line(asked), line(answered), line(follows));
    match (zh, answered.is_empty()) {
        (true, true) => format!("上文的问题：{asked}\n追问：{follows}"),
        (true, false) => format!("上文的问题：{asked}\n上文的回答：{answered}\n追问：{follows}"),
        (false, true) => format!("Asked before: {asked}\nFollow-up: {follows}"),
        (false, false) => format!("Asked before: {asked}\nAnswered: {answered}\nFollow-up: {follows}"),
    }
}

/// Whether what was written is still the question that was asked: it has all its words and numbers, others only from what
/// was said before and at least one of those, and denies nothing that it did not.
fn keeps(written: &str, before: &History, question: &str) -> bool {
    let said = format!("{}\n{}", before.question, before.answer);
    let (mut own, words, known) = (units(question), units(written), units(&said));
    // What points back is what the rewriting is to replace.
    own.retain(|word| !POINTS.contains(&word.as_str()));
    let (figures, new_figures) = (numbers(question), numbers(written));
    let most = question.chars().count() + said.chars().count() + 24;
    words.is_superset(&own)
        && words.iter().all(|word| own.contains(word) || known.contains(word))
        && words.len() > own.len()
        && new_figures.is_superset(&figures)
        && new_figures.is_subset(&numbers(&format!("{question}\n{said}")))
        && denies(written) == denies(question)
        && written.chars().count() <= most
}

/// What a text says, word by word; Chinese character by character: 那年假呢 may be cut into 那年 and 假.
fn units(text: &str) -> BTreeSet<String> {
    const EMPTY: &str = "的了吗呢吧啊是在有和与也还那这其此它他她们个么什哪怎为就都请问";
    let is_han = |c: char| ('\u{3400}'..='\u{9fff}').contains(&c);
    let mut all = content(text);
    all.retain(|word| !word.contains(is_han));
    all.extend(text.chars().filter(|c| is_han(*c) && !EMPTY.contains(*c)).map(String::from));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(question: &str, answer: &str) -> History {
        History { question: question.into(), answer: answer.into() }
    }

    #[test]
    fn what_points_back_takes_the_question_before_along() {
        let before = history("How long is the trial period?", "");
        let searched = |before: &History, question: &str| {
            let followed = follow_up(None, Some(before), question, &Options::default()).expect("no model");
            (followed.searched, followed.by)
        };
        assert_eq!(
            searched(&before, "Can it be extended?"),
            ("Can it be extended? How long is the trial period?".into(), Some(By::Rule))
        );
        assert_eq!(
            searched(&before, "Who signs travel expenses?"),
            ("Who signs travel expenses?".into(), None)
        );
        assert_eq!(
            searched(&history("试用期多长？", ""), "那年假呢？"),
            ("那年假呢？ 试用期多长？".into(), Some(By::Rule))
        );
        let alone = follow_up(None, None, "那年假呢？", &Options::default()).expect("no model");
        assert_eq!((alone.searched.as_str(), alone.by), ("那年假呢？", None));
    }

    #[test]
    fn a_rewriting_keeps_the_question_and_adds_only_what_was_said() {
        let trial = history("How long is the trial period?", "Three months.");
        for (written, question, before, fine) in [
            ("Can the trial period be extended?", "Can it be extended?", &trial, true),
            // Nothing new: it leans as before.
            ("Can it be extended?", "Can it be extended?", &trial, false),
            ("Can the trial period be shortened?", "Can it be extended?", &trial, false),
            ("Can the trial period of interns be extended?", "Can it be extended?", &trial, false),
            ("Can the trial period not be extended?", "Can it be extended?", &trial, false),
            ("Can the trial period be extended by 6 months?", "Can it be extended?", &trial, false),
            (
                "Can the trial period of three months be extended by 2?",
                "Can it be extended by 2?",
                &trial,
                true,
            ),
            ("Can the trial period be extended by 3?", "Can it be extended by 2?", &trial, false),
            ("", "Can it be extended?", &trial, false),
            ("年假多长？", "那年假呢？", &history("试用期多长？", ""), true),
            ("病假多长？", "那年假呢？", &history("试用期多长？", ""), false),
            (
                "What is Li Lei's number?",
                "What is his number?",
                &history("Who leads it?", "Li Lei does."),
                true,
            ),
        ] {
            assert_eq!(keeps(written, before, question), fine, "{written}");
        }
    }
}
