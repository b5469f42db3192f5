//! A row, an object of an API or an entry of a feed, and how it becomes a document.

use super::address;
use super::when;
use crate::document::{Block, Document, Kind};
use crate::{KnowledgeError, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write;

/// Fields in their order.
pub(crate) type Record = Vec<(String, Value)>;

/// How deep an object within an object is written out.
const DEPTH: usize = 4;

/// Which fields make what of a document. `a.b` is a field within a field, `a.0` the first of a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Map {
    /// Tells this record from all others, for good.
    pub key: String,
    /// Its title; the key if not given.
    pub title: Option<String>,
    /// Its text, in this order.
    pub text: Vec<String>,
    /// What else is written below the text, as `field: value`; all that is left if not given.
    pub fields: Option<Vec<String>>,
    /// Where people find it: a field, or an address with `{field}`s in it.
    pub url: Option<String>,
    /// When it is from.
    pub date: Option<String>,
    /// Who may read it: a list, or names between commas. A record without any gets the definition's.
    pub groups: Option<String>,
    /// Words to filter by: a list, or words between commas.
    pub tags: Option<String>,
    /// What the text is: `txt`, `html` or `md`.
    pub format: Option<String>,
}

/// What a record says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Told {
    pub key: String,
    pub title: Option<String>,
    pub url: Option<String>,
    pub date: Option<String>,
    pub groups: Vec<String>,
    pub tags: Vec<String>,
}

impl Map {
    pub(crate) fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(KnowledgeError::Asked(format!("[map]: {what}")));
        if self.key.is_empty() {
            return wrong("expected key = \"…\": the field that tells one record from all others");
        }
        match self.format.as_deref() {
            None | Some("txt" | "html" | "md") => Ok(()),
            Some(other) => wrong(&format!("format: expected txt, html or md, found {other:?}")),
        }
    }

    /// The fields that are asked for, and for what.
    pub(crate) fn fields_asked(&self) -> Vec<(&'static str, &str)> {
        let mut asked = vec![("key", self.key.as_str())];
        for (name, field) in
            [("title", &self.title), ("date", &self.date), ("groups", &self.groups), ("tags", &self.tags)]
        {
            asked.extend(field.as_deref().map(|field| (name, field)));
        }
        match self.url.as_deref() {
            Some(url) if url.contains('{') => asked.extend(placeholders(url).map(|field| ("url", field))),
            Some(url) => asked.push(("url", url)),
            None => {}
        }
        asked.extend(self.text.iter().map(|field| ("text", field.as_str())));
        asked.extend(self.fields.iter().flatten().map(|field| ("fields", field.as_str())));
        asked
    }

    /// `None` if the record has no key.
    pub(crate) fn told(&self, record: &Record) -> Option<Told> {
        let text = |field: &Option<String>| {
            let value = get(record, field.as_deref()?)?;
            Some(plain(value)).filter(|text| !text.trim().is_empty())
        };
        let list = |field: &Option<String>| match field.as_deref().and_then(|field| get(record, field)) {
            Some(Value::Array(values)) => values.iter().map(plain).collect(),
            Some(value) => plain(value).split(',').map(|part| part.trim().to_string()).collect(),
            None => Vec::new(),
        };
        let fine = |list: Vec<String>| list.into_iter().filter(|word| !word.is_empty()).collect();
        Some(Told {
            key: get(record, &self.key).map(plain).filter(|key| !key.is_empty())?,
            title: text(&self.title).map(|title| line(&title)),
            url: match self.url.as_deref() {
                Some(url) if url.contains('{') => filled(url, record),
                _ => text(&self.url),
            },
            date: self.date.as_deref().and_then(|field| when::day(get(record, field)?)),
            groups: fine(list(&self.groups)),
            tags: fine(list(&self.tags)),
        })
    }

    /// The text proper, without title and fields.
    pub(crate) fn body(&self, record: &Record) -> String {
        let parts = self.text.iter().filter_map(|field| get(record, field)).map(plain);
        parts.map(|part| clean(&part)).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
    }

    /// `field: value`, a line each.
    pub(crate) fn lines(&self, record: &Record) -> String {
        let mut out = String::new();
        let mut put = |name: &str, value: &Value| written(&mut out, name, value, DEPTH);
        match &self.fields {
            Some(fields) => {
                fields
                    .iter()
                    .filter_map(|field| Some((field, get(record, field)?)))
                    .for_each(|(n, v)| put(n, v));
            }
            None => {
                let asked = self.fields_asked();
                // What stands nowhere else is written out.
                let template = self.url.as_deref().is_some_and(|url| url.contains('{'));
                let elsewhere = |why: &str| !matches!(why, "date" | "key") && (why != "url" || !template);
                let used = |name: &str| {
                    asked.iter().any(|(why, field)| {
                        elsewhere(why) && (*field == name || field.split('.').next() == Some(name))
                    })
                };
                record.iter().filter(|(name, _)| !used(name)).for_each(|(name, value)| put(name, value));
            }
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// The whole as a document: the title a heading, the text, the fields.
    pub(crate) fn document(&self, told: &Told, record: &Record) -> Document {
        let mut document = Document {
            format: "record",
            title: Some(told.title.clone().unwrap_or_else(|| told.key.clone())),
            date: told.date.clone(),
            ..Document::default()
        };
        let put = |document: &mut Document, kind: Kind, text: &str| {
            if !text.trim().is_empty() {
                if !document.text.is_empty() {
                    document.text += "\n\n";
                }
                let begin = document.text.len();
                document.text += text;
                document.blocks.push(Block { kind, span: begin..document.text.len() });
            }
        };
        put(&mut document, Kind::Heading(1), told.title.as_deref().unwrap_or_default());
        for part in self.body(record).split("\n\n") {
            put(&mut document, Kind::Text, part.trim());
        }
        put(&mut document, Kind::Text, &self.lines(record));
        document
    }

    /// The whole as a page of HTML or Markdown, which the parser reads.
    pub(crate) fn page(&self, told: &Told, record: &Record) -> String {
        let (title, body, lines) =
            (told.title.as_deref().unwrap_or(&told.key), self.body(record), self.lines(record));
        if self.format.as_deref() == Some("md") {
            let lines = lines.lines().map(|line| format!("{line}\n\n")).collect::<String>();
            return format!("# {title}\n\n{body}\n\n{lines}");
        }
        let lines: String = lines.lines().map(|line| format!("<p>{}</p>\n", escaped(line))).collect();
        let title = escaped(title);
        format!(
            "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body><article><h1>{title}</h1>\n{body}\n{lines}</article></body></html>\n"
        )
    }
}

/// The value of a field, or of a field within a field.
pub(crate) fn get<'r>(record: &'r Record, path: &str) -> Option<&'r Value> {
    let top = |name: &str| record.iter().find(|(field, _)| field == name).map(|(_, value)| value);
    if let Some(value) = top(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    within(top(first)?, rest)
}

