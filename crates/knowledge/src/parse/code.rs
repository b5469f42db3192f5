//! Source code: one block a top-level definition, with the comments and attributes before it. By indentation, brackets aside:
//! whoever writes code indents it, and a language more costs a word in a list.

use super::budget::Budget;
use super::text;
use crate::{Block, Document, Kind};
use std::ops::Range;

/// A definition longer than this is cut at its members.
const LONG: usize = 120;

/// Reads source code. The text stays as it is.
pub(crate) fn read(name: &str, bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    budget.check()?;
    let text = text::decoded(bytes)?;
    let lines = lines(&text);
    let mut blocks = Vec::new();
    for unit in units(&text, &lines, 0) {
        if unit.len() > LONG {
            let inner = inner_indent(&text, &lines[unit.clone()]);
            let parts = units(&text, &lines[unit.clone()], inner);
            blocks.extend(parts.into_iter().map(|part| unit.start + part.start..unit.start + part.end));
        } else {
            blocks.push(unit);
        }
    }
    let blocks: Vec<Block> = blocks
        .into_iter()
        .filter_map(|unit| {
            let span = lines[unit.start].start..lines[unit.end - 1].end;
            let inner = &text[span.clone()];
            let end = span.start + inner.trim_end().len();
            // Whole lines: indentation counts. Empty ones before the first do not.
            let blank = inner.len() - inner.trim_start().len();
            let begin = span.start + inner[..blank].rfind('\n').map_or(0, |at| at + 1);
            (begin < end).then_some(Block { kind: Kind::Code, span: begin..end })
        })
        .collect();
    if blocks.is_empty() {
        return Err("expected source code, found none: the file is empty".into());
    }
    Ok(Document { format: format(name), text, blocks, ..Document::default() })
}

/// The ending of a file of source code, if it is one that is known.
pub(crate) fn ending(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    ENDINGS.iter().copied().find(|known| known.eq_ignore_ascii_case(ending))
}

const ENDINGS: [&str; 54] = [
    "rs", "py", "js", "mjs", "cjs", "jsx", "ts", "tsx", "java", "kt", "kts", "scala", "groovy", "go", "c",
    "h", "cc", "cpp", "cxx", "hpp", "hh", "cs", "fs", "vb", "swift", "m", "mm", "rb", "php", "pl", "pm",
    "lua", "r", "jl", "sh", "bash", "zsh", "ps1", "bat", "sql", "ex", "exs", "erl", "hs", "ml", "clj",
    "lisp", "dart", "zig", "toml", "yaml", "yml", "ini", "css",
];

fn format(name: &str) -> &'static str {
    ending(name).unwrap_or("txt")
}

fn lines(text: &str) -> Vec<Range<usize>> {
    let mut at = 0;
    text.split_inclusive('\n')
        .map(|line| {
            at += line.len();
            at - line.len()..at
        })
        .collect()
}

fn indent(line: &str) -> usize {
    line.bytes()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .map(|byte| if byte == b'\t' { 4 } else { 1 })
        .sum()
}

/// The least indentation within a definition: that of its members.
fn inner_indent(text: &str, lines: &[Range<usize>]) -> usize {
    let inner = lines.iter().map(|line| &text[line.clone()]).filter(|line| !line.trim().is_empty());
    inner.map(indent).filter(|&indent| indent > 0).min().unwrap_or(0)
}

/// What a line at the level of the definitions is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Blank,
    /// A comment or an attribute: belongs to what follows.
    Before,
    /// Begins something.
    Begins,
    /// Goes on: indented further, or closes.
    Goes,
}

