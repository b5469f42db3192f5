//! The Hugging Face hub: what a model's repository holds, and which of its files a model is made of.
//!
//! Knows names and addresses; the bytes are `store`'s.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use shuyuan_store::{Client, DownloadError, HttpOptions};
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

/// Weights in one file.
pub(crate) const WEIGHTS: &str = "model.safetensors";
/// Which shard holds which tensor.
pub(crate) const INDEX: &str = "model.safetensors.index.json";
/// Files beside the weights, less `tokenizer*.json`.
const SMALL: [&str; 6] = [
    "config.json",
    "generation_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "modules.json",
    "1_Pooling/config.json",
];
/// What a listing may be long.
const LISTING: u64 = 64 << 20;
/// Pages of a listing, of a thousand files each.
const PAGES: usize = 100;

/// What is fetched: a repository's model, or one file of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Source {
    /// `owner/repo`.
    pub(crate) repo: String,
    pub(crate) revision: String,
    /// A GGUF file's path in it.
    pub(crate) file: Option<String>,
}

impl Source {
    /// Reads `owner/repo` or `owner/repo/FILE.gguf`.
    pub(crate) fn parse(text: &str, revision: Option<&str>) -> Result<Self> {
        let what = || {
            format!(
                "expected owner/repo, as in Qwen/Qwen3-0.6B, or owner/repo/FILE.gguf, as on the hub's pages; found {text:?}"
            )
        };
        let parts: Vec<&str> = text.split('/').collect();
        let [owner, repo, file @ ..] = parts.as_slice() else { bail!(what()) };
        if ![owner, repo].iter().all(|part| plain(part)) || !file.iter().all(|part| named(part)) {
            bail!(what());
        }
        let file = file.join("/");
        if !file.is_empty() && !file.ends_with(".gguf") {
            bail!(what());
        }
        if split_gguf(&file) {
            bail!(
                "{file} is a part of a model in several GGUF files, which is not read here: choose a whole one"
            );
        }
        let revision = revision.unwrap_or("main");
        if revision.is_empty() || !revision.split('/').all(named) {
            bail!("expected a branch, tag or commit as revision, found {revision:?}");
        }
        let file = Some(file).filter(|file| !file.is_empty());
        Ok(Self { repo: format!("{owner}/{repo}"), revision: revision.into(), file })
    }

    /// What the model is called at home if nobody says otherwise.
    pub(crate) fn name(&self) -> &str {
        let path = self.file.as_deref().unwrap_or(&self.repo);
        let last = path.rsplit('/').next().unwrap_or(path);
        if self.file.is_some() { last.strip_suffix(".gguf").unwrap_or(last) } else { last }
    }
}

/// A file of a repository.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) size: u64,
    /// Known of large files.
    pub(crate) sha256: Option<String>,
}

/// A hub, and the repository that is asked for.
pub(crate) struct Hub<'a> {
    pub(crate) client: Client,
    pub(crate) source: &'a Source,
    pub(crate) stop: &'a AtomicBool,
}

impl<'a> Hub<'a> {
    pub(crate) fn new(options: &HttpOptions, source: &'a Source, stop: &'a AtomicBool) -> Result<Self> {
        Ok(Self { client: Client::new(options)?, source, stop })
    }

    /// Where a file is fetched.
    pub(crate) fn url(&self, path: &str) -> String {
        let Source { repo, revision, .. } = self.source;
        let path: Vec<String> = path.split('/').map(encoded).collect();
        format!("{}/{repo}/resolve/{}/{}", self.client.endpoint(), encoded(revision), path.join("/"))
    }

    /// All files of the repository.
    pub(crate) fn listing(&self) -> Result<Vec<Entry>> {
        let Source { repo, revision, .. } = self.source;
        let first =
            format!("{}/api/models/{repo}/tree/{}?recursive=true", self.client.endpoint(), encoded(revision));
        let (mut entries, mut next) = (Vec::new(), Some(first));
        for _ in 0..PAGES {
            let Some(url) = next else { return Ok(entries) };
            let page = self.client.text(&url, LISTING, self.stop).map_err(|error| self.told(error, None))?;
            entries
                .extend(listed(&page.text).with_context(|| format!("the list of files of {repo} ({url})"))?);
            next = page.next;
        }
        bail!("the list of files of {repo} does not end: more than {PAGES} pages")
    }

    /// An error of the network with what it is about.
    pub(crate) fn told(&self, error: DownloadError, path: Option<&str>) -> anyhow::Error {
        let Source { repo, revision, .. } = self.source;
        let what = match (&error, path) {
            (DownloadError::Status { .. } | DownloadError::Connection { .. }, Some(path)) => {
                format!("cannot fetch {path} of {repo} (revision {revision})")
            }
            (DownloadError::Status { .. } | DownloadError::Connection { .. }, None) => {
                format!("cannot list the files of {repo} (revision {revision})")
            }
            _ => return error.into(),
        };
        anyhow::Error::from(error).context(what)
    }
}

