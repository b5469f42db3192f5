//! Marks what others wrote before a template puts it into a text, and finds it there again.
//!
//! A template makes one text of its own tokens and of contents. Special tokens' texts in contents are put between two marks
//! before, characters that occur nowhere else, so that afterwards the template's `<|im_end|>` and a user's are told apart.
//! String methods in a template may part the marks or lose one: then the text between is plain all the same, and what is cut
//! off beside it cannot join into a token, since a mark alone is an edge as well. What this does not see: a template that takes
//! letters out of the middle of a content (`replace('<image>', '')`), so that what is left becomes a token's text.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

/// The two marks of one rendering, and what is put between them.
pub(crate) struct Marks<'a> {
    open: char,
    close: char,
    matcher: Option<&'a AhoCorasick>,
}

/// What must be marked: all texts given.
pub(crate) fn matcher<'t>(tokens: impl Iterator<Item = &'t str>) -> Option<AhoCorasick> {
    let tokens: Vec<&str> = tokens.collect();
    if tokens.is_empty() {
        return None;
    }
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(tokens).ok()
}

impl<'a> Marks<'a> {
    /// Two characters that none of `texts` has. None only if they have all of more than 65,000 that are nobody's.
    pub(crate) fn absent_from<'t>(
        texts: impl Iterator<Item = &'t str>,
        matcher: Option<&'a AhoCorasick>,
    ) -> Option<Self> {
        let is_mark = |c: char| matches!(c, '\u{fdd0}'..='\u{fdef}' | '\u{f0000}'..='\u{ffffd}');
        let used: std::collections::HashSet<char> =
            texts.flat_map(|text| text.chars().filter(|&c| is_mark(c))).collect();
        let mut free =
            ('\u{fdd0}'..='\u{fdef}').chain('\u{f0000}'..='\u{ffffd}').filter(|c| !used.contains(c));
        Some(Self { open: free.next()?, close: free.next()?, matcher })
    }

    /// The same marks for other tokens.
    pub(crate) fn with<'b>(&self, matcher: Option<&'b AhoCorasick>) -> Marks<'b> {
        Marks { open: self.open, close: self.close, matcher }
    }

    /// A content with its special tokens' texts between marks.
    pub(crate) fn mark(&self, text: &str) -> String {
        let Some(matcher) = self.matcher else { return text.to_string() };
        let mut marked = String::with_capacity(text.len());
        let mut done = 0;
        for found in matcher.find_iter(text) {
            marked.push_str(&text[done..found.start()]);
            marked.push(self.open);
            marked.push_str(&text[found.range()]);
            marked.push(self.close);
            done = found.end();
        }
        marked.push_str(&text[done..]);
        marked
    }

    /// The rendered text without marks, and the parts of it that must stay plain: what stood between marks, and for a mark
    /// that lost its other the place where it stood, as an empty part.
    pub(crate) fn unmark(&self, rendered: &str) -> (String, Vec<Range<usize>>) {
        let mut text = String::with_capacity(rendered.len());
        let mut plain: Vec<Range<usize>> = Vec::new();
        let mut open = None;
        for c in rendered.chars() {
            if c == self.open {
                plain.extend(open.replace(text.len()).map(|at| at..at));
            } else if c == self.close {
                let start = open.take().unwrap_or(text.len());
                plain.push(start..text.len());
            } else {
                text.push(c);
            }
        }
        plain.extend(open.map(|at| at..at));
        (text, plain)
    }
}
