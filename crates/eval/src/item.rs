//! One multiple-choice question: which JSON it is read from, which texts it becomes.

use serde_json::Value;

/// A question with its possible answers, as texts to score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// For each choice what stands before the scored text, and the scored text. Most questions share the former among
    /// choices; where the choices stand before the same end (Winograd), the latter.
    pub choices: Vec<(String, String)>,
    /// The right one.
    pub gold: usize,
}

impl Item {
    /// Reads one line's object:
    /// `query`, `ctx`, `context`, `passage` and `question` (any of them) with `choices`, `endings` or `options`, or
    /// `context_options` with `continuation`; and `gold`, `label` or `answer` as index, letter or the choice's text.
    ///
    /// # Errors
    /// Says what is missing or wrong, and what was found.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let object =
            value.as_object().ok_or_else(|| format!("expected an object, found {}", short(value)))?;
        let field = |names: &[&str]| names.iter().find_map(|name| object.get(*name).filter(|v| !v.is_null()));
        let text = |name: &str| field(&[name]).and_then(Value::as_str).unwrap_or_default();
        let found = || object.keys().cloned().collect::<Vec<_>>().join(", ");

        if let Some(options) = field(&["context_options"]) {
            let options = texts(options, "context_options")?;
            let end = text("continuation");
            if end.trim().is_empty() {
                return Err(format!("context_options need a continuation, found {}", found()));
            }
            let gold = gold(field(&["gold", "label", "answer"]), &options)?;
            return Ok(Self { choices: options.iter().map(|option| joined(option, end)).collect(), gold });
        }
        let Some(options) = field(&["choices", "endings", "options"]) else {
            return Err(format!("no choices, endings or options, found {}", found()));
        };
        let options = texts(options, "choices")?;
        let body = [text("query"), text("ctx"), text("passage"), text("context")]
            .into_iter()
            .find(|text| !text.trim().is_empty())
            .unwrap_or_default();
        let prompt = prompt(body, text("question"));
        if prompt.is_empty() {
            return Err(format!("no query, ctx, context or question, found {}", found()));
        }
        // AGIEval has both label and answer, of which one is null.
        let gold = gold(field(&["gold", "label", "answer"]), &options)?;
        Ok(Self { choices: options.iter().map(|option| joined(&prompt, option)).collect(), gold })
    }
}

/// What stands before a choice: the text, the question, and a word that calls for an answer.
fn prompt(body: &str, question: &str) -> String {
    let (body, question) = (body.trim_end(), question.trim());
    let chinese = [body, question].iter().any(|text| text.chars().any(is_wide));
    let (ask, answer) = if chinese { ("问题：", "答案：") } else { ("Question: ", "Answer:") };
    if question.is_empty() {
        let asks = body.contains("Question:") && !body.ends_with("Answer:");
        return if asks { format!("{body}\nAnswer:") } else { body.to_string() };
    }
    let gap = if body.is_empty() { "" } else { "\n" };
    format!("{body}{gap}{ask}{question}\n{answer}")
}

/// Both with a space between, which belongs to the second; none beside Chinese.
fn joined(before: &str, after: &str) -> (String, String) {
    let (before, after) = (before.trim_end(), after.trim());
    let wide = before.chars().next_back().is_some_and(is_wide) || after.chars().next().is_some_and(is_wide);
    (before.to_string(), if wide { after.to_string() } else { format!(" {after}") })
}

/// Chinese characters and their punctuation, Japanese, Korean, full-width forms.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff00}'..='\u{ff60}' | '\u{20000}'..='\u{3ffff}')
}

fn texts(value: &Value, name: &str) -> Result<Vec<String>, String> {
    let texts: Option<Vec<String>> = value.as_array().and_then(|list| {
        let text = |v: &Value| v.as_str().filter(|t| !t.trim().is_empty()).map(str::to_string);
        list.iter().map(text).collect()
    });
    match texts {
        Some(texts) if texts.len() >= 2 => Ok(texts),
        _ => Err(format!("{name} must be a list of at least two texts, found {}", short(value))),
    }
}

fn gold(value: Option<&Value>, choices: &[String]) -> Result<usize, String> {
    let Some(value) = value else {
        return Err("no gold, label or answer".into());
    };
    let index = match value {
        Value::Number(number) => number.as_u64().map(|n| n as usize),
        Value::String(text) => {
            let text = text.trim();
            let letter = match text.as_bytes() {
                [letter @ b'A'..=b'Z'] => Some(usize::from(letter - b'A')),
                _ => None,
            };
            choices.iter().position(|choice| choice.trim() == text).or(letter).or(text.parse().ok())
        }
        _ => None,
    };
    index
        .filter(|&index| index < choices.len())
        .ok_or_else(|| format!("the answer must be one of {} choices, found {}", choices.len(), short(value)))
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Item {
        Item::from_json(&value).unwrap()
    }

    fn pair(before: &str, after: &str) -> (String, String) {
        (before.into(), after.into())
    }

    #[test]
    fn every_form_is_read() {
        let item = read(json!({ "query": "Question: Why?\n", "choices": ["So.", "No."], "gold": 1 }));
        assert_eq!(item.choices[0], pair("Question: Why?\nAnswer:", " So."));
        assert_eq!(item.gold, 1);
        let item = read(json!({ "ctx": "He", "endings": ["runs", "sits"], "label": 0 }));
        assert_eq!(item.choices[1], pair("He", " sits"));
        let item =
            read(json!({ "context": "男：走吧。", "question": "谁?", "choices": ["他", "她"], "answer": 1 }));
        assert_eq!(item.choices[0], pair("男：走吧。\n问题：谁?\n答案：", "他"));
        let item = read(json!({ "question": "2+2?", "choices": ["3", "4"], "answer": 1 }));
        assert_eq!(item.choices[1], pair("Question: 2+2?\nAnswer:", " 4"));
        let item = read(
            json!({ "passage": null, "question": "?", "options": ["(A)x", "(B)y"], "label": "B", "answer": null }),
        );
        assert_eq!(item.gold, 1);
        let item =
            read(json!({ "context_options": ["the cat", "the dog"], "continuation": "barked.", "gold": 1 }));
        assert_eq!(item.choices, [pair("the cat", " barked."), pair("the dog", " barked.")]);
        let item = read(json!({ "query": "Q: x\nA:", "choices": ["Yes", "No"], "gold": "No" }));
        assert_eq!((item.choices[1].clone(), item.gold), (pair("Q: x\nA:", " No"), 1));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (value, named) in [
            (json!([1]), "[1]"),
            (json!({ "text": "a" }), "found text"),
            (json!({ "query": "a", "choices": ["b"], "gold": 0 }), "at least two"),
            (json!({ "query": "a", "choices": ["b", 3], "gold": 0 }), "at least two"),
            (json!({ "query": "a", "choices": ["b", "c"] }), "no gold"),
            (json!({ "query": "a", "choices": ["b", "c"], "gold": 2 }), "found 2"),
            (json!({ "query": "a", "choices": ["b", "c"], "gold": -1 }), "found -1"),
            (json!({ "query": "", "choices": ["b", "c"], "gold": 0 }), "no query"),
            (json!({ "context_options": ["b", "c"], "gold": 0 }), "continuation"),
        ] {
            let error = Item::from_json(&value).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
