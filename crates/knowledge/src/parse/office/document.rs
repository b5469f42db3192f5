//! DOCX: paragraphs with their styles, lists, tables, footnotes.

use crate::Document;
use crate::parse::budget::Budget;
use crate::parse::draft::Draft;
use crate::parse::package::Package;
use crate::parse::xml::{self, Piece, Tag};
use rustc_hash::FxHashMap;

/// Reads a DOCX file.
pub(crate) fn docx(bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    let mut package = Package::open(bytes, budget)?;
    let mut draft = Draft::new("docx", budget);
    package.properties(&mut draft);
    let main = package.relations("").into_iter().find(|relation| relation.kind == "officeDocument");
    let main = main.map_or_else(|| "word/document.xml".to_owned(), |relation| relation.target);
    let body = package.read(&main)?;
    let styles = package.read("word/styles.xml").map(|bytes| styles(&bytes, budget)).unwrap_or_default();
    let numbered =
        package.read("word/numbering.xml").map(|bytes| numbered(&bytes, budget)).unwrap_or_default();
    let mut open = Body::new(&styles, &numbered);
    let ended = xml::walk(&body, budget, |piece| {
        open.take(piece, &mut draft);
        Ok(())
    });
    open.end(&mut draft);
    for (part, element) in [("word/footnotes.xml", "footnote"), ("word/endnotes.xml", "endnote")] {
        if let Ok(bytes) = package.read(part) {
            notes(&bytes, element, budget, &mut draft);
        }
    }
    match ended {
        Ok(()) => {}
        Err(reason) if draft.is_empty() => return Err(reason),
        Err(reason) => draft.note(format!("only its beginning was read: {reason}")),
    }
    if draft.is_empty() {
        return Err("expected text, found none: it may hold pictures only; add their text".into());
    }
    Ok(draft.finish())
}

/// What a style makes of its paragraphs.
#[derive(Clone, Default)]
struct Style {
    level: Option<u8>,
    /// A line of a table of contents, which says again what the headings say.
    contents: bool,
    /// The list that it numbers by, and the depth.
    list: Option<(String, usize)>,
    based: Option<String>,
}

fn styles(bytes: &[u8], budget: &Budget) -> FxHashMap<String, Style> {
    let mut styles: FxHashMap<String, Style> = FxHashMap::default();
    let (mut id, mut style) = (String::new(), Style::default());
    let _ = xml::walk(bytes, budget, |piece| {
        match piece {
            Piece::Open(tag) => match tag.name {
                "style" => (id, style) = (tag.attribute("styleId").unwrap_or_default(), Style::default()),
                "name" => {
                    let name = value(&tag).to_lowercase();
                    style.contents = name.starts_with("toc ") || name == "table of figures";
                    let number =
                        ["heading ", "标题 ", "標題 "].iter().find_map(|before| name.strip_prefix(before));
                    style.level =
                        number.and_then(|number| number.parse().ok()).or((name == "title").then_some(1));
                }
                "outlineLvl" => {
                    let level: Option<u8> = value(&tag).parse().ok().filter(|&level| level < 9);
                    style.level = style.level.or(level.map(|level| level + 1));
                }
                "basedOn" => style.based = Some(value(&tag)),
                "numId" => style.list = Some((value(&tag), style.list.take().map_or(0, |list| list.1))),
                "ilvl" => {
                    let depth = value(&tag).parse().unwrap_or(0);
                    style.list = Some((style.list.take().map_or(String::new(), |list| list.0), depth));
                }
                _ => {}
            },
            Piece::Close("style") => drop(styles.insert(std::mem::take(&mut id), std::mem::take(&mut style))),
            _ => {}
        }
        Ok(())
    });
    // What a style has not itself comes from the one that it is based on, a few steps up.
    let inherited: Vec<(String, Style)> = styles
        .iter()
        .map(|(id, style)| {
            let mut out = style.clone();
            let mut based = style.based.clone();
            for _ in 0..8 {
                let Some(parent) = based.and_then(|id| styles.get(&id)) else { break };
                out.level = out.level.or(parent.level);
                out.list = out.list.or_else(|| parent.list.clone());
                out.contents |= parent.contents;
                based = parent.based.clone();
            }
            (id.clone(), out)
        })
        .collect();
    inherited.into_iter().collect()
}

