//! Small corpora for tests.

use shuyuan_text::TokenId;
use xxhash_rust::xxh3::xxh3_64;

use crate::build::{BuildConfig, Source};
use crate::corpus::{Corpus, MANIFEST, Manifest, ShardEntry, Split};
use crate::report::Report;
use crate::shard::{ShardWriter, Vocabulary};

/// A corpus of these documents in three training shards, without validation.
pub(crate) fn corpus_of(documents: &[Vec<TokenId>], size: u32, weight: f64) -> (tempfile::TempDir, Corpus) {
    let dir = tempfile::tempdir().unwrap();
    let tokenizer = b"{}";
    std::fs::write(dir.path().join("tokenizer.json"), tokenizer).unwrap();
    let vocabulary = Vocabulary { size, hash: xxh3_64(tokenizer) };
    let mut shards = Vec::new();
    for (i, part) in documents.chunks(documents.len().div_ceil(3)).enumerate() {
        let file = format!("train-{i:05}.tok");
        let mut writer = ShardWriter::new(vocabulary);
        part.iter().for_each(|d| writer.push(d));
        let (documents, tokens) = (writer.documents() as u64, writer.tokens() as u64);
        writer.finish(&dir.path().join(&file)).unwrap();
        shards.push(ShardEntry { file, split: Split::Train, source: 0, weight, documents, tokens });
    }
    let config = BuildConfig::new(vec![Source::new("test")], dir.path());
    let manifest = Manifest::new(vocabulary, config, String::new(), Report::default(), shards);
    std::fs::write(dir.path().join(MANIFEST), serde_json::to_vec(&manifest).unwrap()).unwrap();
    let corpus = Corpus::open(dir.path()).unwrap();
    (dir, corpus)
}
