//! GPT-2's split pattern written out by hand, and SmolLM's, which sets every digit apart before.

use crate::split::contraction_end;
use crate::unicode::{Class, class_at};

/// The pattern in the syntax of the usual regex engines.
#[cfg(test)]
pub(crate) const GPT2_PATTERN: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// Where the word that starts at `start` ends. With `DIGITS` each digit is a word, and the text ends before it.
#[inline]
pub(crate) fn word_end_gpt2<const DIGITS: bool>(bytes: &[u8], start: usize) -> usize {
    let (class, len) = class_at(bytes, start);
    let next = start + len;
    match class {
        Class::Number if DIGITS => next,
        Class::Other if bytes[start] == b'\'' => {
            contraction_end::<false>(bytes, next).unwrap_or_else(|| run_end(bytes, next, Class::Other))
        }
        Class::Letter | Class::Number | Class::Other => run_end(bytes, next, class),
        Class::Space => {
            if bytes[start] == b' '
                && next < bytes.len()
                && let (class, len) = class_at(bytes, next)
                && class != Class::Space
                && !(DIGITS && class == Class::Number)
            {
                return run_end(bytes, next + len, class);
            }
            space_end::<DIGITS>(bytes, start)
        }
    }
}

fn run_end(bytes: &[u8], mut at: usize, class: Class) -> usize {
    while at < bytes.len() {
        let (found, len) = class_at(bytes, at);
        if found != class {
            break;
        }
        at += len;
    }
    at
}

/// `\s+(?!\S)|\s+`: all white space at the end of the text, else all but its last character.
fn space_end<const DIGITS: bool>(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut last) = (start, start);
    while at < bytes.len() {
        let (class, len) = class_at(bytes, at);
        if class != Class::Space {
            let ends = DIGITS && class == Class::Number;
            return if ends || last == start { at } else { last };
        }
        last = at;
        at += len;
    }
    at
}
