//! Words with letters and digits.

use super::stop;
use rust_stemmers::{Algorithm, Stemmer};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::LazyLock;

static ENGLISH: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));

/// Stems that a thread keeps: a word is looked up five times as fast as it is stemmed.
const STEMS: usize = 1 << 15;

thread_local! {
    static STEMMED: RefCell<FxHashMap<Box<str>, Box<str>>> = RefCell::default();
}

/// The stem of an English word in lower case.
fn stemmed(word: &str) -> Box<str> {
    STEMMED.with_borrow_mut(|known| {
        if let Some(stem) = known.get(word) {
            return stem.clone();
        }
        if known.len() == STEMS {
            known.clear();
        }
        let stem: Box<str> = ENGLISH.stem(word).into();
        known.insert(word.into(), stem.clone());
        stem
    })
}

/// Whether a character between letters and digits may hold a code, a number or a name together.
pub(super) fn joins(char: char) -> bool {
    matches!(char, '-' | '.' | '/' | '_' | ':' | ',' | '\'' | '’' | '@' | '+')
}

/// Where a run of ASCII letters and digits from `at` ends, single joining characters between them included.
pub(super) fn ascii_run(bytes: &[u8], at: usize) -> usize {
    let is_word = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let mut end = at;
    while is_word(end)
        || (end > at && bytes.get(end).is_some_and(|&b| joins(char::from(b))) && is_word(end + 1))
    {
        end += 1;
    }
    end
}

/// The words of a run of letters and digits with single joining characters between them, folded already.
pub(super) fn latin(run: &str, give: &mut impl FnMut(&str, Range<usize>)) {
    // Pieces between blanks of meaning: a comma or an apostrophe never holds a code together, but digits: 1,000.
    let mut begin = 0;
    let bytes = run.as_bytes();
    for (at, char) in
        run.char_indices().filter(|&(_, char)| matches!(char, ',' | '\'' | '’' | '+' | '@' | ':'))
    {
        let after = at + char.len_utf8();
        let thousands = char == ','
            && at > begin
            && bytes[at - 1].is_ascii_digit()
            && bytes[after..].iter().take_while(|byte| byte.is_ascii_digit()).count() == 3;
        if !thousands {
            piece(&run[begin..at], begin, give);
            begin = after;
            // The s of a genitive.
            if matches!(char, '\'' | '’')
                && matches!(&run[after..], "s" | "t" | "re" | "ve" | "ll" | "d" | "m")
            {
                return;
            }
        }
    }
    piece(&run[begin..], begin, give);
}

/// A word, or a code and its parts.
fn piece(text: &str, at: usize, give: &mut impl FnMut(&str, Range<usize>)) {
    if text.contains(',') {
        let number: String = text.chars().filter(|&char| char != ',').collect();
        return code(&number, at..at + text.len(), at, give);
    }
    code(text, at..at + text.len(), at, give);
}

fn code(text: &str, place: Range<usize>, at: usize, give: &mut impl FnMut(&str, Range<usize>)) {
    let is_part = |char: char| matches!(char, '-' | '.' | '/' | '_');
    if !text.contains(is_part) {
        return word(text, place, give);
    }
    let parts = || text.split(is_part).filter(|part| !part.is_empty());
    // A code has a digit or a part of one letter: "well-known" is two words.
    if text.bytes().any(|byte| byte.is_ascii_digit()) || parts().any(|part| part.len() == 1) {
        give(text, place);
    }
    for part in parts() {
        let begin = at + (part.as_ptr() as usize - text.as_ptr() as usize);
        word(part, begin..begin + part.len(), give);
    }
}

fn word(word: &str, place: Range<usize>, give: &mut impl FnMut(&str, Range<usize>)) {
    if word.is_empty() || stop::is_english(word) {
        return;
    }
    if word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        give(&stemmed(word), place);
    } else {
        give(word, place);
    }
}
