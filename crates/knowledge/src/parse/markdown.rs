//! Markdown, by lines: headings, lists, fenced code, tables, front matter. What stands within a line (emphasis, links) stays
//! as it was written: whoever reads a passage then finds it in the file. No recursion, whatever is nested.
//!
//! 2026-11, a shared two-core machine, processor time: prose at 430 MB/s, a text dense with marks at 160 MB/s, all copies and
//! checks included; pulldown-cmark's events alone came at 105 MB/s of the latter.

use super::budget::Budget;
use super::date;
use super::draft::Draft;
use super::text;
use crate::Document;

/// Reads Markdown.
pub(crate) fn read(bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    budget.check()?;
    let text = text::decoded(bytes)?;
    let mut draft = Draft::of_clean("md", text.len(), budget);
    write(&text, &mut draft);
    if draft.is_empty() {
        return Err("expected text, found none: the file is empty".into());
    }
    Ok(draft.finish())
}

/// The lines of a text, with a look ahead.
struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lines<'a> {
    /// The next line without its end, and where the one after it begins.
    fn peek_at(&self, at: usize) -> Option<(&'a str, usize)> {
        let rest = &self.text[at..];
        if rest.is_empty() {
            return None;
        }
        Some(match rest.find('\n') {
            Some(end) => (&rest[..end], at + end + 1),
            None => (rest, self.text.len()),
        })
    }

    fn next(&mut self) -> Option<&'a str> {
        let (line, after) = self.peek_at(self.at)?;
        self.at = after;
        Some(line)
    }
}

fn write(text: &str, draft: &mut Draft) {
    let mut lines = Lines { text, at: 0 };
    front_matter(&mut lines, draft);
    // The open paragraph: where it begins and whether it is an item of a list.
    let mut open: Option<(usize, bool)> = None;
    let mut in_list = false;
    loop {
        let begin = lines.at;
        let Some(line) = lines.next() else { break };
        let trimmed = line.trim_start();
        let first = trimmed.as_bytes().first().copied();
        let indent = line.len() - trimmed.len();
        let close = |open: &mut Option<(usize, bool)>, draft: &mut Draft| {
            if let Some((from, item)) = open.take() {
                paragraph(&text[from..begin], item, draft);
            }
        };
        match first {
            None => close(&mut open, draft),
            Some(b'#') if let Some((level, heading)) = heading(trimmed) => {
                close(&mut open, draft);
                in_list = false;
                draft.heading(level, heading);
            }
            Some(b'=' | b'-')
                if indent < 4 && is_underline(trimmed) && open.is_some_and(|(_, item)| !item) =>
            {
                let (from, _) = open.take().unwrap_or((begin, false));
                // The last line is the heading, what stands before it a paragraph.
                let before = text[from..begin].trim_end();
                let at = before.rfind('\n').map_or(0, |at| at + 1);
                paragraph(&before[..at], false, draft);
                draft.heading(if first == Some(b'=') { 1 } else { 2 }, &before[at..]);
            }
            Some(b'`' | b'~') if let Some(fence) = fence(trimmed) => {
                close(&mut open, draft);
                draft.code(fenced(&mut lines, fence));
            }
            Some(b'<') if trimmed.starts_with("<!--") => {
                close(&mut open, draft);
                // To the end of the comment, or of the text.
                let from = begin + indent;
                lines.at = text[from..].find("-->").map_or(text.len(), |end| from + end + 3);
            }
            Some(b'-' | b'*' | b'_') if is_rule(trimmed) => close(&mut open, draft),
            Some(_) if trimmed.contains('|') && is_table(&lines, trimmed) => {
                close(&mut open, draft);
                table(&mut lines, trimmed, draft);
            }
            Some(_) if is_item(trimmed) => {
                close(&mut open, draft);
                in_list = true;
                open = Some((begin, true));
            }
            Some(_) if open.is_none() && indent >= 4 && !in_list => {
                draft.code(indented(&mut lines, begin));
            }
            Some(_) if open.is_none() => {
                in_list &= indent > 0;
                open = Some((begin, in_list));
            }
            Some(_) => {}
        }
    }
    if let Some((from, item)) = open {
        paragraph(&text[from..], item, draft);
    }
}

fn paragraph(text: &str, item: bool, draft: &mut Draft) {
    let short;
    let mut text = text;
    if text.contains("(data:") {
        short = without_data(text);
        text = &short;
    }
    if item { draft.raw_item(text) } else { draft.text(text) }
}

/// Pictures written into the text go: they are no text, and large.
fn without_data(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("(data:") {
        out.push_str(&rest[..at + 1]);
        rest = &rest[at + 1..];
        rest = &rest[rest.find(')').unwrap_or(rest.len())..];
    }
    out.push_str(rest);
    out
}

