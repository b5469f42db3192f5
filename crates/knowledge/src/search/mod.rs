//! Finding passages: by words, by vectors, or by both.

mod filter;
mod fuse;
mod join;
mod keyword;

pub use filter::Filter;

use crate::Result;
use crate::access::Reader;
use crate::base::{Base, DocumentInfo, Mask, Snapshot, infos_of, list};
use crate::store::Connection;
pub(crate) use keyword::Bm25;
use keyword::Keywords;
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::cmp::Ordering;
use std::sync::Arc;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Query<'q> {
    /// In the words of whoever asks.
    pub text: &'q str,
    /// Its vector and the name of the model that made it; without one, words alone decide.
    pub vector: Option<(&'q str, &'q [f32])>,
    /// Passages wanted.
    pub limit: usize,
    /// Which documents.
    pub filter: Filter,
    /// Who asks.
    pub reader: Reader,
    /// Whether chunks that follow each other become one passage, and passages that say the same become one.
    pub join: bool,
}

impl<'q> Query<'q> {
    /// Ten passages of everything, by words.
    pub fn new(text: &'q str, reader: Reader) -> Self {
        Self { text, vector: None, limit: 10, filter: Filter::default(), reader, join: true }
    }
}

/// How passages were looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By their words.
    Words,
    /// By words and vectors.
    Hybrid,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// How.
    pub mode: Mode,
    /// Best first.
    pub passages: Vec<Passage>,
    /// Chunks that were searched.
    pub searched: u32,
}

/// A passage with its place. Places are in characters of the document.
#[derive(Clone, Debug, Serialize)]
pub struct Passage {
    /// Where it stands.
    pub document: DocumentInfo,
    /// Chunks: the first one's number and how many.
    pub slot: u32,
    /// How many chunks were joined.
    pub chunks: u32,
    /// Where it begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// The page on which it begins.
    pub page: Option<u64>,
    /// The headings above it.
    pub context: String,
    /// Its text.
    pub text: String,
    /// How good it is: only to be compared within one answer.
    pub score: f32,
    /// What the score consists of.
    pub why: Why,
    /// Other places that say the same.
    pub also: Vec<Place>,
}

/// What a score consists of.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Why {
    /// BM25.
    pub words: f32,
    /// Its rank by words, from 1.
    pub words_rank: Option<usize>,
    /// Each word's share of it.
    pub shares: Vec<(String, f32)>,
    /// How much the rank by vectors counts beside the one by words: what the embedder is worth in this language.
    pub vector_weight: f32,
    /// The cosine of the vectors.
    pub cosine: Option<f32>,
    /// Its rank by vectors, from 1.
    pub vector_rank: Option<usize>,
}

/// Where a passage stands.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// The document's number.
    pub document: u32,
    /// Its title.
    pub title: String,
    /// Where it begins, in characters.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
}

/// A chunk that was found.
#[derive(Clone, Debug)]
struct Hit {
    slot: u32,
    score: f32,
    why: Why,
}

impl Base {
    /// Looks for passages.
    ///
    /// # Errors
    /// If the store fails or the base is damaged.
    pub fn search(&self, query: &Query) -> Result<Found> {
        self.read(|connection, snapshot| search(connection, snapshot, query))
    }

    /// The name of the model whose vectors are searched, and how many chunks it has seen.
    ///
    /// # Errors
    /// If the store fails.
    pub fn embedder(&self) -> Result<Option<(String, usize)>> {
        self.read(|_, snapshot| {
            let vectors = &snapshot.vectors;
            Ok(vectors.embedder.clone().map(|name| (name, vectors.slots())))
        })
    }

    /// Chunks that there are, for the reader.
    ///
    /// # Errors
    /// If the store fails.
    pub fn chunks(&self, reader: &Reader) -> Result<u32> {
        self.chunks_of(reader, &Filter::default())
    }

    /// Chunks that there are for the reader in what `filter` lets through.
    ///
    /// # Errors
    /// If the store fails.
    pub fn chunks_of(&self, reader: &Reader, filter: &Filter) -> Result<u32> {
        self.read(|connection, snapshot| Ok(mask(connection, snapshot, reader, filter)?.chunks))
    }
}

