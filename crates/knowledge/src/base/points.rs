//! Documents as points: the mean of their vectors, or counts of their words where there are none.

use super::{Base, DocumentInfo, infos_of};
use crate::Result;
use crate::access::Reader;
use crate::store::{Connection, values};
use crate::words::words;
use rayon::prelude::*;
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_64;

/// Places for words; few enough for a thousand documents to be compared at once.
const PLACES: usize = 512;
/// Characters of a document that are counted: its beginning says what it is about.
const BEGINNING: usize = 4_000;

/// A document and where it lies.
#[derive(Clone, Debug)]
pub struct Point {
    /// What it is.
    pub info: DocumentInfo,
    /// Of length 1, or all zeros where there is nothing to go by.
    pub vector: Vec<f32>,
}

/// Documents as points.
#[derive(Clone, Debug, Default)]
pub struct Points {
    /// In the order of their numbers.
    pub points: Vec<Point>,
    /// How many documents the reader may see: the points are these, or every so-manieth of them.
    pub of: usize,
    /// Whether the vectors are an embedding model's; otherwise they are counts of words.
    pub embedded: bool,
}

impl Base {
    /// What changes with every change of the base.
    ///
    /// # Errors
    /// If the store fails.
    pub fn moment(&self) -> Result<(i64, i64)> {
        self.read(|_, snapshot| Ok(snapshot.moment().map_or((-1, -1), |moment| moment.numbers())))
    }

    /// The documents that the reader may see as points, at most `most` of them.
    ///
    /// # Errors
    /// If the store fails.
    pub fn document_vectors(&self, reader: &Reader, most: usize) -> Result<Points> {
        self.read(|connection, snapshot| {
            let ids: Vec<u32> = snapshot.visible(reader).collect();
            let of = ids.len();
            let step = of.div_ceil(most.max(1)).max(1);
            let ids: Vec<u32> = ids.into_iter().step_by(step).collect();
            let mut infos = infos_of(connection, &ids)?;
            infos.sort_by_key(|info| info.id);
            let mut points: Vec<Point> =
                infos.into_iter().map(|info| Point { info, vector: Vec::new() }).collect();
            let vectors = &snapshot.vectors;
            let embedded = vectors.embedder.is_some() && vectors.slots() > 0;
            if embedded {
                points.par_iter_mut().for_each(|point| {
                    let place = snapshot.document(point.info.id, reader);
                    let sum = place.and_then(|(first, chunks)| vectors.sum(first, chunks));
                    point.vector = sum.unwrap_or_else(|| vec![0.0; vectors.dimensions]);
                });
            } else {
                let beginnings = points
                    .iter()
                    .map(|point| {
                        let place = snapshot.document(point.info.id, reader).unwrap_or_default();
                        beginning(connection, &point.info.title, place)
                    })
                    .collect::<Result<Vec<String>>>()?;
                for (point, vector) in points.iter_mut().zip(word_vectors(&beginnings)) {
                    point.vector = vector;
                }
            }
            points.par_iter_mut().for_each(|point| {
                let length = point.vector.iter().map(|x| x * x).sum::<f32>().sqrt();
                point.vector.iter_mut().for_each(|x| *x /= length.max(f32::MIN_POSITIVE));
            });
            Ok(Points { points, of, embedded })
        })
    }
}

fn beginning(connection: &dyn Connection, title: &str, (first, chunks): (u32, u32)) -> Result<String> {
    let mut text = format!("{title}\n");
    let read = "SELECT text FROM chunks WHERE slot >= ?1 AND slot < ?2 ORDER BY slot LIMIT 8";
    connection.query(read, values![first, first + chunks], &mut |row| {
        if text.len() <= 4 * BEGINNING {
            text += row.get(0)?;
        }
        Ok(())
    })?;
    if let Some((end, _)) = text.char_indices().nth(BEGINNING) {
        text.truncate(end);
    }
    Ok(text)
}

/// Counts of words, ln(1 + count) times how rare the word is among these texts, each word at a place of its hash.
fn word_vectors(texts: &[String]) -> Vec<Vec<f32>> {
    let counted: Vec<HashMap<u64, u32>> = texts
        .par_iter()
        .map(|text| {
            let mut counts = HashMap::new();
            words(text, |word, _| *counts.entry(xxh3_64(word.as_bytes())).or_default() += 1);
            counts
        })
        .collect();
    let mut documents: HashMap<u64, u32> = HashMap::new();
    counted.iter().flat_map(HashMap::keys).for_each(|&word| *documents.entry(word).or_default() += 1);
    let vector = |counts: &HashMap<u64, u32>| {
        // Sums of floats depend on their order, and maps have none.
        let mut sorted: Vec<_> = counts.iter().collect();
        sorted.sort_unstable();
        let mut vector = vec![0f32; PLACES];
        for (word, &count) in sorted {
            let rare = (1.0 + texts.len() as f32 / documents[word] as f32).ln();
            let sign = if word >> 63 == 0 { 1.0 } else { -1.0 };
            vector[(word % PLACES as u64) as usize] += sign * (1.0 + count as f32).ln() * rare;
        }
        vector
    };
    counted.par_iter().map(vector).collect()
}
