//! Batches of conversations for fine-tuning: token ids with a mask in, [`Batch`] out. Packed as text is.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use shuyuan_text::{ChatTemplate, END_OF_TEXT, TokenId, Tokenizer};
use xxhash_rust::xxh3::Xxh3;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::example::Example;
use crate::pack::{BatchConfig, Cursor, Documents, Packer};
use crate::report::Skipped;
use crate::source::{Reader, discover, parse};

/// A conversation as the model reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Its tokens, with the template's.
    pub ids: Vec<TokenId>,
    /// Which of them the model is to learn to write. As long as `ids`.
    pub mask: Vec<bool>,
}

/// Conversations read from files, and what could not be read.
#[derive(Clone, Debug, Default)]
pub struct Conversations {
    /// In the files' order.
    pub conversations: Vec<Conversation>,
    /// Lines and files that are none.
    pub skipped: Skipped,
}

impl Conversations {
    /// Reads chat JSON lines (`messages`), as files or folders, and renders them with the tokenizer's template; the model
    /// learns what the assistant says. A record with `text` instead is learned whole.
    ///
    /// Errors: a path that is not there, a tokenizer without the template's tokens, no conversation at all.
    pub fn read<P: AsRef<Path>>(paths: &[P], tokenizer: &Tokenizer) -> Result<Self> {
        let template = ChatTemplate::new(tokenizer)?;
        let end = tokenizer.special(END_OF_TEXT);
        let mut all = Self::default();
        for path in paths {
            let files = Arc::from(discover(path.as_ref())?.0);
            let mut reader = Reader::new(Arc::clone(&files), None);
            loop {
                let part = reader.next_part(4 << 20);
                let read: Vec<_> = part
                    .records()
                    .par_iter()
                    .map(|record| {
                        parse(part.bytes(record), record.kind).and_then(|e| render(e, tokenizer, &template, end))
                    })
                    .collect();
                all.skipped.add(&part.skipped);
                for (record, read) in part.records().iter().zip(read) {
                    let (reason, detail) = match read {
                        Ok(conversation) if conversation.mask.contains(&true) => {
                            all.conversations.push(conversation);
                            continue;
                        }
                        Ok(_) => ("nothing that the assistant says", String::new()),
                        Err(bad) => bad,
                    };
                    let file = &files[record.file as usize].path;
                    all.skipped.record(reason, || format!("{}:{} {detail}", file.display(), record.line));
                }
                if part.last {
                    break;
                }
            }
        }
        if all.conversations.is_empty() {
            let path = paths.first().map(|p| p.as_ref().to_path_buf()).unwrap_or_default();
            let why: Vec<&str> =
                all.skipped.files.iter().chain(&all.skipped.first).map(String::as_str).collect();
            let reason = format!(
                "holds no conversation; expected lines like {{\"messages\": [{{\"role\": \"user\", \"content\": …}}, …]}}; {}",
                why.join("; ")
            );
            return Err(Error::Input { path, reason });
        }
        Ok(all)
    }
}

fn render(
    example: Example,
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    end: Option<TokenId>,
) -> Result<Conversation, (&'static str, String)> {
    match example {
        Example::Chat { messages } => {
            let (ids, mask) = template
                .render_for_training(&messages)
                .map_err(|error| ("a conversation that the chat template refuses", error.to_string()))?;
            Ok(Conversation { ids, mask })
        }
        Example::Text { text } => {
            let ids: Vec<TokenId> = end.into_iter().chain(tokenizer.encode(&text)).chain(end).collect();
            Ok(Conversation { mask: vec![true; ids.len()], ids })
        }
    }
}

/// Batches of conversations: as [`crate::Batches`], but a position has a target only where the mask is true.
///
/// Conversations are held in memory (5 bytes a token). One longer than a row is cut; a piece without targets is left
/// out.
#[derive(Debug)]
pub struct ChatBatches(Packer<Rendered>);

impl ChatBatches {
    /// Errors if nothing is to be learned. Panics if a mask is not as long as its ids.
    pub fn new(conversations: Vec<Conversation>, config: BatchConfig) -> Result<Self> {
        Ok(Self(Packer::new(Rendered::new(conversations), config)?))
    }

    /// Where the stream stands.
    pub fn cursor(&self) -> Cursor {
        self.0.cursor()
    }

    /// Goes to a place: what follows is bit for bit what followed there. Errors if the cursor is of other
    /// conversations, another seed or row length.
    pub fn resume(&mut self, cursor: Cursor) -> Result<()> {
        self.0.resume(cursor)
    }

