//! Batches of a corpus's documents: a corpus in, an endless stream of [`Batch`] out.

use shuyuan_text::TokenId;

use crate::batch::Batch;
use crate::corpus::{Corpus, Split};
use crate::error::Result;
use crate::pack::{BatchConfig, Cursor, Documents, Packer};

/// Batches of one split, documents in a new order each epoch, several whole documents to a row.
///
/// Before the first token of every other document stands its last, `<|endoftext|>`: a model learns to begin a text from
/// nothing, and to go on from a few words alone. Such a document of n tokens takes n positions, the others n - 1, with
/// nothing that predicts their first token. Documents longer than a row are cut. Padding has input 0, target
/// [`Batch::IGNORE`] and sees only itself.
#[derive(Debug)]
pub struct Batches(Packer<Shards>);

impl Batches {
    /// A stream from the first document on. Errors if no document of the split has a token to predict.
    pub fn new(corpus: &Corpus, split: Split, config: BatchConfig) -> Result<Self> {
        Ok(Self(Packer::new(Shards::new(corpus, split), config)?))
    }

    /// Where the stream stands, to be stored beside the weights.
    pub fn cursor(&self) -> Cursor {
        self.0.cursor()
    }

    /// Goes to a place: what follows is bit for bit what followed there. Errors if the cursor is of another corpus,
    /// seed or row length; the number of rows may differ.
    pub fn resume(&mut self, cursor: Cursor) -> Result<()> {
        self.0.resume(cursor)
    }

    /// From the next batch on, `batch` rows of `tokens` positions, of the documents that follow those already packed (about
    /// 2^18 tokens; what is left of them comes again in the next epoch).
    pub fn shape(&mut self, batch: usize, tokens: usize) {
        self.0.shape(batch, tokens);
    }

    /// Passes over the documents finished.
    pub fn epoch(&self) -> u64 {
        self.0.epoch()
    }

    /// Tokens that an epoch feeds in, weighted.
    pub fn tokens_per_epoch(&self) -> u64 {
        self.0.positions_per_epoch()
    }
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_batch()
    }
}

/// The documents of a split, numbered through its shards.
#[derive(Debug)]
struct Shards {
    corpus: Corpus,
    split: Split,
    /// For each shard, the number of its first document.
    first: Vec<u32>,
    count: usize,
}

impl Shards {
    fn new(corpus: &Corpus, split: Split) -> Self {
        let (mut first, mut count) = (Vec::new(), 0);
        for (shard, _) in corpus.shards(split) {
            first.push(count as u32);
            count += shard.documents();
        }
        Self { corpus: corpus.clone(), split, first, count }
    }

    fn find(&self, document: u32) -> (usize, usize) {
        let shard = self.first.partition_point(|&f| f <= document) - 1;
        (shard, (document - self.first[shard]) as usize)
    }
}

impl Documents for Shards {
    const MAY_CUT: bool = true;

    fn count(&self) -> usize {
        self.count
    }

    fn len(&self, document: u32) -> usize {
        let (shard, document) = self.find(document);
        let length = self.corpus.shards(self.split)[shard].0.len(document);
        if length > 0 && begins(document) { length + 1 } else { length }
    }

    fn weight(&self, document: u32) -> f64 {
        match self.split {
            Split::Train => self.corpus.shards(self.split)[self.find(document).0].1,
            Split::Validation => 1.0,
        }
    }

    fn read(&self, document: u32, from: usize, count: usize, ids: &mut Vec<TokenId>) -> Result<()> {
        let (shard, document) = self.find(document);
        let shard = &self.corpus.shards(self.split)[shard].0;
        if !begins(document) || from > 0 || count == 0 {
            return shard.read(document, from.saturating_sub(usize::from(begins(document))), count, ids);
        }
        shard.read(document, shard.len(document) - 1, 1, ids)?;
        shard.read(document, 0, count - 1, ids)
    }

    fn mask(&self, _: u32) -> Option<&[bool]> {
        None
    }

    fn identity(&self) -> u64 {
        // A run of before 2026-11-27, when no document began, is told so rather than led elsewhere.
        self.corpus.identity(self.split) ^ 0x00be_9145
    }
}

