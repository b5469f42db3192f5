//! HTML, and XML whose vocabulary is unknown: headings, paragraphs, lists, tables.

use super::budget::Budget;
use super::draft::{Draft, one_line};
use super::markup::{Tag, Token, Tokens};
use super::{date, encoding};
use crate::Document;

/// Reads an HTML page.
pub(crate) fn read(bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    let text = encoding::decode(bytes, encoding::declared(bytes).as_deref())?;
    let mut draft = Draft::new("html", budget);
    write(&text, &mut draft, budget)?;
    if draft.is_empty() {
        return Err("expected a page with text, found none: it may be drawn by scripts; save it from a browser, or as PDF"
            .into());
    }
    Ok(draft.finish())
}

/// Reads XML of any kind: the text of each element is a paragraph.
pub(crate) fn read_xml(bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    let text = encoding::decode(bytes, encoding::declared(bytes).as_deref())?;
    let mut draft = Draft::new("xml", budget);
    let mut open = String::new();
    for (number, token) in Tokens::new(&text, true).enumerate() {
        if number % 4096 == 0 {
            budget.check()?;
        }
        match token {
            Token::Text(text) => open.push_str(&text),
            Token::Open(tag) => {
                draft.text(&one_line(&std::mem::take(&mut open)));
                for name in ["title", "name", "label"] {
                    if let Some(value) = tag.attribute(name) {
                        draft.text(&value);
                    }
                }
            }
            Token::Close(name) => {
                let text = one_line(&std::mem::take(&mut open));
                if name == "title" {
                    draft.title(&text);
                }
                draft.text(&text);
            }
        }
    }
    draft.text(&one_line(&open));
    if draft.is_empty() {
        return Err("expected XML with text, found none".into());
    }
    Ok(draft.finish())
}

/// Writes a page into `draft`.
pub(crate) fn write(text: &str, draft: &mut Draft, budget: &Budget) -> Result<(), String> {
    let mut page = Page::default();
    let mut tokens = Tokens::new(text, false);
    let mut number = 0usize;
    loop {
        number += 1;
        if number.is_multiple_of(4096) {
            budget.check()?;
        }
        let begin = tokens.at();
        let Some(token) = tokens.next() else {
            // What is to be skipped and never ends would take the rest of the page: then it is not skipped.
            let unending =
                page.skipped.take().filter(|skipped| !matches!(&*skipped.name, "script" | "style"));
            let Some(skipped) = unending else { break };
            tokens = Tokens::from(text, skipped.from);
            page.skips_nothing = true;
            continue;
        };
        match token {
            Token::Text(text) => page.text(&text),
            Token::Open(tag) => page.open(&tag, begin, draft),
            Token::Close(name) => page.close(&name, draft),
        }
    }
    page.open.push_str(&page.title.take().unwrap_or_default());
    if let Some(mut table) = page.table.take() {
        table.close_cell(&mut page.open);
        table.write(draft);
    }
    page.flush(draft);
    Ok(())
}

/// Elements that hold no text of the page.
const SKIPPED: [&str; 12] = [
    "script", "style", "template", "nav", "svg", "iframe", "object", "canvas", "select", "button", "noembed",
    "noframes",
];

/// Elements that run within a line.
const INLINE: [&str; 41] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font",
    "i", "img", "input", "ins", "kbd", "label", "mark", "math", "meter", "noscript", "output", "progress",
    "q", "rb", "rp", "rt", "ruby", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "tt", "u",
];

/// What is open while a page is read.
#[derive(Default)]
struct Page {
    /// The text of the open block.
    open: String,
    heading: Option<u8>,
    skipped: Option<Skipped>,
    skips_nothing: bool,
    title: Option<String>,
    pre: usize,
    /// The open lists: the number of the last item of a numbered one.
    lists: Vec<Option<usize>>,
    /// The mark of the open item, until its first text is written.
    mark: Option<String>,
    table: Option<Table>,
}

/// An element that is left out.
struct Skipped {
    name: String,
    /// How often it is open within itself.
    count: usize,
    /// Where in the page it begins.
    from: usize,
}