/// Which lists count: by list and depth, whether it does.
fn numbered(bytes: &[u8], budget: &Budget) -> FxHashMap<(String, usize), bool> {
    let mut kinds: FxHashMap<(String, usize), bool> = FxHashMap::default();
    let mut lists = Vec::new();
    let (mut kind, mut list, mut depth) = (String::new(), String::new(), 0);
    let _ = xml::walk(bytes, budget, |piece| {
        if let Piece::Open(tag) = piece {
            match tag.name {
                "abstractNum" => kind = tag.attribute("abstractNumId").unwrap_or_default(),
                "lvl" => depth = tag.attribute("ilvl").and_then(|depth| depth.parse().ok()).unwrap_or(0),
                "numFmt" => {
                    let counts = !matches!(&*value(&tag), "bullet" | "none");
                    kinds.insert((kind.clone(), depth), counts);
                }
                "num" => list = tag.attribute("numId").unwrap_or_default(),
                "abstractNumId" => lists.push((list.clone(), value(&tag))),
                _ => {}
            }
        }
        Ok(())
    });
    let mut numbered = FxHashMap::default();
    for (list, kind) in lists {
        for depth in 0..9 {
            if let Some(&counts) = kinds.get(&(kind.clone(), depth)) {
                numbered.insert((list.clone(), depth), counts);
            }
        }
    }
    numbered
}

fn value(tag: &Tag<'_>) -> String {
    tag.attribute("val").unwrap_or_default()
}

/// An open paragraph.
#[derive(Default)]
struct Paragraph {
    text: String,
    style: String,
    list: Option<String>,
    depth: Option<usize>,
    level: Option<u8>,
}

/// What is open while the body is read.
struct Body<'a> {
    styles: &'a FxHashMap<String, Style>,
    numbered: &'a FxHashMap<(String, usize), bool>,
    /// More than one where a text box stands within a paragraph.
    paragraphs: Vec<Paragraph>,
    /// How often what is left out is open.
    skipped: usize,
    /// Whether text is text: within `t`.
    text: bool,
    /// Open tables, one within the other.
    tables: usize,
    rows: Vec<Vec<String>>,
    cell: String,
    header: bool,
    /// The number of the last item, by list and depth.
    counts: FxHashMap<(String, usize), usize>,
}

/// What is left out: deleted text, and the second writing of what older programs cannot show.
const SKIPPED: [&str; 4] = ["del", "moveFrom", "Fallback", "instrText"];

impl<'a> Body<'a> {
    fn new(styles: &'a FxHashMap<String, Style>, numbered: &'a FxHashMap<(String, usize), bool>) -> Self {
        Self {
            styles,
            numbered,
            paragraphs: Vec::new(),
            skipped: 0,
            text: false,
            tables: 0,
            rows: Vec::new(),
            cell: String::new(),
            header: false,
            counts: FxHashMap::default(),
        }
    }

    fn take(&mut self, piece: Piece<'_>, draft: &mut Draft) {
        match piece {
            Piece::Open(tag) if SKIPPED.contains(&tag.name) => self.skipped += 1,
            Piece::Close(name) if SKIPPED.contains(&name) => self.skipped = self.skipped.saturating_sub(1),
            _ if self.skipped > 0 => {}
            Piece::Open(tag) => self.open(&tag),
            Piece::Close(name) => self.close(name, draft),
            Piece::Text(text) => {
                if self.text {
                    self.write(text);
                }
            }
        }
    }

