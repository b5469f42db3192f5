//! One file from the network: resumed where it broke off, checked, and under its name only when it is whole.
//!
//! What came so far is `NAME.part`; `NAME.part.of` says of which version, so that two are never joined.

use crate::http::{Answer, Client, DownloadError, Failure, unexpected};
use crate::publish::sync_dir;
use crate::{StoreError, write_atomic};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// What to fetch, and where to.
#[derive(Clone, Debug)]
pub struct Download<'a> {
    /// Its address.
    pub url: &'a str,
    /// The file to make; its folder is there.
    pub to: &'a Path,
    /// How many bytes it has.
    pub size: u64,
    /// Its SHA-256 in hexadecimal, if it is known.
    pub sha256: Option<&'a str>,
}

/// What was fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Whether the file is whole; else it is as long as was asked for.
    pub whole: bool,
    /// Its SHA-256 in hexadecimal; empty if it is not whole.
    pub sha256: String,
    /// The repository's commit, where the server said it.
    pub commit: Option<String>,
}

/// Where the bytes of `to` wait until all are there.
pub fn part_of(to: &Path) -> PathBuf {
    with_ending(to, ".part")
}

impl Client {
    /// Fetches a file. With `until` no more than about so many bytes, which then lie in [`part_of`] it; a later call goes
    /// on. `progress` hears how many bytes there are.
    ///
    /// A file that is there already is taken if its SHA-256 is the expected one, else fetched anew.
    ///
    /// # Errors
    /// As [`DownloadError`] says; what came is kept, unless it is wrong.
    pub fn fetch(
        &self,
        file: &Download,
        until: Option<u64>,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Fetched, DownloadError> {
        if let Some(sha256) = there(file)? {
            progress(file.size);
            return Ok(Fetched { whole: true, sha256, commit: None });
        }
        let mut part = Part::open(file)?;
        let until = until.unwrap_or(u64::MAX);
        let (mut patience, mut furthest, mut commit) = (self.patience(file.url, stop), part.done, None);
        progress(part.done);
        while part.done < file.size.min(until) || (file.size == 0 && commit.is_none()) {
            let tried = self.get(file.url, part.done).and_then(|answer| {
                commit = Some(answer.commit.clone());
                part.take(file, answer, until, stop, progress)
            });
            match tried {
                Ok(()) => {}
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Passing(reason)) => {
                    // A server that begins again and again brings nothing new.
                    if part.done > furthest {
                        furthest = part.done;
                        patience.restore();
                    }
                    patience.wait(reason)?;
                }
            }
        }
        let commit = commit.flatten();
        if part.done < file.size {
            return Ok(Fetched { whole: false, sha256: String::new(), commit });
        }
        Ok(Fetched { whole: true, sha256: part.finish(file)?, commit })
    }
}

/// The checksum of the file that is there already, if it is the one that is wanted.
fn there(file: &Download) -> Result<Option<String>, StoreError> {
    let Some(sha256) = file.sha256 else { return Ok(None) };
    if !file.to.metadata().is_ok_and(|there| there.is_file() && there.len() == file.size) {
        return Ok(None);
    }
    let mut hasher = Sha256::new();
    hash(file.to, &mut hasher)?;
    let found = hex(hasher);
    Ok(found.eq_ignore_ascii_case(sha256).then_some(found))
}

/// The bytes that came so far.
struct Part {
    path: PathBuf,
    file: File,
    done: u64,
    hasher: Sha256,
    version: Version,
}

/// Which version of a file some bytes are of.
#[derive(Default, PartialEq)]
struct Version {
    size: u64,
    sha256: String,
    etag: String,
}

impl Version {
    fn of(file: &Download, etag: Option<String>) -> Self {
        Self {
            size: file.size,
            sha256: file.sha256.unwrap_or_default().into(),
            etag: etag.unwrap_or_default(),
        }
    }

    fn read(path: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(path).ok()?;
        let mut lines = text.lines();
        let mut next = || lines.next().map(str::to_string);
        Some(Self { size: next()?.parse().ok()?, sha256: next()?, etag: next()? })
    }

    fn write(&self, path: &Path) -> Result<(), StoreError> {
        write_atomic(path, format!("{}\n{}\n{}\n", self.size, self.sha256, self.etag).as_bytes())
    }

    /// Whether bytes of `self` may be followed by bytes of `other`: certain, or no.
    fn joins(&self, other: &Self) -> bool {
        // Checksums go before ETags, which differ between the servers of one network.
        let same = if self.sha256.is_empty() || other.sha256.is_empty() {
            !self.etag.is_empty() && self.etag == other.etag
        } else {
            self.sha256 == other.sha256
        };
        same && self.size == other.size
    }
}

