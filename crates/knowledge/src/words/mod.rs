//! A text's words, as they are indexed and searched for.
//!
//! Chinese is written in simplified characters and cut by jieba, longer words also into the shorter ones within; Latin
//! words are folded to lower case without marks, and English ones to their stem; numbers and codes are kept, whole and in
//! parts; other scripts without spaces are cut into pairs of characters. Words that say nothing (*the*, 的) are left out.

mod fold;
mod latin;
mod stop;

use fold::{Script, fold, script};
use jieba_rs::Jieba;
use std::ops::Range;
use std::sync::LazyLock;

static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// Longer words are noise (encoded data); they are indexed by their beginning.
const LONGEST: usize = 64;

/// Calls `f` with each word of `text` and its place in it, in bytes. Words may overlap.
pub fn words(text: &str, mut f: impl FnMut(&str, Range<usize>)) {
    let mut run = Run { script: Script::None, begin: 0, folded: String::new(), places: Vec::new() };
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if run.script == Script::None && bytes[at].is_ascii() {
            let end = latin::ascii_run(bytes, at);
            // What follows may be an accent of the last letter, or a letter: then it is no run of ASCII alone.
            if bytes[end..].iter().take(2).all(u8::is_ascii) {
                if end > at {
                    run.folded.push_str(&text[at..end]);
                    run.folded.make_ascii_lowercase();
                    latin::latin(&run.folded, &mut |word, part| {
                        f(short(word), at + part.start..at + part.end)
                    });
                    run.folded.clear();
                }
                at = end.max(at + 1);
                continue;
            }
        }
        let Some(char) = text[at..].chars().next() else { break };
        run.add(text, at, char, &mut f);
        at += char.len_utf8();
    }
    run.end(text.len(), &mut f);
}

/// A word, or the beginning of what is too long for one.
fn short(word: &str) -> &str {
    if word.len() <= LONGEST { word } else { &word[..word.floor_char_boundary(LONGEST)] }
}

fn next_is_latin(text: &str, at: usize, char: char) -> bool {
    text[at + char.len_utf8()..].chars().next().is_some_and(|next| script(next) == Script::Latin)
}

/// A stretch of one script, folded.
struct Run {
    script: Script,
    begin: usize,
    folded: String,
    /// Where each character begins: in `folded`, in the text.
    places: Vec<(u32, u32)>,
}

impl Run {
    /// Adds a character, before which the run may end.
    fn add(&mut self, text: &str, at: usize, char: char, f: &mut impl FnMut(&str, Range<usize>)) {
        let script = match script(char) {
            // An accent belongs to the letter before it.
            Script::Mark if self.script != Script::None => self.script,
            Script::Mark => Script::None,
            found => found,
        };
        if script != self.script {
            // A hyphen, point or slash between letters and digits may join a code: `latin` decides.
            let joins = self.script == Script::Latin && latin::joins(char) && next_is_latin(text, at, char);
            if !joins {
                self.end(at, f);
                (self.script, self.begin) = (script, at);
            }
        }
        if self.script != Script::None {
            let before = self.folded.len();
            fold(char, &mut self.folded);
            if self.folded.len() > before {
                self.places.push((before as u32, at as u32));
            }
        }
    }

    /// Gives the run's words and empties it.
    fn end(&mut self, end: usize, f: &mut impl FnMut(&str, Range<usize>)) {
        if !self.folded.is_empty() {
            let place = |part: Range<usize>| {
                let at = |byte: usize| {
                    let index = self.places.partition_point(|&(folded, _)| (folded as usize) < byte);
                    self.places.get(index).map_or(end, |&(_, text)| text as usize)
                };
                at(part.start)..at(part.end)
            };
            let mut give = |word: &str, part: Range<usize>| f(short(word), place(part));
            match self.script {
                Script::Han => han(&self.folded, &mut give),
                Script::Latin => latin::latin(&self.folded, &mut give),
                Script::Pairs => pairs(&self.folded, &mut give),
                Script::None | Script::Mark => {}
            }
        }
        self.folded.clear();
        self.places.clear();
    }
}

fn han(text: &str, give: &mut impl FnMut(&str, Range<usize>)) {
    // Tokens are parts of `text`, so their place is where they lie.
    let base = text.as_ptr() as usize;
    for token in JIEBA.cut_for_search(text, true) {
        if !stop::is_chinese(token.word) {
            let begin = token.word.as_ptr() as usize - base;
            give(token.word, begin..begin + token.word.len());
        }
    }
}

fn pairs(text: &str, give: &mut impl FnMut(&str, Range<usize>)) {
    let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let width = 2.min(bounds.len() - 1);
    for pair in bounds.windows(width + 1) {
        give(&text[pair[0]..pair[width]], pair[0]..pair[width]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        words(text, |word, place| {
            assert!(
                text.is_char_boundary(place.start) && text.is_char_boundary(place.end) && !place.is_empty()
            );
            all.push(word.to_string());
        });
        all
    }

    #[test]
    fn traditional_and_simplified_are_the_same_words() {
        assert_eq!(of("試用期為三個月"), of("试用期为三个月"));
        assert_eq!(of("試用期"), ["试用", "试用期"]);
    }

    #[test]
    fn english_is_folded_to_stems_without_empty_words() {
        assert_eq!(of("The Employees' annual leave"), ["employe", "annual", "leav"]);
        assert_eq!(of("Café ＡＢＣ１２"), ["cafe", "abc12"]);
    }

    #[test]
    fn codes_are_kept_whole_and_in_parts() {
        assert_eq!(of("GB/T 19001-2016"), ["gb/t", "gb", "t", "19001-2016", "19001", "2016"]);
        assert_eq!(of("v1.2.3, 3.14 and 1,000."), ["v1.2.3", "v1", "2", "3", "3.14", "3", "14", "1000"]);
        assert_eq!(of("iPhone15 model-A"), ["iphone15", "model-a", "model"]);
    }

    #[test]
    fn places_point_at_what_was_written() {
        let text = "共計３天 café";
        let mut places = Vec::new();
        words(text, |word, place| places.push((word.to_string(), text[place].to_string())));
        assert_eq!(
            places.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(),
            ["共計", "３", "天", "café"]
        );
    }

    #[test]
    fn runs_of_ascii_are_read_as_any_other() {
        let parts = [
            "GB/T 19001-2016",
            "'s",
            "-",
            "..",
            "a",
            "é",
            "\u{301}",
            "年假",
            "1,000",
            " ",
            "x_y",
            "カナ",
            "@",
            "don't",
        ];
        let mut state = 5u64;
        for _ in 0..3000 {
            let mut text = String::new();
            for _ in 0..6 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text += parts[(state >> 40) as usize % parts.len()];
            }
            let (mut fast, mut slow) = (Vec::new(), Vec::new());
            words(&text, |word, place| fast.push((word.to_string(), place)));
            let mut run = Run { script: Script::None, begin: 0, folded: String::new(), places: Vec::new() };
            let mut push = |word: &str, place: Range<usize>| slow.push((word.to_string(), place));
            text.char_indices().for_each(|(at, char)| run.add(&text, at, char, &mut push));
            run.end(text.len(), &mut push);
            assert_eq!(fast, slow, "{text:?}");
        }
    }

    #[test]
    fn other_scripts_are_found_too() {
        assert_eq!(of("カタカナ"), ["カタ", "タカ", "カナ"]);
        assert_eq!(of("Привет, мир"), ["привет", "мир"]);
        assert_eq!(of("한국"), ["한국"]);
        assert!(of(" \u{301}。!? \0").is_empty());
    }
}
