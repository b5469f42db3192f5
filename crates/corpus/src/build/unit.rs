//! A unit of work: one part of one source, cleaned, hashed and tokenised, in a file of its own.
//!
//! The files are the journal. A unit's file is published whole, so a unit is done if its file is there. They are a
//! cache in the unfinished corpus, gone when it is finished; so the format has no version, the plan has.
//!
//! Little-endian: length of the head (u64), the head (JSON), then by column: N hashes of texts (u128), 20 or 0 columns
//! of N band hashes (u64), N languages (u8), N bytes of text (u32), N numbers of tokens (u32), all tokens (u32).

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shuyuan_text::TokenId;

use super::document::Document;
use crate::clean::Language;
use crate::dedup::{BANDS, Columns};
use crate::error::{Error, Result};
use crate::report::SourceReport;
use crate::shard::read_exact_at;

/// What is known of a unit without its documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub source: usize,
    /// What was read and left out; `kept` counts documents that go on to deduplication.
    pub report: SourceReport,
    /// True if the source ends here.
    pub last: bool,
    documents: usize,
    bands: usize,
}

/// A finished unit.
///
/// Its file is opened whenever it is read: there may be more units than files can be open.
#[derive(Debug)]
pub(crate) struct Unit {
    path: PathBuf,
    pub head: Head,
    /// Where the columns begin.
    begin: u64,
}

/// A unit's documents, read back.
pub(crate) struct Documents {
    pub hashes: Vec<u128>,
    pub languages: Vec<Language>,
    pub bytes: Vec<u32>,
    lengths: Vec<u32>,
    ids: Vec<TokenId>,
}

/// Publishes a unit.
pub(crate) fn write(
    path: &Path,
    source: usize,
    report: SourceReport,
    last: bool,
    documents: &[Document],
) -> Result<()> {
    let bands = if documents.first().is_some_and(|d| d.bands.is_some()) { BANDS } else { 0 };
    let head = Head { source, report, last, documents: documents.len(), bands };
    let head = serde_json::to_vec(&head).map_err(|e| Error::io(path)(e.into()))?;
    let tokens: usize = documents.iter().map(|d| d.ids.len()).sum();
    let mut bytes = Vec::with_capacity(8 + head.len() + documents.len() * (16 + 9 + 8 * bands) + tokens * 4);
    bytes.extend_from_slice(&(head.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&head);
    documents.iter().for_each(|d| bytes.extend_from_slice(&d.hash.to_le_bytes()));
    for band in 0..bands {
        for document in documents {
            let hash = document.bands.map_or(0, |b| b[band]);
            bytes.extend_from_slice(&hash.to_le_bytes());
        }
    }
    bytes.extend(documents.iter().map(|d| d.language as u8));
    documents.iter().for_each(|d| bytes.extend_from_slice(&d.bytes.to_le_bytes()));
    documents.iter().for_each(|d| bytes.extend_from_slice(&(d.ids.len() as u32).to_le_bytes()));
    documents.iter().for_each(|d| d.ids.iter().for_each(|id| bytes.extend_from_slice(&id.to_le_bytes())));
    Ok(shuyuan_store::write_atomic(path, &bytes)?)
}

impl Unit {
    /// Opens a unit's file; `None` if it is not there.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(path)(e)),
        };
        let mut length = [0; 8];
        read_exact_at(&file, &mut length, 0).map_err(Error::io(path))?;
        let length = u64::from_le_bytes(length);
        let foreign = |found: String| Error::Foreign {
            path: path.to_path_buf(),
            expected: "a unit of an unfinished corpus".into(),
            found,
            advice: "delete the folder `work` beside it and build again",
        };
        if length > file.metadata().map_err(Error::io(path))?.len() {
            return Err(foreign("a file cut short".into()));
        }
        let mut head = vec![0; length as usize];
        read_exact_at(&file, &mut head, 8).map_err(Error::io(path))?;
        let head = serde_json::from_slice(&head).map_err(|e| foreign(e.to_string()))?;
        Ok(Some(Self { path: path.to_path_buf(), head, begin: 8 + length }))
    }

    fn column<const W: usize, T>(&self, at: usize, n: usize, from: impl Fn([u8; W]) -> T) -> Result<Vec<T>> {
        let mut bytes = vec![0; n * W];
        let mut read = || read_exact_at(&File::open(&self.path)?, &mut bytes, self.begin + at as u64);
        read().map_err(Error::io(&self.path))?;
        Ok(bytes.as_chunks().0.iter().map(|&b| from(b)).collect())
    }

    /// The hashes of the documents' texts.
    fn hashes(&self) -> Result<Vec<u128>> {
        self.column(0, self.head.documents, u128::from_le_bytes)
    }

    pub fn documents(&self) -> Result<Documents> {
        let Head { documents: n, bands, .. } = self.head;
        let at = n * (16 + 8 * bands);
        let lengths = self.column(at + 5 * n, n, u32::from_le_bytes)?;
        let tokens = lengths.iter().map(|&l| l as usize).sum();
        let language = |[b]: [u8; 1]| match b {
            0 => Language::Zh,
            1 => Language::En,
            _ => Language::Other,
        };
        Ok(Documents {
            hashes: self.hashes()?,
            languages: self.column(at, n, language)?,
            bytes: self.column(at + n, n, u32::from_le_bytes)?,
            ids: self.column(at + 9 * n, tokens, TokenId::from_le_bytes)?,
            lengths,
        })
    }
}

impl Documents {
    /// The tokens of each document.
    pub fn ids(&self) -> impl Iterator<Item = &[TokenId]> {
        let mut rest = &self.ids[..];
        self.lengths.iter().map(move |&n| {
            let (ids, after) = rest.split_at(n as usize);
            rest = after;
            ids
        })
    }
}

/// The hashes of all units' documents.
impl Columns for [Unit] {
    fn documents(&self) -> usize {
        self.iter().map(|u| u.head.documents).sum()
    }

    fn texts(&self, each: &mut dyn FnMut(u32, u128)) -> Result<()> {
        let mut document = 0;
        for unit in self {
            for hash in unit.hashes()? {
                each(document, hash);
                document += 1;
            }
        }
        Ok(())
    }

    fn band(&self, band: usize, each: &mut dyn FnMut(u32, u64)) -> Result<()> {
        let mut document = 0;
        for unit in self {
            let n = unit.head.documents;
            for hash in unit.column(n * (16 + 8 * band), n, u64::from_le_bytes)? {
                each(document, hash);
                document += 1;
            }
        }
        Ok(())
    }
}
