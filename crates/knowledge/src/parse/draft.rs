//! A document in the making: takes blocks, keeps the promises of [`Document`].

use super::budget::Budget;
use crate::{Block, Document, Kind};

/// A [`Document`] that grows block by block.
pub(crate) struct Draft {
    document: Document,
    /// Pages begun since the last block: they begin where the next one does.
    pages: usize,
    /// Whether the last block was an item of a list.
    item: bool,
    limit: usize,
    full: bool,
    /// Whether what comes has been through [`clean`].
    cleaned: bool,
}

impl Draft {
    pub(crate) fn new(format: &'static str, budget: &Budget) -> Self {
        let limit = usize::try_from(budget.limits.unpacked).unwrap_or(usize::MAX);
        let document = Document { format, ..Document::default() };
        Self { document, pages: 0, item: false, limit, full: false, cleaned: false }
    }

    /// For text that has been through [`clean`] and is `len` bytes long in all.
    pub(crate) fn of_clean(format: &'static str, len: usize, budget: &Budget) -> Self {
        let mut draft = Self { cleaned: true, ..Self::new(format, budget) };
        draft.document.text.reserve(len + len / 16);
        draft
    }

    /// A heading; line breaks within it become spaces.
    pub(crate) fn heading(&mut self, level: u8, text: &str) {
        self.push(Kind::Heading(level.clamp(1, 9)), &one_line(text), false);
    }

    /// A paragraph.
    pub(crate) fn text(&mut self, text: &str) {
        self.push(Kind::Text, text, false);
    }

    /// An item of a list, indented by its depth, marked by `mark` (`-`, `3.`).
    pub(crate) fn item(&mut self, depth: usize, mark: &str, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let depth = depth.min(16);
        let text = text.trim().replace('\n', &format!("\n{:1$}", "", 2 * depth + mark.len() + 1));
        // The first item of a list within a list keeps its indentation after the line break before it.
        self.push(Kind::Text, &format!("{:1$}{mark} {text}", "", 2 * depth), true);
    }

    /// An item of a list as its source has it, mark and indentation included.
    pub(crate) fn raw_item(&mut self, text: &str) {
        self.push(Kind::Text, text, true);
    }

    /// Source code, or text whose spaces matter.
    pub(crate) fn code(&mut self, text: &str) {
        self.push(Kind::Code, text, false);
    }

    /// A table. Empty rows and the empty cells at the ends of rows are left out.
    pub(crate) fn table(&mut self, header: bool, rows: &[Vec<String>]) {
        let mut text = String::new();
        rows.iter().for_each(|row| write_row(&mut text, row.iter().map(String::as_str)));
        self.table_of(header, &text);
    }

    /// A table whose rows are written already.
    pub(crate) fn table_of(&mut self, header: bool, text: &str) {
        self.push(Kind::Table { header }, text, false);
    }

    /// Begins a page, slide or sheet.
    pub(crate) fn page(&mut self) {
        self.pages += 1;
    }

    /// Says what could not be read.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.document.notes.push(note.into());
    }

    /// The title, unless there is one or this one is empty.
    pub(crate) fn title(&mut self, title: &str) {
        let title = one_line(title);
        if self.document.title.is_none() && !title.is_empty() {
            self.document.title = Some(title);
        }
    }

    /// The date, unless there is one.
    pub(crate) fn date(&mut self, date: Option<String>) {
        if self.document.date.is_none() {
            self.document.date = date;
        }
    }

    /// Whether any block came.
    pub(crate) fn is_empty(&self) -> bool {
        self.document.blocks.is_empty()
    }

    /// The blocks so far.
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.document.blocks
    }

    /// The document. The first heading is its title if it has said no other.
    pub(crate) fn finish(mut self) -> Document {
        let end = self.document.text.len();
        self.document.pages.extend(std::iter::repeat_n(end, self.pages));
        if let Some(first) = self.document.pages.first_mut() {
            *first = 0;
        }
        if self.document.title.is_none()
            && let Some(Block { kind: Kind::Heading(_), span }) = self.document.blocks.first()
        {
            self.document.title = Some(self.document.text[span.clone()].to_owned());
        }
        self.document
    }

    fn push(&mut self, kind: Kind, text: &str, item: bool) {
        let cleaned = if self.cleaned { text.into() } else { clean(text) };
        let mut text = cleaned.trim_end();
        // Indentation counts in code and lists, and where the first cell of a table is empty.
        text = if kind == Kind::Code || item || matches!(kind, Kind::Table { .. }) {
            skip_empty_lines(text)
        } else {
            text.trim_start()
        };
        if text.is_empty() || self.full {
            return;
        }
        if self.document.text.len().saturating_add(text.len()) > self.limit {
            self.full = true;
            self.note(format!(
                "only the first {} bytes of text were read: it has more",
                self.document.text.len()
            ));
            return;
        }
        if !self.document.text.is_empty() {
            self.document.text.push_str(if item && self.item && self.pages == 0 { "\n" } else { "\n\n" });
        }
        let begin = self.document.text.len();
        self.document.pages.extend(std::iter::repeat_n(begin, std::mem::take(&mut self.pages)));
        self.document.text.push_str(text);
        self.document.blocks.push(Block { kind, span: begin..self.document.text.len() });
        self.item = item;
    }
}

/// Appends a row of a table, unless it is empty.
pub(crate) fn write_row<'a>(out: &mut String, cells: impl Iterator<Item = &'a str>) {
    let begin = out.len();
    let mut end = begin;
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.push_str(" | ");
        } else if begin > 0 {
            out.push('\n');
        }
        let before = out.len();
        for word in cell.split_whitespace() {
            if out.len() > before {
                out.push(' ');
            }
            out.push_str(word);
        }
        if out.len() > before {
            end = out.len();
        }
    }
    out.truncate(end);
}

fn skip_empty_lines(text: &str) -> &str {
    let begin = text.len() - text.trim_start().len();
    let line = text[..begin].rfind('\n').map_or(0, |at| at + 1);
    &text[line..]
}

/// Runs of white space become one space.
pub(crate) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// Line ends become `\n`, no-break spaces spaces; control characters and soft hyphens go.
pub(crate) fn clean(text: &str) -> std::borrow::Cow<'_, str> {
    if is_clean(text.as_bytes()) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push('\n');
            }
            '\n' | '\t' => out.push(char),
            '\u{b}' | '\u{c}' | '\u{85}' => out.push('\n'),
            '\u{a0}' => out.push(' '),
            '\u{ad}' | '\u{feff}' => {}
            _ if char.is_control() => {}
            _ => out.push(char),
        }
    }
    out.into()
}

/// Whether [`clean`] would change nothing. No early end, no branches: the loops then run on whole vectors.
fn is_clean(bytes: &[u8]) -> bool {
    let mut dirty = 0u8;
    for &byte in bytes {
        dirty |= u8::from(byte < 0x20) & u8::from(byte != b'\n') & u8::from(byte != b'\t')
            | u8::from(byte == 0x7f);
    }
    // U+0080 to U+00AD, and U+FEFF.
    for (&first, &second) in bytes.iter().zip(bytes.get(1..).unwrap_or_default()) {
        dirty |= u8::from(first == 0xc2) & u8::from(second <= 0xad)
            | u8::from(first == 0xef) & u8::from(second == 0xbb);
    }
    dirty == 0
}