/// The value at `path` in a value of JSON; an empty path is the value itself.
pub(crate) fn within<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').filter(|part| !part.is_empty()).try_fold(value, |value, part| match value {
        Value::Object(values) => values.get(part),
        Value::Array(values) => values.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A value as people write it.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.iter().all(|value| !value.is_array() && !value.is_object()) => {
            values.iter().map(plain).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn written(out: &mut String, name: &str, value: &Value, depth: usize) {
    match value {
        Value::Object(values) if depth > 0 => {
            values
                .iter()
                .for_each(|(inner, value)| written(out, &format!("{name}.{inner}"), value, depth - 1));
        }
        value => {
            let text = line(&plain(value));
            if !text.is_empty() {
                let _ = writeln!(out, "{name}: {text}");
            }
        }
    }
}

/// The names in braces.
pub(crate) fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name))
}

/// A template with the record's values as single segments; `None` if one is missing.
fn filled(template: &str, record: &Record) -> Option<String> {
    let mut parts = template.split('{');
    let mut out = parts.next()?.to_string();
    for part in parts {
        let (name, rest) = part.split_once('}')?;
        let value = plain(get(record, name)?);
        if value.is_empty() {
            return None;
        }
        out += &address::encode(&value);
        out += rest;
    }
    Some(out)
}

/// In one line.
fn line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Line ends as `\n`, no NULs, nothing blank around.
fn clean(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', " ").trim().to_string()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(value: Value) -> Record {
        value.as_object().unwrap().clone().into_iter().collect()
    }

    #[test]
    fn a_record_becomes_a_document() {
        let map = Map {
            key: "id".into(),
            title: Some("subject".into()),
            text: vec!["body".into()],
            url: Some("https://h/t/{id}".into()),
            date: Some("at".into()),
            groups: Some("team".into()),
            tags: Some("labels".into()),
            ..Map::default()
        };
        let record = record(json!({
            "id": "a/7", "subject": "打印机\n坏了", "body": "First.\r\n\r\nSecond.\0", "at": "2024-05-06T07:08:09Z",
            "team": "it, desk", "labels": ["x", "y"], "by": { "name": "Ann", "age": 7 }, "empty": null,
        }));
        let told = map.told(&record).unwrap();
        assert_eq!(told.url.as_deref(), Some("https://h/t/a%2F7"));
        assert_eq!((told.groups.len(), told.tags.len(), told.date.as_deref()), (2, 2, Some("2024-05-06")));
        let document = map.document(&told, &record);
        assert_eq!(document.title.as_deref(), Some("打印机 坏了"));
        for part in
            ["打印机 坏了\n\nFirst.\n\nSecond.\n\n", "by.name: Ann\n", "by.age: 7", "at: 2024-05-06T07"]
        {
            assert!(document.text.contains(part), "{part:?} in {:?}", document.text);
        }
        assert!(!document.text.contains("empty") && !document.text.contains("team"));
        assert_eq!(document.blocks.len(), 4);
        for pair in document.blocks.windows(2) {
            assert!(document.text[pair[0].span.end..pair[1].span.start].trim().is_empty());
        }
        assert!(map.told(&vec![("subject".into(), json!("x"))]).is_none());
        assert!(map.page(&told, &record).contains("<h1>打印机 坏了</h1>"));
        assert_eq!(get(&record, "by.name"), Some(&json!("Ann")));
        assert_eq!(get(&record, "labels.1"), Some(&json!("y")));
    }
}
