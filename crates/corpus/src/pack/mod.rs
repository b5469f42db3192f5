//! Documents in, batches out, and a cursor to go on from. One packer for text and for conversations.
//!
//! Documents come in a fresh seeded order each epoch. A *window* of them (about 2^18 tokens) is packed at once into
//! rows, whose order is shuffled again, since packing sorts by length. A window depends on nothing but the seed, the
//! epoch and its first document, so a cursor is three numbers and resuming costs one window.

mod plan;

use serde::{Deserialize, Serialize};
use shuyuan_text::TokenId;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::rng::{SplitMix, mix};
use plan::Piece;

/// Shape and order of batches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchConfig {
    /// B, rows of a batch.
    pub batch: usize,
    /// T, positions of a row.
    pub tokens: usize,
    /// Same seed, same batches.
    pub seed: u64,
    /// Passes over the documents before the stream ends; without it, it never ends.
    pub epochs: Option<u64>,
}

/// Where a stream of batches stands; goes into a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Passes finished.
    pub epoch: u64,
    /// Place in the epoch's order at which the current window starts.
    pub document: u64,
    /// Rows of the window already given.
    pub row: u64,
    /// Hash of documents, seed and row length: a cursor fits its own stream only.
    pub stream: u64,
}

/// What is packed: numbered documents of known length.
pub(crate) trait Documents {
    /// How many.
    fn count(&self) -> usize;
    /// Tokens of a document.
    fn len(&self, document: u32) -> usize;
    /// How often a document comes in an epoch, on average.
    fn weight(&self, document: u32) -> f64;
    /// Appends `count` tokens from token `from` on.
    fn read(&self, document: u32, from: usize, count: usize, ids: &mut Vec<TokenId>) -> Result<()>;
    /// Which tokens may be predicted; `None`: all.
    fn mask(&self, document: u32) -> Option<&[bool]>;
    /// Changes when the documents do.
    fn identity(&self) -> u64;
    /// May a document that would fit in a row be cut to fill another?
    const MAY_CUT: bool;
}

/// Names the stream of cursors.
fn stream(documents: &impl Documents, config: &BatchConfig) -> u64 {
    [documents.identity(), config.seed, config.tokens as u64]
        .iter()
        .fold(0, |h: u64, &x| mix(h.rotate_left(23) ^ x))
}

/// Turns documents into batches.
#[derive(Debug)]
pub(crate) struct Packer<D> {
    documents: D,
    config: BatchConfig,
    stream: u64,
    epoch: u64,
    /// Documents of this epoch in order, and the places at which the window starts and ends.
    order: Vec<u32>,
    start: usize,
    end: usize,
    rows: Vec<Vec<Piece>>,
    row: usize,
}

impl<D: Documents> Packer<D> {
    pub fn new(documents: D, config: BatchConfig) -> Result<Self> {
        let least = |name, n: usize| if n == 0 { Err(Error::setting(name, "at least 1", n)) } else { Ok(()) };
        least("batch", config.batch)?;
        least("tokens", config.tokens)?;
        if config.tokens > 1 << 24 {
            return Err(Error::setting("tokens", "at most 2^24", config.tokens));
        }
        let mut packer = Self {
            stream: stream(&documents, &config),
            documents,
            config,
            epoch: 0,
            order: Vec::new(),
            start: 0,
            end: 0,
            rows: Vec::new(),
            row: 0,
        };
        if packer.positions_per_epoch() == 0 {
            return Err(Error::setting(
                "documents",
                "at least one with a token to predict, of weight above 0",
                "none",
            ));
        }
        packer.begin_epoch(0);
        Ok(packer)
    }

    /// Makes rows of `tokens` positions, `batch` at a time, from the documents after this window's on. What is left of the
    /// window comes again in the next epoch.
    pub fn shape(&mut self, batch: usize, tokens: usize) {
        assert!(batch > 0 && tokens > 0, "pack: {batch} rows of {tokens} tokens");
        (self.config.batch, self.config.tokens) = (batch, tokens);
        self.stream = stream(&self.documents, &self.config);
        (self.start, self.row) = (self.end, 0);
        self.rows.clear();
    }

