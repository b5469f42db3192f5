//! From what was parsed to what is written: chunks with their words. Needs no base, so that many threads may do it.

use crate::Document;
use crate::chunk::{Chunk, Size, chunks};
use crate::parse::{Parsed, Unread};
use crate::words::words;
use rustc_hash::FxHashMap;

/// An item's documents, ready to be written.
#[derive(Debug, Default)]
pub struct Prepared {
    pub(crate) documents: Vec<Ready>,
    pub(crate) unread: Vec<Unread>,
}

/// A document with its chunks.
#[derive(Debug)]
pub(crate) struct Ready {
    pub document: Document,
    pub chunks: Vec<ReadyChunk>,
    /// The words of all chunks, each once.
    pub words: Vec<Box<str>>,
}

#[derive(Debug)]
pub(crate) struct ReadyChunk {
    pub chunk: Chunk,
    /// Index in `words` and count, each word once.
    pub counts: Vec<(u32, u32)>,
}

impl Prepared {
    /// Cuts and counts what was parsed.
    pub fn new(parsed: Parsed, size: &Size) -> Self {
        let mut documents: Vec<Ready> = Vec::new();
        let mut names = FxHashMap::default();
        for mut document in parsed.documents {
            // An archive may hold two files of one name.
            let times: &mut usize = names.entry(document.inner.clone()).or_default();
            *times += 1;
            if *times > 1 {
                document.inner = format!("{} ({times})", document.inner);
            }
            documents.push(Ready::new(document, size));
        }
        Self { documents, unread: parsed.unread }
    }

    /// Chunks in all documents.
    pub fn chunks(&self) -> usize {
        self.documents.iter().map(|ready| ready.chunks.len()).sum()
    }
}

impl Ready {
    fn new(document: Document, size: &Size) -> Self {
        let mut ids: FxHashMap<Box<str>, u32> = FxHashMap::default();
        let mut words_of: Vec<Box<str>> = Vec::new();
        let mut numbers: Vec<u32> = Vec::new();
        let mut ready = Vec::new();
        for chunk in chunks(&document, size) {
            numbers.clear();
            let mut count = |text: &str| {
                words(text, |word, _| {
                    let id = ids.get(word).copied().unwrap_or_else(|| {
                        let id = words_of.len() as u32;
                        words_of.push(word.into());
                        ids.insert(word.into(), id);
                        id
                    });
                    numbers.push(id);
                });
            };
            // A chunk is found by its headings and its document's title too.
            if let Some(title) = document.title.as_deref().filter(|title| !chunk.context.contains(*title)) {
                count(title);
            }
            count(&chunk.context);
            count(&document.text[chunk.span.clone()]);
            numbers.sort_unstable();
            let counts = numbers.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u32)).collect();
            ready.push(ReadyChunk { chunk, counts });
        }
        Self { document, chunks: ready, words: words_of }
    }
}
