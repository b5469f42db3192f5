//! Batches of pairs: as many as fit into B rows of T, in a fresh order each epoch, with a cursor to go on from.

use shuyuan_text::TokenId;

use super::{Item, PairSet, identity, whole};
use crate::batch::{Batch, Pairs};
use crate::error::{Error, Result};
use crate::pack::Cursor;
use crate::rng::{SplitMix, mix};

/// Shape, order and making of batches of pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct PairConfig {
    /// B, rows of a batch: at least 3.
    pub batch: usize,
    /// T, positions of a row: at least as many as the longest text has.
    pub tokens: usize,
    /// Same seed, same batches.
    pub seed: u64,
    /// Passes over the pairs before the stream ends; without it, it never ends.
    pub epochs: Option<u64>,
    /// How often a sentence that is the question stays in its passage, too: 0 to 1.
    pub keep: f64,
}

/// Given pairs are repeated, beside many documents, until they are one in so many.
const GIVEN: usize = 4;
/// But not more often in an epoch.
const COPIES: usize = 10;

/// Turns pairs into batches. A question and its passages are texts of their own, packed into rows wherever there is room.
#[derive(Debug)]
pub struct PairBatches {
    set: PairSet,
    config: PairConfig,
    stream: u64,
    epoch: u64,
    order: Vec<u32>,
    /// Pairs of the epoch already given.
    next: usize,
}

impl PairBatches {
    /// Errors if the shape has no room for a pair.
    pub fn new(set: PairSet, config: PairConfig) -> Result<Self> {
        let ends = set.tokenizer.prefix().len() + set.tokenizer.suffix().len();
        let longest = set.limits.query.max(set.limits.passage) + ends;
        if config.batch < 3 {
            return Err(Error::setting(
                "batch",
                "at least 3: a question, its passage and another",
                config.batch,
            ));
        }
        if config.tokens < longest {
            let least = format!("at least {longest}, the most that is read of a text");
            return Err(Error::setting("tokens", &least, config.tokens));
        }
        let hash = |item: &Item| match item {
            Item::Pair { query, passage, negatives, .. } => negatives
                .iter()
                .fold(identity(query) ^ mix(identity(passage)), |h, ids| mix(h ^ identity(ids))),
            Item::Passage { passage, .. } => xxhash_rust::xxh3::xxh3_64(passage.text.as_bytes()),
        };
        let shape = [config.seed, config.tokens as u64, config.batch as u64, config.keep.to_bits()];
        let stream = shape
            .into_iter()
            .chain(set.items.iter().map(hash))
            .fold(0, |h: u64, x| mix(h.rotate_left(23) ^ x));
        let mut batches = Self { set, config, stream, epoch: 0, order: Vec::new(), next: 0 };
        batches.begin_epoch(0);
        Ok(batches)
    }

    /// Where the stream stands.
    pub fn cursor(&self) -> Cursor {
        Cursor { epoch: self.epoch, document: self.next as u64, row: 0, stream: self.stream }
    }

    /// Goes to a place: what follows is bit for bit what followed there. Errors if the cursor is of other data, another seed or
    /// shape.
    pub fn resume(&mut self, cursor: Cursor) -> Result<()> {
        if cursor.stream != self.stream || cursor.document as usize > self.order.len() {
            let expected = "one of these pairs, seed and shape; go on with those that the run began with";
            return Err(Error::setting("cursor", expected, "a cursor of another stream"));
        }
        self.begin_epoch(cursor.epoch);
        self.next = cursor.document as usize;
        Ok(())
    }

    /// Passes over the pairs finished.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Tokens that an epoch feeds in, about.
    pub fn tokens_per_epoch(&self) -> u64 {
        let tokens = |&index: &u32| match &self.set.items[index as usize] {
            Item::Pair { query, passage, .. } => query.len() + passage.len(),
            Item::Passage { tokens, .. } => *tokens,
        };
        self.order.iter().map(tokens).sum::<usize>() as u64
    }

    fn begin_epoch(&mut self, epoch: u64) {
        let is_pair = |item: &Item| matches!(item, Item::Pair { .. });
        let given = self.set.items.iter().filter(|item| is_pair(item)).count();
        let made = self.set.items.len() - given;
        let copies = made.div_ceil((GIVEN - 1) * given.max(1)).clamp(1, COPIES);
        self.order.clear();
        for (index, item) in self.set.items.iter().enumerate() {
            self.order.extend((0..if is_pair(item) { copies } else { 1 }).map(|_| index as u32));
        }
        SplitMix::new(&[self.config.seed, epoch]).shuffle(&mut self.order);
        (self.epoch, self.next) = (epoch, 0);
    }