#[derive(Default)]
struct Table {
    /// Tables within it: their cells become text of the cell that they stand in.
    inner: usize,
    rows: Vec<Vec<String>>,
    /// Whether every cell of the first row is a head.
    header: bool,
    /// Whether a cell is open.
    cell: bool,
    /// Columns that it spans beyond its own.
    after: usize,
    /// Columns so far, through all rows.
    padded: usize,
    /// How many more rows each column is taken by a cell from above.
    taken: Vec<usize>,
    /// Whether it holds headings, as tables do that only lay out the page.
    layout: bool,
}

impl Page {
    fn text(&mut self, text: &str) {
        if self.skipped.is_some() {
            return;
        }
        if let Some(title) = &mut self.title {
            title.push_str(text);
        } else if self.pre > 0 {
            self.open.push_str(text);
        } else {
            // Runs of white space are one space; none at the beginning of a line.
            for char in text.chars() {
                let white = char.is_ascii_whitespace();
                if !white {
                    self.open.push(char);
                } else if !self.open.is_empty() && !self.open.ends_with([' ', '\n']) {
                    self.open.push(' ');
                }
            }
        }
    }

    fn open(&mut self, tag: &Tag<'_>, from: usize, draft: &mut Draft) {
        let name = &*tag.name;
        if let Some(skipped) = &mut self.skipped {
            skipped.count += usize::from(skipped.name == name && !tag.closed);
            return;
        }
        if SKIPPED.contains(&name) && !self.skips_nothing {
            if !tag.closed {
                self.skipped = Some(Skipped { name: name.to_owned(), count: 1, from });
            }
            return;
        }
        match name {
            "title" if !tag.closed => self.title = Some(String::new()),
            "meta" => meta(tag, draft),
            "time" => draft.date(tag.attribute("datetime").as_deref().and_then(date::iso)),
            "br" => self.open.push('\n'),
            "td" | "th"
                if let Some(table) = &mut self.table
                    && table.inner == 0 =>
            {
                table.close_cell(&mut self.open);
                table.open_cell(name == "th", tag);
            }
            "tr" if let Some(table) = &mut self.table
                && table.inner == 0 =>
            {
                table.close_cell(&mut self.open);
                // Cells in memory take many times their bytes.
                if table.padded > PADDED {
                    std::mem::take(table).write(draft);
                }
                table.open_row();
            }
            "table" => match &mut self.table {
                Some(table) => {
                    table.inner += 1;
                    self.open.push('\n');
                }
                None => {
                    self.flush(draft);
                    self.table = Some(Table { header: true, ..Table::default() });
                }
            },
            _ if let Some(table) = &mut self.table => {
                table.layout |= matches!(name, "h1" | "h2" | "h3" | "h4");
                if !INLINE.contains(&name) && !self.open.is_empty() {
                    self.open.push('\n');
                }
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.flush(draft);
                self.heading = Some(name.as_bytes()[1] - b'0');
            }
            "ul" | "ol" | "menu" | "dir" => {
                self.flush(draft);
                let first = tag.attribute("start").and_then(|start| start.parse().ok()).unwrap_or(1usize);
                self.lists.push((name == "ol").then(|| first.saturating_sub(1)));
                if self.lists.len() > 64 {
                    self.lists.remove(0);
                }
            }
            "li" => {
                self.flush(draft);
                self.mark = Some(match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number = number.saturating_add(1);
                        format!("{number}.")
                    }
                    _ => "-".to_owned(),
                });
            }
            "pre" | "listing" | "xmp" => {
                self.flush(draft);
                self.pre += 1;
            }
            _ if INLINE.contains(&name) => {}
            _ => self.flush(draft),
        }
    }

    fn close(&mut self, name: &str, draft: &mut Draft) {
        if let Some(skipped) = &mut self.skipped {
            skipped.count -= usize::from(skipped.name == name);
            if skipped.count == 0 {
                self.skipped = None;
            }
            return;
        }
        match name {
            "title" => {
                if let Some(title) = self.title.take() {
                    draft.title(&title);
                }
            }
            "table" => match &mut self.table {
                Some(table) if table.inner > 0 => table.inner -= 1,
                Some(_) => {
                    if let Some(mut table) = self.table.take() {
                        table.close_cell(&mut self.open);
                        table.write(draft);
                    }
                }
                None => {}
            },
            "td" | "th" | "tr" if let Some(table) = &mut self.table => {
                if table.inner == 0 {
                    table.close_cell(&mut self.open);
                } else {
                    self.open.push(' ');
                }
            }
            "caption" if self.table.is_some() => {
                draft.text(&std::mem::take(&mut self.open));
            }
            _ if self.table.is_some() => {
                if !INLINE.contains(&name) && !self.open.is_empty() {
                    self.open.push('\n');
                }
            }
            "pre" | "listing" | "xmp" => {
                self.flush(draft);
                self.pre = self.pre.saturating_sub(1);
            }
            "ul" | "ol" | "menu" | "dir" => {
                self.flush(draft);
                self.lists.pop();
            }
            "dt" | "dd" | "li" => {
                self.flush(draft);
                self.mark = None;
            }
            _ if INLINE.contains(&name) => {}
            _ => self.flush(draft),
        }
    }

    /// Ends the open block.
    fn flush(&mut self, draft: &mut Draft) {
        let heading = self.heading.take();
        if self.open.trim().is_empty() {
            self.open.clear();
            self.heading = heading;
            return;
        }
        let text = std::mem::take(&mut self.open);
        if let Some(level) = heading {
            draft.heading(level, &text);
        } else if self.pre > 0 {
            draft.code(&text);
        } else if let Some(mark) = self.mark.take() {
            draft.item(self.lists.len().saturating_sub(1), &mark, &text);
        } else if self.lists.is_empty() {
            draft.text(&text);
        } else {
            draft.item(self.lists.len() - 1, " ", &text);
        }
    }
}

