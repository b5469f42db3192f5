//! Words as hashes: what filters, deduplication and overlap with evaluation sets all count in.

use crate::rng::mix;

/// A text's words: runs of letters and digits in lower case, or single Han and kana characters. Punctuation and white
/// space are no words.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// One hash a word.
    pub hashes: Vec<u64>,
    /// Its characters.
    pub chars: Vec<u32>,
    /// Words with a letter in them.
    pub alphabetic: usize,
    /// Han characters.
    pub han: usize,
    pub kana: usize,
    /// Latin letters.
    pub latin: usize,
    /// Letters and digits of any script.
    pub alphanumeric: usize,
    /// Characters that are not white space.
    pub visible: usize,
    /// U+FFFD: traces of a wrong decoding.
    pub replaced: usize,
}

/// A word being read.
#[derive(Default)]
struct Run {
    hash: u64,
    chars: u32,
    alphabetic: bool,
}

impl Run {
    /// FxHash's step: one rotate, one xor, one multiply a character.
    fn push(&mut self, c: u32, alphabetic: bool) {
        self.hash = (self.hash.rotate_left(5) ^ u64::from(c)).wrapping_mul(0x517c_c1b7_2722_0a95);
        self.chars += 1;
        self.alphabetic |= alphabetic;
    }
}

impl Words {
    fn end(&mut self, run: &mut Run) {
        if run.chars > 0 {
            self.hashes.push(mix(run.hash));
            self.chars.push(run.chars);
            self.alphabetic += usize::from(run.alphabetic);
            self.alphanumeric += run.chars as usize;
            *run = Run::default();
        }
    }
}

/// The hash of a word in ASCII lower case, as [`words`] has it.
pub(super) const fn hash_of(word: &str) -> u64 {
    let (bytes, mut hash, mut i) = (word.as_bytes(), 0u64, 0);
    while i < bytes.len() {
        hash = (hash.rotate_left(5) ^ bytes[i] as u64).wrapping_mul(0x517c_c1b7_2722_0a95);
        i += 1;
    }
    mix(hash)
}

pub(crate) fn words(text: &str) -> Words {
    let mut words = Words::default();
    words.hashes.reserve(text.len() / 5);
    words.chars.reserve(text.len() / 5);
    let mut run = Run::default();
    let (bytes, mut i) = (text.as_bytes(), 0);
    while i < bytes.len() {
        let byte = bytes[i];
        if byte.is_ascii() {
            i += 1;
            words.visible += usize::from(!byte.is_ascii_whitespace());
            if byte.is_ascii_alphanumeric() {
                let letter = byte.is_ascii_alphabetic();
                words.latin += usize::from(letter);
                run.push(byte.to_ascii_lowercase().into(), letter);
            } else {
                words.end(&mut run);
            }
            continue;
        }
        let Some(c) = text[i..].chars().next() else { break };
        i += c.len_utf8();
        let (han, kana) = (is_han(c), ('\u{3040}'..='\u{30ff}').contains(&c));
        if han || kana {
            words.end(&mut run);
            words.visible += 1;
            words.han += usize::from(han);
            words.kana += usize::from(kana);
            run.push(c.into(), true);
            words.end(&mut run);
        } else if c.is_alphanumeric() {
            words.visible += 1;
            words.latin += usize::from(matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}'));
            let lower = c.to_lowercase().next().unwrap_or(c);
            run.push(lower.into(), c.is_alphabetic());
        } else {
            words.visible += usize::from(!c.is_whitespace());
            words.replaced += usize::from(c == char::REPLACEMENT_CHARACTER);
            words.end(&mut run);
        }
    }
    words.end(&mut run);
    words
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_and_counts() {
        let w = words("The CAT's 3 mats，狮子头 é ひ\u{fffd}");
        assert_eq!(w.chars, [3, 3, 1, 1, 4, 1, 1, 1, 1, 1]);
        assert_eq!((w.han, w.kana, w.latin, w.alphabetic), (3, 1, 12, 9));
        assert_eq!((w.alphanumeric, w.replaced), (17, 1));
        assert_eq!(w.hashes[..2], [hash_of("the"), hash_of("cat")]);
        assert_eq!(words("É café").hashes[0], words("é").hashes[0]);
        assert_eq!(words("").hashes.len(), 0);
    }
}