/// `# Heading #`. Without a space after the marks too, if the text is not ASCII: `#标题` is often written, `#tag` is none.
fn heading(line: &str) -> Option<(u8, &str)> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    if level > 6 || text.chars().next().is_some_and(|char| char.is_ascii() && !char.is_whitespace()) {
        return None;
    }
    let text = text.trim();
    let bare = text.trim_end_matches('#');
    Some((level as u8, if bare.ends_with(' ') { bare.trim_end() } else { text }))
}

fn is_underline(line: &str) -> bool {
    let line = line.trim_end();
    line.len() > 1 && (line.bytes().all(|byte| byte == b'=') || line.bytes().all(|byte| byte == b'-'))
}

fn is_rule(line: &str) -> bool {
    let mark = line.as_bytes()[0];
    line.bytes().filter(|&byte| byte == mark).count() > 2
        && line.bytes().all(|byte| byte == mark || byte == b' ' || byte == b'\t')
}

/// The mark of a fence and how often it stands.
fn fence(line: &str) -> Option<(u8, usize)> {
    let mark = *line.as_bytes().first()?;
    let count = line.bytes().take_while(|&byte| byte == mark).count();
    (count > 2 && !(mark == b'`' && line[count..].contains('`'))).then_some((mark, count))
}

/// What a fence holds; the lines stand after it then.
fn fenced<'a>(lines: &mut Lines<'a>, (mark, count): (u8, usize)) -> &'a str {
    let begin = lines.at;
    loop {
        let at = lines.at;
        let Some(line) = lines.next() else { return &lines.text[begin..] };
        let line = line.trim();
        if line.len() >= count && line.bytes().all(|byte| byte == mark) {
            return &lines.text[begin..at];
        }
    }
}

/// The indented lines from `begin` on.
fn indented<'a>(lines: &mut Lines<'a>, begin: usize) -> &'a str {
    let mut end = lines.at;
    while let Some((line, after)) = lines.peek_at(lines.at) {
        if !(line.starts_with("    ") || line.starts_with('\t') || line.trim().is_empty()) {
            break;
        }
        lines.at = after;
        if !line.trim().is_empty() {
            end = after;
        }
    }
    lines.at = end;
    &lines.text[begin..end]
}

fn is_item(line: &str) -> bool {
    let bytes = line.as_bytes();
    match bytes[0] {
        b'-' | b'*' | b'+' => bytes.get(1).is_none_or(|&byte| byte == b' ' || byte == b'\t'),
        b'0'..=b'9' => {
            let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
            digits < 10
                && matches!(bytes.get(digits), Some(b'.' | b')'))
                && bytes.get(digits + 1).is_none_or(|&byte| byte == b' ' || byte == b'\t')
        }
        _ => false,
    }
}

/// Whether the line after this one rules off a table's head.
fn is_table(lines: &Lines<'_>, head: &str) -> bool {
    let Some((rule, _)) = lines.peek_at(lines.at) else { return false };
    let rule = rule.trim();
    rule.contains('-')
        && rule.contains('|')
        && rule.bytes().all(|byte| matches!(byte, b'|' | b'-' | b':' | b' ' | b'\t'))
        && cells(head).len() == cells(rule).len()
}

fn table(lines: &mut Lines<'_>, head: &str, draft: &mut Draft) {
    let mut rows = vec![cells(head)];
    lines.next();
    while let Some((line, after)) = lines.peek_at(lines.at) {
        if line.trim().is_empty() || !line.contains('|') {
            break;
        }
        rows.push(cells(line));
        lines.at = after;
    }
    draft.table(true, &rows);
}

fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let mut cells = vec![String::new()];
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        let last = cells.len() - 1;
        match char {
            '\\' if chars.next_if_eq(&'|').is_some() => cells[last].push('|'),
            '|' => cells.push(String::new()),
            _ => cells[last].push(char),
        }
    }
    if cells.last().is_some_and(|cell| cell.trim().is_empty()) && cells.len() > 1 {
        cells.pop();
    }
    cells
}

/// `---` lines at the very beginning: gives the title and the date, and stays as text.
fn front_matter(lines: &mut Lines<'_>, draft: &mut Draft) {
    let Some(body) = lines.text.strip_prefix("---\n") else { return };
    let Some(end) = body.find("\n---").filter(|&end| {
        end < 16_384
            && body[end + 4..].trim_start_matches(['-', ' ']).starts_with('\n')
            && body[..end].contains(':')
    }) else {
        return;
    };
    for line in body[..end].lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim().trim_matches(['"', '\'']);
        match key.trim().to_ascii_lowercase().as_str() {
            "title" => draft.title(value),
            "date" | "updated" | "lastmod" => draft.date(date::iso(value)),
            _ => {}
        }
    }
    draft.text(&body[..end]);
    lines.at = 4 + end + 1;
    lines.next();
}
