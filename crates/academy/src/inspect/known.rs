//! The words whose kind is known, and where they stand in a text.

use shuyuan_corpus::world::{Category, lexicon};
use shuyuan_text::{TokenId, Tokenizer};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

/// The kinds that a probe tells apart: what can be named in a sentence.
pub(super) const CATEGORIES: [Category; 10] = [
    Category::Dish,
    Category::Animal,
    Category::Person,
    Category::Place,
    Category::Thing,
    Category::Fruit,
    Category::Job,
    Category::Colour,
    Category::Quality,
    Category::Feeling,
];

/// A word found in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its bytes in the text.
    pub bytes: Range<usize>,
    /// Its kind in [`CATEGORIES`]; none where company decides.
    pub category: Option<usize>,
    /// Its place in the lexicon: its forms in both languages share it.
    pub word: usize,
}

struct Form {
    text: &'static str,
    category: Option<usize>,
    word: usize,
}

/// Forms by their first letter (in lower case), the longest first.
static FORMS: LazyLock<HashMap<char, Vec<Form>>> = LazyLock::new(|| {
    let mut forms: HashMap<char, Vec<Form>> = HashMap::new();
    for (word, entry) in lexicon().iter().enumerate() {
        let Some(category) = CATEGORIES.iter().position(|category| *category == entry.category) else {
            continue;
        };
        for text in [entry.zh, entry.en, entry.plural] {
            let Some(first) = text.chars().next() else { continue };
            let same = forms.entry(first.to_ascii_lowercase()).or_default();
            match same.iter_mut().find(|form| form.text.eq_ignore_ascii_case(text)) {
                Some(form) if form.category != Some(category) => form.category = None,
                Some(_) => {}
                // 狮子头 is a dish after 吃 and stone after 看见: it is asked about, never learned from.
                None => {
                    let category = (text != "狮子头").then_some(category);
                    same.push(Form { text, category, word });
                }
            }
        }
    }
    for same in forms.values_mut() {
        same.sort_by_key(|form| std::cmp::Reverse(form.text.len()));
    }
    forms
});

/// The known words of `text`, from left to right, the longest where several begin.
pub(super) fn find(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let forms = FORMS.get(&first.to_ascii_lowercase()).map_or(&[][..], Vec::as_slice);
        match forms.iter().find(|form| stands(text, at, form.text)) {
            Some(form) => {
                let bytes = at..at + form.text.len();
                at = bytes.end;
                found.push(Found { bytes, category: form.category, word: form.word });
            }
            None => at += first.len_utf8(),
        }
    }
    found
}

/// Whether the word stands there: not as a part of a longer one, where words are written apart.
fn stands(text: &str, at: usize, word: &str) -> bool {
    let Some(here) = text.get(at..at + word.len()) else { return false };
    if !word.is_ascii() {
        return here == word;
    }
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    here.eq_ignore_ascii_case(word)
        && !letter(text[..at].chars().next_back())
        && !letter(text[at + word.len()..].chars().next())
}

/// The token that ends at or after byte `end`: where a model has read the whole word. `ends` holds each token's end.
pub(super) fn token_at(ends: &[usize], end: usize) -> Option<usize> {
    let at = ends.partition_point(|&token| token < end);
    (at < ends.len()).then_some(at)
}

/// Where each token ends in the text's bytes.
pub(super) fn ends(tokenizer: &Tokenizer, ids: &[TokenId]) -> Vec<usize> {
    let mut end = 0;
    let mut next = |id: &TokenId| {
        end += tokenizer.token_bytes(*id).len();
        end
    };
    ids.iter().map(&mut next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(&str, Option<Category>)> {
        let kind = |found: &Found| found.category.map(|at| CATEGORIES[at]);
        find(text).iter().map(|found| (&text[found.bytes.clone()], kind(found))).collect()
    }

    #[test]
    fn words_are_found_whole_and_the_longest_first() {
        assert_eq!(words("我今天吃了狮子头"), [("狮子头", None)]);
        assert_eq!(
            words("A cat saw RED cats, not a catalogue."),
            [
                ("cat", Some(Category::Animal)),
                ("RED", Some(Category::Colour)),
                ("cats", Some(Category::Animal)),
            ]
        );
        assert_eq!(words("红色"), [("红色", Some(Category::Colour))]);
        assert_eq!(words(""), []);
        assert_eq!(words("é猫\u{0}"), [("猫", Some(Category::Animal))]);
    }

    #[test]
    fn a_word_ends_in_the_token_that_holds_its_last_byte() {
        assert_eq!(token_at(&[3, 6, 10], 6), Some(1));
        assert_eq!(token_at(&[3, 6, 10], 7), Some(2));
        assert_eq!(token_at(&[3, 6, 10], 11), None);
    }
}
