//! A folder of files, or one file.

use super::definition::Definition;
use super::ingest::{Loaded, Means, Report, Task, Watch, ingest};
use crate::base::{Base, Item, Source, SourceState, Writer};
use crate::chunk::Size;
use crate::parse::Limits;
use crate::{KnowledgeError, Result};
use serde::{Deserialize, Serialize};
use shuyuan_text::now;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Instant, UNIX_EPOCH};

/// What there is to know of a folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Folder {
    /// Where it is; within the base's own folder, relative to that.
    pub path: PathBuf,
    /// Who may read what is in it; empty: everyone.
    pub groups: Vec<String>,
    /// Words by which its documents can be filtered.
    pub tags: Vec<String>,
    /// Folders in it with groups of their own; the longest that fits counts.
    pub rules: Vec<Rule>,
}

/// Who may read a folder within a folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Relative to the source's, with `/` between.
    pub folder: String,
    /// Who may read what is in it; empty: everyone.
    pub groups: Vec<String>,
}

impl Folder {
    /// The groups of a file.
    pub fn groups_of(&self, key: &str) -> &[String] {
        let fits = |rule: &&Rule| {
            let folder = rule.folder.trim_matches('/');
            folder.is_empty()
                || key == folder
                || key.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        };
        let rule = self.rules.iter().filter(fits).max_by_key(|rule| rule.folder.trim_matches('/').len());
        rule.map_or(&self.groups, |rule| &rule.groups)
    }
}

/// A file that is there.
pub(super) struct File {
    pub key: String,
    pub path: PathBuf,
    pub size: u64,
    pub stamp: String,
}

