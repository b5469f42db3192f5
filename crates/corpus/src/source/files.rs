//! Which files an input path stands for.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::Serialize;

use crate::error::{Error, Result};

/// What a file's name says about its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Format {
    Plain,
    Lines,
    Parquet,
}

/// How a file is compressed, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// A file to read; serialised, it is what tells one state of the input from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct InputFile {
    pub path: PathBuf,
    pub format: Format,
    pub compression: Compression,
    pub size: u64,
    /// Nanoseconds since 1970.
    modified: u128,
}

pub(crate) const SUPPORTED: &str = "txt, md, jsonl (each also .gz or .zst), parquet";

impl InputFile {
    /// `None` if the name is of no kind that is read here.
    fn new(path: &Path) -> Result<Option<Self>> {
        let Some((format, compression)) = kind(path) else { return Ok(None) };
        let meta = fs::metadata(path).map_err(Error::io(path))?;
        let modified = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        Ok(Some(Self {
            path: path.to_path_buf(),
            format,
            compression,
            size: meta.len(),
            modified: modified.map_or(0, |d| d.as_nanos()),
        }))
    }
}

fn kind(path: &Path) -> Option<(Format, Compression)> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let (stem, compression) = match name.rsplit_once('.')? {
        (stem, "gz") => (stem.to_owned(), Compression::Gzip),
        (stem, "zst") => (stem.to_owned(), Compression::Zstd),
        _ => (name, Compression::None),
    };
    let format = match stem.rsplit_once('.')?.1 {
        "txt" | "text" | "md" | "markdown" => Format::Plain,
        "jsonl" | "ndjson" => Format::Lines,
        "parquet" if compression == Compression::None && cfg!(feature = "parquet") => Format::Parquet,
        _ => return None,
    };
    Some((format, compression))
}

/// The files of a path: itself, or all below a folder in the order of their names; and, of a folder, the names of
/// files that are of another kind. Hidden files and links to folders are passed over.
///
/// Errors: a path that is not there, a single file of another kind, a folder without any file to read.
pub(crate) fn discover(path: &Path) -> Result<(Vec<InputFile>, Vec<String>)> {
    let input = |reason: String| Error::Input { path: path.to_path_buf(), reason };
    let meta = fs::metadata(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => input("there is no such file or folder".into()),
        _ => input(e.to_string()),
    })?;
    if !meta.is_dir() {
        let file = InputFile::new(path)?
            .ok_or_else(|| input(format!("is of a kind that is not read; expected {SUPPORTED}")))?;
        return Ok((vec![file], Vec::new()));
    }
    let (mut files, mut others) = (Vec::new(), Vec::new());
    walk(path, &mut files, &mut others)?;
    if files.is_empty() {
        return Err(input(format!("holds no file to read; expected {SUPPORTED}")));
    }
    Ok((files, others))
}

fn walk(dir: &Path, files: &mut Vec<InputFile>, others: &mut Vec<String>) -> Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(dir)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
        .map_err(Error::io(dir))?;
    entries.sort();
    for path in entries {
        if path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        if path.is_dir() {
            if !path.is_symlink() {
                walk(&path, files, others)?;
            }
        } else if let Some(file) = InputFile::new(&path)? {
            files.push(file);
        } else {
            others.push(format!("{}: of a kind that is not read (expected {SUPPORTED})", path.display()));
        }
    }
    Ok(())
}
