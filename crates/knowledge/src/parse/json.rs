//! JSON and JSON lines: readable `key: value` text, tables where records are flat.

use super::budget::Budget;
use super::draft::Draft;
use super::{date, text};
use crate::Document;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value takes up to twenty times its bytes in memory: larger files are read as text.
const LARGEST: usize = 64 << 20;

/// The keys under which a record holds its text.
const TEXTS: [&str; 9] =
    ["text", "content", "body", "markdown", "document", "passage", "正文", "内容", "文本"];

/// A value, its keys in the order of the file.
enum Node {
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    Leaf(String),
    Null,
}

/// Reads a JSON file; as text, with a note, where it is none.
pub(crate) fn read(bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    budget.check()?;
    let text = text::decoded(bytes)?;
    if text.len() > LARGEST {
        return as_text(bytes, budget, "json", format!("larger than {LARGEST} bytes: read as plain text"));
    }
    let node = match serde_json::from_str::<Node>(&text) {
        Ok(node) => node,
        Err(error) => {
            return as_text(bytes, budget, "json", format!("not valid JSON ({error}): read as plain text"));
        }
    };
    let mut draft = Draft::new("json", budget);
    if let Node::Object(fields) = &node {
        metadata(fields, &mut draft);
    }
    write("", &node, &mut draft);
    finished(draft)
}

/// Reads JSON lines: one record after the other.
pub(crate) fn read_lines(bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    let text = text::decoded(bytes)?;
    let mut draft = Draft::new("jsonl", budget);
    let mut table = Vec::new();
    let (mut bad, mut first_bad) = (0, 0);
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        if number % 1024 == 0 {
            budget.check()?;
        }
        let node = if line.len() > LARGEST { None } else { serde_json::from_str::<Node>(line).ok() };
        match node {
            Some(Node::Object(fields)) => {
                if let Some(at) = TEXTS.iter().find_map(|&key| {
                    fields.iter().position(|(name, value)| name == key && matches!(value, Node::Leaf(_)))
                }) {
                    flush(&mut table, &mut draft);
                    record(&fields, at, &mut draft);
                } else if is_flat(&fields) {
                    table.push(Node::Object(fields));
                    // A value in memory takes many times its bytes.
                    if table.len() >= 10_000 {
                        flush(&mut table, &mut draft);
                    }
                } else {
                    flush(&mut table, &mut draft);
                    write("", &Node::Object(fields), &mut draft);
                }
            }
            Some(node) => {
                flush(&mut table, &mut draft);
                write("", &node, &mut draft);
            }
            None => {
                bad += 1;
                first_bad = if bad == 1 { number + 1 } else { first_bad };
                flush(&mut table, &mut draft);
                draft.text(line);
            }
        }
    }
    flush(&mut table, &mut draft);
    if bad > 0 {
        draft.note(format!(
            "lines that are not valid JSON, read as plain text: {bad}, the first of them line {first_bad}"
        ));
    }
    finished(draft)
}

fn finished(draft: Draft) -> Result<Document, String> {
    if draft.is_empty() {
        return Err("expected values, found none: the file is empty".into());
    }
    Ok(draft.finish())
}

fn as_text(bytes: &[u8], budget: &Budget, format: &'static str, note: String) -> Result<Document, String> {
    let document = text::read(bytes, budget)?;
    Ok(Document { format, notes: vec![note], ..document })
}

/// A record with a text: its other fields in a block of their own, then the text by paragraphs.
fn record(fields: &[(String, Node)], at: usize, draft: &mut Draft) {
    let mut head = Vec::new();
    for (index, (key, value)) in fields.iter().enumerate() {
        if index != at {
            lines(key, value, &mut head);
        }
    }
    draft.text(&head.join("\n"));
    let Node::Leaf(text) = &fields[at].1 else { return };
    let text = super::draft::clean(text);
    for span in text::paragraphs(&text) {
        draft.text(&text[span]);
    }
}

fn metadata(fields: &[(String, Node)], draft: &mut Draft) {
    for (key, value) in fields {
        if let Node::Leaf(value) = value {
            match key.to_ascii_lowercase().as_str() {
                "title" => draft.title(value),
                "date" | "updated" | "published" | "created" => draft.date(date::iso(value)),
                _ => {}
            }
        }
    }
}

