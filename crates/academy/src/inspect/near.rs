//! Which words lie close to each other in the net of relations.

use super::InspectError;
use super::known::CATEGORIES;
use super::memo::Memo;
use super::plane::{dot, project};
use super::probe::state;
use crate::LiveModel;
use serde::Serialize;
use shuyuan_corpus::world::lexicon;
use std::collections::HashSet;

/// A word close by.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Neighbour {
    /// The word.
    pub word: String,
    /// 1 - similarity.
    pub distance: f32,
    /// The cosine of the angle between the two, from -1 to 1.
    pub similarity: f32,
}

/// A word on the map.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
    /// The word.
    pub word: String,
    /// From -1 to 1.
    pub x: f32,
    /// From -1 to 1.
    pub y: f32,
    /// The kind of thing it names, or "word".
    pub group: &'static str,
}

/// A word's neighbours, nearest first, and a map of them and of some others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Near {
    /// The word asked for.
    pub word: String,
    /// The nearest first.
    pub neighbours: Vec<Neighbour>,
    /// The word, its neighbours, and some words of each kind.
    pub map: Vec<Place>,
}

/// A word of the atlas.
struct Entry {
    word: String,
    group: &'static str,
    /// Of length 1, from the middle of all words.
    vector: Vec<f32>,
}

struct Atlas {
    entries: Vec<Entry>,
    middle: Vec<f32>,
}

static ATLAS: Memo<Atlas> = Memo::new();

/// Longer than any word.
const WORD_BYTES: usize = 64;
/// Words of each kind that a map shows beside the neighbours.
const OTHERS: usize = 3;
/// Whole words of the vocabulary at most, beside the known ones.
const VOCABULARY: usize = 400;