/// Best first; at the same score, the older chunk.
pub(crate) fn better(a: &(u32, f32), b: &(u32, f32)) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// The best `depth` of them, best first.
pub(crate) fn best(mut found: Vec<(u32, f32)>, depth: usize) -> Vec<(u32, f32)> {
    if found.len() > depth {
        found.select_nth_unstable_by(depth, better);
        found.truncate(depth);
    }
    found.sort_unstable_by(better);
    found
}

/// What the reader may see of what `filter` lets through.
fn mask(
    connection: &dyn Connection,
    snapshot: &Snapshot,
    reader: &Reader,
    filter: &Filter,
) -> Result<Arc<Mask>> {
    let key = (!filter.is_empty()).then(|| serde_json::to_string(filter).unwrap_or_default());
    snapshot.mask(reader, key.as_deref(), || filter.documents(connection))
}

fn search(connection: &dyn Connection, snapshot: &Snapshot, query: &Query) -> Result<Found> {
    let mask = mask(connection, snapshot, &query.reader, &query.filter)?;
    // Deep enough that what is joined or dropped leaves enough.
    let depth = (query.limit * 4).clamp(100, 1000);
    let vector = query.vector.filter(|(embedder, vector)| {
        let vectors = &snapshot.vectors;
        vectors.embedder.as_deref() == Some(*embedder) && vector.len() == vectors.dimensions
    });
    let weight = snapshot.vectors.trust.of(query.text) as f32;
    // Without words to go by, vectors decide alone.
    let weight = if query.text.trim().is_empty() { 1.0 } else { weight };
    let mut by_vector = None;
    // This thread reads the lists meanwhile: a connection cannot change threads.
    let keywords = rayon::in_place_scope(|scope| {
        if let Some((_, vector)) = vector {
            scope.spawn(|_| by_vector = Some(snapshot.vectors.nearest(vector, &mask, depth)));
        }
        let keywords = Keywords::read(connection, snapshot, &mask, query.text)?;
        let by_words = keywords.best(snapshot, depth);
        Ok::<_, crate::KnowledgeError>((keywords, by_words))
    });
    let (keywords, by_words) = keywords?;
    let mut hits = fuse::fuse(&by_words, by_vector.as_deref().map(|hits| (hits, weight)));
    let enough = if query.join { query.limit * 2 + 5 } else { query.limit };
    hits.truncate(enough);
    for hit in &mut hits {
        hit.why.shares = keywords.explain(snapshot, hit.slot);
        hit.why.words = hit.why.shares.iter().map(|(_, share)| share).sum();
    }
    let mut passages = passages(connection, snapshot, hits)?;
    if query.join {
        passages = join::join(passages, query.limit);
    }
    passages.truncate(query.limit);
    let mode = if by_vector.is_some() { Mode::Hybrid } else { Mode::Words };
    Ok(Found { mode, passages, searched: mask.chunks })
}

/// The passages of what was found, in that order.
fn passages(connection: &dyn Connection, snapshot: &Snapshot, hits: Vec<Hit>) -> Result<Vec<Passage>> {
    if hits.is_empty() {
        return Ok(Vec::new());
    }
    let slots: Vec<u32> = hits.iter().map(|hit| hit.slot).collect();
    let read =
        format!("SELECT slot, start, page, context, text FROM chunks WHERE slot IN ({})", list(&slots));
    let mut chunks: FxHashMap<u32, (u64, Option<u64>, String, String)> = FxHashMap::default();
    connection.query(&read, &[], &mut |row| {
        chunks.insert(row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
        Ok(())
    })?;
    let owner = |slot: u32| snapshot.owners.get(slot as usize).copied().unwrap_or(0);
    let mut owners: Vec<u32> = slots.iter().map(|&slot| owner(slot)).collect();
    owners.sort_unstable();
    owners.dedup();
    let documents: FxHashMap<u32, DocumentInfo> =
        infos_of(connection, &owners)?.into_iter().map(|info| (info.id, info)).collect();
    let passage = |hit: Hit| {
        let document = documents.get(&owner(hit.slot))?.clone();
        let (start, page, context, text) = chunks.remove(&hit.slot)?;
        Some(Passage {
            document,
            slot: hit.slot,
            chunks: 1,
            start,
            end: start + text.chars().count() as u64,
            page,
            context,
            text,
            score: hit.score,
            why: hit.why,
            also: Vec::new(),
        })
    };
    Ok(hits.into_iter().filter_map(passage).collect())
}
