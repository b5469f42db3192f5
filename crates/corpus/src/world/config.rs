//! The dials of the world: how much of each trade, and how rich.

use serde::{Deserialize, Serialize};

/// How rich the world is. The defaults are what a model of two million parameters learns in minutes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorldConfig {
    /// How many documents of each trade.
    pub mix: Mix,
    /// The share of documents in Chinese.
    pub zh: f64,
    /// The fewest facts before a question about one of them.
    pub facts_min: usize,
    /// The most facts before a question about one of them; at most 6.
    pub facts_max: usize,
    /// The most facts of which notes are taken; at most 6.
    pub notes_max: usize,
    /// The share of such questions that ask for the subject (who ate tofu?) rather than the object.
    pub asks_who: f64,
    /// In training documents with facts, how likely each answer is to be followed by a question about another of them.
    pub second_question: f64,
    /// The share of second mentions in a row that are a pronoun.
    pub pronouns: f64,
    /// How many chains stand before a question about one of them; one of them is asked about. At most 3.
    pub chains: usize,
    /// The share of chains beside which a fact about the first person stands, to mislead.
    pub misleading: f64,
    /// The share of sums that are subtractions.
    pub subtractions: f64,
    /// The share of sums told as a small story.
    pub word_problems: f64,
    /// Whether sums show their working.
    pub working: bool,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            mix: Mix::default(),
            zh: 0.5,
            facts_min: 2,
            facts_max: 4,
            notes_max: 5,
            asks_who: 0.2,
            second_question: 1.0,
            pronouns: 0.3,
            chains: 2,
            misleading: 0.0,
            subtractions: 0.35,
            word_problems: 0.4,
            working: true,
        }
    }
}

/// How many documents of each trade, as weights; they need not add up to one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each field is the weight of the trade of its name")]
pub struct Mix {
    pub story: f64,
    pub diary: f64,
    pub one_fact: f64,
    pub two_facts: f64,
    pub sums: f64,
    pub dialogue: f64,
    pub summary: f64,
    pub translation: f64,
    pub colour: f64,
    pub words: f64,
    pub notes: f64,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            story: 0.11,
            diary: 0.04,
            one_fact: 0.24,
            two_facts: 0.14,
            sums: 0.1,
            dialogue: 0.06,
            summary: 0.06,
            translation: 0.17,
            colour: 0.05,
            words: 0.03,
            notes: 0.06,
        }
    }
}

impl Mix {
    /// The weights in the order of [`Trade::ALL`](super::Trade::ALL).
    pub fn weights(&self) -> [f64; 11] {
        [
            self.story,
            self.diary,
            self.one_fact,
            self.two_facts,
            self.sums,
            self.dialogue,
            self.summary,
            self.translation,
            self.colour,
            self.words,
            self.notes,
        ]
    }
}