/// The `k` nearest of the words that are known, or that the vocabulary has as one token, in the script of `word`.
///
/// # Errors
/// If `word` is empty or no word.
pub fn near(live: &LiveModel, word: &str, k: usize) -> Result<Near, InspectError> {
    let word = word.trim();
    if word.is_empty() || word.len() > WORD_BYTES || word.contains(['\n', '\t']) {
        return Err(InspectError::Word { found: word.chars().take(80).collect() });
    }
    let atlas = ATLAS.get(&live.model, || atlas(live))?;
    let vector = unit(vector(live, word)?, &atlas.middle);
    let latin = word.is_ascii();
    let others = || atlas.entries.iter().filter(|entry| entry.word.is_ascii() == latin && entry.word != word);
    let mut close: Vec<(f32, &Entry)> = others().map(|entry| (dot(&vector, &entry.vector), entry)).collect();
    close.sort_by(|a, b| b.0.total_cmp(&a.0));
    close.truncate(k);
    let neighbours = close.iter().map(|(similarity, entry)| Neighbour {
        word: entry.word.clone(),
        distance: 1.0 - similarity,
        similarity: *similarity,
    });

    let group = atlas.entries.iter().find(|entry| entry.word == word).map_or("word", |entry| entry.group);
    let mut shown: Vec<(&str, &'static str, &Vec<f32>)> = vec![(word, group, &vector)];
    shown.extend(close.iter().map(|(_, entry)| (entry.word.as_str(), entry.group, &entry.vector)));
    let mut of_group = std::collections::HashMap::new();
    let named = |entry: &&Entry| CATEGORIES.iter().any(|category| category.name() == entry.group);
    for entry in others().filter(named) {
        let count = of_group.entry(entry.group).or_insert(0);
        if *count < OTHERS && !shown.iter().any(|(word, ..)| *word == entry.word) {
            *count += 1;
            shown.push((&entry.word, entry.group, &entry.vector));
        }
    }
    let points = project(&shown.iter().map(|(_, _, vector)| (*vector).clone()).collect::<Vec<_>>());
    let map = shown.iter().zip(points).map(|((word, group, _), [x, y])| Place {
        word: word.to_string(),
        x,
        y,
        group,
    });
    Ok(Near { word: word.into(), neighbours: neighbours.collect(), map: map.collect() })
}

fn atlas(live: &LiveModel) -> Result<Atlas, InspectError> {
    let mut words: Vec<(String, &'static str)> = Vec::new();
    let mut seen = HashSet::new();
    for entry in lexicon() {
        for word in [entry.zh, entry.en] {
            if !word.is_empty() && seen.insert(word.to_string()) {
                words.push((word.into(), entry.category.name()));
            }
        }
    }
    words.extend(vocabulary(live, &mut seen).map(|word| (word, "word")).take(VOCABULARY));
    let vectors = words.iter().map(|(word, _)| vector(live, word)).collect::<Result<Vec<_>, _>>()?;
    let n = vectors.len().max(1) as f32;
    let c = live.model.config().hidden_size;
    let middle: Vec<f32> = (0..c).map(|i| vectors.iter().map(|v| v[i]).sum::<f32>() / n).collect();
    let entries = words.into_iter().zip(vectors);
    let entries = entries.map(|((word, group), v)| Entry { word, group, vector: unit(v, &middle) }).collect();
    Ok(Atlas { entries, middle })
}

/// The tokens that are whole words: a space and three or more letters, or two or three Han characters.
///
/// A piece of a longer word or a phrase around a known one is none: ` quar` of ` quarter`, 在寺庙, 吃了.
fn vocabulary<'a>(live: &'a LiveModel, seen: &'a mut HashSet<String>) -> impl Iterator<Item = String> + 'a {
    let tokenizer = &live.tokenizer;
    let begins_a_longer: HashSet<u32> = tokenizer
        .merges()
        .iter()
        .filter(|(_, right)| tokenizer.token_bytes(*right).iter().all(u8::is_ascii_alphabetic))
        .map(|(left, _)| *left)
        .collect();
    (0..tokenizer.vocab_size() as u32).filter_map(move |id| {
        let text =
            std::str::from_utf8(tokenizer.token_bytes(id)).ok().filter(|_| !tokenizer.is_special(id))?;
        let word = match text.strip_prefix(' ') {
            Some(word) if word.len() >= 3 && word.bytes().all(|b| b.is_ascii_alphabetic()) => {
                (!begins_a_longer.contains(&id)).then_some(word)?
            }
            _ if is_han_word(text) => text,
            _ => return None,
        };
        seen.insert(word.to_string()).then(|| word.to_string())
    })
}

fn is_han_word(text: &str) -> bool {
    let han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    // What binds words together, and so stands in phrases.
    let binds = |c: char| "的了着过在是和也很就都把被给到这那我你他她它一个".contains(c);
    (2..=3).contains(&text.chars().count())
        && text.chars().all(|c| han(c) && !binds(c))
        && !lexicon().iter().any(|entry| !entry.zh.is_empty() && text.contains(entry.zh))
}

/// The state of a word that stands alone, at its last token, after half of the layers.
///
/// 24 November 2026, 2M parameters after 3 minutes, of the 36 qualities that the world ties to its colours: 27 among
/// the ten nearest so (25, 26, 24 after one, three, four layers of four), 4 by input embeddings, 16 at best by
/// mean states over the word's places in documents, 14 after `<|endoftext|>`.
fn vector(live: &LiveModel, word: &str) -> Result<Vec<f32>, InspectError> {
    let ids = match word.is_ascii() {
        true => live.tokenizer.encode(&format!(" {word}")),
        false => live.tokenizer.encode(word),
    };
    let config = live.model.config();
    let trace = live.model.trace(&ids)?;
    let state = state(&trace, config.num_hidden_layers().div_ceil(2));
    Ok(state[state.len() - config.hidden_size..].to_vec())
}

fn unit(mut vector: Vec<f32>, middle: &[f32]) -> Vec<f32> {
    vector.iter_mut().zip(middle).for_each(|(x, m)| *x -= m);
    let length = dot(&vector, &vector).sqrt().max(1e-12);
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}
