//! A file of token ids with document boundaries. Takes and gives ids; knows nothing about text.
//!
//! Little-endian, version 1:
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..8 | magic `SHUYTOK\n` |
//! | 8..12 | version |
//! | 12..16 | width of a token: 2 or 4 bytes |
//! | 16..20 | vocabulary size |
//! | 20..24 | zero |
//! | 24..32 | XXH3-64 of the tokenizer.json that made the ids |
//! | 32..40 | number of documents N |
//! | 40..48 | number of tokens M |
//! | 48..56 | XXH3-64 of everything after the header |
//! | 56..64 | XXH3-64 of bytes 0..56 |
//! | N × 4 | where each document ends, in tokens |
//! | M × width | the tokens |

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use shuyuan_text::TokenId;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"SHUYTOK\n";
const VERSION: u32 = 1;
const HEADER: usize = 64;
const REBUILD: &str = "build the corpus again with `corpus build`";

/// Which tokenizer made the ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Ids are below this.
    pub size: u32,
    /// XXH3-64 of its tokenizer.json.
    pub hash: u64,
}

impl Vocabulary {
    /// Bytes of a stored id: 2 as long as every id fits.
    fn width(self) -> usize {
        if self.size <= 1 << 16 { 2 } else { 4 }
    }
}

/// Collects documents in memory and writes them as one shard.
#[derive(Debug)]
pub struct ShardWriter {
    vocabulary: Vocabulary,
    ends: Vec<u32>,
    tokens: Vec<u8>,
}

impl ShardWriter {
    /// An empty shard.
    pub fn new(vocabulary: Vocabulary) -> Self {
        Self { vocabulary, ends: Vec::new(), tokens: Vec::new() }
    }

    /// Number of documents so far.
    pub fn documents(&self) -> usize {
        self.ends.len()
    }

    /// Number of tokens so far.
    pub fn tokens(&self) -> usize {
        self.tokens.len() / self.vocabulary.width()
    }

    /// Adds one document. Panics if an id is outside the vocabulary or the shard would pass 2^32 tokens.
    pub fn push(&mut self, ids: &[TokenId]) {
        let wide = self.vocabulary.width() == 4;
        for &id in ids {
            assert!(id < self.vocabulary.size, "id {id} is outside a vocabulary of {}", self.vocabulary.size);
            if wide {
                self.tokens.extend_from_slice(&id.to_le_bytes());
            } else {
                self.tokens.extend_from_slice(&(id as u16).to_le_bytes());
            }
        }
        self.ends.push(u32::try_from(self.tokens()).expect("a shard has less than 2^32 tokens"));
    }

    /// Writes the shard at `path` atomically and empties this writer.
    pub fn finish(&mut self, path: &Path) -> Result<()> {
        let body: Vec<u8> = self.ends.iter().flat_map(|e| e.to_le_bytes()).collect();
        let mut sum = Xxh3::new();
        sum.update(&body);
        sum.update(&self.tokens);
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        for x in [VERSION, self.vocabulary.width() as u32, self.vocabulary.size, 0] {
            header.extend_from_slice(&x.to_le_bytes());
        }
        for x in [self.vocabulary.hash, self.ends.len() as u64, self.tokens() as u64, sum.digest()] {
            header.extend_from_slice(&x.to_le_bytes());
        }
        header.extend_from_slice(&xxh3_64(&header).to_le_bytes());
        shuyuan_store::write_atomic(path, &[header, body, std::mem::take(&mut self.tokens)].concat())?;
        self.ends.clear();
        Ok(())
    }
}

/// An open shard: boundaries in memory (4 bytes a document), tokens read where they are asked for.
#[derive(Debug)]
pub struct Shard {
    path: PathBuf,
    file: File,
    vocabulary: Vocabulary,
    checksum: u64,
    ends: Vec<u32>,
}

