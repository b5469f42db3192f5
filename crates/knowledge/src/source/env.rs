//! `${NAME}` in a definition: taken from the environment when it is used, never kept, never shown.

use super::address;
use crate::{KnowledgeError, Result};
use serde_json::Value;

/// Shorter values are no secrets, and hiding them would hide everything.
const SHORTEST: usize = 4;
/// Keys whose values are secrets.
const SECRET: [&str; 9] =
    ["password", "passwd", "pwd", "token", "secret", "authorization", "apikey", "accesskey", "cookie"];
/// How well-known tokens begin.
const TOKENS: [&str; 9] =
    ["ghp_", "gho_", "github_pat_", "glpat-", "sk-", "xoxb-", "xoxp-", "AKIA", "Bearer "];

/// The parts of a text: as it is, or a name.
fn parts(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let named = rest.find("${").and_then(|at| {
            let end = rest[at..].find('}')? + at;
            let name = &rest[at + 2..end];
            let fine =
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            fine.then_some((at, end, name))
        });
        let Some((at, end, name)) = named else {
            return Some((std::mem::take(&mut rest), None));
        };
        let before = &rest[..at];
        rest = &rest[end + 1..];
        Some((before, Some(name)))
    })
}

fn value_of(name: &str) -> Result<String> {
    std::env::var(name).map_err(|_| {
        KnowledgeError::Asked(format!(
            "the definition asks for ${{{name}}}, which is not in the environment; set {name} and try again"
        ))
    })
}

/// `text` with its `${NAME}`s filled in.
pub(crate) fn expand(text: &str) -> Result<String> {
    let mut full = String::new();
    for (before, name) in parts(text) {
        full += before;
        if let Some(name) = name {
            full += value_of(name)?.trim();
        }
    }
    Ok(full)
}

/// An address with its `${NAME}`s filled in: percent-encoded where it stands for a user, a password or a query's value.
pub(crate) fn expand_url(text: &str) -> Result<String> {
    let user_ends = user_end(text);
    let mut full = String::new();
    let mut at = 0;
    for (before, name) in parts(text) {
        full += before;
        at += before.len();
        if let Some(name) = name {
            let value = value_of(name)?;
            let encoded = user_ends.is_some_and(|end| at < end) || full.contains('?');
            full += &if encoded { address::encode(value.trim()) } else { value.trim().to_string() };
            at += name.len() + 3;
        }
    }
    Ok(full)
}

/// Where the user and password of an address end.
fn user_end(url: &str) -> Option<usize> {
    let begin = url.find("://")? + 3;
    let end = url[begin..].find(['/', '?', '#']).map_or(url.len(), |at| begin + at);
    url[begin..end].rfind('@').map(|at| begin + at)
}

/// Hides what the environment gave to a definition.
#[derive(Clone, Default)]
pub(crate) struct Mask(Vec<(String, String)>);

impl Mask {
    pub(crate) fn of(definition: &Value) -> Self {
        let mut hidden = Vec::new();
        each(definition, "", &mut |_, text| {
            for (_, name) in parts(text) {
                let Some((name, value)) = name.and_then(|name| Some((name, std::env::var(name).ok()?)))
                else {
                    continue;
                };
                let value = value.trim();
                if value.len() >= SHORTEST {
                    hidden.push((value.to_string(), format!("${{{name}}}")));
                    hidden.push((address::encode(value), format!("${{{name}}}")));
                }
            }
        });
        // The longest first: one may be part of another.
        hidden.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        hidden.dedup();
        Self(hidden)
    }

    pub(crate) fn hide(&self, text: &str) -> String {
        let hide = |text: String, (value, name): &(String, String)| text.replace(value, name);
        self.0.iter().fold(text.to_string(), hide)
    }

    /// Secrets out of what an error says.
    pub(crate) fn error(&self, error: KnowledgeError) -> KnowledgeError {
        match error {
            KnowledgeError::Stopped => error,
            other => {
                let (said, hidden) = (other.to_string(), self.hide(&other.to_string()));
                if said == hidden { other } else { KnowledgeError::Asked(hidden) }
            }
        }
    }
}

