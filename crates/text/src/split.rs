//! Cuts text into the words that are encoded one by one: Qwen2's split pattern, written out by hand.

use crate::unicode::{Class, class_at};

/// Split patterns that are written out by hand. They differ in speed from a regex engine, not in what they find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Split {
    /// [`SPLIT_PATTERN`].
    #[default]
    Qwen2,
    /// The same with up to three digits in a word.
    Llama3,
    Gpt2,
    /// GPT-2's after every digit has been set apart, as SmolLM and StarCoder have it.
    Digits,
}

/// Llama 3's split pattern.
pub(crate) const LLAMA3_PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The split pattern in the syntax of the usual regex engines; llama.cpp knows it as `qwen2`.
///
/// It treats every run of letters as a word, so a Chinese clause is one word and merges decide where it is cut; each digit
/// stands alone.
pub const SPLIT_PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The words of a text, in order; joined, they are the text.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        (start < bytes.len()).then(|| {
            at = word_end::<1>(bytes, start);
            &text[start..at]
        })
    })
}

/// Where the word that starts at `start` ends. `bytes` is valid UTF-8, `start` a character's first byte, not the end. At most
/// `DIGITS` digits are a word.
#[inline]
pub(crate) fn word_end<const DIGITS: usize>(bytes: &[u8], start: usize) -> usize {
    let (class, len) = class_at(bytes, start);
    let next = start + len;
    match class {
        Class::Letter => letters_end(bytes, next),
        Class::Number => {
            let mut end = next;
            for _ in 1..DIGITS {
                let Some((Class::Number, len)) = peek(bytes, end) else { break };
                end += len;
            }
            end
        }
        Class::Other => {
            if bytes[start] == b'\''
                && let Some(end) = contraction_end::<true>(bytes, next)
            {
                return end;
            }
            match peek(bytes, next) {
                Some((Class::Letter, len)) => letters_end(bytes, next + len),
                _ => symbols_end(bytes, next),
            }
        }
        Class::Space => {
            let first = bytes[start];
            if first != b'\n' && first != b'\r' {
                match peek(bytes, next) {
                    Some((Class::Letter, len)) => return letters_end(bytes, next + len),
                    Some((Class::Other, len)) if first == b' ' => return symbols_end(bytes, next + len),
                    _ => {}
                }
            }
            space_end(bytes, start)
        }
    }
}

#[inline(always)]
fn peek(bytes: &[u8], at: usize) -> Option<(Class, usize)> {
    (at < bytes.len()).then(|| class_at(bytes, at))
}

/// The end of `\p{L}*` from `at`.
#[inline(always)]
fn letters_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some((Class::Letter, len)) = peek(bytes, at) {
        at += len;
    }
    at
}

/// The end of `[^\s\p{L}\p{N}]*[\r\n]*` from `at`.
fn symbols_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some((Class::Other, len)) = peek(bytes, at) {
        at += len;
    }
    while matches!(bytes.get(at), Some(b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last line break of the run; else all of it at the end of the text; else all but
/// the last character, which belongs to the word that follows.
fn space_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut last, mut after_break) = (start, start, start);
    while let Some((Class::Space, len)) = peek(bytes, at) {
        last = at;
        at += len;
        if matches!(bytes[last], b'\r' | b'\n') {
            after_break = at;
        }
    }
    if after_break > start {
        after_break
    } else if at == bytes.len() || last == start {
        at
    } else {
        last
    }
}

/// The end of `s|t|re|ve|m|ll|d` from `at`, in small letters or with `FOLD` in any. Case folding makes `ſ` (U+017F) an s.
pub(crate) fn contraction_end<const FOLD: bool>(bytes: &[u8], at: usize) -> Option<usize> {
    let lower = |i: usize| bytes.get(at + i).map_or(0, |b| if FOLD { b.to_ascii_lowercase() } else { *b });
    match (lower(0), lower(1)) {
        (b's' | b't' | b'm' | b'd', _) => Some(at + 1),
        (b'r' | b'v', b'e') | (b'l', b'l') => Some(at + 2),
        (0xc5, 0xbf) if FOLD => Some(at + 2),
        _ => None,
    }
}

/// Cuts a text into pieces of about `size` bytes whose words together are the words of the whole.
///
/// A line break before something that is not white space always ends a word, and what follows never looks back.
pub(crate) fn pieces(text: &str, size: usize) -> impl Iterator<Item = &str> {
    cut(text, size, |bytes, at| bytes[at - 1] == b'\n' && class_at(bytes, at).0 != Class::Space)
}

impl Split {
    /// As [`pieces`], for this pattern.
    pub(crate) fn pieces(self, text: &str, size: usize) -> Vec<&str> {
        match self {
            Self::Qwen2 | Self::Llama3 => pieces(text, size).collect(),
            // Here such a line break is a word of its own, whatever white space is before it: the place is before it.
            Self::Gpt2 | Self::Digits => cut(text, size, |bytes, at| {
                let next = (bytes[at] == b'\n' && at + 1 < bytes.len()).then(|| class_at(bytes, at + 1).0);
                matches!(next, Some(Class::Letter | Class::Other))
            })
            .collect(),
        }
    }
}

/// Cuts where `is_edge` says so of a place inside the text, first of all after `size` bytes. It must say so only of places
/// beside a line feed, where a character starts.
fn cut(text: &str, size: usize, is_edge: impl Fn(&[u8], usize) -> bool) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let start = at;
        let mut end = start.saturating_add(size.max(1));
        while end < bytes.len() && !is_edge(bytes, end) {
            end += 1;
        }
        at = end.min(bytes.len());
        Some(&text[start..at])
    })
}