impl Shard {
    /// Opens a shard and checks its header, its size and its boundaries, not the checksum of its tokens.
    pub fn open(path: &Path) -> Result<Self> {
        let foreign = |expected: String, found: String| Error::Foreign {
            path: path.to_path_buf(),
            expected,
            found,
            advice: REBUILD,
        };
        let mut file = File::open(path).map_err(Error::io(path))?;
        let size = file.metadata().map_err(Error::io(path))?.len();
        if size < HEADER as u64 {
            return Err(foreign(format!("a shard's header of {HEADER} bytes"), format!("{size} bytes")));
        }
        let mut header = [0; HEADER];
        file.read_exact(&mut header).map_err(Error::io(path))?;
        let u32_at = |i: usize| u32::from_le_bytes([header[i], header[i + 1], header[i + 2], header[i + 3]]);
        let u64_at = |i: usize| u64::from(u32_at(i)) | u64::from(u32_at(i + 4)) << 32;
        if &header[..8] != MAGIC {
            let found = format!("{:?}", String::from_utf8_lossy(&header[..8]));
            return Err(foreign("a token shard (magic \"SHUYTOK\\n\")".into(), found));
        }
        if u32_at(8) != VERSION {
            return Err(foreign(format!("shard version {VERSION}"), format!("version {}", u32_at(8))));
        }
        let vocabulary = Vocabulary { size: u32_at(16), hash: u64_at(24) };
        let width = u32_at(12) as usize;
        if xxh3_64(&header[..56]) != u64_at(56) || width != vocabulary.width() {
            return Err(foreign("a header that matches its checksum".into(), "another".into()));
        }
        let (documents, tokens) = (u64_at(32), u64_at(40));
        let whole = u128::from(documents) * 4 + u128::from(tokens) * width as u128 + HEADER as u128;
        if whole != u128::from(size) || tokens > u64::from(u32::MAX) {
            let expected = format!("{whole} bytes ({documents} documents, {tokens} tokens)");
            return Err(foreign(expected, format!("{size} bytes")));
        }
        let mut ends = vec![0; documents as usize * 4];
        file.read_exact(&mut ends).map_err(Error::io(path))?;
        let ends: Vec<u32> = ends.as_chunks().0.iter().map(|&b| u32::from_le_bytes(b)).collect();
        if !ends.is_sorted() || u64::from(ends.last().copied().unwrap_or(0)) != tokens {
            return Err(foreign("document ends in order".into(), "ends out of order".into()));
        }
        Ok(Self { path: path.to_path_buf(), file, vocabulary, checksum: u64_at(48), ends })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which tokenizer made its ids.
    pub fn vocabulary(&self) -> Vocabulary {
        self.vocabulary
    }

    /// XXH3-64 of everything after the header.
    pub fn checksum(&self) -> u64 {
        self.checksum
    }

    /// Number of documents.
    pub fn documents(&self) -> usize {
        self.ends.len()
    }

    /// Number of tokens.
    pub fn tokens(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0).into()
    }

    /// Number of tokens of a document. Panics if there is no such document.
    pub fn len(&self, document: usize) -> usize {
        (self.ends[document] - self.begin(document)) as usize
    }

    /// True if it has no document.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn begin(&self, document: usize) -> u32 {
        if document == 0 { 0 } else { self.ends[document - 1] }
    }

    /// Appends `ids.len()` tokens of a document, from its token `from` on. Panics past the document's end.
    pub fn read(&self, document: usize, from: usize, count: usize, ids: &mut Vec<TokenId>) -> Result<()> {
        assert!(from + count <= self.len(document), "tokens {from}+{count} of document {document}");
        let width = self.vocabulary.width();
        let at = HEADER + self.ends.len() * 4 + (self.begin(document) as usize + from) * width;
        let mut bytes = vec![0; count * width];
        read_exact_at(&self.file, &mut bytes, at as u64).map_err(Error::io(&self.path))?;
        let first = ids.len();
        if width == 2 {
            ids.extend(bytes.as_chunks().0.iter().map(|&b| TokenId::from(u16::from_le_bytes(b))));
        } else {
            ids.extend(bytes.as_chunks().0.iter().map(|&b| TokenId::from_le_bytes(b)));
        }
        // One pass over numbers just touched; it keeps a damaged file from indexing past the embedding.
        match ids[first..].iter().max() {
            Some(&id) if id >= self.vocabulary.size => Err(Error::Foreign {
                path: self.path.clone(),
                expected: format!("ids below {}", self.vocabulary.size),
                found: format!("id {id}"),
                advice: REBUILD,
            }),
            _ => Ok(()),
        }
    }

    /// Reads the whole file and compares its checksum.
    pub fn verify(&self) -> Result<()> {
        let mut file = File::open(&self.path).map_err(Error::io(&self.path))?;
        let (mut sum, mut buffer, mut skip) = (Xxh3::new(), vec![0; 1 << 20], HEADER);
        loop {
            let n = file.read(&mut buffer).map_err(Error::io(&self.path))?;
            if n == 0 {
                break;
            }
            sum.update(&buffer[skip.min(n)..n]);
            skip -= skip.min(n);
        }
        if sum.digest() == self.checksum {
            return Ok(());
        }
        Err(Error::Foreign {
            path: self.path.clone(),
            expected: format!("checksum {:016x}", self.checksum),
            found: format!("{:016x}", sum.digest()),
            advice: REBUILD,
        })
    }
}

