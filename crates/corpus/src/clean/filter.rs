//! Which documents are left out, and why. The bounds are Gopher's (arXiv:2112.11446, appendix A.1.1).

use rustc_hash::FxHashSet;
use xxhash_rust::xxh3::xxh3_64;

use super::ngrams::{repeated_share, top_share};
use super::words::hash_of;
use super::{Language, Words};
use crate::build::Filters;

/// Why a document is left out before deduplication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Empty,
    NotText,
    Short,
    Repetition,
    Overlap,
}

/// Lines and n-grams of shorter texts say little: a poem has its refrain, a question is asked in the answer's words.
const LEAST_LINES: usize = 6;
const LEAST_WORDS: usize = 100;

const STOP_WORDS: [u64; 8] = [
    hash_of("the"),
    hash_of("be"),
    hash_of("to"),
    hash_of("of"),
    hash_of("and"),
    hash_of("that"),
    hash_of("have"),
    hash_of("with"),
];

/// Judges a normalised text.
pub(crate) fn check(text: &str, words: &Words, language: Language, filters: &Filters) -> Option<Reason> {
    if text.is_empty() {
        return Some(Reason::Empty);
    }
    let letters = words.alphanumeric as f64 / words.visible.max(1) as f64;
    if letters < filters.min_alphanumeric || words.replaced * 100 > words.visible {
        return Some(Reason::NotText);
    }
    if words.hashes.len() < filters.min_words || words.hashes.len() > filters.max_words {
        return Some(Reason::Short);
    }
    if filters.quality && !quality(text, words, language) {
        return Some(Reason::NotText);
    }
    (filters.repetition && (repeats_lines(text) || repeats_phrases(words, language)))
        .then_some(Reason::Repetition)
}

/// Gopher's quality rules.
fn quality(text: &str, words: &Words, language: Language) -> bool {
    let n = words.hashes.len() as f64;
    let ellipses = text.matches('…').count() + text.matches("...").count();
    let hashes = text.bytes().filter(|&b| b == b'#').count();
    if ellipses as f64 / n > 0.1 || hashes as f64 / n > 0.1 {
        return false;
    }
    let (mut lines, mut bullets, mut cut) = (0, 0, 0);
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        lines += 1;
        bullets += usize::from(line.starts_with(['•', '-', '*', '●', '·']));
        cut += usize::from(line.ends_with('…') || line.ends_with("..."));
    }
    if bullets * 10 > lines * 9 || cut * 10 > lines * 3 {
        return false;
    }
    if (words.alphabetic as f64) < 0.8 * n {
        return false;
    }
    let mean = words.alphanumeric as f64 / n;
    let stops = || STOP_WORDS.iter().filter(|s| words.hashes.contains(s)).count();
    language != Language::En || ((3.0..=10.0).contains(&mean) && stops() >= 2)
}

/// Too many lines or paragraphs, or too much text in them, that came before.
fn repeats_lines(text: &str) -> bool {
    [text.split("\n").collect::<Vec<_>>(), text.split("\n\n").collect()].into_iter().any(|parts| {
        let parts: Vec<&str> = parts.into_iter().map(str::trim).filter(|p| !p.is_empty()).collect();
        if parts.len() < LEAST_LINES {
            return false;
        }
        let mut seen = FxHashSet::default();
        let (mut again, mut bytes) = (0, 0);
        for part in &parts {
            if !seen.insert(xxh3_64(part.as_bytes())) {
                again += 1;
                bytes += part.len();
            }
        }
        again * 10 > parts.len() * 3 || bytes * 5 > text.len()
    })
}

/// Too much text in one phrase, or in phrases that came before. A word of Chinese has up to two characters,
/// so n words are 2n of ours there.
fn repeats_phrases(words: &Words, language: Language) -> bool {
    if words.hashes.len() < LEAST_WORDS {
        return false;
    }
    let size = |n: usize| if language == Language::Zh { n * 2 } else { n };
    if [(2, 0.20), (3, 0.18), (4, 0.16)].iter().any(|&(n, most)| top_share(words, size(n)) > most) {
        return true;
    }
    // Nearly all texts are settled by one pass: the overlapping share of 5-grams bounds all that follow.
    repeated_share(words, size(5), true) > 0.10
        && [(5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)]
            .iter()
            .any(|&(n, most)| repeated_share(words, size(n), false) > most)
}

#[cfg(test)]
mod tests {
    use super::super::{language, normalise, words};
    use super::*;

    fn judge(text: &str, filters: &Filters) -> Option<Reason> {
        let text = normalise(text);
        let words = words(&text);
        check(&text, &words, language(&words), filters)
    }

    fn prose(n: usize) -> String {
        (0..n)
            .map(|i| {
                format!("the w{i}x of v{}y and u{}z {}", i * 7, i * 13, if i % 9 == 8 { ".\n" } else { "" })
            })
            .collect()
    }

    #[test]
    fn each_reason() {
        let lenient = Filters::default();
        assert_eq!(judge(&prose(100), &lenient), None);
        assert_eq!(judge(&prose(100), &Filters::web()), None);
        assert_eq!(judge("我今天吃了狮子头和蔬菜。", &lenient), None);
        assert_eq!(judge(" \n ", &lenient), Some(Reason::Empty));
        assert_eq!(judge("}{ ]] == ;; -- !! a b c d e f", &lenient), Some(Reason::NotText));
        assert_eq!(judge(&format!("{} \u{fffd}\u{fffd}", "word and word "), &lenient), Some(Reason::NotText));
        assert_eq!(judge("too short", &lenient), Some(Reason::Short));
        assert_eq!(judge("I am fine, and how are you?", &Filters::web()), Some(Reason::Short));
        assert_eq!(judge("I am fine, and how are you?", &lenient), None);
        assert_eq!(judge(&"The same line again.\n".repeat(10), &lenient), Some(Reason::Repetition));
        assert_eq!(
            judge(&"no line end but the same phrase again and ".repeat(20), &lenient),
            Some(Reason::Repetition)
        );
        assert_eq!(judge(&"点击这里查看更多精彩内容".repeat(20), &lenient), Some(Reason::Repetition));
        let half = prose(40);
        assert_eq!(
            judge(&format!("{half}\nin between\n{}", half.replace('\n', " ")), &lenient),
            Some(Reason::Repetition)
        );
        // Only the strict rules mind lists and texts without English stop words.
        let list: String = (0..40).map(|i| format!("- item{i} thing{} stuff\n", i * 3)).collect();
        assert_eq!((judge(&list, &lenient), judge(&list, &Filters::web())), (None, Some(Reason::NotText)));
        assert_eq!(judge("}{", &Filters::none()), None);
    }
}