/// Whether `<|endoftext|>` stands before this document of a shard.
fn begins(document: usize) -> bool {
    document.is_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SplitMix;
    use crate::testing::corpus_of;

    /// Documents whose tokens say where they are from: id = document * 64 + position.
    fn documents(n: u32, seed: u64) -> Vec<Vec<TokenId>> {
        let mut rng = SplitMix::new(&[seed]);
        (0..n).map(|d| (0..1 + rng.below(60) as u32).map(|i| d * 64 + i).collect()).collect()
    }

    fn config(batch: usize, tokens: usize, epochs: Option<u64>) -> BatchConfig {
        BatchConfig { batch, tokens, seed: 7, epochs }
    }

    #[test]
    fn an_epoch_has_every_pair_once_and_no_other() {
        let docs = documents(300, 1);
        let (_dir, corpus) = corpus_of(&docs, 300 * 64, 1.0);
        for (batch, tokens) in [(1, 8), (3, 64), (4, 37), (300, 100)] {
            let mut pairs: Vec<(TokenId, TokenId)> = Vec::new();
            for b in Batches::new(&corpus, Split::Train, config(batch, tokens, Some(1))).unwrap() {
                let b = b.unwrap();
                for i in 0..batch * tokens {
                    let start = i / tokens * tokens + b.starts[i] as usize;
                    assert!(start <= i);
                    // From its start on, a position sees its own document only.
                    if b.targets[i] != Batch::IGNORE {
                        let seen = &b.inputs[start..=i];
                        let first = usize::from(seen.len() > 1 && seen[0] > seen[1]);
                        assert!(seen[first..].is_sorted_by(|x, y| x + 1 == *y), "row of one document");
                        assert_eq!(b.inputs[i] / 64, b.targets[i] / 64);
                        pairs.push((b.inputs[i], b.targets[i]));
                    }
                }
            }
            pairs.sort_unstable();
            // Every other document has its last token before its first.
            let first = |(i, d): (usize, &Vec<TokenId>)| (i % 2 == 0).then(|| (d[d.len() - 1], d[0]));
            let mut all: Vec<_> = docs.iter().flat_map(|d| d.windows(2).map(|w| (w[0], w[1]))).collect();
            all.extend(docs.iter().enumerate().filter_map(first));
            all.sort_unstable();
            assert_eq!(pairs, all);
        }
    }

    #[test]
    fn a_resumed_stream_is_the_uninterrupted_one() {
        // A window is 64 rows of 4096 or 2^18 tokens, so 40,000 documents are several windows.
        let docs: Vec<Vec<TokenId>> = (0..40_000u32).map(|d| vec![d % 5000; 2 + d as usize % 50]).collect();
        let (_dir, corpus) = corpus_of(&docs, 5000, 1.5);
        let config = config(16, 128, None);
        let all: Vec<_> = Batches::new(&corpus, Split::Train, config.clone()).unwrap().take(1500).collect();
        let mut one = Batches::new(&corpus, Split::Train, config.clone()).unwrap();
        for (i, expected) in all.iter().enumerate() {
            let text = serde_json::to_string(&one.cursor()).unwrap();
            if i % 3 == 0 || i > 700 && i % 97 < 3 {
                one = Batches::new(&corpus, Split::Train, config.clone()).unwrap();
                one.resume(serde_json::from_str(&text).unwrap()).unwrap();
            }
            assert_eq!(&one.next().unwrap().unwrap(), expected.as_ref().unwrap());
        }
        assert!(one.epoch() > 0, "the test must cross an epoch");
    }

    #[test]
    fn rows_change_their_length_and_resume() {
        let docs: Vec<Vec<TokenId>> = (0..40_000u32).map(|d| vec![d % 5000; 2 + d as usize % 50]).collect();
        let (_dir, corpus) = corpus_of(&docs, 5000, 1.0);
        let stream = || Batches::new(&corpus, Split::Train, config(64, 32, None)).unwrap();
        let mut one = stream();
        let short: Vec<_> = (&mut one).take(10).map(|b| b.unwrap()).collect();
        one.shape(16, 128);
        assert!(stream().resume(one.cursor()).is_err(), "a cursor belongs to rows of one length");
        let cursor = one.cursor();
        let long: Vec<_> = (&mut one).take(300).map(|b| b.unwrap()).collect();
        assert!(short.iter().all(|b| (b.batch, b.tokens) == (64, 32)));
        assert!(long.iter().all(|b| (b.batch, b.tokens) == (16, 128)));
        let mut two = stream();
        two.shape(16, 128);
        two.resume(cursor).unwrap();
        assert!(two.take(300).map(|b| b.unwrap()).eq(long));
    }

    #[test]
    fn weights_are_copies_and_epochs_differ() {
        let docs: Vec<Vec<TokenId>> = (0..4000).map(|d| vec![d; 1 + d as usize % 2]).collect();
        let (_dir, corpus) = corpus_of(&docs, 4000, 2.5);
        let mut stream = Batches::new(&corpus, Split::Train, config(1, 10, None)).unwrap();
        assert_eq!(stream.tokens_per_epoch(), 10_000);
        let mut epochs = vec![vec![]; 2];
        while stream.epoch() < 2 {
            let epoch = stream.epoch() as usize;
            let batch = stream.next().unwrap().unwrap();
            let epoch = epoch.max(stream.epoch() as usize);
            if epoch < 2 {
                epochs[epoch]
                    .extend((0..10).filter(|&i| batch.targets[i] != Batch::IGNORE).map(|i| batch.inputs[i]));
            }
        }
        for e in &mut epochs {
            assert!((9800..10200).contains(&e.len()), "{}", e.len());
        }
        assert_ne!(epochs[0], epochs[1]);
        epochs[0].sort_unstable();
        assert!(epochs[0].chunk_by(|a, b| a == b).all(|same| same.len() == 2 || same.len() == 3));
    }

    #[test]
    fn a_foreign_cursor_or_an_empty_split_is_refused() {
        let (_dir, corpus) = corpus_of(&documents(50, 3), 3200, 1.0);
        let mut a = Batches::new(&corpus, Split::Train, config(2, 16, None)).unwrap();
        let b = Batches::new(&corpus, Split::Train, BatchConfig { seed: 8, ..config(2, 16, None) }).unwrap();
        assert!(a.resume(b.cursor()).unwrap_err().to_string().contains("cursor"));
        assert!(Batches::new(&corpus, Split::Validation, config(2, 16, None)).is_err());
        assert!(Batches::new(&corpus, Split::Train, config(0, 16, None)).is_err());
    }
}