/// Reads what has changed in a folder; what is gone is taken out.
///
/// # Errors
/// If the folder is not there: what was known is kept. If the base cannot be written.
pub(crate) fn sync(
    base: &Base,
    writer: &mut Writer,
    source: &Source,
    size: Size,
    watch: &mut Watch,
) -> Result<Report> {
    let began = Instant::now();
    let folder = Definition::of(source).folder()?;
    let mut report = Report::default();
    let mut refused = Vec::new();
    let files = files(&base.dir().join(&folder.path), &mut refused)?;
    let known = base.items(source.id)?;
    let (same, changed): (Vec<File>, Vec<File>) = files
        .into_iter()
        .partition(|file| known.get(&file.key).is_some_and(|(stamp, _)| *stamp == file.stamp));
    report.unchanged = same.len() as u64;
    // Groups by rule and by path: a folder's rules may have changed without its files.
    for file in &same {
        writer.regroup(source.id, &file.key, folder.groups_of(&file.key))?;
    }
    let there: std::collections::HashSet<&str> = same
        .iter()
        .chain(&changed)
        .map(|file| file.key.as_str())
        .chain(refused.iter().map(|(key, _)| key.as_str()))
        .collect();
    for key in known.keys().filter(|key| !there.contains(key.as_str())) {
        writer.remove(source.id, key)?;
        report.removed += 1;
    }
    let total = (changed.len() + refused.len()) as u64;
    let item = |key: &str, stamp: &str| Item {
        key: key.into(),
        stamp: stamp.into(),
        groups: folder.groups_of(key).to_vec(),
        tags: folder.tags.clone(),
        ..Item::default()
    };
    let read = changed.iter().map(|file| {
        let path = file.path.clone();
        Task {
            item: Item { date: date_of(&path), ..item(&file.key, &file.stamp) },
            name: file.key.clone(),
            size: file.size,
            load: Box::new(move |limits| {
                load(&path, limits).map_or_else(Loaded::Unread, |bytes| Loaded::Bytes(bytes, None))
            }),
        }
    });
    let refused = refused.iter().map(|(key, reason)| {
        let reason = reason.clone();
        Task {
            item: item(key, ""),
            name: key.clone(),
            size: 0,
            load: Box::new(move |_| Loaded::Unread(reason)),
        }
    });
    let means =
        Means { source: source.id, known: &known, total: Some(total), limits: Limits::default(), size };
    ingest(writer, read.chain(refused), &means, &mut report, watch)?;
    let now = now();
    let state = SourceState { tried: Some(now), synced: Some(now), ..SourceState::default() };
    writer.set_state(source.id, &state)?;
    writer.commit()?;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

pub(super) fn load(path: &Path, limits: &Limits) -> std::result::Result<Vec<u8>, String> {
    let said = |error: std::io::Error| format!("cannot be read: {error}");
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(said)?;
    file.take(limits.file + 1).read_to_end(&mut bytes).map_err(said)?;
    if bytes.len() as u64 > limits.file {
        return Err(format!("is larger than {} MiB; split it, or leave it out", limits.file >> 20));
    }
    Ok(bytes)
}

/// When a file was last changed, as `YYYY-MM-DD`.
fn date_of(path: &Path) -> Option<String> {
    let changed = std::fs::metadata(path).ok()?.modified().ok()?;
    let seconds = changed.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(shuyuan_text::strftime(seconds, "%F"))
}

/// All files in a folder, by path; `refused` gets those that are not read, and why.
pub(super) fn files(root: &Path, refused: &mut Vec<(String, String)>) -> Result<Vec<File>> {
    let about = std::fs::metadata(root).map_err(KnowledgeError::io("read", root))?;
    if about.is_file() {
        let key = root.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        return Ok(vec![File { key, path: root.to_path_buf(), size: about.len(), stamp: stamp(&about) }]);
    }
    let mut all = Vec::new();
    let mut folders = vec![(String::new(), root.to_path_buf())];
    while let Some((prefix, dir)) = folders.pop() {
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if prefix.is_empty() => return Err(KnowledgeError::io("read", &dir)(error)),
            Err(error) => {
                refused.push((
                    prefix.trim_end_matches('/').into(),
                    format!("the folder cannot be read: {error}"),
                ));
                continue;
            }
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Hidden files are settings and other programs' own.
            if name.starts_with('.') || name.starts_with("~$") {
                continue;
            }
            let key = format!("{prefix}{name}");
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push((format!("{key}/"), entry.path()));
            } else if kind.is_symlink() {
                // Within the folder, what it points at is read under its own name.
                let inside = entry.path().canonicalize().ok().zip(root.canonicalize().ok());
                if !inside.is_some_and(|(target, root)| target.starts_with(root)) {
                    let reason = "is a link that leads out of the folder; add what it points at itself";
                    refused.push((key, reason.into()));
                }
            } else if kind.is_file() {
                match entry.metadata() {
                    Ok(about) => {
                        all.push(File { key, path: entry.path(), size: about.len(), stamp: stamp(&about) })
                    }
                    Err(error) => refused.push((key, format!("cannot be read: {error}"))),
                }
            }
        }
    }
    all.sort_by(|a, b| a.key.cmp(&b.key));
    refused.sort();
    Ok(all)
}

/// Size and time of the last change.
fn stamp(about: &std::fs::Metadata) -> String {
    let time =
        about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    format!("{}-{}", time.as_nanos(), about.len())
}

impl Base {
    /// Adds a folder as a source, or finds the one that it is. Its name is the folder's.
    ///
    /// # Errors
    /// If the folder is not there.
    pub fn add_folder(&self, folder: &Folder) -> Result<Source> {
        let path = folder.path.canonicalize().map_err(KnowledgeError::io("read", &folder.path))?;
        let own = self.dir().canonicalize().map_err(KnowledgeError::io("read", self.dir()))?;
        // What lies in the base's own folder moves with it, and other servers on its store have their own.
        let place = path.strip_prefix(own).map_or_else(|_| path.clone(), PathBuf::from);
        let folder = Folder { path: place, ..folder.clone() };
        let definition = serde_json::to_value(&folder).unwrap_or_default();
        let sources = self.sources()?;
        let place =
            |source: &&Source| source.kind == "folder" && source.definition["path"] == definition["path"];
        if let Some(source) = sources.iter().find(place) {
            return self.set_source(&source.name, "folder", &definition);
        }
        let stem =
            path.file_name().map_or_else(|| "folder".into(), |name| name.to_string_lossy().into_owned());
        let is_free = |name: &String| sources.iter().all(|source| source.name != *name);
        let names = std::iter::once(stem.clone()).chain((2..).map(|n| format!("{stem}-{n}")));
        let name = names.into_iter().find(is_free).unwrap_or(stem);
        self.set_source(&name, "folder", &definition)
    }
}
