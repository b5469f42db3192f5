//! An address with `{name}`s in it, each filled with a value that stays one segment of the path or one value of the query.

use crate::source::record::{placeholders, plain};
use crate::source::{address, env, http};
use crate::{KnowledgeError, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// An address with places.
pub(super) struct Template<'t> {
    path: &'t str,
    query: Vec<&'t str>,
}

impl<'t> Template<'t> {
    /// # Errors
    /// If the host, or what comes before it, has places.
    pub(super) fn new(url: &'t str) -> Result<Self> {
        http::check_url(url)?;
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let begin = path.find("://").map_or(0, |at| at + 3);
        let host = &path[..path[begin..].find('/').map_or(path.len(), |at| begin + at)];
        if bare(host).contains('{') {
            let what = "[live]: url: a parameter may stand in the path or the query, not in the host";
            return Err(KnowledgeError::Asked(what.into()));
        }
        Ok(Self { path, query: query.split('&').filter(|pair| !pair.is_empty()).collect() })
    }

    pub(super) fn names(&self) -> Vec<String> {
        let query = self.query.join("&");
        let (path, query) = (bare(self.path), bare(&query));
        placeholders(&path).chain(placeholders(&query)).map(str::to_string).collect()
    }

    /// The address with these values. A part of the query whose value is not given is left out.
    pub(super) fn filled(&self, values: &BTreeMap<String, Value>) -> Result<String> {
        let mut url = fill(self.path, values)?.ok_or_else(|| {
            KnowledgeError::Asked("a parameter that stands in the path of the address is missing".into())
        })?;
        let mut sign = '?';
        for pair in &self.query {
            if let Some(pair) = fill(pair, values)? {
                url.push(sign);
                url += &pair;
                sign = '&';
            }
        }
        Ok(url)
    }
}

/// Without `${NAME}`s, whose braces mean something else.
fn bare(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        out += &rest[..at];
        rest = rest[at..].find('}').map_or("", |end| &rest[at + end + 1..]);
    }
    out + rest
}

/// `None` if a value is missing. Variables are filled first and place by place: a value with `${…}` in it stays text.
fn fill(template: &str, values: &BTreeMap<String, Value>) -> Result<Option<String>> {
    let mut out = String::new();
    let mut rest = template;
    loop {
        let variable = rest.find("${");
        let place = rest.find('{').filter(|at| variable.is_none_or(|variable| *at < variable));
        let Some(at) = place.or(variable) else { break };
        let Some(end) = rest[at..].find('}').map(|end| at + end) else { break };
        out += &rest[..at];
        if variable == Some(at) {
            out += &env::expand_url(&rest[at..=end])?;
        } else {
            let text = values.get(&rest[at + 1..end]).map(plain).unwrap_or_default();
            if text.is_empty() {
                return Ok(None);
            }
            // Letters that are not encoded, but lead to another folder.
            if text == "." || text == ".." {
                return Err(KnowledgeError::Asked(format!(
                    "expected a value, found {text:?}, which is a folder"
                )));
            }
            out += &address::encode(&text);
        }
        rest = &rest[end + 1..];
    }
    Ok(Some(out + rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(url: &str, values: Value) -> Result<String> {
        let values = values.as_object().unwrap().clone().into_iter().collect();
        Template::new(url)?.filled(&values)
    }

    #[test]
    fn values_stay_single_segments() {
        let url = "https://h/a/{id}/b?k=${CARGO_PKG_NAME}&q={q}&n={n}";
        let out = filled(url, json!({ "id": "../x/y?z#é", "q": "a&b=c", "n": null })).unwrap();
        assert_eq!(out, "https://h/a/..%2Fx%2Fy%3Fz%23%C3%A9/b?k=shuyuan-knowledge&q=a%26b%3Dc");
        assert_eq!(Template::new(url).unwrap().names(), ["id", "q", "n"]);
        assert_eq!(filled("https://h/{a}", json!({ "a": "${HOME}" })).unwrap(), "https://h/%24%7BHOME%7D");
        assert!(filled("https://h/{a}/b", json!({ "a": ".." })).is_err());
        assert!(filled("https://h/{a}/b", json!({})).is_err());
        assert!(Template::new("https://{host}/x").is_err());
        assert!(Template::new("ftp://h/{x}").is_err());
    }
}