/// Writes a value: scalars as lines, arrays of flat objects as tables, larger parts as blocks of their own.
fn write(path: &str, node: &Node, draft: &mut Draft) {
    match node {
        Node::Object(fields) => {
            let mut plain = Vec::new();
            for (key, value) in fields {
                let path = join(path, key);
                if is_small(value) {
                    lines(&path, value, &mut plain);
                } else {
                    draft.text(&std::mem::take(&mut plain).join("\n"));
                    write(&path, value, draft);
                }
            }
            draft.text(&plain.join("\n"));
        }
        Node::Array(items) if path.is_empty() && items.len() == 1 => write("", &items[0], draft),
        Node::Array(items) if is_table(items) => {
            if !path.is_empty() {
                draft.text(&format!("{path}:"));
            }
            draft.table(true, &rows(items));
        }
        Node::Array(items) if !items.iter().all(is_small) => {
            for (index, item) in items.iter().enumerate() {
                // The records of a file need no number.
                let path = if path.is_empty() { String::new() } else { format!("{path}[{}]", index + 1) };
                write(&path, item, draft);
            }
        }
        _ => {
            let mut plain = Vec::new();
            lines(path, node, &mut plain);
            draft.text(&plain.join("\n"));
        }
    }
}

/// `path: value` lines.
fn lines(path: &str, node: &Node, out: &mut Vec<String>) {
    match node {
        Node::Object(fields) => fields.iter().for_each(|(key, value)| lines(&join(path, key), value, out)),
        Node::Array(items) if items.iter().all(|item| matches!(item, Node::Leaf(_) | Node::Null)) => {
            let items: Vec<&str> = items.iter().filter_map(leaf).collect();
            if path.is_empty() {
                out.extend(items.into_iter().map(str::to_owned));
            } else if !items.is_empty() {
                out.push(format!("{path}: {}", items.join(", ")));
            }
        }
        Node::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| lines(&format!("{path}[{}]", index + 1), item, out));
        }
        Node::Leaf(value) if path.is_empty() => out.push(value.clone()),
        Node::Leaf(value) => out.push(format!("{path}: {value}")),
        Node::Null => {}
    }
}

/// Deep paths keep their last part: repeated in every line they would outgrow the file.
fn join(path: &str, key: &str) -> String {
    let short: String;
    let key = if key.len() > 200 {
        short = key.chars().take(60).collect();
        &short
    } else {
        key
    };
    if path.is_empty() {
        key.to_owned()
    } else if path.len() > 200 {
        format!("….{key}")
    } else {
        format!("{path}.{key}")
    }
}

fn leaf(node: &Node) -> Option<&str> {
    if let Node::Leaf(value) = node { Some(value) } else { None }
}

/// Whether a value fits among the lines of its parent.
fn is_small(node: &Node) -> bool {
    match node {
        Node::Leaf(_) | Node::Null => true,
        Node::Array(items) => items.iter().all(|item| matches!(item, Node::Leaf(_) | Node::Null)),
        Node::Object(fields) => fields.len() <= 8 && is_flat(fields),
    }
}

fn is_flat(fields: &[(String, Node)]) -> bool {
    fields.iter().all(|(_, value)| match value {
        Node::Array(items) => {
            items.len() <= 20 && items.iter().all(|item| matches!(item, Node::Leaf(_) | Node::Null))
        }
        Node::Object(_) => false,
        Node::Leaf(_) | Node::Null => true,
    })
}

fn is_table(items: &[Node]) -> bool {
    // Columns that few records fill make no table.
    items.len() > 1
        && items
            .iter()
            .all(|item| matches!(item, Node::Object(fields) if fields.len() <= 64 && is_flat(fields)))
        && columns(items).is_some_and(|columns| {
            let filled: usize =
                items.iter().map(|item| if let Node::Object(fields) = item { fields.len() } else { 0 }).sum();
            filled * 2 >= columns.len() * items.len()
        })
}

fn columns(items: &[Node]) -> Option<Vec<&str>> {
    let mut seen = rustc_hash::FxHashSet::default();
    let mut columns = Vec::new();
    for item in items {
        let Node::Object(fields) = item else { return None };
        for (key, _) in fields {
            if seen.insert(key.as_str()) {
                columns.push(key.as_str());
            }
        }
        if columns.len() > 256 {
            return None;
        }
    }
    Some(columns)
}

fn rows(items: &[Node]) -> Vec<Vec<String>> {
    let Some(columns) = columns(items) else { return Vec::new() };
    let mut rows = vec![columns.iter().map(|&column| column.to_owned()).collect()];
    for item in items {
        let Node::Object(fields) = item else { continue };
        rows.push(
            columns
                .iter()
                .map(|column| match fields.iter().find(|(key, _)| key == column) {
                    Some((_, Node::Leaf(value))) => value.clone(),
                    Some((_, Node::Array(items))) => {
                        items.iter().filter_map(leaf).collect::<Vec<_>>().join(", ")
                    }
                    _ => String::new(),
                })
                .collect(),
        );
    }
    rows
}

fn flush(table: &mut Vec<Node>, draft: &mut Draft) {
    let items = Node::Array(std::mem::take(table));
    write("", &items, draft);
}

/// serde_json stops at a depth of 128.
impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Node;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Leaf(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Leaf(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Leaf(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Leaf(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Leaf(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Node::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let mut object = Vec::new();
        while let Some(field) = fields.next_entry()? {
            object.push(field);
        }
        Ok(Node::Object(object))
    }
}
