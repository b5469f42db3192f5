//! Where sentences end, in Chinese and in Latin scripts.

use std::ops::Range;

/// The sentences of a text, in bytes, without the white space around them. A line's end ends a sentence: a heading, an item
/// of a list and a table's row are one each.
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut begin = 0;
    let mut add = |range: Range<usize>| {
        let part = &text[range.clone()];
        let start = range.start + (part.len() - part.trim_start().len());
        let end = start + part.trim().len();
        if start < end {
            all.push(start..end);
        }
    };
    for (at, char) in text.char_indices() {
        let after = at + char.len_utf8();
        if ends_sentence(&text[..at], &text[after..], char) {
            add(begin..after);
            begin = after;
        }
    }
    add(begin..text.len());
    all
}

/// Whether `char`, between `before` and `after`, ends a sentence.
pub(crate) fn ends_sentence(before: &str, after: &str, char: char) -> bool {
    const CLOSING: [char; 7] = ['”', '’', '」', '』', '）', ')', '"'];
    const MARKS: [char; 5] = ['。', '！', '？', '；', '…'];
    match char {
        '\n' => true,
        // A closing mark belongs to its sentence.
        '。' | '！' | '？' | '；' | '…' => !after.starts_with(CLOSING) && !after.starts_with(MARKS),
        '”' | '」' | '』' => before.ends_with(MARKS) && !after.starts_with(CLOSING),
        '.' | '!' | '?' => {
            after.starts_with(char::is_whitespace) && !(char == '.' && is_abbreviation(before))
        }
        _ => false,
    }
}

/// A letter with a point, or one of the few words that never end a sentence.
fn is_abbreviation(before: &str) -> bool {
    let word = before.rsplit(|c: char| !c.is_alphanumeric() && c != '.').next().unwrap_or("");
    let letter = word.chars().count() == 1 && word.chars().all(char::is_alphabetic) && word != "I";
    // A number at the beginning of a line counts an item.
    let item = !word.is_empty()
        && word.bytes().all(|b| b.is_ascii_digit())
        && before[..before.len() - word.len()].trim_end_matches(' ').rsplit('\n').next() == Some("");
    letter
        || item
        || matches!(
            word,
            "Mr" | "Mrs"
                | "Ms"
                | "Dr"
                | "Prof"
                | "No"
                | "Nr"
                | "Fig"
                | "e.g"
                | "i.e"
                | "vs"
                | "cf"
                | "St"
                | "Art"
                | "Sec"
        )
}

#[cfg(test)]
mod tests {
    use super::sentences;

    fn of(text: &str) -> Vec<&str> {
        sentences(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn both_scripts() {
        assert_eq!(
            of("试用期三个月。“可以延长吗？”不可以。"),
            ["试用期三个月。", "“可以延长吗？”", "不可以。"]
        );
        assert_eq!(
            of("Dr. A. Smith pays 3.5 percent. Why? \"So.\"  \nA line\n1. One item"),
            ["Dr. A. Smith pays 3.5 percent.", "Why?", "\"So.\"", "A line", "1. One item"]
        );
        assert!(of(" \n ").is_empty());
    }
}
