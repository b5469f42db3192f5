//! Tests of what needs the crate's inside: the split against a regex engine, matching against merging.

use std::ops::ControlFlow;

use crate::split::{LLAMA3_PATTERN, SPLIT_PATTERN, Split, pieces, word_end, words};
use crate::split_gpt2::{GPT2_PATTERN, word_end_gpt2};
use crate::tokenizer::Tokenizer;
use crate::unicode::{Class, class_of};
use crate::{TrainConfig, train};

/// A small generator of our own: the same texts on every machine.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % n
    }

    /// Text that dwells on what the pattern distinguishes.
    pub(crate) fn text(&mut self, len: usize) -> String {
        const PIECES: &[&str] = &[
            " ",
            "  ",
            "\n",
            "\r\n",
            "\t",
            "\u{a0}",
            "\u{3000}",
            "\u{2028}",
            "\u{85}",
            "\u{b}",
            "'",
            "'s",
            "'S",
            "'ſ",
            "'re",
            "'LL",
            "'ve",
            "'d",
            "'x",
            "a",
            "B",
            "é",
            "ß",
            "的",
            "书院",
            "我今天吃了",
            "，",
            "。",
            "1",
            "42",
            "٣",
            "Ⅷ",
            "½",
            "!",
            "?!",
            "...",
            "-",
            "🦀",
            "👩‍👩‍👧",
            "e\u{301}",
            "\u{200d}",
            "𠀀",
            "\0",
            "<|im_end|>",
            "the cat",
            "Hello",
            "ā",
            "が",
        ];
        let mut text = String::new();
        while text.len() < len {
            if self.below(4) == 0 {
                text.extend(char::from_u32(self.below(0x110000) as u32));
            } else if self.below(3) == 0 {
                text.extend(char::from_u32(self.below(0x3100) as u32));
            } else {
                text.push_str(PIECES[self.below(PIECES.len())]);
            }
        }
        text
    }
}

pub(crate) fn trained(text: &str, vocab_size: usize) -> Tokenizer {
    let config = TrainConfig::new(vocab_size);
    train([Ok(text.to_string())], &config, |_| ControlFlow::Continue(())).expect("trains").tokenizer
}

#[test]
fn classes_are_those_of_the_regex_engine() {
    for (pattern, class) in
        [(r"^\p{L}$", Class::Letter), (r"^\p{N}$", Class::Number), (r"^\s$", Class::Space)]
    {
        let regex = fancy_regex::Regex::new(pattern).expect("compiles");
        for c in (0..0x110000).filter_map(char::from_u32) {
            let is = regex.is_match(c.encode_utf8(&mut [0; 4])).expect("matches");
            assert_eq!(is, class_of(c as u32) == class, "U+{:04X} and {pattern}", c as u32);
        }
    }
}

#[test]
fn words_are_those_of_the_regex_engine() {
    let regex = fancy_regex::Regex::new(SPLIT_PATTERN).expect("compiles");
    let mut random = Random(1);
    for _ in 0..4000 {
        let text = random.text(60);
        let expected: Vec<&str> = regex.find_iter(&text).map(|m| m.expect("matches").as_str()).collect();
        assert_eq!(words(&text).collect::<Vec<_>>(), expected, "{text:?}");
    }
}

/// The words that a pattern written out by hand finds.
fn words_by(word_end: impl Fn(&[u8], usize) -> usize, text: &str) -> Vec<&str> {
    let (mut at, mut words) = (0, Vec::new());
    while at < text.len() {
        let end = word_end(text.as_bytes(), at);
        words.push(&text[at..end]);
        at = end;
    }
    words
}

#[test]
fn words_of_other_patterns_are_those_of_the_regex_engine() {
    let llama3 = fancy_regex::Regex::new(LLAMA3_PATTERN).expect("compiles");
    let gpt2 = fancy_regex::Regex::new(GPT2_PATTERN).expect("compiles");
    let digit = fancy_regex::Regex::new(r"\p{N}").expect("compiles");
    let mut random = Random(6);
    for _ in 0..4000 {
        let text = random.text(60);
        let find = |regex: &fancy_regex::Regex, text: &'_ str| -> Vec<String> {
            regex.find_iter(text).map(|m| m.expect("matches").as_str().to_string()).collect()
        };
        assert_eq!(words_by(word_end::<3>, &text), find(&llama3, &text), "{text:?}");
        assert_eq!(words_by(word_end_gpt2::<false>, &text), find(&gpt2, &text), "{text:?}");
        // First every digit apart, then the pattern in each part by itself.
        let (mut expected, mut at) = (Vec::new(), 0);
        for found in digit.find_iter(&text).map(|m| m.expect("matches")) {
            expected.extend(find(&gpt2, &text[at..found.start()]));
            expected.push(found.as_str().to_string());
            at = found.end();
        }
        expected.extend(find(&gpt2, &text[at..]));
        assert_eq!(words_by(word_end_gpt2::<true>, &text), expected, "{text:?}");
    }
}

#[test]
fn pieces_have_the_words_of_the_whole_with_other_patterns() {
    let mut random = Random(7);
    for _ in 0..500 {
        let text = random.text(300);
        let parts = |split: Split| split.pieces(&text, 20).into_iter();
        let llama3: Vec<&str> = parts(Split::Llama3).flat_map(|p| words_by(word_end::<3>, p)).collect();
        assert_eq!(llama3, words_by(word_end::<3>, &text), "{text:?}");
        let gpt2: Vec<&str> = parts(Split::Gpt2).flat_map(|p| words_by(word_end_gpt2::<false>, p)).collect();
        assert_eq!(gpt2, words_by(word_end_gpt2::<false>, &text), "{text:?}");
        let digits: Vec<&str> =
            parts(Split::Digits).flat_map(|p| words_by(word_end_gpt2::<true>, p)).collect();
        assert_eq!(digits, words_by(word_end_gpt2::<true>, &text), "{text:?}");
    }
}