/// Stretches of lines that belong together, covering all of `lines`: each definition alone, what is no definition joined.
fn units(text: &str, lines: &[Range<usize>], level: usize) -> Vec<Range<usize>> {
    let mut scan = Scan { level, comment: false, quotes: None };
    let kinds: Vec<Line> = lines.iter().map(|line| scan.line(&text[line.clone()])).collect();
    // Each unit: where it begins (comments before it included), and whether it has a body.
    let mut units: Vec<(Range<usize>, bool)> = Vec::new();
    let mut before: Option<usize> = None;
    for (at, &kind) in kinds.iter().enumerate() {
        match kind {
            Line::Before => before = before.or(Some(at)),
            Line::Begins => {
                let begin = before.take().unwrap_or(at);
                let defines = defines(&text[lines[at].clone()]);
                units.push((begin..at + 1, defines));
            }
            Line::Goes => {
                // A body: comments that stood before it are its own.
                before = None;
                match units.last_mut() {
                    Some(last) => *last = (last.0.start..at + 1, true),
                    None => units.push((at..at + 1, false)),
                }
            }
            // An empty line parts a comment from what follows only where nothing follows.
            Line::Blank => {}
        }
    }
    if let Some(begin) = before {
        units.push((begin..lines.len(), false));
    }
    let mut joined: Vec<(Range<usize>, bool)> = Vec::new();
    for (unit, body) in units {
        match joined.last_mut() {
            Some((last, false)) if !body => last.end = unit.end,
            _ => joined.push((unit, body)),
        }
    }
    // Lines between two belong to the former.
    let starts: Vec<usize> = joined.iter().map(|(unit, _)| unit.start).collect();
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    let mut ranges: Vec<_> = starts.iter().copied().zip(ends).map(|(begin, end)| begin..end).collect();
    if let Some(first) = ranges.first_mut() {
        first.start = 0;
    }
    ranges
}

struct Scan {
    level: usize,
    /// Within `/* … */`.
    comment: bool,
    /// Within Python's `"""` or `'''`.
    quotes: Option<&'static str>,
}

impl Scan {
    fn line(&mut self, line: &str) -> Line {
        let trimmed = line.trim();
        if let Some(quotes) = self.quotes {
            if trimmed.matches(quotes).count() % 2 == 1 {
                self.quotes = None;
            }
            return Line::Goes;
        }
        if self.comment {
            self.comment = !trimmed.contains("*/");
            return Line::Before;
        }
        if trimmed.is_empty() {
            return Line::Blank;
        }
        let inner = indent(line) > self.level;
        for quotes in ["\"\"\"", "'''"] {
            if trimmed.matches(quotes).count() % 2 == 1 && !trimmed.starts_with('#') {
                self.quotes = Some(quotes);
                break;
            }
        }
        if inner {
            return Line::Goes;
        }
        if trimmed.starts_with("/*") {
            self.comment = !trimmed.contains("*/");
            return Line::Before;
        }
        let starts = |marks: &[&str]| marks.iter().any(|mark| trimmed.starts_with(mark));
        if starts(&["#include", "#define", "#if", "#pragma", "#import", "#!/"]) {
            return Line::Begins;
        }
        if starts(&["//", "#", "--", ";", "@", "[[", "%", "///"]) {
            return Line::Before;
        }
        let word: String = trimmed.chars().take_while(|char| char.is_alphanumeric()).collect();
        let goes_on = [
            "end", "else", "elif", "elsif", "except", "catch", "finally", "fi", "done", "esac", "then", "do",
        ];
        if starts(&["}", ")", "]", "{", "where"]) || goes_on.contains(&word.as_str()) {
            return Line::Goes;
        }
        Line::Begins
    }
}

/// Whether a line defines something, body or not.
fn defines(line: &str) -> bool {
    let words = [
        "fn",
        "struct",
        "enum",
        "trait",
        "impl",
        "class",
        "def",
        "func",
        "function",
        "interface",
        "object",
        "macro_rules",
        "record",
        "defmodule",
        "CREATE",
        "create",
    ];
    line.split(|char: char| !char.is_alphanumeric() && char != '_').take(5).any(|word| words.contains(&word))
}
