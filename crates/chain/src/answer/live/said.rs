//! What a question says that the parameters of a live source may take: nothing is asked for that nobody said.

use crate::answer::support::{content, numbers};
use serde_json::{Map, Value, json};
use shuyuan_knowledge::live::ToolDescription;
use shuyuan_knowledge::words;
use std::collections::BTreeSet;

/// Texts of a question that one parameter may take, at most.
const MOST: usize = 1_000;
/// Characters of such a text.
const LONGEST: usize = 48;
/// What says that the present value is meant, and is no value itself.
const PRESENT: &str =
    "now still currently present moment today left 现在 目前 此刻 当前 今天 还有 还 剩 多少";
const DAY: u64 = 24 * 3600;

/// The schema of a source's parameters with every value one that the question says; a parameter of which it says nothing is left out.
/// Texts may be worded freely unless they are to be `copied`. `None` if it says nothing of one that must be given.
pub(super) fn narrowed(tool: &ToolDescription, question: &str, now: u64, copied: bool) -> Option<Value> {
    let parameters = &tool.parameters;
    let none = Map::new();
    let properties = parameters["properties"].as_object().unwrap_or(&none);
    let (days, rest) = days(question, now);
    let mut kept = Map::new();
    for (name, property) in properties {
        let needed = is_needed(parameters, name);
        let values: Vec<Value> = match kind(property) {
            Kind::Enum => {
                let values = property["enum"].as_array().map(Vec::as_slice).unwrap_or_default();
                values.iter().filter(|value| mentions(question, value)).cloned().collect()
            }
            Kind::Date => days.iter().map(|day| json!(day)).collect(),
            Kind::Number { whole } => numbers_of(&rest)
                .into_iter()
                .filter(|number| !whole || number.fract() == 0.0)
                .filter(|number| property["minimum"].as_f64().is_none_or(|min| *number >= min))
                .filter(|number| property["maximum"].as_f64().is_none_or(|max| *number <= max))
                .map(|number| if whole { json!(number as i64) } else { json!(number) })
                .collect(),
            Kind::Text => spans(question, &about(tool)).into_iter().map(Value::String).collect(),
            // Nobody says true or false.
            Kind::Truth if needed => {
                kept.insert(name.clone(), property.clone());
                continue;
            }
            Kind::Truth => continue,
        };
        if values.is_empty() {
            if needed {
                return None;
            }
            continue;
        }
        let mut property = property.clone();
        let text = kind(&property) == Kind::Text;
        if copied || !text {
            for field in ["format", "maxLength", "minimum", "maximum"] {
                property.as_object_mut().map(|fields| fields.remove(field));
            }
            property["enum"] = unique(values);
        }
        kept.insert(name.clone(), property);
    }
    let mut schema = parameters.clone();
    schema["properties"] = Value::Object(kept);
    Some(schema)
}

/// Whether every text among the arguments consists of words of the question, and none of the source's own: what else a model
/// writes is a guess, or the question again.
pub(super) fn is_said(arguments: &Value, tool: &ToolDescription, question: &str) -> bool {
    let (said, about) = (content(question), about(tool));
    arguments.as_object().into_iter().flatten().all(|(name, value)| {
        let text = value.as_str().filter(|_| kind(&tool.parameters["properties"][name]) == Kind::Text);
        let own = text.map(content).unwrap_or_default();
        text.is_none() || !own.is_empty() && own.is_subset(&said) && own.is_disjoint(&about)
    })
}

/// The words of a source: of its name, its description and its parameters.
pub(super) fn about(tool: &ToolDescription) -> BTreeSet<String> {
    let mut text =
        format!("{} {} {}", tool.name.replace(['-', '_'], " "), tool.description.zh, tool.description.en);
    for (name, property) in tool.parameters["properties"].as_object().into_iter().flatten() {
        text += &format!(" {}", name.replace('_', " "));
        let values = property["enum"].as_array().into_iter().flatten();
        for value in std::iter::once(&property["description"]).chain(values).filter_map(Value::as_str) {
            text += &format!(" {value}");
        }
    }
    content(&text)
}

/// The arguments where the question leaves no choice: the one number for the one number asked for, the one day, the one
/// text in quotation marks.
pub(super) fn only(tool: &ToolDescription, question: &str, now: u64) -> Option<Value> {
    let parameters = &tool.parameters;
    let narrowed = narrowed(tool, question, now, true)?;
    let none = Map::new();
    let properties = narrowed["properties"].as_object().unwrap_or(&none);
    let kind = |name: &str| kind(&parameters["properties"][name]);
    let mut arguments = Map::new();
    let quoted = quoted(question);
    for (name, property) in properties {
        let (needed, own) = (is_needed(parameters, name), kind(name));
        // What two parameters may take is neither's.
        let like = |other: &&String| kind(other).is_like(own) && (!needed || is_needed(parameters, other));
        let rivals = properties.keys().filter(like).count();
        let values = property["enum"].as_array().map(Vec::as_slice).unwrap_or_default();
        let value = match (own, values, quoted.as_slice()) {
            (Kind::Text, _, [one]) => Some(json!(one)),
            (Kind::Enum | Kind::Date | Kind::Number { .. }, [one], _) => Some(one.clone()),
            _ => None,
        };
        match value.filter(|_| rivals == 1 || own == Kind::Enum) {
            Some(value) => drop(arguments.insert(name.clone(), value)),
            None if needed => return None,
            None => {}
        }
    }
    Some(Value::Object(arguments))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Enum,
    Date,
    Number { whole: bool },
    Text,
    Truth,
}

