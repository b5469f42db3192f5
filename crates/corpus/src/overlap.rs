//! Documents that contain parts of an evaluation set. Takes words' hashes, says yes or no.

use std::path::PathBuf;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::clean::{Language, gram, grams, language, words};
use crate::error::Result;
use crate::source::{Reader, discover};

/// So many words in a row, or characters of Chinese, are no coincidence (GPT-3's and GPT-4's numbers).
const WORDS: usize = 13;
const CHARACTERS: usize = 50;
/// Shorter items count if a document contains them whole, down to these lengths.
const LEAST_WORDS: usize = 8;
const LEAST_CHARACTERS: usize = 20;

/// The passages of evaluation sets.
#[derive(Debug, Default)]
pub(crate) struct Evaluation {
    words: FxHashSet<u64>,
    characters: FxHashSet<u64>,
    /// Short items: their first [`LEAST_WORDS`] words lead to their whole lengths and hashes.
    short: FxHashMap<u64, Vec<(u8, u64)>>,
}

impl Evaluation {
    /// Reads files or folders; of JSON lines every string counts, whatever its field is called.
    pub fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut all = Self::default();
        for path in paths {
            let mut reader = Reader::new(Arc::from(discover(path)?.0), None);
            loop {
                let part = reader.next_part(4 << 20);
                for record in part.records() {
                    let bytes = part.bytes(record);
                    match serde_json::from_slice(bytes) {
                        Ok(value) => all.add_strings(&value),
                        Err(_) => all.add(&String::from_utf8_lossy(bytes)),
                    }
                }
                if part.last {
                    break;
                }
            }
        }
        Ok(all)
    }

    fn add_strings(&mut self, value: &serde_json::Value) {
        match value {
            serde_json::Value::String(s) => self.add(s),
            serde_json::Value::Array(values) => values.iter().for_each(|v| self.add_strings(v)),
            serde_json::Value::Object(fields) => fields.values().for_each(|v| self.add_strings(v)),
            _ => {}
        }
    }

    fn add(&mut self, text: &str) {
        let words = words(text);
        let (whole, least, set) = match language(&words) {
            Language::Zh => (CHARACTERS, LEAST_CHARACTERS, &mut self.characters),
            _ => (WORDS, LEAST_WORDS, &mut self.words),
        };
        let hashes = &words.hashes;
        if hashes.len() >= whole {
            set.extend(grams(hashes, whole));
        } else if hashes.len() >= least {
            let item = (hashes.len() as u8, gram(hashes));
            let items = self.short.entry(gram(&hashes[..LEAST_WORDS])).or_default();
            if !items.contains(&item) {
                items.push(item);
            }
        }
    }

    /// True if a document shares a passage.
    pub fn overlaps(&self, hashes: &[u64]) -> bool {
        let contains =
            |set: &FxHashSet<u64>, n| !set.is_empty() && grams(hashes, n).any(|g| set.contains(&g));
        if contains(&self.words, WORDS) || contains(&self.characters, CHARACTERS) {
            return true;
        }
        !self.short.is_empty()
            && grams(hashes, LEAST_WORDS).enumerate().any(|(i, g)| {
                self.short.get(&g).is_some_and(|items| {
                    items.iter().any(|&(n, h)| hashes.get(i..i + n as usize).is_some_and(|w| gram(w) == h))
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_are_found_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eval.jsonl");
        let english =
            "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen";
        let chinese = "春眠不觉晓处处闻啼鸟夜来风雨声花落知多少";
        let line =
            serde_json::json!({"query": english, "choices": ["short one", chinese], "gold": 1}).to_string();
        std::fs::write(&path, line).unwrap();
        let evaluation = Evaluation::read(&[path]).unwrap();
        let overlaps = |text: &str| evaluation.overlaps(&words(text).hashes);
        assert!(overlaps(&format!("They said: {english}.")));
        assert!(overlaps(
            "x TWO, three four -- five six seven eight nine ten eleven twelve thirteen fourteen y"
        ));
        assert!(!overlaps("two three four five six seven eight nine ten eleven twelve thirteen, not more"));
        assert!(overlaps(&format!("古诗：{chinese}。")));
        assert!(!overlaps("春眠不觉晓，处处闻啼鸟。夜来风雨声，花落不知道"));
        assert!(!overlaps("short one"));
    }
}
