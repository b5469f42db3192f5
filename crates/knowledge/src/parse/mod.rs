//! Bytes of any format to documents. Knows nothing of chunks, indexes or sources.
//!
//! The way of one file: `format` says what it is, by its first bytes, then by its ending; the reader of that format fills
//! a `draft`, which sees to it that blocks cover the text. It all runs in a thread of its own under a `budget`, a PDF in
//! one more, so that a hostile file costs no more than its limits.

mod archive;
mod budget;
mod cfb;
mod code;
mod csv;
mod date;
mod draft;
mod encoding;
mod epub;
mod format;
mod html;
mod isolate;
mod json;
mod mail;
mod markdown;
mod markup;
mod office;
mod package;
mod pdf;
mod table;
mod text;
mod xml;

use crate::Document;
use budget::Budget;
use format::Format;
use std::sync::Arc;
use std::sync::mpsc::Sender;

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
///
/// Never panics, and returns soon after `limits.seconds` at the latest: what is not read is in [`Parsed::unread`].
pub fn parse(name: &str, bytes: &[u8], limits: &Limits) -> Parsed {
    if bytes.len() as u64 > limits.file {
        let (len, limit) = (bytes.len(), limits.file);
        let reason = format!(
            "{name} has {len} bytes, more than the {limit} that a file may have; split it, or raise the limit"
        );
        return Parsed { documents: Vec::new(), unread: vec![Unread { inner: String::new(), reason }] };
    }
    let budget = Budget::new(limits);
    let part =
        Part { name: name.to_owned(), inner: String::new(), bytes: Arc::new(bytes.to_vec()), depth: 0 };
    let (items, ended) = isolate::collect(&budget.clone(), move |out| read(part, &budget, out));
    let mut parsed = Parsed::default();
    for item in items {
        match item {
            Ok(document) => parsed.documents.push(document),
            Err(unread) => parsed.unread.push(unread),
        }
    }
    if let Err(reason) = ended {
        parsed.unread.push(Unread { inner: String::new(), reason: format!("{name} {reason}") });
    }
    parsed
}

/// What a reader reports: a document, or what it could not read.
type Item = Result<Document, Unread>;

/// A file, or one within an archive or a mail.
struct Part {
    /// Its own name: the ending counts.
    name: String,
    /// Where it lies in the outermost file; empty for that file itself.
    inner: String,
    bytes: Arc<Vec<u8>>,
    /// How many archives it lies in.
    depth: usize,
}

/// Reads `part` and whatever lies in it.
fn read(part: Part, budget: &Budget, out: &Sender<Item>) {
    let Part { name, inner, bytes, depth } = part;
    let read = format::detect(&name, &bytes).and_then(|format| {
        budget.check()?;
        isolate::caught(&name, || match format {
            Format::Pdf => pdf::isolated(&name, &bytes, budget).map(Some),
            Format::Docx => office::docx(&bytes, budget).map(Some),
            Format::Pptx => office::pptx(&bytes, budget).map(Some),
            Format::Xlsx => office::xlsx(&bytes, budget).map(Some),
            Format::Xls => office::xls(&bytes, budget).map(Some),
            Format::Ods => office::ods(&bytes, budget).map(Some),
            Format::Odt => office::odt(&bytes, budget).map(Some),
            Format::Epub => epub::read(&bytes, budget).map(Some),
            Format::Mail => mail::read(&inner, &bytes, depth, budget, out).map(|()| None),
            Format::Zip => archive::read(&inner, &bytes, depth, budget, out).map(|()| None),
            plainly => plain(plainly, &name, &bytes, budget).map(Some),
        })
    });
    // A receiver that is gone has run out of time: there is nobody left to tell.
    let _ = match read {
        Ok(Some(document)) => out.send(Ok(Document { inner, ..document })),
        Ok(None) => Ok(()),
        Err(reason) => out.send(Err(Unread { inner, reason })),
    };
}

/// The formats that nothing is packed into.
fn plain(format: Format, name: &str, bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    match format {
        Format::Markdown => markdown::read(bytes, budget),
        Format::Html => html::read(bytes, budget),
        Format::Xml => html::read_xml(bytes, budget),
        Format::Csv => csv::read(name, bytes, budget),
        Format::Json => json::read(bytes, budget),
        Format::Jsonl => json::read_lines(bytes, budget),
        Format::Code => code::read(name, bytes, budget),
        _ => text::read(bytes, budget),
    }
}
