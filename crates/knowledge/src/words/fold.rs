//! One form for what is written in several ways: case, marks, full width, traditional characters.

use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How a character's words are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// Between words.
    None,
    /// Letters with spaces between words, and digits.
    Latin,
    /// Chinese characters.
    Han,
    /// Kana, hangul, Thai and others without (dependable) spaces.
    Pairs,
    /// Belongs to the character before it.
    Mark,
}

pub(super) fn script(char: char) -> Script {
    match char {
        '0'..='9' | 'a'..='z' | 'A'..='Z' => Script::Latin,
        '\0'..='\x7f' => Script::None,
        '\u{4e00}'..='\u{9fff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' => Script::Han,
        '\u{3005}' | '\u{3007}' => Script::Han,
        '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}' => match char {
            '\u{30a0}' | '\u{30fb}' => Script::None,
            _ => Script::Pairs,
        },
        '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7af}' => Script::Pairs,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' => Script::Pairs,
        _ if is_combining_mark(char) => Script::Mark,
        _ if char.is_alphanumeric() => Script::Latin,
        _ => Script::None,
    }
}

/// Adds the folded form of `char` to `to`; of a mark, nothing.
pub(super) fn fold(char: char, to: &mut String) {
    match char {
        '\0'..='\x7f' => to.push(char.to_ascii_lowercase()),
        '\u{4e00}'..='\u{9fff}' => to.push(simplified(char)),
        '\u{ac00}'..='\u{d7af}' => to.push(char),
        _ => {
            for part in
                std::iter::once(char).nfkd().filter(|&part| !is_combining_mark(part) || is_kana_mark(part))
            {
                to.extend(part.to_lowercase());
            }
        }
    }
}

/// が is not か.
fn is_kana_mark(char: char) -> bool {
    matches!(char, '\u{3099}' | '\u{309a}')
}

const FIRST: u32 = 0x4e00;

/// Each character of the main block in its simplified form.
static SIMPLIFIED: LazyLock<Vec<char>> = LazyLock::new(|| {
    (FIRST..=0x9fff)
        .map(|code| {
            let char = char::from_u32(code).unwrap_or_default();
            let mut written =
                fast2s::convert(char.encode_utf8(&mut [0; 4])).chars().collect::<Vec<_>>().into_iter();
            match (written.next(), written.next()) {
                (Some(simple), None) => simple,
                _ => char,
            }
        })
        .collect()
});

fn simplified(char: char) -> char {
    SIMPLIFIED[(u32::from(char) - FIRST) as usize]
}
