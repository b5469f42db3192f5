//! Bytes of any format to documents.

use crate::Document;

/// What bounds the work on one file.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that the file may have.
    pub file: u64,
    /// Bytes that all that is packed into it may have, unpacked.
    pub unpacked: u64,
    /// Files in an archive, counted through all levels.
    pub files: usize,
    /// Archives within archives.
    pub depth: usize,
    /// Pages, slides or sheets.
    pub pages: usize,
    /// Seconds that the work may take.
    pub seconds: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file: 256 << 20, unpacked: 1 << 30, files: 10_000, depth: 3, pages: 20_000, seconds: 120.0 }
    }
}

/// Why a file, or a part of one, is not in the base.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", if inner.is_empty() { String::new() } else { format!("{inner}: ") })]
pub struct Unread {
    /// Path within the archive; empty for the file itself.
    pub inner: String,
    /// What was expected, what was found, what to do.
    pub reason: String,
}

/// What came out of one file: several documents where it is an archive or a mail with attachments.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// What was read.
    pub documents: Vec<Document>,
    /// What was not.
    pub unread: Vec<Unread>,
}

/// Reads one file. `name` is its path or address; its ending helps to tell the format, its bytes decide.
pub fn parse(_name: &str, bytes: &[u8], _limits: &Limits) -> Parsed {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut blocks = Vec::new();
    let mut at = 0;
    for part in text.split_inclusive("\n\n") {
        if !part.trim().is_empty() {
            blocks.push(crate::Block { kind: crate::Kind::Text, span: at..at + part.len() });
        }
        at += part.len();
    }
    Parsed {
        documents: vec![Document { format: "txt", text, blocks, ..Document::default() }],
        unread: Vec::new(),
    }
}
