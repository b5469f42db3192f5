//! Passages that follow each other become one; passages that say the same are told once.

use super::{Passage, Place};
use crate::words::words;
use rustc_hash::FxHashSet;

/// Two passages with so much of their words in common (of all that either has) say the same.
const SAME: f64 = 0.85;
/// Chunks that one passage may have.
const MOST: u32 = 3;

/// Best first, as they came.
pub(super) fn join(passages: Vec<Passage>) -> Vec<Passage> {
    collapsed(joined(passages))
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

fn collapsed(passages: Vec<Passage>) -> Vec<Passage> {
    let mut all: Vec<(FxHashSet<String>, Passage)> = Vec::new();
    for passage in passages {
        let mut set = FxHashSet::default();
        words(&passage.text, |word, _| {
            set.insert(word.to_string());
        });
        let same = all.iter_mut().find(|(other, _)| {
            let common = set.intersection(other).count();
            let either = set.len() + other.len() - common;
            either > 0 && common as f64 >= SAME * either as f64
        });
        match same {
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
