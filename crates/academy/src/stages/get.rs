//! Fetches a model from the Hugging Face hub: what cannot be read here is said before its gigabytes come.

use super::clock::Clock;
use crate::hub::{Entry, Hub, INDEX, Source, files, plain, shards};
use crate::{Academy, Event, Home, Level, LiveModel};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use shuyuan_model::DecoderConfig;
use shuyuan_model::gguf::Gguf;
pub use shuyuan_store::HttpOptions;
use shuyuan_store::{Download, DownloadError, Lock, StagedDir, part_of};
use shuyuan_text::Tokenizer;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// What to fetch.
#[derive(Clone)]
pub struct Options {
    /// `owner/repo` or `owner/repo/FILE.gguf`.
    pub model: String,
    /// A branch, tag or commit; `main` if not given.
    pub revision: Option<String>,
    /// What it is called at home; as on the hub if not given.
    pub name: Option<String>,
    /// The hub.
    pub hub: HttpOptions,
}

/// What was fetched.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Its name at home.
    pub name: String,
    /// Its folder or file.
    pub path: PathBuf,
    /// `owner/repo`.
    pub repo: String,
    /// As asked for.
    pub revision: String,
    /// The commit it was at, where the hub said it.
    pub commit: Option<String>,
    /// Of all files.
    pub bytes: u64,
    /// Of these, what came this time.
    pub fetched_bytes: u64,
    /// How long it took.
    pub seconds: f64,
    /// Its parts.
    pub files: Vec<GotFile>,
}

/// A file that was fetched.
#[derive(Debug, Serialize)]
pub struct GotFile {
    /// Its path in the repository.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Of what came.
    pub sha256: String,
    /// Whether the hub knew that, too, and it was compared.
    pub checked: bool,
}

/// Between reports of progress.
const OFTEN: Duration = Duration::from_millis(100);
/// After so many MiB a GGUF file is looked into: headers grow with the vocabulary.
const LOOKS: [u64; 4] = [1, 4, 16, 64];

/// Fetches the model of `options` into the home folder and opens it. Stopped by `stop`; what came is then kept.
///
/// # Errors
/// If the name is taken, the hub refuses or breaks off, a file is not what was announced, or the model cannot be read
/// here. In the last case, if only the weights tell, it stays.
pub fn run(academy: &Academy, options: &Options, stop: &AtomicBool) -> Result<(Outcome, LiveModel)> {
    let source = Source::parse(&options.model, options.revision.as_deref())?;
    let name = options.name.as_deref().unwrap_or(source.name());
    if !plain(name) {
        bail!(
            "expected a name of letters, digits, \".\", \"_\" and \"-\" for the model at home, found {name:?}; give --name"
        );
    }
    let target = free(&academy.home, name, source.file.is_some())?;
    let hub = Hub::new(&options.hub, &source, stop)?;
    let stage = target.with_file_name(format!(".{name}.getting"));
    let _lock = Lock::acquire(&stage)?;
    let (zh, en) = (format!("取 {}", options.model), format!("Fetching {}", options.model));
    let from = hub.client.endpoint();
    let clock = Clock::start(academy, "get", [&zh, &format!("从 {from}")], [&en, &format!("from {from}")]);

    let mut getting = Getting::new(academy, &hub, &stage);
    let got = match &source.file {
        Some(file) => getting.gguf(file),
        None => getting.folder(),
    };
    if let Err(error) = &got
        && let Some(DownloadError::Stopped) = error.downcast_ref()
    {
        let kept = academy.lang.pick(
            "停了;已到的留着,同样的命令会接着取",
            "stopped; what came is kept, and the same command goes on",
        );
        academy.events.message(Level::Info, kept);
    }
    got?;
    publish(&stage, &target, source.file.as_deref(), &getting.files)?;
    // Best effort: nothing of it is needed any more.
    let _ = std::fs::remove_dir_all(&stage);
    let Getting { files, commit, begun, total, .. } = getting;
    let fetched_bytes = total.saturating_sub(begun);
    let live = LiveModel::load(&target).with_context(|| {
        format!("the model came whole and is kept in {}, but it cannot be read here", target.display())
    })?;
    let outcome = Outcome {
        name: name.into(),
        path: target,
        repo: source.repo.clone(),
        revision: source.revision.clone(),
        commit,
        bytes: files.iter().map(|file| file.bytes).sum(),
        fetched_bytes,
        seconds: clock.done(),
        files,
    };
    Ok((outcome, live))
}