    /// Positions with an input in an epoch, on average.
    pub fn positions_per_epoch(&self) -> u64 {
        (0..self.documents.count() as u32)
            .map(|d| self.documents.weight(d) * self.documents.len(d).saturating_sub(1) as f64)
            .sum::<f64>() as u64
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn cursor(&self) -> Cursor {
        Cursor { epoch: self.epoch, document: self.start as u64, row: self.row as u64, stream: self.stream }
    }

    pub fn resume(&mut self, cursor: Cursor) -> Result<()> {
        if cursor.stream != self.stream {
            return Err(Error::setting(
                "cursor",
                "one of this corpus, seed and row length; go on with those that the run began with",
                "a cursor of another stream",
            ));
        }
        if cursor.epoch != self.epoch || self.order.is_empty() {
            self.begin_epoch(cursor.epoch);
        }
        if cursor.document as usize > self.order.len() {
            return Err(Error::setting(
                "cursor",
                &format!("document at most {}", self.order.len()),
                cursor.document,
            ));
        }
        (self.start, self.end) = (cursor.document as usize, cursor.document as usize);
        (self.rows, self.row) = (Vec::new(), 0);
        if cursor.row > 0 {
            self.plan_window();
            self.row = cursor.row as usize;
        }
        Ok(())
    }

    /// The order of an epoch: weight 2.5 is two copies of every document and a third of half of them, another
    /// half each epoch.
    fn begin_epoch(&mut self, epoch: u64) {
        let mut rng = SplitMix::new(&[self.config.seed, epoch]);
        self.order.clear();
        for d in 0..self.documents.count() as u32 {
            let weight = self.documents.weight(d);
            let mut copies = weight as u64;
            let part = weight.fract();
            copies += u64::from(part > 0.0 && (rng.next() >> 11) as f64 / ((1u64 << 53) as f64) < part);
            self.order.extend((0..copies).map(|_| d));
        }
        rng.shuffle(&mut self.order);
        self.epoch = epoch;
        (self.start, self.end, self.row) = (0, 0, 0);
        self.rows.clear();
    }

    /// Packs the documents from `start` on, up to a window's worth.
    fn plan_window(&mut self) {
        let row = self.config.tokens;
        let size = row * ((1 << 18) / row).clamp(64, 4096);
        let (mut pieces, mut positions) = (Vec::new(), 0);
        self.end = self.start;
        while self.end < self.order.len() && positions < size {
            let document = self.order[self.end];
            self.end += 1;
            for piece in plan::cut(document, self.documents.len(document), row) {
                if self.has_target(&piece) {
                    positions += piece.positions as usize;
                    pieces.push(piece);
                }
            }
        }
        self.rows = plan::pack(pieces, row, D::MAY_CUT);
        SplitMix::new(&[self.config.seed, self.epoch, self.start as u64]).shuffle(&mut self.rows);
        self.row = 0;
    }

    fn has_target(&self, piece: &Piece) -> bool {
        let from = piece.from as usize + 1;
        self.documents
            .mask(piece.document)
            .is_none_or(|m| m[from..][..piece.positions as usize].contains(&true))
    }

    /// Moves to the next row, through windows and epochs; false at the end of the last epoch.
    fn advance(&mut self) -> bool {
        while self.row >= self.rows.len() {
            if self.end >= self.order.len() {
                if self.config.epochs.is_some_and(|n| self.epoch + 1 >= n) {
                    (self.start, self.row) = (self.order.len(), 0);
                    self.rows.clear();
                    return false;
                }
                self.begin_epoch(self.epoch + 1);
            }
            self.start = self.end;
            self.plan_window();
        }
        true
    }

    /// The next batch; `None` after the last epoch. The last batch of a finite stream may end in empty rows.
    pub fn next_batch(&mut self) -> Option<Result<Batch>> {
        let (batch, tokens) = (self.config.batch, self.config.tokens);
        if self.config.epochs == Some(0) || !self.advance() {
            return None;
        }
        let mut out = Batch {
            batch,
            tokens,
            inputs: vec![0; batch * tokens],
            targets: vec![Batch::IGNORE; batch * tokens],
            starts: (0..batch).flat_map(|_| 0..tokens as u32).collect(),
            pairs: None,
        };
        let mut ids = Vec::with_capacity(tokens + 1);
        for b in 0..batch {
            if !self.advance() {
                break;
            }
            let mut at = 0;
            for &Piece { document, from, positions } in &self.rows[self.row] {
                let (from, n) = (from as usize, positions as usize);
                ids.clear();
                if let Err(e) = self.documents.read(document, from, n + 1, &mut ids) {
                    return Some(Err(e));
                }
                let place = b * tokens + at..b * tokens + at + n;
                out.inputs[place.clone()].copy_from_slice(&ids[..n]);
                out.starts[place.clone()].fill(at as u32);
                let targets = &mut out.targets[place];
                targets.copy_from_slice(&ids[1..]);
                if let Some(mask) = self.documents.mask(document) {
                    for (target, _) in targets.iter_mut().zip(&mask[from + 1..]).filter(|(_, m)| !**m) {
                        *target = Batch::IGNORE;
                    }
                }
                at += n;
            }
            self.row += 1;
        }
        Some(Ok(out))
    }
}