impl Kind {
    fn is_like(self, other: Self) -> bool {
        self == other || matches!((self, other), (Self::Number { .. }, Self::Number { .. }))
    }
}

fn kind(property: &Value) -> Kind {
    match property["type"].as_str() {
        Some("integer") => Kind::Number { whole: true },
        Some("number") => Kind::Number { whole: false },
        Some("boolean") => Kind::Truth,
        _ if property["format"] == "date" => Kind::Date,
        _ if property.get("enum").is_some() => Kind::Enum,
        _ => Kind::Text,
    }
}

fn is_needed(parameters: &Value, name: &str) -> bool {
    parameters["required"].as_array().is_some_and(|required| required.iter().any(|other| other == name))
}

fn unique(values: Vec<Value>) -> Value {
    let mut kept: Vec<Value> = Vec::new();
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    Value::Array(kept)
}

/// Whether a question has the word, or the words, that a value is.
fn mentions(question: &str, value: &Value) -> bool {
    let Some(value) = value.as_str() else { return false };
    let own = content(value);
    let mut words = question.split(|c: char| !c.is_alphanumeric());
    words.any(|word| word.eq_ignore_ascii_case(value))
        || !own.is_empty() && own.is_subset(&content(question))
        || !value.is_ascii() && question.contains(value)
}

/// The days that a question names, as `YYYY-MM-DD`, and the rest of it.
fn days(question: &str, now: u64) -> (Vec<String>, String) {
    let mut all = Vec::new();
    let mut rest = String::new();
    let chars: Vec<(usize, char)> = question.char_indices().collect();
    let mut at = 0;
    while at < chars.len() {
        let text = &question[chars[at].0..];
        let inside = at > 0 && chars[at - 1].1.is_ascii_alphanumeric();
        match written(text).filter(|_| !inside) {
            Some((day, length)) => {
                all.push(day);
                rest.push(' ');
                at += length;
            }
            None => {
                rest.push(chars[at].1);
                at += 1;
            }
        }
    }
    let lower = question.to_lowercase();
    let said = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    for (words, moved) in [
        (["today", "今天", "今日"], now),
        (["tomorrow", "明天", "明日"], now + DAY),
        (["yesterday", "昨天", "昨日"], now.saturating_sub(DAY)),
    ] {
        if said(&words) {
            all.push(shuyuan_text::strftime(moved, "%F"));
        }
    }
    (all, rest)
}

/// A day at the beginning of a text (2026-12-01, 2026/12/1, 2026年12月1日), and how many characters it has.
fn written(text: &str) -> Option<(String, usize)> {
    let mut chars = text.chars().peekable();
    let mut length = 0;
    let mut number = |most: usize, end: &[char]| {
        let mut digits = String::new();
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            digits.push(digit);
            length += 1;
        }
        if digits.is_empty() || digits.len() > most {
            return None;
        }
        if !end.is_empty() {
            chars.next_if(|c| end.contains(c))?;
            length += 1;
        }
        digits.parse::<u32>().ok()
    };
    let year = number(4, &['-', '/', '年'])?;
    let month = number(2, &['-', '/', '月'])?;
    let day = number(2, &[])?;
    let fine = year > 999 && (1..=12).contains(&month) && (1..=31).contains(&day);
    fine.then(|| (format!("{year:04}-{month:02}-{day:02}"), length))
}

/// Numbers that stand alone, not within a code such as A17; also written in words.
fn numbers_of(text: &str) -> Vec<f64> {
    let mut all = Vec::new();
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        let from = at;
        while at < chars.len()
            && (chars[at].is_ascii_digit()
                || (at > from
                    && matches!(chars[at], '.' | ',')
                    && chars.get(at + 1).is_some_and(char::is_ascii_digit)))
        {
            at += 1;
        }
        let letter = |c: Option<&char>| c.is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '-' | '_'));
        let alone =
            !letter(from.checked_sub(1).and_then(|before| chars.get(before))) && !letter(chars.get(at));
        if at > from && alone {
            let digits: String = chars[from..at].iter().filter(|c| **c != ',').collect();
            all.extend(digits.parse::<f64>().ok());
        }
        at = at.max(from + 1);
    }
    if all.is_empty() && !text.contains(|c: char| c.is_ascii_digit()) {
        all.extend(numbers(text).iter().filter_map(|number| number.parse::<f64>().ok()));
    }
    all
}

