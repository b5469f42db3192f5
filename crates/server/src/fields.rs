//! Reads a JSON request field by field, so that each refusal names the field, what was expected and what was found.

use crate::error::{ApiError, Result};
use axum::body::Bytes;
use serde_json::{Map, Value};
use shuyuan_text::Json;
use std::ops::RangeInclusive;

/// The fields of one request. `null` is the same as leaving a field out.
pub(crate) struct Fields {
    fields: Map<String, Value>,
    body: Bytes,
}

impl Fields {
    /// Reads a body, which must be a JSON object.
    pub fn read(body: &Bytes) -> Result<Self> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(mut fields)) => {
                fields.retain(|_, value| !value.is_null());
                Ok(Self { fields, body: body.clone() })
            }
            Ok(other) => {
                Err(ApiError::bad(format!("the body must be a JSON object, found {}", brief(&other))))
            }
            Err(error) => Err(ApiError::bad(format!("the body is not JSON: {error}"))),
        }
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// A field whose objects keep the order of their fields, which is how a model was taught to read them.
    pub fn ordered(&self, name: &str) -> Result<Option<Json>> {
        if self.get(name).is_none() {
            return Ok(None);
        }
        let text = str::from_utf8(&self.body).unwrap_or_default();
        match Json::parse(text) {
            Ok(body) => Ok(body.get(name).cloned()),
            Err(error) => Err(ApiError::bad(format!("the body is not JSON: {error}"))),
        }
    }

    /// Takes a field that must be there.
    pub fn need<T>(&self, name: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| ApiError::field(name, "is missing; this request needs it"))
    }

    /// A number within `range`.
    pub fn number(&self, name: &str, range: RangeInclusive<f64>) -> Result<Option<f64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_f64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let (low, high) = range.into_inner();
                Err(wrong(name, format_args!("a number from {low} to {high}"), value))
            }
        }
    }

    /// A whole number within `range`.
    pub fn integer(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_i64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let (low, high) = range.into_inner();
                Err(wrong(name, format_args!("a whole number from {low} to {high}"), value))
            }
        }
    }

    /// True or false; false if left out.
    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(wrong(name, "true or false", other)),
        }
    }

    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(name, "a text", other)),
        }
    }

    /// One text or a list of texts.
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        let expected = "a text or a list of texts";
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text.clone()]),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_string).ok_or_else(|| wrong(name, expected, item)))
                .collect(),
            Some(other) => Err(wrong(name, expected, other)),
        }
    }

    /// Token ids, each below `vocab`.
    pub fn ids(&self, name: &str, vocab: usize) -> Result<Option<Vec<u32>>> {
        let expected = format!("a list of token ids from 0 to {}", vocab.saturating_sub(1));
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => {
                let id = |item: &Value| item.as_u64().filter(|id| *id < vocab as u64).map(|id| id as u32);
                items
                    .iter()
                    .map(|item| id(item).ok_or_else(|| wrong(name, &expected, item)))
                    .collect::<Result<_>>()
                    .map(Some)
            }
            Some(other) => Err(wrong(name, &expected, other)),
        }
    }

    /// Refuses a field that would change the answer and is not supported, unless it holds one of `harmless`.
    pub fn unsupported(&self, name: &str, harmless: &[Value]) -> Result<()> {
        match self.get(name) {
            Some(value) if !harmless.contains(value) => {
                Err(ApiError::field(name, "is not supported here; leave it out")
                    .code("unsupported_parameter"))
            }
            _ => Ok(()),
        }
    }
}

/// A number of an address, behind the question mark.
pub(crate) fn whole(name: &str, text: Option<&str>, otherwise: usize) -> Result<usize> {
    match text {
        None => Ok(otherwise),
        Some(text) => text
            .parse()
            .map_err(|_| ApiError::field(name, format_args!("expected a whole number, found {text:?}"))),
    }
}

pub(crate) fn wrong(name: &str, expected: impl std::fmt::Display, found: &Value) -> ApiError {
    ApiError::field(name, format_args!("expected {expected}, found {}", brief(found)))
}

/// A value as short as an error message wants it.
fn brief(value: &Value) -> String {
    match value {
        Value::Array(items) if items.len() > 4 => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".into(),
        other => {
            let text = other.to_string();
            if text.chars().count() <= 60 { text } else { text.chars().take(60).chain(['…']).collect() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: &str) -> Fields {
        Fields::read(&Bytes::from(body.to_string())).unwrap_or_else(|error| panic!("{}", error.message))
    }

    #[test]
    fn each_refusal_names_field_expectation_and_finding() {
        let f = fields(r#"{"a": -1, "b": "x", "c": 1.5, "d": [1, 99], "e": null}"#);
        let message = |error: ApiError| (error.param.unwrap_or_default(), error.message);
        assert_eq!(
            f.integer("a", 1..=9).map_err(message),
            Err(("a".into(), "a: expected a whole number from 1 to 9, found -1".into()))
        );
        assert!(f.number("b", 0.0..=1.0).is_err() && f.integer("c", 0..=9).is_err() && f.flag("b").is_err());
        assert_eq!(f.number("c", 0.0..=2.0).ok().flatten(), Some(1.5));
        assert_eq!(
            f.ids("d", 50).map_err(|error| error.message),
            Err("d: expected a list of token ids from 0 to 49, found 99".into())
        );
        assert_eq!(f.text("e").ok().flatten(), None);
        assert!(f.need::<u32>("e", None).is_err());
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in ["", "[]", "{", "nonsense", "{\"a\": 1e999}"] {
            assert!(Fields::read(&Bytes::from(body.to_string())).is_err(), "{body}");
        }
    }
}
