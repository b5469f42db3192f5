//! A document to passages of which questions can be made.

use shuyuan_text::Tokenizer;

use super::sentences::{heading, sentences};
use super::{Item, Limits, PairReport};
use crate::rng::SplitMix;

/// A part of a document: some sentences in a row, and what stands above them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Passage {
    /// The title and the heading above it, if any.
    pub heading: Option<String>,
    pub text: String,
    /// Where each sentence ends in `text`.
    pub ends: Vec<u32>,
}

/// Cuts documents.
pub(super) struct Cutter<'a> {
    pub tokenizer: &'a Tokenizer,
    pub limits: Limits,
}

impl Cutter<'_> {
    /// The passages of a document, none across a heading. Their lengths vary, as those of questions' answers do.
    pub fn cut(&self, title: Option<&str>, text: &str, report: &mut PairReport) -> Vec<Item> {
        let mut rng = SplitMix::new(&[xxhash_rust::xxh3::xxh3_64(text.as_bytes())]);
        let title = title.map(str::trim).filter(|title| !title.is_empty());
        let mut all = Vec::new();
        let mut open = Passage { heading: title.map(str::to_owned), text: String::new(), ends: Vec::new() };
        let (mut tokens, mut most) = (0, self.length(&mut rng));
        for range in sentences(text) {
            let sentence = &text[range];
            if let Some(found) = heading(sentence) {
                let above = [title, Some(found)].into_iter().flatten().collect::<Vec<_>>().join(" ");
                let next = Passage { heading: Some(above), text: String::new(), ends: Vec::new() };
                self.close(std::mem::replace(&mut open, next), &mut all, report);
                tokens = 0;
                continue;
            }
            for part in self.parts(sentence) {
                let length = self.tokenizer.encode(part).len();
                report.long_sentences += u64::from(length > self.limits.query);
                if tokens + length > most && !open.text.is_empty() {
                    let next =
                        Passage { heading: open.heading.clone(), text: String::new(), ends: Vec::new() };
                    self.close(std::mem::replace(&mut open, next), &mut all, report);
                    (tokens, most) = (0, self.length(&mut rng));
                }
                let part = if open.text.is_empty() { part.trim_start() } else { part };
                open.text.push_str(part);
                open.ends.push(open.text.len() as u32);
                tokens += length;
            }
        }
        self.close(open, &mut all, report);
        all
    }

    /// How long the next passage may be: a quarter of the limit to all of it.
    fn length(&self, rng: &mut SplitMix) -> usize {
        self.limits.passage.div_ceil(4) * (1 + rng.below(4))
    }

    /// A sentence that is longer than a passage may be in parts that are not.
    fn parts<'t>(&self, sentence: &'t str) -> Vec<&'t str> {
        if self.tokenizer.encode(sentence).len() <= self.limits.passage {
            return vec![sentence];
        }
        let middle = (0..=sentence.len() / 2).rev().find(|&at| sentence.is_char_boundary(at)).unwrap_or(0);
        if middle == 0 {
            return vec![sentence];
        }
        let (left, right) = sentence.split_at(middle);
        [self.parts(left), self.parts(right)].concat()
    }

    fn close(&self, passage: Passage, all: &mut Vec<Item>, report: &mut PairReport) {
        if passage.text.is_empty() {
            return;
        }
        // A sentence alone leaves nothing to be found by.
        if passage.ends.len() < 2 && passage.heading.is_none() {
            report.too_short += 1;
            return;
        }
        let tokens = self.tokenizer.encode(&passage.text).len();
        report.cut_passages += u64::from(tokens > self.limits.passage);
        report.passages += 1;
        all.push(Item::Passage { passage, tokens: tokens.min(self.limits.passage) });
    }
}

impl Passage {
    /// (question, passage): its heading, or a sentence of it, which mostly is not in the passage then. `keep`: how often it
    /// stays.
    pub fn question(&self, rng: &mut SplitMix, keep: f64) -> (&str, String) {
        let alone = self.ends.len() < 2;
        if let Some(heading) = &self.heading
            && (alone || rng.below(4) == 0)
        {
            return (heading, self.text.clone());
        }
        let sentence = |index: usize| {
            let begin = if index == 0 { 0 } else { self.ends[index - 1] as usize };
            begin..self.ends[index] as usize
        };
        // Not "Yes." if there is a better one.
        let mut chosen = rng.below(self.ends.len());
        for _ in 0..4 {
            if self.text[sentence(chosen)].trim().chars().count() >= 8 {
                break;
            }
            chosen = rng.below(self.ends.len());
        }
        let range = sentence(chosen);
        let query = self.text[range.clone()].trim();
        let keeps = (rng.next() >> 11) as f64 / ((1u64 << 53) as f64) < keep;
        let passage = match keeps {
            true => self.text.clone(),
            false => format!("{}{}", &self.text[..range.start], &self.text[range.end..]).trim().to_owned(),
        };
        (query, passage)
    }
}
