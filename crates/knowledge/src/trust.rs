//! How much an embedder's word counts: as much as it finds in this base, language by language.
//!
//! A model that never saw Chinese puts Chinese passages in some order, too, and one order out of two is then worse than the
//! order by words alone. So a sentence is taken out of each of some chunks, and the chunk is looked for by it: by vectors,
//! and by words. Source of the task: Lee et al., *Latent Retrieval for Weakly Supervised Open Domain QA*, 2019.

use crate::embed::{Embed, Role};
use crate::search::Bm25;
use crate::sentence::sentences;
use crate::store::{Connection, values};
use crate::words::words;
use crate::{KnowledgeError, Result};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// Chunks that are tried of a language.
const TRIED: usize = 96;
/// With fewer, nothing can be said, and vectors count so much.
const LEAST: usize = 4;
const UNKNOWN: f64 = 0.5;
/// Vectors that find so much of what words find count nothing.
const NOTHING: f64 = 0.6;
/// And such that find so much count as much as words.
const FULL: f64 = 0.9;

/// The language of a text, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Han,
    Other,
}

impl Written {
    pub fn of(text: &str) -> Self {
        let (mut han, mut other) = (0, 0);
        for char in text.chars() {
            match char {
                '\u{3400}'..='\u{9fff}' => han += 3,
                _ if char.is_alphabetic() => other += 1,
                _ => {}
            }
        }
        if han > other { Self::Han } else { Self::Other }
    }
}

/// How much vectors count beside words, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Trust {
    pub han: f64,
    pub other: f64,
}

impl Trust {
    pub fn of(&self, text: &str) -> f64 {
        match Written::of(text) {
            Written::Han => self.han,
            Written::Other => self.other,
        }
    }

    /// As it was measured last.
    pub fn read(connection: &dyn Connection, embedder: i64) -> Result<Self> {
        let read = "SELECT trust_han, trust_other FROM embedders WHERE id = ?1";
        let found = connection
            .one(read, values![embedder], |row| Ok(Self { han: row.get(0)?, other: row.get(1)? }))?;
        Ok(found.unwrap_or_default())
    }
}

/// Measures the trust if what everyone may read has grown much since it was last measured. Nothing else is looked at: what
/// someone may not read must not change the order of what they find.
pub(crate) fn measure(connection: &dyn Connection, id: i64, embedder: &dyn Embed) -> Result<()> {
    let public = "SELECT CAST(sum(d.chunks) AS BIGINT) FROM documents d JOIN access a ON a.id = d.access
                  WHERE a.groups = '[]'";
    let public = connection.number(public, &[])?.unwrap_or(0);
    let tried = connection.number("SELECT tried FROM embedders WHERE id = ?1", values![id])?;
    if tried.is_some_and(|tried| (tried..=tried * 2).contains(&public)) {
        return Ok(());
    }
    let [han, other] = samples(connection)?;
    connection.execute(
        "UPDATE embedders SET trust_han = ?2, trust_other = ?3, tried = ?4 WHERE id = ?1",
        values![id, weight(&han, embedder)?, weight(&other, embedder)?, public],
    )?;
    Ok(())
}

/// A sentence and what stands around it.
struct Sample {
    sentence: String,
    rest: String,
}

/// Chunks that everyone may read, from all over the base, by language: those with the least hashes.
fn samples(connection: &dyn Connection) -> Result<[Vec<Sample>; 2]> {
    let mut least: [BTreeMap<u64, Sample>; 2] = Default::default();
    let read =
        "SELECT c.text FROM chunks c JOIN documents d ON d.id = c.document JOIN access a ON a.id = d.access
                WHERE a.groups = '[]'";
    connection.query(read, &[], &mut |row| {
        let text: &str = row.get(0)?;
        let hash = xxh3_64(text.as_bytes());
        let kept = &mut least[usize::from(Written::of(text) == Written::Other)];
        if kept.len() == TRIED && kept.last_key_value().is_some_and(|(last, _)| hash >= *last) {
            return Ok(());
        }
        if let Some(sample) = sample(text) {
            kept.insert(hash, sample);
            if kept.len() > TRIED {
                kept.pop_last();
            }
        }
        Ok(())
    })?;
    Ok(least.map(|kept| kept.into_values().collect()))
}

fn sample(text: &str) -> Option<Sample> {
    let all = sentences(text);
    let range = all.get(all.len() / 2).filter(|_| all.len() >= 3)?;
    let sentence = text[range.clone()].to_string();
    let mut count = 0;
    words(&sentence, |_, _| count += 1);
    let rest = format!("{}{}", &text[..range.start], &text[range.end..]);
    (count >= 4).then_some(Sample { sentence, rest })
}

fn weight(samples: &[Sample], embedder: &dyn Embed) -> Result<f64> {
    if samples.len() < LEAST {
        return Ok(UNKNOWN);
    }
    let embed = |texts: &[&str], role| embedder.embed(texts, role).map_err(KnowledgeError::Embed);
    let asked: Vec<&str> = samples.iter().map(|sample| sample.sentence.as_str()).collect();
    let rests: Vec<&str> = samples.iter().map(|sample| sample.rest.as_str()).collect();
    let (asked_vectors, rest_vectors) = (embed(&asked, Role::Query)?, embed(&rests, Role::Passage)?);
    let dot = |a: &[f32], b: &[f32]| f64::from(a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>());
    let by_vectors = found(samples.len(), |asked, rest| dot(&asked_vectors[asked], &rest_vectors[rest]));
    let counted: Vec<FxHashMap<String, u32>> = rests.iter().map(|text| counts(text)).collect();
    let lengths: Vec<u32> = counted.iter().map(|counts| counts.values().sum()).collect();
    let average = lengths.iter().sum::<u32>() as f32 / lengths.len() as f32;
    let bm25 = Bm25::new(average);
    let mut with: FxHashMap<&str, u32> = FxHashMap::default();
    counted.iter().flat_map(FxHashMap::keys).for_each(|word| *with.entry(word).or_default() += 1);
    let asked: Vec<FxHashMap<String, u32>> = asked.iter().map(|text| counts(text)).collect();
    let by_words = found(samples.len(), |question, rest| {
        let share = |(word, times): (&String, &u32)| {
            let count = *counted[rest].get(word)?;
            let idf = Bm25::idf(samples.len() as f64, f64::from(*with.get(word.as_str())?));
            Some(f64::from(idf * *times as f32 * bm25.part(count, lengths[rest].min(65_535) as u16)))
        };
        asked[question].iter().filter_map(share).sum()
    });
    Ok(((by_vectors / by_words.max(1e-9) - NOTHING) / (FULL - NOTHING)).clamp(0.0, 1.0))
}

fn counts(text: &str) -> FxHashMap<String, u32> {
    let mut counts = FxHashMap::default();
    words(text, |word, _| *counts.entry(word.to_string()).or_default() += 1);
    counts
}

/// The mean of 1 / the rank at which each is found by its own question; of equal scores, half come before.
fn found(n: usize, score: impl Fn(usize, usize) -> f64) -> f64 {
    let one = |asked: usize| {
        let own = score(asked, asked);
        let others = (0..n).filter(|&rest| rest != asked).map(|rest| score(asked, rest));
        let (mut before, mut equal) = (0.0, 0.0);
        others.for_each(|other| {
            before += f64::from(u8::from(other > own));
            equal += f64::from(u8::from(other == own));
        });
        1.0 / (1.0 + before + equal / 2.0)
    };
    (0..n).map(one).sum::<f64>() / n as f64
}