    fn write(&mut self, text: &str) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.text.push_str(text);
        }
    }

    fn open(&mut self, tag: &Tag<'_>) {
        match tag.name {
            "p" => self.paragraphs.push(Paragraph::default()),
            "t" => self.text = true,
            // Within properties, `tab` is a stop.
            "tab" if tag.attribute("pos").is_none() && tag.attribute("val").is_none() => self.write("\t"),
            "br" | "cr" => self.write("\n"),
            "noBreakHyphen" => self.write("-"),
            "footnoteReference" | "endnoteReference" => {
                if let Some(id) = tag.attribute("id") {
                    self.write(&format!("[{id}]"));
                }
            }
            "tbl" => {
                self.tables += 1;
                if self.tables == 1 {
                    (self.rows, self.header) = (Vec::new(), false);
                }
            }
            "tr" if self.tables == 1 => self.rows.push(Vec::new()),
            "tc" if self.tables == 1 => self.cell.clear(),
            "gridSpan" if self.tables == 1 => {
                // Empty cells that close with this one.
                let span = value(tag).parse().unwrap_or(1usize).clamp(1, 64);
                self.cell.push_str(&"\u{1}".repeat(span - 1));
            }
            "tblHeader" if self.tables == 1 && self.rows.len() == 1 => self.header = true,
            "tblLook" if self.tables == 1 => {
                let bits = u32::from_str_radix(&value(tag), 16).unwrap_or(0);
                self.header |=
                    bits & 0x20 != 0 || tag.attribute("firstRow").is_some_and(|first| first == "1");
            }
            name => {
                let Some(paragraph) = self.paragraphs.last_mut() else { return };
                match name {
                    "pStyle" => paragraph.style = value(tag),
                    "numId" => paragraph.list = Some(value(tag)),
                    "ilvl" => paragraph.depth = value(tag).parse().ok(),
                    "outlineLvl" => {
                        paragraph.level =
                            value(tag).parse().ok().filter(|&level| level < 9).map(|level: u8| level + 1);
                    }
                    _ => {}
                }
            }
        }
    }

    fn close(&mut self, name: &str, draft: &mut Draft) {
        match name {
            "t" => self.text = false,
            "p" => {
                if let Some(paragraph) = self.paragraphs.pop() {
                    self.paragraph(&paragraph, draft);
                }
            }
            "tc" if self.tables == 1 => {
                let span = self.cell.chars().filter(|&char| char == '\u{1}').count();
                let text = std::mem::take(&mut self.cell).replace('\u{1}', "");
                if let Some(row) = self.rows.last_mut() {
                    row.push(text);
                    row.resize(row.len() + span, String::new());
                }
            }
            "tbl" => {
                self.tables = self.tables.saturating_sub(1);
                if self.tables == 0 {
                    let rows = std::mem::take(&mut self.rows);
                    table(&rows, self.header, draft);
                }
            }
            _ => {}
        }
    }

    fn paragraph(&mut self, paragraph: &Paragraph, draft: &mut Draft) {
        if self.tables > 0 {
            if !self.cell.is_empty() {
                self.cell.push('\n');
            }
            self.cell.push_str(paragraph.text.trim());
            return;
        }
        let style = self.styles.get(&paragraph.style);
        if paragraph.text.trim().is_empty() || style.is_some_and(|style| style.contents) {
            return;
        }
        if let Some(level) = paragraph.level.or(style.and_then(|style| style.level)) {
            draft.heading(level, &paragraph.text);
            return;
        }
        let list = paragraph.list.clone().map(|list| (list, paragraph.depth.unwrap_or(0)));
        match list.or_else(|| style.and_then(|style| style.list.clone())).filter(|(list, _)| list != "0") {
            Some((list, depth)) => {
                let mark = if self.numbered.get(&(list.clone(), depth)).copied().unwrap_or(false) {
                    self.counts.retain(|(other, deeper), _| *other != list || *deeper <= depth);
                    let count = self.counts.entry((list, depth)).or_default();
                    *count += 1;
                    format!("{count}.")
                } else {
                    "-".to_owned()
                };
                draft.item(depth, &mark, &paragraph.text);
            }
            None => draft.text(&paragraph.text),
        }
    }

    /// A file that was cut: what is open is written.
    fn end(&mut self, draft: &mut Draft) {
        while let Some(paragraph) = self.paragraphs.pop() {
            self.paragraph(&paragraph, draft);
        }
        self.tables = 0;
        let mut rows = std::mem::take(&mut self.rows);
        rows.push(vec![std::mem::take(&mut self.cell).replace('\u{1}', "")]);
        table(&rows, self.header, draft);
    }
}

/// A table; one of a single column is a frame around text.
fn table(rows: &[Vec<String>], header: bool, draft: &mut Draft) {
    if rows.iter().all(|row| row.len() < 2) {
        rows.iter().flatten().flat_map(|cell| cell.split('\n')).for_each(|line| draft.text(line));
    } else {
        draft.table(header && rows.len() > 1, rows);
    }
}

/// The notes at the end, each with the number by which the text refers to it.
fn notes(bytes: &[u8], element: &str, budget: &Budget, draft: &mut Draft) {
    let (mut id, mut text, mut is_text) = (None, String::new(), false);
    let _ = xml::walk(bytes, budget, |piece| {
        match piece {
            // Those of a type are the lines between text and notes.
            Piece::Open(tag) if tag.name == element => {
                id = if tag.attribute("type").is_none() { tag.attribute("id") } else { None };
                text.clear();
            }
            Piece::Open(tag) => is_text = tag.name == "t",
            Piece::Text(piece) if is_text => text.push_str(piece),
            Piece::Text(_) => {}
            Piece::Close("t") => is_text = false,
            Piece::Close("p") => text.push('\n'),
            Piece::Close(name) if name == element => {
                if let Some(id) = id.take().filter(|_| !text.trim().is_empty()) {
                    draft.text(&format!("[{id}] {}", text.trim()));
                }
            }
            Piece::Close(_) => {}
        }
        Ok(())
    });
}