/// Reads a page of the hub's answer.
fn listed(text: &str) -> Result<Vec<Entry>> {
    let value: Value = serde_json::from_str(text).context("expected JSON")?;
    let Some(all) = value.as_array() else { bail!("expected a list, found another kind of JSON") };
    let mut entries = Vec::new();
    for entry in all.iter().filter(|entry| entry["type"] == "file") {
        let (Some(path), Some(size)) = (entry["path"].as_str(), entry["size"].as_u64()) else {
            bail!("expected a path and a size for each file, found {entry}");
        };
        // Only known names are ever written; a list with such ones is not the hub's.
        if !path.split('/').all(named) {
            bail!("it holds {path:?}, which leads out of the repository: it is not to be trusted");
        }
        let lfs = &entry["lfs"];
        let sha256 = lfs["oid"].as_str().map(|oid| oid.strip_prefix("sha256:").unwrap_or(oid).to_string());
        if let Some(found) =
            sha256.as_deref().filter(|sha| sha.len() != 64 || !sha.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            bail!("{path}: expected a SHA-256 as lfs.oid, found {found:?}");
        }
        entries.push(Entry { path: path.into(), size: lfs["size"].as_u64().unwrap_or(size), sha256 });
    }
    Ok(entries)
}

/// What a model in Hugging Face's layout is made of.
#[derive(Debug)]
pub(crate) struct Files {
    /// All but the weights; `config.json` comes first.
    pub(crate) small: Vec<Entry>,
    /// The weights in one file, or none if they are in shards, which the index in `small` names.
    pub(crate) weights: Option<Entry>,
}

/// Chooses them from a repository's listing.
pub(crate) fn files(repo: &str, entries: &[Entry]) -> Result<Files> {
    let find = |path: &str| entries.iter().find(|entry| entry.path == path).cloned();
    let weights = find(WEIGHTS);
    if weights.is_none() && find(INDEX).is_none() {
        let ggufs: Vec<&str> =
            entries.iter().map(|entry| entry.path.as_str()).filter(|path| path.ends_with(".gguf")).collect();
        if !ggufs.is_empty() {
            bail!(
                "{repo} holds GGUF files: choose one, for example {repo}/{}\n  {}",
                ggufs[0],
                ggufs.join("\n  ")
            );
        }
        bail!("{repo} has no {WEIGHTS} and no {INDEX}: models in other formats are not read here");
    }
    for needed in ["config.json", "tokenizer.json"] {
        if find(needed).is_none() {
            bail!("{repo} has no {needed}: without it the model cannot be read here");
        }
    }
    let tokenizer = |path: &str| {
        path.starts_with("tokenizer") && path.ends_with(".json") && path.bytes().all(|b| plain_byte(b))
    };
    let mut small: Vec<Entry> = SMALL.iter().filter_map(|path| find(path)).collect();
    small.extend(entries.iter().filter(|entry| tokenizer(&entry.path)).cloned());
    small.extend(find(INDEX).filter(|_| weights.is_none()));
    Ok(Files { small, weights })
}

/// The shards that the index in `text` names, found in the listing.
pub(crate) fn shards(repo: &str, text: &str, entries: &[Entry]) -> Result<Vec<Entry>> {
    let value: Value =
        serde_json::from_str(text).with_context(|| format!("{INDEX} of {repo}: expected JSON"))?;
    let Some(map) = value["weight_map"].as_object().filter(|map| !map.is_empty()) else {
        bail!("{INDEX} of {repo}: expected \"weight_map\", a map from tensors to files");
    };
    let mut names = BTreeSet::new();
    for (tensor, file) in map {
        match file.as_str().filter(|file| plain(file) && file.ends_with(".safetensors")) {
            Some(file) => names.insert(file),
            None => bail!(
                "{INDEX} of {repo}: expected the name of a .safetensors file for {tensor}, found {file}"
            ),
        };
    }
    let shard = |name: &str| {
        let found = entries.iter().find(|entry| entry.path == name).cloned();
        found.with_context(|| {
            format!("{INDEX} of {repo} names {name}, which is not there: the model is not complete")
        })
    };
    names.into_iter().map(shard).collect()
}

/// Whether a file holds one part of a split GGUF model: `…-00001-of-00003.gguf`.
fn split_gguf(file: &str) -> bool {
    let number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = file.strip_suffix(".gguf").and_then(|stem| stem.rsplit_once("-of-"));
    parts.is_some_and(|(before, count)| {
        number(count) && count != "00001" && before.rsplit_once('-').is_some_and(|(_, nth)| number(nth))
    })
}