/// Where the model will be, if nothing is there.
fn free(home: &Home, name: &str, file: bool) -> Result<PathBuf> {
    let models = home.root().join("models");
    let (folder, gguf) = (models.join(name), models.join(format!("{name}.gguf")));
    for path in [&folder, &gguf] {
        if path.symlink_metadata().is_ok() {
            bail!("{} is there already: give another name with --name, or remove it first", path.display());
        }
    }
    Ok(if file { gguf } else { folder })
}

/// Files on their way into the hidden folder `stage`.
struct Getting<'a> {
    academy: &'a Academy,
    hub: &'a Hub<'a>,
    stage: &'a Path,
    files: Vec<GotFile>,
    commit: Option<String>,
    /// Bytes of files that are whole.
    before: u64,
    /// Bytes that were there when their file was begun.
    begun: u64,
    /// Bytes of all files that are known to be wanted.
    total: u64,
    started: Instant,
    told: Option<Instant>,
}

impl<'a> Getting<'a> {
    fn new(academy: &'a Academy, hub: &'a Hub<'a>, stage: &'a Path) -> Self {
        let (started, told) = (Instant::now(), None);
        Self {
            academy,
            hub,
            stage,
            files: Vec::new(),
            commit: None,
            before: 0,
            begun: 0,
            total: 0,
            started,
            told,
        }
    }

    fn folder(&mut self) -> Result<()> {
        let repo = &self.hub.source.repo;
        let entries = self.hub.listing()?;
        let files = files(repo, &entries)?;
        let mut weights: Vec<Entry> = files.weights.into_iter().collect();
        self.total = files.small.iter().chain(&weights).map(|entry| entry.size).sum();
        for entry in &files.small {
            self.file(entry, None)?;
            let path = self.stage.join(&entry.path);
            let read =
                || std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()));
            let whose = || {
                format!(
                    "{} of {repo}: the model cannot be read here, and its weights were not fetched",
                    entry.path
                )
            };
            match entry.path.as_str() {
                "config.json" => drop(DecoderConfig::from_json(&read()?).with_context(whose)?),
                INDEX => weights = shards(repo, &read()?, &entries)?,
                _ => {}
            }
        }
        let tokenizer = Tokenizer::load(self.stage);
        tokenizer.with_context(|| {
            format!("the tokenizer of {repo} cannot be read here; its weights were not fetched")
        })?;
        self.total = files.small.iter().chain(&weights).map(|entry| entry.size).sum();
        weights.iter().try_for_each(|entry| self.file(entry, None).map(drop))
    }

    fn gguf(&mut self, file: &str) -> Result<()> {
        let Source { repo, revision, .. } = self.hub.source;
        let entries = self.hub.listing()?;
        let Some(entry) = entries.iter().find(|entry| entry.path == file) else {
            let others: Vec<&str> = entries
                .iter()
                .map(|entry| entry.path.as_str())
                .filter(|path| path.ends_with(".gguf"))
                .collect();
            let others =
                if others.is_empty() { "none".into() } else { format!("\n  {}", others.join("\n  ")) };
            bail!("{repo} (revision {revision}) has no file {file}; its GGUF files: {others}");
        };
        self.total = entry.size;
        for look in LOOKS.map(|mib| mib << 20) {
            if self.file(entry, Some(look))? {
                return Ok(()); // Small enough to be whole: loading tells.
            }
            if readable(&part_of(&self.stage.join(local(file))), entry.size).with_context(|| {
                format!("{file} of {repo}: the model cannot be read here, and most of it was not fetched")
            })? {
                break;
            }
        }
        self.file(entry, None).map(drop)
    }

    /// Fetches a file, or its beginning. Returns whether it is whole.
    fn file(&mut self, entry: &Entry, until: Option<u64>) -> Result<bool> {
        let path = if self.hub.source.file.is_some() { local(&entry.path) } else { &entry.path };
        let to = self.stage.join(path);
        if let Some(dir) = to.parent() {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("cannot make the folder {}", dir.display()))?;
        }
        let url = self.hub.url(&entry.path);
        let download = Download { url: &url, to: &to, size: entry.size, sha256: entry.sha256.as_deref() };
        let (hub, mut first) = (self.hub, true);
        let fetched = hub
            .client
            .fetch(&download, until, hub.stop, &mut |done| self.progress(done, std::mem::take(&mut first)));
        let fetched = fetched.map_err(|error| hub.told(error, Some(&entry.path)))?;
        if let (Some(was), Some(is)) = (&self.commit, &fetched.commit)
            && was != is
        {
            bail!(
                "{} changed while it was fetched ({was}, then {is}): run the same command again",
                hub.source.repo
            );
        }
        self.commit = fetched.commit.or(self.commit.take());
        if fetched.whole {
            self.before += entry.size;
            let checked = entry.sha256.is_some();
            self.files.push(GotFile {
                path: path.into(),
                bytes: entry.size,
                sha256: fetched.sha256,
                checked,
            });
        }
        Ok(fetched.whole)
    }

    /// Tells how far it is: `done` bytes of the present file; `first` ones were there.
    fn progress(&mut self, done: u64, first: bool) {
        let sum = self.before + done;
        if first {
            // A GGUF file that was looked into goes on with what came just now.
            self.begun = if self.hub.source.file.is_some() && self.told.is_some() {
                self.begun
            } else {
                self.begun + done
            };
        }
        if sum < self.total && self.told.is_some_and(|told| told.elapsed() < OFTEN) {
            return;
        }
        self.told = Some(Instant::now());
        let per_second =
            sum.saturating_sub(self.begun) as f64 / self.started.elapsed().as_secs_f64().max(1e-3);
        let left = (per_second > 0.0).then(|| self.total.saturating_sub(sum) as f64 / per_second);
        self.academy.events.send(Event::Progress {
            stage: "get".into(),
            done: sum,
            total: self.total,
            unit: self.academy.lang.pick("字节", "bytes").into(),
            per_second,
            seconds_left: left,
        });
    }
}