/// Calls `f` with each text of a definition and its key.
fn each(value: &Value, key: &str, f: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(text) => f(key, text),
        Value::Array(values) => values.iter().for_each(|value| each(value, key, f)),
        Value::Object(values) => values.iter().for_each(|(key, value)| each(value, key, f)),
        _ => {}
    }
}

/// Refuses a definition with a secret in it.
pub(crate) fn refuse_secrets(definition: &Value) -> Result<()> {
    let mut wrong = None;
    each(definition, "", &mut |key, text| {
        let plain: String =
            key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        let literal = !text.is_empty() && !text.contains("${");
        let by_key = literal && SECRET.iter().any(|name| plain.contains(name));
        let by_look =
            literal && TOKENS.iter().any(|token| text.starts_with(token) && text.len() > token.len() + 8);
        let by_user = user_end(text).is_some_and(|end| {
            let user = &text[text.find("://").map_or(0, |at| at + 3)..end];
            user.split_once(':').is_some_and(|(_, password)| !password.is_empty() && !password.contains("${"))
        });
        let by_query = text.contains("://")
            && text.split_once('?').is_some_and(|(_, query)| {
                query.split('&').any(|pair| {
                    pair.split_once('=').is_some_and(|(name, value)| {
                        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
                        SECRET.contains(&name.to_lowercase().as_str())
                            && !value.is_empty()
                            && !value.contains(['$', '{'])
                    })
                })
            });
        if by_key || by_look || by_user || by_query {
            wrong.get_or_insert_with(|| key.to_string());
        }
    });
    match wrong {
        None => Ok(()),
        Some(key) => Err(KnowledgeError::Asked(format!(
            "{key:?} holds a secret, and definitions are kept as they are written; put it in an environment variable and \
             write ${{NAME}} in its place"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_filled_in_and_hidden() {
        // Set by Cargo.
        let value = "shuyuan-knowledge";
        assert_eq!(expand("Bearer ${CARGO_PKG_NAME}!").unwrap(), format!("Bearer {value}!"));
        assert_eq!(expand("a $b ${ c} {d}").unwrap(), "a $b ${ c} {d}");
        assert!(expand("${NOT_SET_ANYWHERE}").unwrap_err().to_string().contains("set NOT_SET_ANYWHERE"));
        let url =
            expand_url("https://u:${CARGO_PKG_DESCRIPTION}@h/${CARGO_PKG_NAME}?k=${CARGO_PKG_DESCRIPTION}")
                .unwrap();
        assert!(
            url.starts_with("https://u:An%20organisation") && url.contains("@h/shuyuan-knowledge?k=An%20"),
            "{url}"
        );
        let mask = Mask::of(&json!({ "headers": { "a": "x ${CARGO_PKG_NAME}" } }));
        assert_eq!(mask.hide("got shuyuan-knowledge back"), "got ${CARGO_PKG_NAME} back");
    }

    #[test]
    fn secrets_are_refused() {
        for wrong in [
            json!({ "password": "hunter2" }),
            json!({ "headers": { "Authorization": "Basic abc" } }),
            json!({ "headers": { "X-Api-Key": "abc" } }),
            json!({ "url": "postgres://me:word@host/db" }),
            json!({ "url": "https://host/?access=1&token=abc" }),
            json!({ "headers": { "X": "ghp_0123456789abcdef" } }),
        ] {
            let error = refuse_secrets(&wrong).unwrap_err().to_string();
            assert!(
                error.contains("${NAME}") && !error.contains("hunter2") && !error.contains("abc"),
                "{error}"
            );
        }
        refuse_secrets(&json!({
            "url": "postgres://me:${WORD}@host/db", "headers": { "Authorization": "Bearer ${T}" },
            "map": { "key": "token" }, "query": "SELECT a@b FROM c WHERE t = 'x'"
        }))
        .unwrap();
    }
}
