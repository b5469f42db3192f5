//! Where a text can be cut: sentences and headings, Chinese and English.

use std::ops::Range;

/// The sentences of a text, in order, without gaps: each with the white space before it. A line's end ends a sentence.
pub(super) fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut begin = 0;
    let mut chars = text.char_indices().peekable();
    let mut before = ' ';
    while let Some((at, c)) = chars.next() {
        let after = at + c.len_utf8();
        let next = chars.peek().map_or('\n', |(_, next)| *next);
        let ends = match c {
            '\n' | '。' | '！' | '？' => true,
            '!' | '?' => next.is_whitespace() || CLOSING.contains(&next),
            // Neither "3.5" nor "J. S. Bach".
            '.' => (next.is_whitespace() || CLOSING.contains(&next)) && !before.is_uppercase(),
            _ => false,
        };
        before = c;
        if !ends {
            continue;
        }
        let mut end = after;
        if c != '\n' {
            while let Some((at, c)) = chars.next_if(|(_, c)| CLOSING.contains(c) || "。！？".contains(*c))
            {
                end = at + c.len_utf8();
            }
        }
        if !text[begin..end].trim().is_empty() {
            all.push(begin..end);
            begin = end;
        }
    }
    if !text[begin..].trim().is_empty() {
        all.push(begin..text.len());
    }
    all
}

/// Belong to the sentence that they follow.
const CLOSING: [char; 10] = ['”', '’', '」', '』', '）', ')', '"', '\'', '》', '】'];

/// The text of a Markdown heading, if a line is one.
pub(super) fn heading(line: &str) -> Option<&str> {
    let line = line.trim();
    let text = line.trim_start_matches('#');
    let depth = line.len() - text.len();
    ((1..=6).contains(&depth) && text.starts_with([' ', '\t']))
        .then(|| text.trim().trim_end_matches('#').trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_scripts() {
        let text = "J. S. Bach was 3.5 feet tall. He said: \"No!\" Then he left.\n书院在山上。“谁来了？”老师问。没有句号";
        let found: Vec<&str> = sentences(text).into_iter().map(|range| text[range].trim()).collect();
        let wanted = [
            "J. S. Bach was 3.5 feet tall.",
            "He said: \"No!\"",
            "Then he left.",
            "书院在山上。",
            "“谁来了？”",
            "老师问。",
            "没有句号",
        ];
        assert_eq!(found, wanted);
        assert!(sentences(" \n\n ").is_empty());
        assert_eq!(sentences("\n\n a\n\n b "), [0..5, 5..9]);
    }

    #[test]
    fn headings() {
        for (line, wanted) in [
            ("## Pay ##", Some("Pay")),
            ("# 报销", Some("报销")),
            ("#tag", None),
            ("text", None),
            ("####### x", None),
        ] {
            assert_eq!(heading(line), wanted, "{line}");
        }
    }
}