fn plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
}

/// Whether this is a name that any file system takes, of a file that is not hidden.
pub(crate) fn plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain_byte)
}

/// Whether this may be one part of a path on the hub.
fn named(part: &str) -> bool {
    !part.is_empty() && part != "." && part != ".." && !part.chars().any(char::is_control)
}

/// `text` as one part of an address.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match plain_byte(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_or_refused() {
        let source = Source::parse("Qwen/Qwen3-0.6B", None).unwrap();
        assert_eq!((source.name(), source.revision.as_str(), &source.file), ("Qwen3-0.6B", "main", &None));
        let source = Source::parse("a/b-GGUF/q 4/b.Q8_0.gguf", Some("refs/pr/1")).unwrap();
        assert_eq!((source.name(), source.file.as_deref()), ("b.Q8_0", Some("q 4/b.Q8_0.gguf")));
        for wrong in [
            "qwen3",
            "a/",
            "/a/b",
            "a/../b.gguf",
            "../b",
            "a/b/c.safetensors",
            "a/b/../c.gguf",
            "a/b/c.gguf/",
            "a b/c",
            "https://huggingface.co/a/b",
            "a/b/m-00001-of-00003.gguf",
            "a/.b",
            "",
        ] {
            assert!(Source::parse(wrong, None).is_err(), "{wrong}");
        }
        assert!(Source::parse("a/b", Some("../x")).is_err());
        assert_eq!(encoded("refs/pr/1"), "refs%2Fpr%2F1");
    }

    #[test]
    fn a_listing_is_read_or_refused() {
        let sha = "0123456789abcdef".repeat(4);
        let text = format!(
            r#"[{{"type":"directory","path":"x","size":0,"oid":"1"}},{{"type":"file","path":"config.json","size":5,"oid":"1"}},
            {{"type":"file","path":"m.gguf","size":9,"oid":"1","lfs":{{"oid":"{sha}","size":9,"pointerSize":1}}}}]"#
        );
        let entries = listed(&text).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1], Entry { path: "m.gguf".into(), size: 9, sha256: Some(sha) });
        for path in ["../x", "/etc/passwd", "a/../../x", "a//b", "tokenizer\\u0000.json", "./config.json"] {
            let text = format!(r#"[{{"type":"file","path":"{path}","size":1}}]"#);
            assert!(listed(&text).unwrap_err().to_string().contains("leads out"), "{path}");
        }
        assert!(listed("{}").is_err() && listed(r#"[{"type":"file","path":"a"}]"#).is_err());
        assert!(listed(r#"[{"type":"file","path":"a","size":1,"lfs":{"oid":"../../x","size":1}}]"#).is_err());
    }

    #[test]
    fn only_a_models_files_are_chosen() {
        let entry = |path: &str| Entry { path: path.into(), size: 1, sha256: None };
        let all = |paths: &[&str]| paths.iter().map(|path| entry(path)).collect::<Vec<_>>();
        let some = all(&[
            ".gitattributes",
            "README.md",
            "tokenizer.json",
            "tokenizer_config.json",
            "tokenizer\\..\\x.json",
            "model.py",
            "config.json",
            "model.safetensors",
            INDEX,
            "1_Pooling/config.json",
            "onnx/config.json",
            "tokenizer/x.json",
        ]);
        let files = files("a/b", &some).unwrap();
        let names: Vec<&str> = files.small.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(
            names,
            ["config.json", "1_Pooling/config.json", "tokenizer.json", "tokenizer_config.json"]
        );
        assert_eq!(files.weights, Some(entry(WEIGHTS)));
        let error = super::files("a/b", &all(&["x.gguf", "y.gguf"])).unwrap_err().to_string();
        assert!(error.contains("a/b/x.gguf"), "{error}");
        let error = super::files("a/b", &all(&["config.json", "pytorch_model.bin"])).unwrap_err().to_string();
        assert!(error.contains(WEIGHTS), "{error}");

        let index =
            r#"{"weight_map": {"a": "m-2.safetensors", "b": "m-1.safetensors", "c": "m-1.safetensors"}}"#;
        let found = shards("a/b", index, &all(&["m-1.safetensors", "m-2.safetensors"])).unwrap();
        assert_eq!(found, all(&["m-1.safetensors", "m-2.safetensors"]));
        assert!(shards("a/b", index, &all(&["m-1.safetensors"])).unwrap_err().to_string().contains("m-2"));
        for file in ["../m.safetensors", "/m.safetensors", "x/m.safetensors", ".m.safetensors", "config.json"]
        {
            let index = format!(r#"{{"weight_map": {{"a": "{file}"}}}}"#);
            assert!(shards("a/b", &index, &all(&[file])).is_err(), "{file}");
        }
    }
}