#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_read(file, bytes, at)?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        (bytes, at) = (&mut bytes[n..], at + n as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, size: u32, docs: &[&[TokenId]]) -> PathBuf {
        let path = dir.join("a.tok");
        let mut writer = ShardWriter::new(Vocabulary { size, hash: 0x1234 });
        docs.iter().for_each(|d| writer.push(d));
        writer.finish(&path).unwrap();
        path
    }

    #[test]
    fn reads_what_was_written_in_both_widths() {
        let dir = tempfile::tempdir().unwrap();
        for size in [300, 1 << 16, (1 << 16) + 1, 200_000] {
            let docs: [&[TokenId]; 4] = [&[1, 2, 299], &[], &[size - 1], &[7; 100]];
            let path = write(dir.path(), size, &docs);
            let shard = Shard::open(&path).unwrap();
            shard.verify().unwrap();
            assert_eq!((shard.documents(), shard.tokens()), (4, 104));
            let expected = 64 + 16 + 104 * if size > 1 << 16 { 4 } else { 2 };
            assert_eq!(std::fs::metadata(&path).unwrap().len(), expected);
            for (i, doc) in docs.iter().enumerate() {
                let mut ids = vec![9];
                shard.read(i, 0, doc.len(), &mut ids).unwrap();
                assert_eq!(&ids[1..], *doc);
            }
            let mut ids = Vec::new();
            shard.read(0, 1, 2, &mut ids).unwrap();
            assert_eq!(ids, [2, 299]);
        }
    }

    #[test]
    fn damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), 300, &[&[1, 2, 3], &[4; 50]]);
        let whole = std::fs::read(&path).unwrap();
        let error = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Shard::open(&path).and_then(|s| s.verify()).unwrap_err().to_string()
        };
        for n in 0..whole.len() {
            let message = error(&whole[..n]);
            assert!(message.contains("a.tok") && message.contains("bytes"), "{message}");
        }
        for i in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[i] ^= 0x10;
            assert!(error(&bytes).contains("a.tok"), "byte {i}");
        }
        assert!(
            error(b"{\"not\": \"a shard\", \"but\": \"a longish JSON file of more than a header's length\"}")
                .contains("magic")
        );
        // An id past the vocabulary is met when it is read, even if nobody verified.
        let mut bytes = whole.clone();
        let n = bytes.len();
        bytes[n - 1] = 0xff;
        std::fs::write(&path, &bytes).unwrap();
        assert!(Shard::open(&path).unwrap().read(1, 0, 50, &mut Vec::new()).is_err());
    }

    /// The committed file of version 1 must stay readable for as long as version 1 is said to be read.
    #[test]
    fn version_1_is_read() {
        let shard =
            Shard::open(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/shard-v1.tok")))
                .unwrap();
        shard.verify().unwrap();
        assert_eq!(shard.vocabulary(), Vocabulary { size: 300, hash: 0x0123_4567_89ab_cdef });
        let mut ids = Vec::new();
        (0..shard.documents()).for_each(|d| shard.read(d, 0, shard.len(d), &mut ids).unwrap());
        assert_eq!((0..3).map(|d| shard.len(d)).collect::<Vec<_>>(), [3, 1, 4]);
        assert_eq!(ids, [72, 105, 256, 256, 32, 299, 0, 256]);
    }
}
