//! A folder on a web server: an index page with links, and the files behind them.

use super::files::{File, MOST, too_large, wanted};
use super::http::check_url;
use super::ingest::Loaded;
use super::web::{Version, Web, shown};
use super::{address, env, when};
use crate::{KnowledgeError, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Bytes of an index page.
const INDEX: u64 = 16 << 20;
/// Failures in a row after which a server counts as down.
const PATIENCE: usize = 5;

/// What there is to know of a folder on the web.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listing {
    /// Its index page; only what lies below it is followed.
    pub url: String,
    /// Sent with every request.
    pub headers: BTreeMap<String, String>,
    /// Folders within folders that are followed; none if not given.
    pub depth: usize,
    /// Which files, by their endings; all if not given.
    pub endings: Vec<String>,
    /// Requests a second.
    pub rate: Option<f64>,
    /// How long one answer may take.
    pub timeout: Option<String>,
}

impl Listing {
    pub(crate) fn checked(self) -> Result<Self> {
        check_url(&self.url)?;
        self.timeout.as_deref().map(when::duration).transpose()?;
        Ok(self)
    }

    pub(crate) fn list(&self, stop: &Arc<AtomicBool>) -> Result<Vec<File>> {
        let whole = env::expand_url(&self.url)?;
        let limit = self.timeout.as_deref().map_or(Ok(Duration::from_secs(120)), when::duration)?;
        let web = Arc::new(Web::new(&whole, &self.headers, self.rate, limit)?);
        let mut root = address::user(&whole).0;
        if !root.split('?').next().is_some_and(|path| {
            path.ends_with('/') || path.rsplit('/').next().is_some_and(|last| last.contains('.'))
        }) {
            root.push('/');
        }
        // Below its folder, where the address is that of a page.
        let path = root.split('?').next().unwrap_or_default();
        let below = path[..=path.rfind('/').unwrap_or(path.len() - 1)].to_string();
        let (mut been, mut found) = (HashSet::from([root.clone()]), BTreeSet::new());
        let mut folders = vec![(root, 0)];
        while let Some((folder, depth)) = folders.pop() {
            let got = web.get(&folder, None, INDEX, stop).map_err(KnowledgeError::Asked)?;
            let Some(got) = got else { continue };
            let page = String::from_utf8_lossy(&got.bytes).into_owned();
            for link in links(&page).iter().filter_map(|link| address::join(&got.url, link)) {
                let Some(rest) =
                    link.strip_prefix(&below).filter(|rest| !rest.is_empty() && !rest.contains('?'))
                else {
                    continue;
                };
                if !rest.ends_with('/') {
                    let key = address::decode(rest);
                    if wanted(&key, &self.endings) && !been.contains(&link) {
                        found.insert((key, link));
                    }
                } else if depth < self.depth && been.insert(link.clone()) {
                    folders.push((link, depth + 1));
                }
            }
            if found.len() > MOST {
                return Err(KnowledgeError::Asked(format!("{}: more than {MOST} files", shown(&whole))));
            }
        }
        let failures = Arc::new(AtomicUsize::new(0));
        let file = |(key, link): (String, String)| {
            let (web, failures, stop, url) = (web.clone(), failures.clone(), stop.clone(), link.clone());
            File {
                key,
                stamp: None,
                size: 1 << 20,
                date: None,
                url: Some(link),
                load: Box::new(move |before, limits| {
                    if failures.load(Ordering::Relaxed) >= PATIENCE {
                        return Loaded::Later(
                            "the server failed several times in a row, and was not asked again".into(),
                        );
                    }
                    let known = before.and_then(Version::of_stamp);
                    let got = web.get(&url, known.as_ref(), limits.file, &stop);
                    if got.is_ok() {
                        failures.store(0, Ordering::Relaxed);
                    }
                    match got {
                        Ok(None) => Loaded::Same,
                        Ok(Some(got)) => {
                            let stamp = got.version.map_or_else(|| "-".into(), |version| version.stamp());
                            Loaded::Bytes(got.bytes, Some(stamp))
                        }
                        Err(reason) if reason.contains("larger than") => too_large(limits),
                        Err(reason) => {
                            failures.fetch_add(1, Ordering::Relaxed);
                            Loaded::Later(reason)
                        }
                    }
                }),
            }
        };
        Ok(found.into_iter().map(file).collect())
    }
}

/// Where the links of a page lead, as they are written.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find('>').unwrap_or(rest.len());
        let tag = &rest[..end];
        rest = &rest[end..];
        if !(tag.starts_with("a ")
            || tag.starts_with("A ")
            || tag.starts_with("a\n")
            || tag.starts_with("a\t"))
        {
            continue;
        }
        let Some(at) = tag.to_ascii_lowercase().find("href") else { continue };
        let value = tag[at + 4..].trim_start().strip_prefix('=').map(str::trim_start).unwrap_or_default();
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split(quote).next(),
            _ => value.split_whitespace().next(),
        };
        let unescape = |value: &str| {
            quick_xml::escape::unescape(value)
                .map_or_else(|_| value.to_string(), std::borrow::Cow::into_owned)
        };
        found.extend(value.map(|value| unescape(value.trim())).filter(|value| !value.is_empty()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found() {
        let page = "<html><A class=x HREF='a&amp;b.pdf'>x</A><a href=c.txt>y</a><abbr href=no><a\nhref=\"%E5%AD%A6/\">z</a><a name=q>";
        assert_eq!(links(page), ["a&b.pdf", "c.txt", "%E5%AD%A6/"]);
        assert!(wanted("a/B.PDF", &["pdf".into()]) && !wanted("a/b.txt", &["pdf".into()]));
        assert!(!wanted(".git/x", &[]) && wanted("x", &[]));
    }
}
