//! Whether a text supports a sentence, and where.

use shuyuan_knowledge::{sentences, words};
use std::collections::BTreeSet;
use std::ops::Range;

/// The words of a text that say something, as the search folds them.
pub(super) fn content(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    words(text, |word, _| {
        all.insert(word.to_string());
    });
    all
}

/// A part of a text that may support a claim.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    /// In bytes of the text.
    pub range: Range<usize>,
    /// Which share of the claim's words it has.
    pub overlap: f64,
}

/// A text whose sentences are looked through for support.
pub(super) struct Ground {
    sentences: Vec<(Range<usize>, BTreeSet<String>)>,
}

impl Ground {
    /// Of a text, without the sentences in `left_out`.
    pub fn new(text: &str, left_out: &[Range<usize>]) -> Self {
        let sentences = sentences(text)
            .into_iter()
            .filter(|range| !left_out.contains(range))
            .map(|range| (range.clone(), content(&text[range])))
            .collect();
        Self { sentences }
    }

    /// The sentence, or two in a row, with most of the claim's words; the shortest such.
    pub fn best(&self, text: &str, claim: &str) -> Option<Span> {
        let wanted = content(claim);
        if wanted.is_empty() {
            return None;
        }
        let mut best: Option<Span> = None;
        for begin in 0..self.sentences.len() {
            let mut have: BTreeSet<&String> = BTreeSet::new();
            for (range, words) in self.sentences[begin..].iter().take(2) {
                have.extend(words);
                let common = wanted.iter().filter(|word| have.contains(word)).count();
                let range = self.sentences[begin].0.start..range.end;
                let span = Span { overlap: common as f64 / wanted.len() as f64, range };
                let better = best.as_ref().is_none_or(|best| {
                    span.overlap > best.overlap + 1e-9
                        || (span.overlap > best.overlap - 1e-9 && span.range.len() < best.range.len())
                });
                if better && span.overlap > 0.0 && !contradicts(&text[span.range.clone()], claim) {
                    best = Some(span);
                }
            }
        }
        best
    }
}

/// Whether the claim says another number than the text, or denies what the text does not, or the other way round.
pub(super) fn contradicts(text: &str, claim: &str) -> bool {
    let there = numbers(text);
    numbers(claim).iter().any(|number| !there.contains(number)) || denies(text) != denies(claim)
}

/// Numbers, in digits: 3, three and 三 are the same.
pub(super) fn numbers(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut digits = String::new();
    let mut word = String::new();
    for char in text.chars().chain([' ']) {
        if let Some(digit) = char.to_digit(10).or_else(|| full_width(char)) {
            digits.push(char::from_digit(digit, 10).unwrap_or('0'));
        } else if matches!(char, ',' | '.') && !digits.is_empty() {
            // 1,000 is one number; 3.5 is two that must both be there.
            if char == '.' {
                all.insert(std::mem::take(&mut digits));
            }
        } else if !digits.is_empty() {
            all.insert(std::mem::take(&mut digits));
        }
        if char.is_ascii_alphabetic() {
            word.push(char.to_ascii_lowercase());
        } else if !word.is_empty() {
            all.extend(english(&word).map(|n| n.to_string()));
            word.clear();
        }
    }
    all.extend(chinese(text));
    all
}

fn full_width(char: char) -> Option<u32> {
    matches!(char, '０'..='９').then(|| u32::from(char) - u32::from('０'))
}

fn english(word: &str) -> Option<u32> {
    const WORDS: [&str; 21] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    const TENS: [&str; 7] = ["thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    // "one" is as often a pronoun.
    if word == "one" {
        return None;
    }
    let small = WORDS.iter().position(|&w| w == word).map(|n| n as u32);
    small.or_else(|| TENS.iter().position(|&w| w == word).map(|n| 30 + 10 * n as u32))
}

/// Numbers in Chinese characters before a measure word or on their own: 三个月, 十五天, 两周.
fn chinese(text: &str) -> Vec<String> {
    let digit = |char| "零一二三四五六七八九".chars().position(|c| c == char).map(|n| n as u64);
    let mut all = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let (mut total, mut last, mut any) = (0u64, 0u64, false);
        let mut next = Some(char);
        let mut length = 0;
        while let Some(char) = next {
            match char {
                '两' | '〇' => last = if char == '两' { 2 } else { 0 },
                '十' => (total, last) = (total + last.max(1) * 10, 0),
                '百' if length > 0 => (total, last) = (total + last * 100, 0),
                '千' if length > 0 => (total, last) = (total + last * 1000, 0),
                '万' if length > 0 => (total, last) = ((total + last) * 10_000, 0),
                _ => match digit(char) {
                    Some(n) => last = n,
                    None => break,
                },
            }
            any = true;
            length += 1;
            let more = |c: &char| digit(*c).is_some() || matches!(c, '十' | '百' | '千' | '万' | '两' | '〇');
            next = chars.next_if(more);
        }
        // A lone 一 is as often "a".
        if any && !(length == 1 && char == '一') {
            all.push((total + last).to_string());
        }
    }
    all
}

/// Whether a text says that something is not so.
pub(super) fn denies(text: &str) -> bool {
    let lower = text.to_lowercase();
    let words = lower.split(|char: char| !char.is_alphanumeric() && char != '\'' && char != '’');
    let english = ["not", "no", "never", "cannot", "none", "nor", "without"];
    words.into_iter().any(|word| english.contains(&word) || word.ends_with("n't") || word.ends_with("n’t"))
        || ["不", "没", "無", "无", "未", "非", "勿", "禁止", "沒"].iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_with_the_words_is_found() {
        let text = "Welcome. The trial period is three months. It may be extended once. Lunch is at noon.";
        let ground = Ground::new(text, &[]);
        let span = ground.best(text, "The trial period is 3 months.").expect("a span");
        assert_eq!(&text[span.range], "The trial period is three months.");
        let text = "试用期为三个月。年假十五天。";
        let span = Ground::new(text, &[]).best(text, "年假是15天。").expect("a span");
        assert_eq!(&text[span.range], "年假十五天。");
    }

    #[test]
    fn other_numbers_and_denials_are_no_support() {
        for (text, claim) in [
            ("The trial period is three months.", "The trial period is six months."),
            ("试用期为三个月。", "试用期为六个月。"),
            ("Smoking is not allowed.", "Smoking is allowed."),
            ("可以带狗进办公室。", "不可以带狗进办公室。"),
            ("Room 12 is free.", "Room 21 is free."),
        ] {
            assert!(contradicts(text, claim), "{text} {claim}");
            assert_eq!(Ground::new(text, &[]).best(text, claim), None);
        }
        for (text, claim) in
            [("It costs 1,200 yuan.", "1200 yuan"), ("年假两百天", "200"), ("二十三号", "23")]
        {
            assert!(!contradicts(text, claim), "{text} {claim}");
        }
    }
}
