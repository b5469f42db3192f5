//! A source's files as one stream of records, handed out in parts.
//!
//! The same files give the same parts, whatever machine or thread count: a part ends with the record that fills it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::files::{Compression, Format, InputFile};
use super::lines::{Line, MAX_LINE, next_line};
use super::plain::{Piece, Plain};
use super::record::Kind;
use crate::report::Skipped;

/// Records of about one budget of bytes.
#[derive(Debug, Default)]
pub(crate) struct Part {
    bytes: Vec<u8>,
    records: Vec<Record>,
    /// What could not be read as a record at all.
    pub skipped: Skipped,
    /// Files that were begun.
    pub files: u64,
    /// True if nothing follows.
    pub last: bool,
}

#[derive(Debug)]
pub(crate) struct Record {
    range: Range<usize>,
    pub kind: Kind,
    pub file: u32,
    /// Line, or row, counted from 1.
    pub line: u64,
}

impl Part {
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    pub fn bytes(&self, record: &Record) -> &[u8] {
        &self.bytes[record.range.clone()]
    }
}

/// Reads files one after the other.
pub(crate) struct Reader {
    files: Arc<[InputFile]>,
    next: usize,
    open: Option<Open>,
    /// Raw text that may still be read.
    left: u64,
    /// Bytes of files read so far, compressed as they are.
    pub consumed: Arc<AtomicU64>,
}

enum Open {
    Lines {
        stream: Box<dyn BufRead + Send>,
        line: u64,
    },
    Plain {
        stream: Box<dyn BufRead + Send>,
        plain: Plain,
    },
    #[cfg(feature = "parquet")]
    Parquet {
        rows: super::parquet::Rows,
        row: u64,
        size: u64,
    },
}

impl Reader {
    /// `limit`: bytes of records after which nothing more is read.
    pub fn new(files: Arc<[InputFile]>, limit: Option<u64>) -> Self {
        Self { files, next: 0, open: None, left: limit.unwrap_or(u64::MAX), consumed: Arc::default() }
    }

    /// The next records, of `budget` bytes or a little more.
    pub fn next_part(&mut self, budget: usize) -> Part {
        let mut part = Part::default();
        while part.bytes.len() < budget && self.left > 0 {
            if self.open.is_none() {
                let Some(file) = self.files.get(self.next) else { break };
                self.next += 1;
                part.files += 1;
                match open(file, &self.consumed) {
                    Ok(opened) => self.open = Some(opened),
                    Err(reason) => part.skipped.files.push(format!("{}: {reason}", file.path.display())),
                }
                continue;
            }
            self.read_one(&mut part);
        }
        part.last = self.left == 0 || (self.open.is_none() && self.next == self.files.len());
        part
    }

    /// Reads one record of the open file, or closes it.
    fn read_one(&mut self, part: &mut Part) {
        let file = self.next as u32 - 1;
        let path = &self.files[file as usize].path;
        let begin = part.bytes.len();
        let too_long = |part: &mut Part, line: u64| {
            let reason = format!("line over {} MiB", MAX_LINE >> 20);
            part.skipped.record(&reason, || format!("{}:{line}", path.display()));
        };
        let Some(open) = &mut self.open else { return };
        let (kind, line) = match open {
            Open::Lines { stream, line } => match next_line(stream, &mut part.bytes) {
                Ok(found) => {
                    *line += 1;
                    match found {
                        Line::Read if part.bytes[begin..].trim_ascii().is_empty() => {
                            part.bytes.truncate(begin);
                            return;
                        }
                        Line::Read => (Kind::Json, *line),
                        Line::TooLong => return too_long(part, *line),
                        Line::End => return self.open = None,
                    }
                }
                Err(e) => {
                    let reason = format!("after line {line}: {e}");
                    return self.broken(part, begin, reason);
                }
            },
            Open::Plain { stream, plain } => match plain.next(stream, &mut part.bytes) {
                Ok(Piece::Document) => (Kind::Text, plain.line),
                Ok(Piece::TooLong) => return too_long(part, plain.line),
                Ok(Piece::End) => return self.open = None,
                Err(e) => {
                    let reason = format!("after line {}: {e}", plain.line);
                    return self.broken(part, begin, reason);
                }
            },
            #[cfg(feature = "parquet")]
            Open::Parquet { rows, row, size } => {
                *row += 1;
                match rows.next(&mut part.bytes) {
                    Some(Ok(Ok(()))) => (if rows.chat { Kind::Json } else { Kind::Text }, *row),
                    Some(Ok(Err(reason))) => {
                        part.bytes.truncate(begin);
                        return part.skipped.record(reason, || format!("{}: row {row}", path.display()));
                    }
                    Some(Err(e)) => {
                        let reason = format!("after row {}: {e}", *row - 1);
                        return self.broken(part, begin, reason);
                    }
                    None => {
                        self.consumed.fetch_add(*size, Ordering::Relaxed);
                        return self.open = None;
                    }
                }
            }
        };
        let range = begin..part.bytes.len();
        self.left = self.left.saturating_sub(range.len() as u64);
        part.records.push(Record { range, kind, file, line });
    }

    /// A file that cannot be read on: what was read of it stays.
    fn broken(&mut self, part: &mut Part, begin: usize, reason: String) {
        part.bytes.truncate(begin);
        let path = &self.files[self.next - 1].path;
        part.skipped.files.push(format!("{}: {reason}", path.display()));
        self.open = None;
    }
}

/// The error is a reason for the report.
fn open(file: &InputFile, consumed: &Arc<AtomicU64>) -> Result<Open, String> {
    #[cfg(feature = "parquet")]
    if file.format == Format::Parquet {
        let rows =
            super::parquet::Rows::open(&file.path).map_err(|e| format!("not a parquet file to read: {e}"))?;
        return Ok(Open::Parquet { rows, row: 0, size: file.size });
    }
    let raw = File::open(&file.path).map_err(|e| e.to_string())?;
    let raw = Counting { file: raw, consumed: Arc::clone(consumed) };
    let mut stream: Box<dyn BufRead + Send> = match file.compression {
        Compression::None => Box::new(BufReader::with_capacity(1 << 17, raw)),
        Compression::Gzip => {
            Box::new(BufReader::with_capacity(1 << 17, flate2::read::MultiGzDecoder::new(raw)))
        }
        Compression::Zstd => {
            let decoder = zstd::Decoder::new(raw).map_err(|e| e.to_string())?;
            Box::new(BufReader::with_capacity(1 << 17, decoder))
        }
    };
    let head = stream.fill_buf().map_err(|e| e.to_string())?;
    if head.is_empty() {
        return Err("empty".into());
    }
    if let Some(reason) = not_text(head) {
        return Err(reason.into());
    }
    Ok(match file.format {
        Format::Plain => Open::Plain { stream, plain: Plain::default() },
        _ => Open::Lines { stream, line: 0 },
    })
}

/// Why the beginning of a file shows that it is no text in UTF-8.
fn not_text(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Some("UTF-16; convert it to UTF-8 first, with `iconv -f UTF-16 -t UTF-8`");
    }
    let head = &head[..head.len().min(8192)];
    let control =
        head.iter().filter(|&&b| b < 32 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b)).count();
    (control * 50 > head.len()).then_some("binary, not text")
}

struct Counting {
    file: File,
    consumed: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.consumed.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
