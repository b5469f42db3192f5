//! What can be asked of a live source: types, limits, and values that fit them.

use super::Description;
use crate::{KnowledgeError, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Characters of a text, if the definition does not say.
const LONGEST: usize = 200;

/// What a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// Text.
    #[default]
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// `YYYY-MM-DD`.
    Date,
    /// One of `values`.
    Enum,
}

/// A parameter of a live source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameter {
    /// What its value is.
    #[serde(rename = "type")]
    pub kind: Type,
    /// What it is for.
    pub description: Description,
    /// Whether it must be given.
    pub required: bool,
    /// Its value where it is not given.
    pub default: Option<Value>,
    /// What it may be, for an enum.
    pub values: Vec<String>,
    /// The lowest number.
    pub min: Option<f64>,
    /// The highest number.
    pub max: Option<f64>,
    /// Characters at most; 200 if not given.
    pub max_length: Option<usize>,
}

impl Parameter {
    pub(super) fn validate(&self, name: &str) -> Result<()> {
        let wrong = |what: &str| Err(KnowledgeError::Asked(format!("[live.parameters.{name}]: {what}")));
        if (self.kind == Type::Enum) == self.values.is_empty() {
            return wrong("values: expected what it may be, for type = \"enum\" and for nothing else");
        }
        if self.required && self.default.is_some() {
            return wrong("expected required or default, found both");
        }
        if let Some(value) = &self.default {
            self.fitting(name, value)?;
        }
        Ok(())
    }

    pub(super) fn is_needed(&self) -> bool {
        self.required
    }

    /// What PostgreSQL is to take it for.
    pub(super) fn sql_type(&self) -> &'static str {
        match self.kind {
            Type::String | Type::Enum => "text",
            Type::Integer => "int8",
            Type::Number => "float8",
            Type::Boolean => "bool",
            // As text first: that is how it is bound.
            Type::Date => "text::date",
        }
    }

    pub(super) fn schema(&self) -> Value {
        let mut schema = Map::new();
        let mut put = |key: &str, value: Value| schema.insert(key.into(), value);
        let kind = match self.kind {
            Type::String | Type::Date | Type::Enum => "string",
            Type::Integer => "integer",
            Type::Number => "number",
            Type::Boolean => "boolean",
        };
        put("type", kind.into());
        let Description { zh, en } = &self.description;
        let both =
            [zh, en].into_iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join(" / ");
        if !both.is_empty() {
            put("description", both.into());
        }
        match self.kind {
            Type::Date => drop(put("format", "date".into())),
            Type::Enum => drop(put("enum", json!(self.values))),
            Type::String => drop(put("maxLength", self.max_length.unwrap_or(LONGEST).into())),
            _ => {}
        }
        for (key, limit) in [("minimum", self.min), ("maximum", self.max)] {
            if let Some(limit) = limit {
                put(key, limit.into());
            }
        }
        if let Some(default) = &self.default {
            put("default", default.clone());
        }
        Value::Object(schema)
    }

    /// The value to use for what was given.
    pub(super) fn checked(&self, name: &str, given: Option<&Value>) -> Result<Value> {
        match given {
            None | Some(Value::Null) => match &self.default {
                Some(value) => self.fitting(name, value),
                None if self.required => {
                    Err(KnowledgeError::Asked(format!("the parameter {name} is missing")))
                }
                None => Ok(Value::Null),
            },
            Some(value) => self.fitting(name, value),
        }
    }

    /// The value in its type. Numbers and truths may come as text: command lines have nothing else.
    fn fitting(&self, name: &str, value: &Value) -> Result<Value> {
        let wrong = |expected: &str| {
            let mut found = value.to_string();
            if let Some((at, _)) = found.char_indices().nth(80) {
                found.truncate(at);
                found.push('…');
            }
            Err(KnowledgeError::Asked(format!("the parameter {name}: expected {expected}, found {found}")))
        };
        let within = |number: f64| {
            self.min.is_none_or(|min| number >= min)
                && self.max.is_none_or(|max| number <= max)
                && number.is_finite()
        };
        let bounds = || match (self.min, self.max) {
            (Some(min), Some(max)) => format!(" from {min} to {max}"),
            (Some(min), None) => format!(" of at least {min}"),
            (None, Some(max)) => format!(" of at most {max}"),
            (None, None) => String::new(),
        };
        match self.kind {
            Type::String => {
                let most = self.max_length.unwrap_or(LONGEST);
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => return wrong("text"),
                };
                if text.chars().count() > most {
                    wrong(&format!("at most {most} characters"))
                } else {
                    Ok(text.into())
                }
            }
            Type::Integer => {
                let number = match value {
                    Value::String(text) => text.trim().parse::<i64>().ok(),
                    value => value.as_i64().or_else(|| {
                        // `5.0` is what some models write.
                        value
                            .as_f64()
                            .filter(|number| number.fract() == 0.0 && number.abs() < 9e15)
                            .map(|n| n as i64)
                    }),
                };
                match number {
                    Some(number) if within(number as f64) => Ok(number.into()),
                    _ => wrong(&format!("a whole number{}", bounds())),
                }
            }
            Type::Number => {
                let number = match value {
                    Value::String(text) => text.trim().parse::<f64>().ok(),
                    value => value.as_f64(),
                };
                match number {
                    // Not as an integer: the database expects a number with a fraction.
                    Some(number) if within(number) => Ok(number.into()),
                    _ => wrong(&format!("a number{}", bounds())),
                }
            }
            Type::Boolean => match value {
                Value::Bool(_) => Ok(value.clone()),
                Value::String(text) if text == "true" || text == "false" => Ok((text == "true").into()),
                _ => wrong("true or false"),
            },
            Type::Date => match value.as_str().filter(|text| is_day(text)) {
                Some(_) => Ok(value.clone()),
                None => wrong("a day as YYYY-MM-DD"),
            },
            Type::Enum => match value.as_str().filter(|text| self.values.iter().any(|value| value == text)) {
                Some(_) => Ok(value.clone()),
                None => wrong(&format!("one of {}", self.values.join(", "))),
            },
        }
    }
}

fn is_day(text: &str) -> bool {
    text.len() == 10 && crate::source::when::day(&text.into()).as_deref() == Some(text)
}
