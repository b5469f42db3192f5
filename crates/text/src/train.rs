//! Learns a vocabulary from text: counts words, then joins the most frequent pair of symbols again and again.
//!
//! The result depends on the text and the configuration alone, never on the number of threads: counts are sums, and of pairs
//! of equal count the one of smallest ids (left, then right) is joined, as in Hugging Face's trainer.

use std::io;
use std::ops::ControlFlow;

use rustc_hash::FxHashSet;

use crate::added::Special;
use crate::byte_level::{ByteLevel, Merges};
use crate::error::{Error, Result};
use crate::roles::Roles;
use crate::tokenizer::{END_OF_TEXT, IM_END, IM_START, Inside, Opening, Parts, Tokenizer};
use crate::word_counts::WordCounts;
use crate::{TokenId, merger::Merger};

/// Most tokens of a vocabulary that is trained.
const MOST_TOKENS: usize = 1 << 20;

/// What to train.
#[derive(Clone, Debug)]
pub struct TrainConfig {
    /// Size of the vocabulary: 256 bytes, merges and special tokens together.
    pub vocab_size: usize,
    /// A pair is joined only if it occurs so often; at least 1.
    pub min_frequency: u64,
    /// The special tokens, placed after everything else in this order.
    pub specials: Vec<String>,
    /// Different words kept at once, in bytes of their text (memory is about 8 times that). Beyond it the rarest are
    /// forgotten, which [`TrainReport`] counts.
    pub word_bytes: usize,
}

impl TrainConfig {
    /// A vocabulary of this size with the usual special tokens.
    pub fn new(vocab_size: usize) -> Self {
        Self {
            vocab_size,
            min_frequency: 2,
            specials: [END_OF_TEXT, IM_START, IM_END].map(String::from).to_vec(),
            word_bytes: 128 << 20,
        }
    }

    /// Checks the sizes and the special tokens.
    pub fn validate(&self) -> Result<()> {
        for (i, special) in self.specials.iter().enumerate() {
            if special.is_empty() || self.specials[..i].contains(special) {
                return Err(Error::BadSpecial(special.clone()));
            }
        }
        let (found, specials) = (self.vocab_size, self.specials.len());
        let least = 256 + specials;
        if found < least {
            return Err(Error::VocabularyTooSmall { found, specials, least });
        }
        if found > MOST_TOKENS {
            return Err(Error::VocabularyTooLarge { found, most: MOST_TOKENS });
        }
        Ok(())
    }
}

/// How far training is.
#[derive(Clone, Copy, Debug)]
pub enum TrainProgress {
    /// Reading text and counting words.
    Counting {
        /// Bytes read so far.
        bytes: u64,
    },
    /// Joining pairs.
    Merging {
        /// Merges learned so far.
        done: usize,
        /// Merges that the vocabulary has room for.
        total: usize,
    },
}

/// What training saw and made.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct TrainReport {
    /// Text read, in bytes of UTF-8.
    pub bytes: u64,
    /// Words in it.
    pub words: u64,
    /// Different words that merges were learned from.
    pub unique_words: u64,
    /// Occurrences of rare words that were forgotten to stay within `word_bytes`; 0 unless the text is large.
    pub forgotten_words: u64,
    /// The vocabulary that was asked for.
    pub requested_vocab_size: usize,
    /// The vocabulary that was made: smaller when no pair occurs `min_frequency` times any more.
    pub vocab_size: usize,
    /// How often the last pair that was joined occurs.
    pub last_frequency: u64,
}

/// A trained tokenizer, and how it came about.
#[derive(Debug)]
pub struct Trained {
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// What training saw and made.
    pub report: TrainReport,
}

/// Trains on texts (documents, or chunks of them cut at line ends). They are read as a stream; memory is bounded by
/// [`TrainConfig::word_bytes`] and the largest text.
///
/// `progress` is called a few times a second; it may stop the training.
///
/// Errors: sizes that do not fit, a text that cannot be read, no text at all, a stop.
pub fn train(
    texts: impl IntoIterator<Item = io::Result<String>>,
    config: &TrainConfig,
    mut progress: impl FnMut(TrainProgress) -> ControlFlow<()>,
) -> Result<Trained> {
    config.validate()?;
    let mut go_on = |p| match progress(p) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Stopped),
    };
    let mut counts = WordCounts::new(config.word_bytes);
    for text in texts {
        if counts.add(text.map_err(Error::Input)?) {
            go_on(TrainProgress::Counting { bytes: counts.bytes() })?;
        }
    }
    counts.flush();
    go_on(TrainProgress::Counting { bytes: counts.bytes() })?;
    let mut report = TrainReport {
        bytes: counts.bytes(),
        words: counts.words(),
        forgotten_words: counts.forgotten(),
        requested_vocab_size: config.vocab_size,
        ..TrainReport::default()
    };
    if report.words == 0 {
        return Err(Error::NoText);
    }
    let total = config.vocab_size - 256 - config.specials.len();
    let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|b| vec![b]).collect();
    let mut known: FxHashSet<Vec<u8>> = tokens.iter().cloned().collect();
    let mut merges: Vec<(TokenId, TokenId)> = Vec::with_capacity(total);
    let mut merger = Merger::new(counts, config.vocab_size, config.min_frequency.max(1));
    report.unique_words = merger.words();
    go_on(TrainProgress::Merging { done: 0, total })?;
    while merges.len() < total {
        let Some((left, right, frequency)) = merger.most_frequent() else { break };
        let bytes = [tokens[left as usize].as_slice(), &tokens[right as usize]].concat();
        // The same bytes by another way: a second id for them could not be told apart in a vocabulary file.
        if known.contains(&bytes) || config.specials.iter().any(|s| s.as_bytes() == bytes) {
            merger.forbid(left, right);
            continue;
        }
        let id = tokens.len() as TokenId;
        merger.join(left, right, id);
        merges.push((left, right));
        known.insert(bytes.clone());
        tokens.push(bytes);
        report.last_frequency = frequency;
        if merges.len().is_multiple_of(64) || merges.len() == total {
            go_on(TrainProgress::Merging { done: merges.len(), total })?;
        }
    }
    let merged = (256..).take(merges.len()).collect();
    let mut specials = Vec::new();
    for text in &config.specials {
        specials.push(Special::new(text.clone(), tokens.len() as TokenId, true));
        tokens.push(text.clone().into_bytes());
    }
    report.vocab_size = tokens.len();
    let rules = Merges { byte_ids: (0..256).collect(), merges, merged, ..Merges::default() };
    let inside = Inside::Bytes(Box::new(ByteLevel::new(&tokens, |_| false, rules)));
    let (opening, roles) = (Opening::Nothing, Roles::default());
    let parts = Parts { tokens, specials, inside, opening, roles, source: None };
    Ok(Trained { tokenizer: Tokenizer::new(parts)?, report })
}