/// Stretches of the question that may be what a text is about, the shortest first: what stands in quotation marks, or else
/// what begins and ends with a word that is not one of the source's (`about`), or with a capital, as titles do.
fn spans(question: &str, about: &BTreeSet<String>) -> Vec<String> {
    let quoted = quoted(question);
    if !quoted.is_empty() {
        return quoted;
    }
    let (mut starts, mut ends) = (BTreeSet::new(), BTreeSet::new());
    let present = content(PRESENT);
    words(question, |word, range| {
        if !about.contains(word) && !present.contains(word) {
            starts.insert(range.start);
            ends.insert(range.end);
        }
    });
    for word in
        question.split_whitespace().skip(1).filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
    {
        let start = word.as_ptr() as usize - question.as_ptr() as usize;
        starts.insert(start);
        ends.insert(start + word.trim_end_matches(|c: char| !c.is_alphanumeric()).len());
    }
    let mut all: Vec<&str> = Vec::new();
    for &start in &starts {
        let longer = ends.iter().filter(|end| **end > start).map(|end| &question[start..*end]);
        all.extend(longer.take_while(|text| text.chars().count() <= LONGEST));
    }
    all.sort_by_key(|text| text.len());
    all.truncate(MOST);
    all.into_iter().map(str::to_string).collect()
}

/// What stands in quotation marks.
fn quoted(question: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (open, close) in [('“', '”'), ('"', '"'), ('《', '》'), ('「', '」')] {
        let mut rest = question;
        while let Some((_, after)) = rest.split_once(open)
            && let Some((inside, after)) = after.split_once(close)
        {
            all.extend(Some(inside.trim().to_string()).filter(|text| !text.is_empty()));
            rest = after;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use shuyuan_knowledge::live::Description;

    /// 2026-11-28.
    const NOW: u64 = 1_795_867_200;

    fn tool() -> ToolDescription {
        let parameters = json!({
            "type": "object", "required": ["number"], "additionalProperties": false,
            "properties": {
                "number": { "type": "integer", "minimum": 10 },
                "day": { "type": "string", "format": "date" },
                "room": { "type": "string", "enum": ["North", "花园"] },
                "who": { "type": "string", "maxLength": 100 },
                "open": { "type": "boolean" },
            },
        });
        let description = Description { zh: "订单在哪里".into(), en: "Where an order is".into() };
        ToolDescription { name: "orders".into(), description, parameters }
    }

    fn values(question: &str, name: &str) -> Value {
        narrowed(&tool(), question, NOW, true)
            .map_or(Value::Null, |schema| schema["properties"][name]["enum"].clone())
    }

    #[test]
    fn values_are_what_the_question_says() {
        assert_eq!(values("Is order 4,812 in the north room?", "number"), json!([4812]));
        assert_eq!(values("Is order 4,812 in the north room?", "room"), json!(["North"]));
        assert_eq!(values("48213号订单2026年12月1日在花园吗?", "number"), json!([48213]));
        assert_eq!(values("48213号订单2026年12月1日在花园吗?", "day"), json!(["2026-12-01"]));
        assert_eq!(values("48213号订单2026年12月1日在花园吗?", "room"), json!(["花园"]));
        assert_eq!(values("12 tomorrow, 2026/1/2?", "day"), json!(["2026-01-02", "2026-11-29"]));
        assert_eq!(values("Twelve of them?", "number"), json!([12]));
        // What must be given is not said: a code is no number, and 9 is too few.
        for question in ["Where is A17?", "Where is 9?", "Where is it?"] {
            assert_eq!(narrowed(&tool(), question, NOW, true), None, "{question}");
        }
        let who = values("12 for Li Lei?", "who");
        assert_eq!(who, json!(["12", "Li", "Lei", "Li Lei", "12 for Li", "12 for Li Lei"]));
        // Words of the source are not what is asked for.
        assert_eq!(values("Where is the order 12 of pens now?", "who"), json!(["12", "pens", "12 of pens"]));
        assert_eq!(values("Is 12 the “Old Order”?", "who"), json!(["Old Order"]));
        let free = narrowed(&tool(), "12 for Li Lei?", NOW, false).unwrap_or_default();
        assert_eq!(free["properties"]["who"], tool().parameters["properties"]["who"]);
        assert!(free["properties"].get("open").is_none() && free["properties"].get("day").is_none());
    }

    #[test]
    fn texts_that_nobody_said_are_guesses() {
        for (text, said) in [
            ("pen", true),
            ("red pens", true),
            ("Red pens", true),
            ("order", false),
            ("ink", false),
            ("", false),
        ] {
            let arguments = json!({ "who": text, "number": 12 });
            assert_eq!(is_said(&arguments, &tool(), "Are 12 red pens in the order?"), said, "{text}");
        }
    }

    #[test]
    fn where_there_is_a_choice_a_rule_takes_none() {
        let taken = |question: &str| only(&tool(), question, NOW);
        assert_eq!(taken("Is 12 here?"), Some(json!({ "number": 12 })));
        assert_eq!(taken("Is 12 “Li Lei”'s?"), Some(json!({ "number": 12, "who": "Li Lei" })));
        assert_eq!(taken("Is 12 or 13 here?"), None);
        assert_eq!(taken("Is it here?"), None);
    }
}