impl Part {
    /// The part that was left, if it may be of the same version; else an empty one.
    fn open(file: &Download) -> Result<Self, StoreError> {
        let path = part_of(file.to);
        let version = Version::read(&with_ending(&path, ".of")).unwrap_or_default();
        let opened = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        let done = opened.metadata().map_err(StoreError::io("read", &path))?.len();
        let mut part = Self { path, file: opened, done, hasher: Sha256::new(), version };
        let given = part.version.sha256 == file.sha256.unwrap_or_default() && part.version.size == file.size;
        // Without a checksum, the server must confirm the version, which it does only if there is more to send.
        let more = done < file.size || (done == file.size && file.sha256.is_some());
        if done > 0 && given && more {
            hash(&part.path, &mut part.hasher)?;
        } else {
            part.restart()?;
        }
        Ok(part)
    }

    fn restart(&mut self) -> Result<(), StoreError> {
        self.file.set_len(0).map_err(StoreError::io("empty", &self.path))?;
        (self.done, self.hasher) = (0, Sha256::new());
        Ok(())
    }

    /// Adds what the server answers.
    fn take(
        &mut self,
        file: &Download,
        answer: Answer,
        until: u64,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        let (size, url) = (file.size, file.url);
        let version = Version::of(file, answer.etag);
        let (from, total) = match answer.response.status().as_u16() {
            206 => content_range(answer.response.headers()).unwrap_or((u64::MAX, None)),
            200 => (0, answer.response.body().content_length()),
            status => {
                // It has fewer bytes than we have of it: of no version that is listed.
                if self.done == 0 {
                    return Err(DownloadError::Status { url: url.into(), status }.into());
                }
                self.restart()?;
                return Err(Failure::Passing("the file on the server has changed".into()));
            }
        };
        if let Some(total) = total.filter(|total| *total != size) {
            self.remove()?;
            return Err(unexpected(url, &format!("{size} bytes, as listed"), &format!("a file of {total}")));
        }
        if from == 0 && self.done > 0 {
            self.restart()?;
        } else if from != self.done || (from > 0 && !self.version.joins(&version)) {
            self.restart()?;
            return Err(Failure::Passing("the server sent the rest of another version".into()));
        }
        if from == 0 {
            version.write(&with_ending(&self.path, ".of"))?;
            self.version = version;
        }
        let mut body = answer.response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 18];
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(DownloadError::Stopped.into());
            }
            let broke = |what: String| Failure::Passing(format!("the connection broke off {what}"));
            let count = match body.read(&mut buffer) {
                Ok(0) if self.done == size => return Ok(()),
                Ok(0) => return Err(broke(format!("after {} of {size} bytes", self.done))),
                Ok(count) => count as u64,
                Err(error) => return Err(broke(format!("after {} of {size} bytes ({error})", self.done))),
            };
            if self.done + count > size {
                self.remove()?;
                return Err(unexpected(url, &format!("{size} bytes, as listed"), "more"));
            }
            let bytes = &buffer[..count as usize];
            self.file.write_all(bytes).map_err(StoreError::io("write", &self.path))?;
            self.hasher.update(bytes);
            self.done += count;
            progress(self.done);
            if self.done >= until && self.done < size {
                return Ok(());
            }
        }
    }

    /// Checks what came and gives it its name. Returns the checksum.
    fn finish(self, file: &Download) -> Result<String, DownloadError> {
        let found = hex(self.hasher.clone());
        if let Some(expected) = file.sha256.filter(|expected| !expected.eq_ignore_ascii_case(&found)) {
            self.remove()?;
            return Err(DownloadError::Unexpected {
                url: file.url.into(),
                expected: format!("the SHA-256 {expected}"),
                found: format!("{found}: what came was damaged and is removed"),
            });
        }
        self.file.sync_all().map_err(StoreError::io("flush", &self.path))?;
        std::fs::rename(&self.path, file.to).map_err(StoreError::io("publish", file.to))?;
        // Best effort: of a part that is gone it says nothing.
        let _ = std::fs::remove_file(with_ending(&self.path, ".of"));
        sync_dir(file.to.parent().unwrap_or(Path::new(".")))?;
        Ok(found)
    }

    fn remove(&self) -> Result<(), StoreError> {
        std::fs::remove_file(&self.path).map_err(StoreError::io("remove", &self.path))?;
        let _ = std::fs::remove_file(with_ending(&self.path, ".of"));
        Ok(())
    }
}

/// First byte and size of the whole in `bytes 5-9/10`.
fn content_range(headers: &ureq::http::HeaderMap) -> Option<(u64, Option<u64>)> {
    let range = headers.get("content-range")?.to_str().ok()?.trim().strip_prefix("bytes")?.trim();
    let (range, total) = range.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()))
}

fn hash(path: &Path, hasher: &mut Sha256) -> Result<(), StoreError> {
    let mut read = || {
        let (mut file, mut buffer) = (File::open(path)?, vec![0; 1 << 20]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(()),
                count => hasher.update(&buffer[..count]),
            }
        }
    };
    read().map_err(StoreError::io("read", path))
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(ending);
    name.into()
}