    /// The texts of the pair at a place of the order: question, passage, and perhaps one that does not answer.
    fn draw(&self, at: usize) -> Vec<Vec<TokenId>> {
        let index = self.order[at];
        let mut rng = SplitMix::new(&[self.config.seed, self.epoch, at as u64, u64::from(index)]);
        match &self.set.items[index as usize] {
            Item::Pair { query, passage, negatives, .. } => {
                let mut texts = vec![query.clone(), passage.clone()];
                if !negatives.is_empty() {
                    texts.push(negatives[rng.below(negatives.len())].clone());
                }
                texts
            }
            Item::Passage { passage, .. } => {
                let (query, passage) = passage.question(&mut rng, self.config.keep);
                let (tokenizer, limits) = (&self.set.tokenizer, self.set.limits);
                vec![whole(tokenizer, query, limits.query).0, whole(tokenizer, &passage, limits.passage).0]
            }
        }
    }
}

impl Iterator for PairBatches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut rows = Rows::new(self.config.batch, self.config.tokens);
        let mut pairs = Pairs::default();
        let (mut others, mut other_texts) = (Vec::new(), Vec::new());
        let mut drawn = 0;
        // A pair more than once in a batch teaches nothing.
        while drawn < self.set.items.len() {
            if self.next == self.order.len() {
                if self.config.epochs.is_some_and(|epochs| self.epoch + 1 >= epochs) {
                    break;
                }
                self.begin_epoch(self.epoch + 1);
            }
            let texts = self.draw(self.next);
            let Some(ends) = rows.place(&texts) else { break };
            (self.next, drawn) = (self.next + 1, drawn + 1);
            pairs.queries.push(ends[0]);
            pairs.query_texts.push(identity(&texts[0]));
            pairs.passages.push(ends[1]);
            pairs.passage_texts.push(identity(&texts[1]));
            others.extend_from_slice(&ends[2..]);
            other_texts.extend(texts[2..].iter().map(|text| identity(text)));
        }
        if drawn == 0 {
            return None;
        }
        pairs.passages.append(&mut others);
        pairs.passage_texts.append(&mut other_texts);
        pairs.tokens = rows.filled.iter().sum();
        Some(Ok(Batch { pairs: Some(pairs), ..rows.batch }))
    }
}

/// A batch that is being filled.
struct Rows {
    batch: Batch,
    /// Positions taken of each row.
    filled: Vec<usize>,
}

impl Rows {
    fn new(batch: usize, tokens: usize) -> Self {
        let batch = Batch {
            batch,
            tokens,
            inputs: vec![0; batch * tokens],
            targets: vec![Batch::IGNORE; batch * tokens],
            starts: (0..batch).flat_map(|_| 0..tokens as u32).collect(),
            pairs: None,
        };
        Self { filled: vec![0; batch.batch], batch }
    }

