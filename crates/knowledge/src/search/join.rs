//! Passages that follow each other become one; passages that say the same are told once.

use super::{Passage, Place};
use crate::words::words;
use xxhash_rust::xxh3::xxh3_64;

/// Two passages with so much of their words in common (of all that either has) say the same.
const SAME: f64 = 0.85;
/// Chunks that one passage may have.
const MOST: u32 = 3;

/// At most `limit` of them, best first, as they came.
pub(super) fn join(passages: Vec<Passage>, limit: usize) -> Vec<Passage> {
    collapsed(joined(passages), limit)
}

fn joined(passages: Vec<Passage>) -> Vec<Passage> {
    let mut all: Vec<Passage> = Vec::new();
    for passage in passages {
        let touching = all.iter_mut().find(|kept| {
            kept.document.id == passage.document.id
                && kept.chunks < MOST
                && (kept.slot + kept.chunks == passage.slot || passage.slot + 1 == kept.slot)
        });
        let Some(kept) = touching else {
            all.push(passage);
            continue;
        };
        // The better one's score and reasons stand for both.
        if passage.slot < kept.slot {
            kept.text.insert_str(0, &passage.text);
            (kept.slot, kept.start, kept.page) = (passage.slot, passage.start, passage.page);
            kept.context = passage.context;
        } else {
            kept.text += &passage.text;
            kept.end = passage.end;
        }
        kept.chunks += 1;
    }
    all
}

fn collapsed(passages: Vec<Passage>, limit: usize) -> Vec<Passage> {
    let mut all: Vec<(Vec<u64>, Passage)> = Vec::new();
    for passage in passages {
        if all.len() == limit {
            break;
        }
        let set = set(&passage.text);
        match all.iter_mut().find(|(other, _)| same(&set, other)) {
            Some((_, kept)) => kept.also.push(Place {
                document: passage.document.id,
                title: passage.document.title,
                start: passage.start,
                end: passage.end,
            }),
            None => all.push((set, passage)),
        }
    }
    all.into_iter().map(|(_, passage)| passage).collect()
}

/// The hashes of a text's words, ascending, each once.
fn set(text: &str) -> Vec<u64> {
    let mut set = Vec::new();
    words(text, |word, _| set.push(xxh3_64(word.as_bytes())));
    set.sort_unstable();
    set.dedup();
    set
}

fn same(a: &[u64], b: &[u64]) -> bool {
    // Sets of very different sizes cannot have so much in common.
    let (less, more) = (a.len().min(b.len()) as f64, a.len().max(b.len()) as f64);
    if less < SAME * more {
        return false;
    }
    let common = a.iter().filter(|word| b.binary_search(word).is_ok()).count();
    let either = a.len() + b.len() - common;
    either > 0 && common as f64 >= SAME * either as f64
}