#[test]
fn pieces_have_the_words_of_the_whole() {
    let mut random = Random(2);
    for size in [1, 7, 100] {
        for _ in 0..500 {
            let text = random.text(300);
            assert_eq!(pieces(&text, size).collect::<String>(), text);
            let in_pieces: Vec<&str> = pieces(&text, size).flat_map(words).collect();
            assert_eq!(in_pieces, words(&text).collect::<Vec<_>>(), "{text:?}");
        }
    }
}

#[test]
fn matching_gives_the_ids_of_merging() {
    let mut random = Random(3);
    let corpus = random.text(60_000);
    for vocab in [259, 300, 700, 2000] {
        let tokenizer = trained(&corpus, vocab);
        for _ in 0..600 {
            let text = random.text(80);
            assert_eq!(tokenizer.encode(&text), tokenizer.encode_by_merging(&text), "{text:?}");
        }
        // Words of few letters, in which pairs overlap and tokens have many prefixes.
        for _ in 0..600 {
            let text: String =
                (0..random.below(200)).map(|_| ['a', 'b', '的', 'é'][random.below(4)]).collect();
            assert_eq!(tokenizer.encode(&text), tokenizer.encode_by_merging(&text), "{text:?}");
        }
    }
}

#[test]
fn matching_gives_the_ids_of_merging_in_repetitive_words() {
    let mut random = Random(4);
    let corpus: String = (0..20_000).map(|_| ["a", "b", "ab", "aab", " ", "aaa"][random.below(6)]).collect();
    let tokenizer = trained(&corpus, 800);
    for _ in 0..3000 {
        let text: String = (0..random.below(300)).map(|_| ['a', 'b', 'a'][random.below(3)]).collect();
        assert_eq!(tokenizer.encode(&text), tokenizer.encode_by_merging(&text), "{text:?}");
    }
}

#[test]
fn a_word_of_ten_megabytes_takes_linear_time() {
    let tokenizer = trained(&"abab abba baab aaaa 书院书院".repeat(50), 300);
    let word = "abbaa".repeat(2_000_000);
    let start = std::time::Instant::now();
    let ids = tokenizer.encode(&word);
    assert_eq!(tokenizer.decode(&ids), word);
    // Seconds, not hours: a quadratic way would need 10¹⁴ steps.
    assert!(start.elapsed().as_secs() < 60);
}

/// The trainer's books against the definition: count all pairs, join the best, repeat.
#[test]
fn training_is_what_its_definition_says() {
    let mut random = Random(5);
    let text = random.text(6000);
    // A mark before Chinese is a word of its own.
    let apart = |word: &'_ str| {
        let first = word.chars().next().map_or(0, char::len_utf8);
        let [mark, rest] =
            [&word[..first], &word[first..]].map(|w| w.bytes().map(u32::from).collect::<Vec<_>>());
        if glued(word.as_bytes()) { vec![mark, rest] } else { vec![[mark, rest].concat()] }
    };
    let mut all: Vec<Vec<u32>> = words(&text).flat_map(apart).collect();
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|b| vec![b]).collect();
    let mut expected = Vec::new();
    let mut forbidden = std::collections::HashSet::new();
    while expected.len() < 300 {
        let mut counts = std::collections::BTreeMap::<(u32, u32), u64>::new();
        for pair in all.iter().flat_map(|w| w.windows(2)) {
            *counts.entry((pair[0], pair[1])).or_default() += 1;
        }
        counts.retain(|pair, n| *n >= 2 && !forbidden.contains(pair));
        let Some((&pair, _)) = counts.iter().max_by_key(|(pair, n)| (**n, std::cmp::Reverse(**pair))) else {
            break;
        };
        let bytes = [tokens[pair.0 as usize].clone(), tokens[pair.1 as usize].clone()].concat();
        if tokens.contains(&bytes) {
            forbidden.insert(pair);
            continue;
        }
        let id = tokens.len() as u32;
        tokens.push(bytes);
        expected.push(pair);
        for word in &mut all {
            let mut i = 0;
            while i + 1 < word.len() {
                if (word[i], word[i + 1]) == pair {
                    word[i] = id;
                    word.remove(i + 1);
                }
                i += 1;
            }
        }
    }
    assert_eq!(trained(&text, 256 + 300 + 3).merges(), expected);
}

/// A mark, then the first byte of a Chinese character.
fn glued(token: &[u8]) -> bool {
    let text = String::from_utf8_lossy(token);
    let Some(first) = text.chars().next() else { return false };
    let mark = !first.is_alphanumeric() && !first.is_whitespace() && first != char::REPLACEMENT_CHARACTER;
    mark && token.get(first.len_utf8()).is_some_and(|byte| (0xe4..=0xe9).contains(byte))
}

#[test]
fn no_token_glues_a_mark_to_the_chinese_after_it() {
    let text =
        "他来了。他走了，他又来了。“他”说：“他不来。”（他）Tom said: \"Tom, (Tom) is here.\"\n".repeat(200);
    let tokenizer = trained(&text, 400);
    let glued: Vec<String> = (0..tokenizer.vocab_size() as u32)
        .filter(|&id| glued(tokenizer.token_bytes(id)))
        .map(|id| tokenizer.decode(&[id]))
        .collect();
    assert_eq!(glued, Vec::<String>::new());
    let he = tokenizer.encode("他");
    for around in ["。他", "，他", "“他"] {
        assert!(tokenizer.encode(around).ends_with(&he), "{around}");
    }
}
