//! The keys of readers: who may see which groups of the knowledge base. `keys.toml` in the home folder holds their
//! SHA-256, never the keys themselves:
//!
//! ```toml
//! [[key]]
//! name = "anna"
//! sha256 = "…"
//! groups = ["hr"]
//! ```

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use subtle::ConstantTimeEq;

/// The file's name in the home folder.
const FILE: &str = "keys.toml";

/// A reader's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedKey {
    /// Whose.
    pub name: String,
    /// Of the key, in hexadecimal digits.
    pub sha256: String,
    /// What it may read beside what everyone may.
    #[serde(default)]
    pub groups: BTreeSet<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<NamedKey>,
}

impl NamedKey {
    /// A fresh key, 256 random bits, and what is kept of it.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn make(name: &str, groups: BTreeSet<String>) -> Result<(String, Self)> {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
        let key = format!("sy-{}", hex(&bytes));
        Ok((key.clone(), Self { name: name.into(), sha256: hash(&key), groups }))
    }
}

/// The keys of a home folder, by name.
///
/// # Errors
/// If the file is there and is not as it should be.
pub fn read_keys(home: &Path) -> Result<Vec<NamedKey>> {
    let path = home.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let file: File = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
    for key in &file.key {
        if key.sha256.len() != 64 || !key.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            bail!("{}: the sha256 of {:?}: expected 64 hexadecimal digits", path.display(), key.name);
        }
    }
    Ok(file.key)
}

/// Writes the keys of a home folder, for its owner's eyes.
///
/// # Errors
/// If the file cannot be written; the old one is then untouched.
pub fn write_keys(home: &Path, keys: &[NamedKey]) -> Result<()> {
    let path = home.join(FILE);
    let text = toml::to_string_pretty(&File { key: keys.to_vec() })?;
    shuyuan_store::write_atomic(&path, text.as_bytes())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
            .with_context(|| format!("cannot keep {} to its owner", path.display()))?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

/// The keys of a home folder as they are now: read again when the file changes.
pub(crate) struct KeyFile {
    home: PathBuf,
    known: Mutex<(Stamp, Arc<Known>)>,
}

type Stamp = Option<(Option<SystemTime>, u64)>;

/// Keys, or a file that cannot be read: then no key of it is good, but keys are asked for all the same.
#[derive(Default)]
pub(crate) struct Known {
    keys: Vec<NamedKey>,
    broken: bool,
}

impl KeyFile {
    pub fn new(home: &Path) -> Self {
        Self { home: home.into(), known: Mutex::default() }
    }

    pub fn now(&self) -> Arc<Known> {
        let file = std::fs::metadata(self.home.join(FILE)).ok();
        let stamp = file.map(|file| (file.modified().ok(), file.len()));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != stamp {
            let read = match read_keys(&self.home) {
                Ok(keys) => Known { keys, broken: false },
                Err(error) => {
                    eprintln!("{error:#}");
                    Known { keys: Vec::new(), broken: true }
                }
            };
            *known = (stamp, Arc::new(read));
        }
        known.1.clone()
    }
}

impl Known {
    /// Whether there is nobody but the owner.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && !self.broken
    }

    /// The key that was given. Takes the same time wherever two hashes differ, and however many keys fit.
    pub fn find(&self, given: &str) -> Option<&NamedKey> {
        let given = hash(given);
        let mut found = None;
        for key in &self.keys {
            if bool::from(key.sha256.to_ascii_lowercase().as_bytes().ct_eq(given.as_bytes())) {
                found = Some(key);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_no_key_is_in_it() {
        let home = tempfile::tempdir().unwrap();
        assert!(KeyFile::new(home.path()).now().is_empty());
        let file = KeyFile::new(home.path());
        let (key, kept) = NamedKey::make("anna", BTreeSet::from(["hr".into()])).unwrap();
        let (other, _) = NamedKey::make("anna", BTreeSet::new()).unwrap();
        assert_ne!(key, other);
        write_keys(home.path(), std::slice::from_ref(&kept)).unwrap();
        assert_eq!(read_keys(home.path()).unwrap(), std::slice::from_ref(&kept));
        assert!(!std::fs::read_to_string(home.path().join(FILE)).unwrap().contains(&key));
        assert_eq!(file.now().find(&key), Some(&kept));
        assert_eq!(file.now().find(&other), None);
        std::fs::write(home.path().join(FILE), "nonsense").unwrap();
        assert!(!file.now().is_empty(), "keys are asked for even where none can be read");
        assert_eq!(file.now().find(&key), None);
    }
}