    /// Puts each text into the first row with room, and says where its last token lies; all of them, or none.
    fn place(&mut self, texts: &[Vec<TokenId>]) -> Option<Vec<u32>> {
        let mut filled = self.filled.clone();
        let mut places = Vec::with_capacity(texts.len());
        for text in texts {
            let row = filled.iter().position(|filled| filled + text.len() <= self.batch.tokens)?;
            places.push((row, filled[row]));
            filled[row] += text.len();
        }
        self.filled = filled;
        let mut ends = Vec::with_capacity(texts.len());
        for (text, (row, at)) in texts.iter().zip(places) {
            let from = row * self.batch.tokens + at;
            self.batch.inputs[from..from + text.len()].copy_from_slice(text);
            self.batch.starts[from..from + text.len()].fill(at as u32);
            ends.push((from + text.len() - 1) as u32);
        }
        Some(ends)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sizes;
    use super::*;
    use shuyuan_text::{END_OF_TEXT, Tokenizer, TrainConfig};
    use std::ops::ControlFlow;

    fn tokenizer() -> Tokenizer {
        let text = Ok("the cat sat on the mat. where is the cat? ".repeat(20));
        let trained =
            shuyuan_text::train([text], &TrainConfig::new(280), |_| ControlFlow::Continue(())).unwrap();
        trained.tokenizer.ending_with(END_OF_TEXT).unwrap()
    }

    fn set(lines: &str) -> Result<PairSet> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("p.jsonl"), lines).unwrap();
        std::fs::write(
            dir.path().join("t.md"),
            "# Cats\nThe cat sat on the mat. The mat was red.\n# Dogs\nNo.\n",
        )
        .unwrap();
        PairSet::read(&[dir.path()], &tokenizer(), Sizes { query: 16, passage: 40 })
    }

    fn config(epochs: Option<u64>) -> PairConfig {
        PairConfig { batch: 3, tokens: 64, seed: 5, epochs, keep: 0.0 }
    }

    const LINES: &str = r#"{"query": "where is the cat?", "passage": "on the mat", "negatives": ["in the sea", "in the sky"]}
{"query": "where is the cat?", "text": "the cat sat on the mat"}
{"query": "who sat?", "positive": "the cat sat on the mat, and it sat there for as long as anybody could remember, and longer"}
{"query": "alone"}
{"messages": []}
{"text": "A first. A second. A third that is the last.", "title": "Numbers"}
"#;

    #[test]
    fn texts_end_with_the_end_and_belong_together() {
        let set = set(LINES).unwrap();
        let report = &set.report;
        assert_eq!((report.pairs, report.documents, report.passages), (3, 2, 4), "{report:?}");
        assert_eq!((report.cut_passages, report.cut_queries, report.too_short), (1, 0, 0), "{report:?}");
        assert_eq!(report.skipped.records.values().sum::<u64>(), 2);
        let end = set.tokenizer.suffix()[0];
        let tokenizer = set.tokenizer.clone();
        let mut seen = std::collections::BTreeSet::new();
        for batch in PairBatches::new(set, config(Some(20))).unwrap() {
            let batch = batch.unwrap();
            let pairs = batch.pairs.as_ref().unwrap();
            assert!(!pairs.queries.is_empty() && pairs.passages.len() >= pairs.queries.len());
            for &at in pairs.queries.iter().chain(&pairs.passages) {
                assert_eq!(batch.inputs[at as usize], end);
            }
            let text = |at: u32| {
                let at = at as usize;
                let from = at / 64 * 64 + batch.starts[at] as usize;
                tokenizer.decode(&batch.inputs[from..at])
            };
            for (q, (&query, &passage)) in pairs.queries.iter().zip(&pairs.passages).enumerate() {
                let (query, passage) = (text(query), text(passage));
                assert!(!passage.contains(&query), "{query:?} is in {passage:?}");
                for p in 0..pairs.passages.len() {
                    let same = text(pairs.passages[p]) == passage
                        || pairs.queries.get(p).is_some_and(|&other| text(other) == query);
                    assert_eq!(pairs.belong(q, p), same);
                }
                seen.insert(query);
            }
        }
        for wanted in ["where is the cat?", "Cats", "Dogs", "The mat was red.", "Numbers", "A second."] {
            assert!(seen.contains(wanted), "{wanted} was not asked: {seen:?}");
        }
    }

    #[test]
    fn resumes_to_the_same_batches() {
        let mut whole = PairBatches::new(set(LINES).unwrap(), config(None)).unwrap();
        for _ in 0..7 {
            whole.next();
        }
        let mut resumed = PairBatches::new(set(LINES).unwrap(), config(None)).unwrap();
        resumed.resume(whole.cursor()).unwrap();
        for _ in 0..20 {
            assert_eq!(whole.next().unwrap().unwrap(), resumed.next().unwrap().unwrap());
        }
        let mut other =
            PairBatches::new(set(LINES).unwrap(), PairConfig { seed: 6, ..config(None) }).unwrap();
        assert!(other.resume(whole.cursor()).is_err());
        let narrow = PairConfig { tokens: 39, ..config(None) };
        assert!(PairBatches::new(set(LINES).unwrap(), narrow).is_err());
    }

    #[test]
    fn what_is_held_out_is_not_taught() {
        let lines: String = (0..400)
            .map(|i| format!("{{\"query\": \"q {i}\", \"passage\": \"the number {}\"}}\n", i / 2))
            .collect();
        let mut set = set(&lines).unwrap();
        let before = set.len();
        let held = set.hold_out(1000).unwrap();
        assert_eq!(held.len() + set.len(), before);
        assert!((6..40).contains(&held.len()), "{}", held.len());
        let taught: Vec<u64> = set.items.iter().map(Item::passage).collect();
        assert!(held.items.iter().all(|item| !taught.contains(&item.passage())));
        // All about one passage: there is nothing to find it among.
        let lines: String =
            (0..100).map(|i| format!("{{\"query\": \"q {i}\", \"passage\": \"the one\"}}\n")).collect();
        let mut set = of_lines(&lines);
        assert!(set.hold_out(1000).is_none());
        assert_eq!(set.len(), 100);
    }

    fn of_lines(lines: &str) -> PairSet {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.jsonl");
        std::fs::write(&path, lines).unwrap();
        PairSet::read(&[path], &tokenizer(), Sizes { query: 16, passage: 40 }).unwrap()
    }
}