    /// Passes over the conversations finished.
    pub fn epoch(&self) -> u64 {
        self.0.epoch()
    }

    /// Tokens that an epoch feeds in.
    pub fn tokens_per_epoch(&self) -> u64 {
        self.0.positions_per_epoch()
    }
}

impl Iterator for ChatBatches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_batch()
    }
}

/// Conversations joined in memory.
#[derive(Debug)]
struct Rendered {
    ids: Vec<TokenId>,
    mask: Vec<bool>,
    ends: Vec<usize>,
    identity: u64,
}

impl Rendered {
    /// What follows the last target of a conversation teaches nothing and is cut off.
    fn new(conversations: Vec<Conversation>) -> Self {
        let mut all = Self { ids: Vec::new(), mask: Vec::new(), ends: Vec::new(), identity: 0 };
        let mut hash = Xxh3::new();
        for Conversation { ids, mask } in conversations {
            assert_eq!(ids.len(), mask.len(), "one mask entry a token");
            // The first token is never a target.
            let Some(end) = mask.iter().rposition(|&m| m).filter(|&i| i > 0) else { continue };
            all.ids.extend_from_slice(&ids[..=end]);
            all.mask.extend_from_slice(&mask[..=end]);
            all.ends.push(all.ids.len());
        }
        for (id, mask) in all.ids.iter().zip(&all.mask) {
            hash.update(&id.to_le_bytes());
            hash.update(&[u8::from(*mask)]);
        }
        all.ends.iter().for_each(|&e| hash.update(&(e as u64).to_le_bytes()));
        all.identity = hash.digest();
        all
    }

    fn begin(&self, document: u32) -> usize {
        if document == 0 { 0 } else { self.ends[document as usize - 1] }
    }
}

impl Documents for Rendered {
    const MAY_CUT: bool = false;

    fn count(&self) -> usize {
        self.ends.len()
    }

    fn len(&self, document: u32) -> usize {
        self.ends[document as usize] - self.begin(document)
    }

    fn weight(&self, _: u32) -> f64 {
        1.0
    }

    fn read(&self, document: u32, from: usize, count: usize, ids: &mut Vec<TokenId>) -> Result<()> {
        ids.extend_from_slice(&self.ids[self.begin(document) + from..][..count]);
        Ok(())
    }

    fn mask(&self, document: u32) -> Option<&[bool]> {
        Some(&self.mask[self.begin(document)..self.ends[document as usize]])
    }

    fn identity(&self) -> u64 {
        self.identity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(epochs: Option<u64>) -> BatchConfig {
        BatchConfig { batch: 2, tokens: 16, seed: 3, epochs }
    }

    /// Conversation c has ids c * 100 + position; the model's part is positions 4, 5, 6 of each ten.
    fn conversations() -> Vec<Conversation> {
        (0..40)
            .map(|c: u32| {
                let n = 8 + c % 30;
                let ids = (0..n).map(|i| c * 100 + i).collect();
                Conversation { ids, mask: (0..n).map(|i| (4..7).contains(&(i % 10))).collect() }
            })
            .collect()
    }

    #[test]
    fn targets_are_the_masked_tokens_each_once() {
        let chats = conversations();
        let mut found = Vec::new();
        for batch in ChatBatches::new(chats.clone(), config(Some(1))).unwrap() {
            let batch = batch.unwrap();
            for (i, &t) in batch.targets.iter().enumerate().filter(|(_, t)| **t != Batch::IGNORE) {
                assert_eq!(batch.inputs[i] + 1, t);
                found.push(t);
            }
        }
        found.sort_unstable();
        let all: Vec<TokenId> = chats
            .iter()
            .flat_map(|c| c.ids.iter().zip(&c.mask).filter(|(_, m)| **m).map(|(id, _)| *id))
            .collect();
        assert_eq!(found, all);
    }

    #[test]
    fn resumes_and_refuses() {
        let mut a = ChatBatches::new(conversations(), config(None)).unwrap();
        for _ in 0..50 {
            a.next();
        }
        let mut b = ChatBatches::new(conversations(), config(None)).unwrap();
        b.resume(a.cursor()).unwrap();
        for _ in 0..100 {
            assert_eq!(a.next().unwrap().unwrap(), b.next().unwrap().unwrap());
        }
        let silent = Conversation { ids: vec![1, 2, 3], mask: vec![false; 3] };
        assert!(ChatBatches::new(vec![silent], config(None)).is_err());
    }
}
