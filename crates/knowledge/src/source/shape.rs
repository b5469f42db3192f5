//! What fields a source gives and of which types, and what of it has changed since the last time.

use super::record::Record;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Lines of drift that are kept.
const LINES: usize = 20;
/// Fields that are counted; a record with more is data used as names.
const FIELDS: usize = 500;

/// Fields and the types of their values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Shape(pub BTreeMap<String, BTreeSet<String>>);

impl Shape {
    pub(crate) fn see(&mut self, record: &Record) {
        for (name, value) in record {
            if !self.0.contains_key(name) {
                if self.0.len() >= FIELDS {
                    continue;
                }
                self.0.insert(name.clone(), BTreeSet::new());
            }
            let Some(kind) = kind(value) else { continue };
            if let Some(kinds) = self.0.get_mut(name)
                && !kinds.contains(kind)
            {
                kinds.insert(kind.into());
            }
        }
    }

    /// What differs in `new`; fields are only gone where `all` records were seen.
    pub(crate) fn drift(&self, new: &Self, all: bool) -> Vec<String> {
        if self.0.is_empty() || new.0.is_empty() {
            return Vec::new();
        }
        let mut said = Vec::new();
        for (name, kinds) in &self.0 {
            match new.0.get(name) {
                None if all => said.push(format!("the field {name} is gone")),
                Some(now) if !kinds.is_empty() && !now.is_subset(kinds) => {
                    said.push(format!("the field {name} was {}, is {}", list(kinds), list(now)));
                }
                _ => {}
            }
        }
        let fresh = new.0.keys().filter(|name| !self.0.contains_key(*name));
        said.extend(fresh.map(|name| format!("the field {name} is new")));
        said
    }

    /// Both.
    pub(crate) fn with(mut self, other: Self) -> Self {
        for (name, kinds) in other.0 {
            self.0.entry(name).or_default().extend(kinds);
        }
        self
    }

    /// Fields and their types, for people.
    pub(crate) fn columns(&self) -> Vec<(String, String)> {
        self.0.iter().map(|(name, kinds)| (name.clone(), list(kinds))).collect()
    }
}

fn list(kinds: &BTreeSet<String>) -> String {
    if kinds.is_empty() { "empty".into() } else { kinds.iter().cloned().collect::<Vec<_>>().join(" or ") }
}

fn kind(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some("boolean"),
        Value::Number(number) if number.is_f64() => Some("number"),
        Value::Number(_) => Some("integer"),
        Value::String(_) => Some("text"),
        Value::Array(_) => Some("list"),
        Value::Object(_) => Some("object"),
    }
}

/// Adds lines of today to those of before; what was said already is not said again.
pub(crate) fn kept(before: &[String], new: Vec<String>, now: u64) -> Vec<String> {
    let today = shuyuan_text::strftime(now, "%F");
    let fresh = new.into_iter().filter(|line| !before.iter().any(|old| old.ends_with(&format!(": {line}"))));
    let mut all: Vec<String> = fresh.map(|line| format!("{today}: {line}")).collect();
    all.extend(before.iter().cloned());
    all.truncate(LINES);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_changed_is_told() {
        let shape = |records: &[Value]| {
            let mut shape = Shape::default();
            for record in records {
                shape.see(&record.as_object().unwrap().clone().into_iter().collect());
            }
            shape
        };
        let old = shape(&[json!({"id": 1, "a": "x", "b": null}), json!({"id": 2, "c": 1.5})]);
        let new = shape(&[json!({"id": "1", "a": null, "b": true, "d": []})]);
        let drift = old.drift(&new, true);
        assert_eq!(drift, ["the field c is gone", "the field id was integer, is text", "the field d is new"]);
        assert_eq!(old.drift(&new, false).len(), 2);
        assert!(old.drift(&Shape::default(), true).is_empty());
        let first = kept(&[], drift.clone(), 0);
        assert_eq!(first[0], "1970-01-01: the field c is gone");
        assert_eq!(kept(&first, drift, 86_400), first);
        assert_eq!(old.clone().with(new).0["id"].len(), 2);
    }
}
