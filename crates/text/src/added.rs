//! Tokens beside the learned vocabulary (`<|im_end|>`, `[SEP]`): where they stand in a text.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::TokenId;
use crate::error::Error;

/// A token beside the merges, written only by trusted code and never read out of plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Special {
    /// Its text.
    pub text: String,
    /// Its id.
    pub id: TokenId,
    /// Whether it is control (`<|im_end|>`) rather than text that happens to be one token (`<think>`).
    pub control: bool,
    /// What it takes along in trusted text.
    pub(crate) reach: Reach,
}

impl Special {
    /// One that takes nothing along.
    pub(crate) fn new(text: impl Into<String>, id: TokenId, control: bool) -> Self {
        Self { text: text.into(), id, control, reach: Reach::default() }
    }
}

/// How a special token sees the text around it, in the words of `tokenizer.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// It takes the white space before it.
    pub(crate) lstrip: bool,
    /// It takes the white space after it.
    pub(crate) rstrip: bool,
    /// It counts only where no letter, digit or underscore is beside it.
    pub(crate) single_word: bool,
}

/// A part of trusted text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Segment<'t> {
    Text(&'t str),
    Special(TokenId),
}

/// Finds special tokens in a text, in time linear in it whatever their number.
#[derive(Debug)]
pub(crate) struct Finder {
    matcher: Option<AhoCorasick>,
    specials: Vec<(TokenId, Reach)>,
}

impl Finder {
    /// Errors only if there are more special tokens than the matcher can hold.
    pub(crate) fn new(specials: &[Special]) -> Result<Self, Error> {
        let matcher = match specials {
            [] => None,
            _ => Some(
                AhoCorasick::builder()
                    .match_kind(MatchKind::LeftmostLongest)
                    .build(specials.iter().map(|s| &s.text))
                    .map_err(|e| Error::BadSpecial(format!("{} of them: {e}", specials.len())))?,
            ),
        };
        Ok(Self { matcher, specials: specials.iter().map(|s| (s.id, s.reach)).collect() })
    }

    /// The parts of a trusted text: special tokens and what is between them. A match that touches a part of `plain`
    /// (ascending, apart from each other) stays text.
    pub(crate) fn segments<'t>(&self, text: &'t str, plain: &[Range<usize>]) -> Vec<Segment<'t>> {
        let mut segments = Vec::new();
        let mut done = 0;
        // Each search is over one part alone: a match across an edge could hide one behind it.
        let mut at = 0;
        for edge in plain {
            self.find(text, at..edge.start, &mut done, &mut segments);
            at = at.max(edge.end);
        }
        self.find(text, at..text.len(), &mut done, &mut segments);
        if done < text.len() {
            segments.push(Segment::Text(&text[done..]));
        }
        segments
    }

    fn find<'t>(&self, text: &'t str, part: Range<usize>, done: &mut usize, to: &mut Vec<Segment<'t>>) {
        let Some(matcher) = self.matcher.as_ref().filter(|_| part.start < part.end) else { return };
        for found in matcher.find_iter(&text[part.clone()]) {
            let (mut start, mut end) = (part.start + found.start(), part.start + found.end());
            let (id, reach) = self.specials[found.pattern().as_usize()];
            if start < *done {
                continue;
            }
            if reach.single_word
                && (text[..start].chars().next_back().is_some_and(is_word)
                    || text[end..].chars().next().is_some_and(is_word))
            {
                continue;
            }
            if reach.lstrip {
                start = (*done).max(text[..start].trim_end().len());
            }
            if reach.rstrip {
                end = text.len() - text[end..].trim_start().len();
            }
            if *done < start {
                to.push(Segment::Text(&text[*done..start]));
            }
            to.push(Segment::Special(id));
            *done = end;
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finder(specials: &[(&str, Reach)]) -> Finder {
        let specials: Vec<Special> = (0..)
            .zip(specials)
            .map(|(id, (text, reach))| Special { reach: *reach, ..Special::new(*text, id, true) })
            .collect();
        Finder::new(&specials).unwrap()
    }

    #[test]
    fn the_leftmost_and_of_those_the_longest() {
        let finder = finder(&[("<a>", Reach::default()), ("<a>b", Reach::default())]);
        let found = finder.segments("x<a>b<a>", &[]);
        assert_eq!(found, [Segment::Text("x"), Segment::Special(1), Segment::Special(0)]);
    }

    #[test]
    fn what_is_plain_is_never_part_of_one() {
        let finder = finder(&[("<a>", Reach::default())]);
        let text = "<a><a><a>";
        assert_eq!(
            finder.segments(text, std::slice::from_ref(&(3..6))),
            [Segment::Special(0), Segment::Text("<a>"), Segment::Special(0)]
        );
        assert_eq!(finder.segments(text, &[0..1, 4..5, 7..9]), [Segment::Text(text)]);
        assert_eq!(finder.segments("<a>", std::slice::from_ref(&(0..3))), [Segment::Text("<a>")]);
    }

    #[test]
    fn white_space_around_and_whole_words() {
        let strip = Reach { lstrip: true, rstrip: true, single_word: false };
        let word = Reach { single_word: true, ..Reach::default() };
        let finder = finder(&[("<m>", strip), ("tag", word)]);
        assert_eq!(
            finder.segments("a  <m> \n <m>b", &[]),
            [Segment::Text("a"), Segment::Special(0), Segment::Special(0), Segment::Text("b")]
        );
        assert_eq!(finder.segments("tags", &[]), [Segment::Text("tags")]);
        assert_eq!(finder.segments("tag", &[]), [Segment::Special(1)]);
    }
}
