//! Plain text: paragraphs apart by empty lines; the headings of Chinese chapters and sections.

use super::budget::Budget;
use super::draft::clean;
use super::encoding;
use crate::{Block, Document, Kind};

/// Reads plain text. The text stays as it is, but for line ends and control characters.
pub(crate) fn read(bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    budget.check()?;
    let text = decoded(bytes)?;
    let mut blocks = Vec::new();
    for span in paragraphs(&text) {
        let first = span.start + text[span.clone()].find('\n').unwrap_or(span.len());
        match chapter(&text[span.start..first]) {
            Some(level) => {
                let end = span.start + text[span.start..first].trim_end().len();
                blocks.push(Block { kind: Kind::Heading(level), span: span.start..end });
                let rest = first + (text[first..span.end].len() - text[first..span.end].trim_start().len());
                if rest < span.end {
                    blocks.push(Block { kind: Kind::Text, span: rest..span.end });
                }
            }
            None => blocks.push(Block { kind: Kind::Text, span }),
        }
    }
    if blocks.is_empty() {
        return Err("expected text, found none: the file is empty".into());
    }
    Ok(Document { format: "txt", text, blocks, ..Document::default() })
}

/// The text of a file that is text, cleaned.
pub(crate) fn decoded(bytes: &[u8]) -> Result<String, String> {
    let text = encoding::decode(bytes, None)?;
    Ok(match clean(&text) {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(cleaned) => cleaned,
    })
}

/// Where the paragraphs stand: without the white space around them.
pub(crate) fn paragraphs(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut at = 0;
    let mut lines = text.split_inclusive('\n');
    std::iter::from_fn(move || {
        let mut span: Option<std::ops::Range<usize>> = None;
        for line in lines.by_ref() {
            let begin = at;
            at += line.len();
            let trimmed = line.trim_end();
            if trimmed.is_empty() {
                if span.is_some() {
                    break;
                }
                continue;
            }
            let end = begin + trimmed.len();
            match &mut span {
                Some(span) => span.end = end,
                None => span = Some(begin + (trimmed.len() - trimmed.trim_start().len())..end),
            }
        }
        span
    })
}

/// The depth of a line such as `第三章 总则`, if it is one.
fn chapter(line: &str) -> Option<u8> {
    let rest = line.trim().strip_prefix('第')?;
    if rest.len() > 120 || rest.ends_with(['。', '，', '；', '：', '.', ',']) {
        return None;
    }
    let unit = rest.trim_start_matches(|char: char| {
        char.is_ascii_digit() || "零〇一二三四五六七八九十百千两 ".contains(char)
    });
    if unit.len() == rest.len() {
        return None;
    }
    let mut chars = unit.chars();
    let level = match chars.next()? {
        '编' | '編' | '卷' | '部' => 1,
        '章' | '回' | '讲' | '講' => 2,
        '节' | '節' => 3,
        _ => return None,
    };
    chars.next().is_none_or(char::is_whitespace).then_some(level)
}