/// The last part of a path in a repository.
fn local(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether the beginning of a GGUF file of `size` bytes tells that it can be read here; false if it is too short to tell.
fn readable(part: &Path, size: u64) -> Result<bool> {
    let look = part.with_extension("look");
    let opened = (|| -> Result<_> {
        // The weights may be zeros: a file with holes takes no room and is as long as the whole will be.
        std::fs::copy(part, &look)?;
        std::fs::OpenOptions::new().write(true).open(&look)?.set_len(size)?;
        Ok(Gguf::open(&look))
    })()
    .with_context(|| format!("cannot write {}", look.display()));
    // Open, it can be read still.
    let removed = std::fs::remove_file(&look);
    let opened = opened?;
    removed.with_context(|| format!("cannot remove {}", look.display()))?;
    match opened {
        Ok(gguf) => {
            DecoderConfig::from_gguf(&gguf)?;
            Tokenizer::from_gguf(gguf.vocabulary()?)?;
            Ok(true)
        }
        Err(error) => {
            // As bytes that end, the beginning of a sound file is only ever cut off; anything else is in it for good.
            let bytes = std::fs::read(part).with_context(|| format!("cannot read {}", part.display()))?;
            match Gguf::from_bytes(bytes) {
                Err(short) if !short.to_string().contains("was the download cut off?") => Err(error.into()),
                _ => Ok(false),
            }
        }
    }
}

/// Lets the files in `stage` appear as `target`, all at once.
fn publish(stage: &Path, target: &Path, gguf: Option<&str>, files: &[GotFile]) -> Result<()> {
    if let Some(file) = gguf {
        let from = stage.join(local(file));
        return std::fs::rename(&from, target)
            .with_context(|| format!("cannot move {} to {}", from.display(), target.display()));
    }
    let staged = StagedDir::new(target)?;
    for GotFile { path, .. } in files {
        let (from, to) = (stage.join(path), staged.path().join(path));
        let place = || {
            std::fs::create_dir_all(to.parent().unwrap_or(staged.path()))?;
            // By link if there are any, so that a failure here loses nothing that came.
            std::fs::hard_link(&from, &to).or_else(|_| std::fs::rename(&from, &to))
        };
        place().with_context(|| format!("cannot put {} to {}", from.display(), to.display()))?;
    }
    Ok(staged.publish()?)
}
