//! An API that answers in JSON, page by page.

use super::record::{Record, plain, within};
use super::records::{Ended, Since, Sink};
use super::web::{Version, Web, shown};
use super::{address, env, when};
use crate::{KnowledgeError, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bytes of one answer.
pub(crate) const MOST: u64 = 64 << 20;
/// Pages of one sync, if the definition does not say.
const PAGES: usize = 10_000;

/// What there is to know of an API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    /// The first page.
    pub url: Option<String>,
    /// Sent with every request.
    pub headers: BTreeMap<String, String>,
    /// Where in an answer the records are; the answer itself if not given.
    pub records: Option<String>,
    /// How it goes on.
    pub paging: Option<Paging>,
    /// The query parameter that takes the cursor, for APIs that can leave out what is older.
    pub since: Option<String>,
    /// Requests a second.
    pub rate: Option<f64>,
    /// How long one answer may take.
    pub timeout: Option<String>,
}

/// How an API goes on after a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Paging {
    /// `Link: <…>; rel="next"`.
    Link {
        #[serde(default)]
        pages: Option<usize>,
    },
    /// A field of the answer holds the next address.
    Next {
        field: String,
        #[serde(default)]
        pages: Option<usize>,
    },
    /// A field of the answer holds what the next request sends as `parameter`.
    Cursor {
        field: String,
        parameter: String,
        #[serde(default)]
        pages: Option<usize>,
    },
    /// Pages have numbers.
    Page {
        parameter: String,
        #[serde(default = "one")]
        first: u64,
        #[serde(default)]
        pages: Option<usize>,
    },
    /// The next request says how many records to pass over.
    Offset {
        parameter: String,
        #[serde(default)]
        pages: Option<usize>,
    },
}

fn one() -> u64 {
    1
}

impl Paging {
    fn pages(&self) -> usize {
        let (Self::Link { pages }
        | Self::Next { pages, .. }
        | Self::Cursor { pages, .. }
        | Self::Page { pages, .. }
        | Self::Offset { pages, .. }) = self;
        pages.unwrap_or(PAGES)
    }
}

