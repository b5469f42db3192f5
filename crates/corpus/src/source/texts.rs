//! The texts of files, one after the other, for training a tokenizer.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::vec::IntoIter;

use rayon::prelude::*;

use super::reader::Reader;
use super::{discover, parse};
use crate::clean::normalise;
use crate::error::Result;

/// Streams the texts of files and folders, normalised as in a corpus; the turns of a conversation are joined by line
/// breaks. What cannot be read is passed over.
///
/// `limit`: bytes to read from each path. Errors: a path that is not there or of another kind.
pub fn texts<P: AsRef<Path>>(paths: &[P], limit: Option<u64>) -> Result<TextIter> {
    let readers: Result<Vec<Reader>> =
        paths.iter().map(|p| Ok(Reader::new(Arc::from(discover(p.as_ref())?.0), limit))).collect();
    Ok(TextIter { readers: readers?.into_iter(), reader: None, texts: Vec::new().into_iter() })
}

/// Made by [`texts`]. Holds about 16 MiB.
pub struct TextIter {
    readers: IntoIter<Reader>,
    reader: Option<Reader>,
    texts: IntoIter<String>,
}

impl std::fmt::Debug for TextIter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TextIter({} sources left)", self.readers.len())
    }
}

impl Iterator for TextIter {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(text) = self.texts.next() {
                return Some(Ok(text));
            }
            let mut reader = match self.reader.take() {
                Some(reader) => reader,
                None => self.readers.next()?,
            };
            let part = reader.next_part(8 << 20);
            let texts: Vec<String> = part
                .records()
                .par_iter()
                .filter_map(|r| parse(part.bytes(r), r.kind).ok())
                .map(|example| normalise(&example.into_text()))
                .filter(|text| !text.is_empty())
                .collect();
            self.texts = texts.into_iter();
            if !part.last {
                self.reader = Some(reader);
            }
        }
    }
}