/// Cells that one may span, rows and columns: pages say any number.
const SPAN: usize = 200;

/// Columns of a table, through all rows, after which spans are no longer looked at, and a new one begins with the next row.
const PADDED: usize = 1 << 20;

impl Table {
    fn open_row(&mut self) {
        self.rows.push(Vec::new());
        for rows in &mut self.taken {
            *rows = rows.saturating_sub(1);
        }
    }

    fn open_cell(&mut self, head: bool, tag: &Tag<'_>) {
        if self.rows.is_empty() {
            self.open_row();
        }
        let first = self.rows.len() == 1;
        self.header &= head || !first;
        let span =
            |name| tag.attribute(name).and_then(|span| span.parse().ok()).unwrap_or(1usize).clamp(1, SPAN);
        let (columns, rows) = if self.padded > PADDED { (1, 1) } else { (span("colspan"), span("rowspan")) };
        self.padded += columns;
        if let Some(row) = self.rows.last_mut() {
            while self.taken.get(row.len()).is_some_and(|&rows| rows > 0) {
                row.push(String::new());
            }
            let at = row.len();
            // The text goes into the first column that it spans; the others come when it closes.
            row.push(String::new());
            self.after = columns - 1;
            if rows > 1 {
                self.taken.resize(self.taken.len().max(at + columns), 0);
                self.taken[at..at + columns].fill(rows);
            }
            self.cell = true;
            self.taken.truncate(4096);
        }
    }

    fn close_cell(&mut self, open: &mut String) {
        let text = std::mem::take(open);
        if self.cell
            && let Some(row) = self.rows.last_mut()
        {
            if let Some(cell) = row.last_mut() {
                cell.push_str(text.trim());
            }
            row.resize(row.len() + std::mem::take(&mut self.after), String::new());
        } else if !text.trim().is_empty() {
            // Text between cells: none should be there, but it is not lost.
            self.rows.push(vec![text.trim().to_owned()]);
        }
        self.cell = false;
    }

    /// A table; or, where it only lays out the page, its cells as paragraphs.
    fn write(self, draft: &mut Draft) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let layout = self.layout || columns < 2 || self.rows.iter().flatten().any(|cell| cell.len() > 2000);
        if layout {
            for cell in self.rows.iter().flatten() {
                for part in cell.split('\n') {
                    draft.text(part);
                }
            }
        } else {
            let header = self.header && self.rows.len() > 1;
            draft.table(header, &self.rows);
        }
    }
}

fn meta(tag: &Tag<'_>, draft: &mut Draft) {
    let Some(name) = tag.attribute("name").or_else(|| tag.attribute("property")) else { return };
    let content = || tag.attribute("content").unwrap_or_default();
    match name.to_ascii_lowercase().as_str() {
        "date"
        | "dc.date"
        | "dcterms.date"
        | "article:published_time"
        | "article:modified_time"
        | "last-modified"
        | "pubdate"
        | "publishdate" => draft.date(date::iso(&content())),
        _ => {}
    }
}