impl Http {
    pub(crate) fn checked(self) -> Result<Self> {
        if let Some(timeout) = &self.timeout {
            when::duration(timeout)?;
        }
        if self.rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
            return Err(KnowledgeError::Asked("rate: expected requests a second, more than 0".into()));
        }
        if let Some(url) = &self.url {
            check_url(url)?;
        }
        Ok(self)
    }

    /// Who is asked for what begins as `url`.
    pub(crate) fn web(&self, url: &str, limit: Option<Duration>) -> Result<Web> {
        let own = self.timeout.as_deref().map_or(Ok(Duration::from_secs(30)), when::duration)?;
        Web::new(url, &self.headers, self.rate, limit.unwrap_or(own))
    }

    pub(crate) fn fetch(
        &self,
        since: Option<&Since>,
        version: Option<&Version>,
        sink: &mut Sink,
        stop: &AtomicBool,
    ) -> Result<Ended> {
        let mut first = env::expand_url(self.url.as_deref().unwrap_or_default())?;
        if let (Some(parameter), Some(since)) = (&self.since, since) {
            first = with(&first, parameter, &plain(&since.value));
        }
        let web = self.web(&first, None)?;
        // A first page that is as it was proves nothing of the others.
        let version = version.filter(|_| self.paging.is_none());
        let mut url = match &self.paging {
            Some(Paging::Page { parameter, first: number, .. }) => {
                with(&first, parameter, &number.to_string())
            }
            Some(Paging::Offset { parameter, .. }) => with(&first, parameter, "0"),
            _ => first.clone(),
        };
        let (mut been, mut count, mut before) = (HashSet::new(), 0, Vec::new());
        loop {
            been.insert(url.clone());
            let got = web.get(&url, version, MOST, stop).map_err(KnowledgeError::Asked)?;
            let Some(got) = got else { return Ok(Ended { same: true, version: None }) };
            let answer: Value = serde_json::from_slice(&got.bytes).map_err(|error| {
                KnowledgeError::Asked(format!(
                    "{}: expected JSON, found something else ({error})",
                    shown(&url)
                ))
            })?;
            let records = records(&answer, self.records.as_deref(), &url)?;
            let (length, again) = (records.len(), !records.is_empty() && records == before);
            count += length;
            if again {
                return Err(KnowledgeError::Asked(format!(
                    "{}: the same page came twice; check [paging]",
                    shown(&url)
                )));
            }
            before.clone_from(&records);
            if !sink(records) || stop.load(Ordering::Relaxed) {
                return Ok(Ended::default());
            }
            let Some(paging) = &self.paging else {
                return Ok(Ended { version: got.version, same: false });
            };
            let field = |field: &str| within(&answer, field).map(plain).filter(|text| !text.is_empty());
            let next = match paging {
                Paging::Link { .. } => got.next,
                Paging::Next { field: name, .. } => {
                    let next = field(name);
                    match next.as_deref().map(|next| address::join(&got.url, next)) {
                        Some(None) => return Err(elsewhere(&url)),
                        next => next.flatten(),
                    }
                }
                Paging::Cursor { field: name, parameter, .. } => {
                    field(name).filter(|next| next != "false").map(|next| with(&first, parameter, &next))
                }
                Paging::Page { parameter, first: number, .. } if length > 0 => {
                    Some(with(&first, parameter, &(number + been.len() as u64).to_string()))
                }
                Paging::Offset { parameter, .. } if length > 0 => {
                    Some(with(&first, parameter, &count.to_string()))
                }
                Paging::Page { .. } | Paging::Offset { .. } => None,
            };
            let Some(next) = next else { return Ok(Ended::default()) };
            if !web.is_home(&next) {
                return Err(elsewhere(&url));
            }
            if been.contains(&next) {
                return Err(KnowledgeError::Asked(format!(
                    "{}: the next page is one that was read; check [paging]",
                    shown(&url)
                )));
            }
            if been.len() >= paging.pages() {
                return Err(KnowledgeError::Asked(format!(
                    "{}: there are more than {} pages; what came is kept, nothing is taken out; ask for larger pages, or \
                     allow more with pages",
                    shown(&url),
                    paging.pages()
                )));
            }
            url = next;
        }
    }
}

fn elsewhere(url: &str) -> KnowledgeError {
    KnowledgeError::Asked(format!(
        "{}: expected the next page on the same server, found another address; headers are not sent there",
        shown(url)
    ))
}

/// Refuses what is no address of the web.
pub(crate) fn check_url(url: &str) -> Result<()> {
    let fine = url.starts_with("http://") || url.starts_with("https://") || url.starts_with("${");
    if fine {
        return Ok(());
    }
    Err(KnowledgeError::Asked(format!(
        "expected an address with http:// or https://, found {:?}",
        shown(url)
    )))
}

/// The records at `path` of an answer: a list of objects, one object, or a list of plain values.
pub(crate) fn records(answer: &Value, path: Option<&str>, url: &str) -> Result<Vec<Record>> {
    let found = match path {
        Some(path) => within(answer, path).ok_or_else(|| {
            let there = answer.as_object().map_or_else(
                || "no object".into(),
                |object| object.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
            );
            KnowledgeError::Asked(format!("{}: expected records at {path:?}, found {there}", shown(url)))
        })?,
        None => answer,
    };
    let record = |value: &Value| match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        other => vec![("value".to_string(), other.clone())],
    };
    match found {
        Value::Array(values) => Ok(values.iter().map(record).collect()),
        Value::Null if path.is_some() => Ok(Vec::new()),
        Value::Object(_) => Ok(vec![record(found)]),
        _ => Err(KnowledgeError::Asked(format!(
            "{}: expected a list of records{}, found one plain value",
            shown(url),
            path.map_or_else(String::new, |path| format!(" at {path:?}"))
        ))),
    }
}

/// `url` with this value for a parameter of its query, in the place of another.
pub(crate) fn with(url: &str, name: &str, value: &str) -> String {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let name = address::encode(name);
    let others =
        query.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(name.as_str()));
    let mut pairs: Vec<String> = others.map(str::to_string).collect();
    pairs.push(format!("{name}={}", address::encode(value)));
    format!("{path}?{}", pairs.join("&"))
}
