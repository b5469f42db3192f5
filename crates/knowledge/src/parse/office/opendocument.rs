//! OpenDocument: ODS (sheets are pages, what stands in them tables) and ODT (headings, paragraphs, lists, tables).

use super::sheet::Sheet;
use crate::Document;
use crate::parse::budget::Budget;
use crate::parse::draft::Draft;
use crate::parse::package::Package;
use crate::parse::table;
use crate::parse::xml::{self, Piece};

/// Reads an ODS file.
pub(crate) fn ods(bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    read(bytes, "ods", budget)
}

/// Reads an ODT file.
pub(crate) fn odt(bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    read(bytes, "odt", budget)
}

fn read(bytes: &[u8], format: &'static str, budget: &Budget) -> Result<Document, String> {
    let mut package = Package::open(bytes, budget)?;
    let mut draft = Draft::new(format, budget);
    if let Ok(manifest) = package.read("META-INF/manifest.xml")
        && manifest.windows(16).any(|window| window == b"encryption-data ")
    {
        return Err("encrypted: remove the password and add it again".into());
    }
    if let Ok(meta) = package.read("meta.xml") {
        package.dublin_core(&meta, &mut draft);
    }
    let content = package.read("content.xml")?;
    let mut body = Body { sheets: format == "ods", ..Body::default() };
    let ended = xml::walk(&content, budget, |piece| body.take(piece, budget, &mut draft));
    body.close("table", &mut draft);
    match ended {
        Ok(()) => {}
        Err(reason) if draft.is_empty() => return Err(reason),
        Err(reason) => draft.note(format!("only its beginning was read: {reason}")),
    }
    if draft.blocks().iter().all(|block| body.sheets && matches!(block.kind, crate::Kind::Heading(_))) {
        return Err("expected text or filled cells, found none".into());
    }
    Ok(draft.finish())
}

/// What is open while the content is read.
#[derive(Default)]
struct Body {
    sheets: bool,
    pages: usize,
    text: String,
    level: Option<u8>,
    /// How many lists are open.
    lists: usize,
    /// Comments, and changes that were undone, are left out.
    skipped: usize,
    tables: usize,
    sheet: Sheet,
    row: u32,
    column: u32,
    /// Of the open row and the open cell.
    rows: u32,
    columns: u32,
    full: bool,
}

impl Body {
    fn take(&mut self, piece: Piece<'_>, budget: &Budget, draft: &mut Draft) -> Result<(), String> {
        let skipped = |name: &str| matches!(name, "annotation" | "tracked-changes" | "forms");
        match piece {
            Piece::Open(tag) if skipped(tag.name) => self.skipped += 1,
            Piece::Close(name) if skipped(name) => self.skipped = self.skipped.saturating_sub(1),
            _ if self.skipped > 0 => {}
            Piece::Text(text) => self.text.push_str(text),
            Piece::Close(name) => self.close(name, draft),
            Piece::Open(tag) => {
                let number = |name: &str| {
                    tag.attribute(name).and_then(|number| number.parse::<u32>().ok()).unwrap_or(1)
                };
                match tag.name {
                    "table" => {
                        self.tables += 1;
                        if self.tables == 1 {
                            (self.sheet, self.row, self.full) = (Sheet::default(), 0, false);
                            if self.sheets {
                                budget.check()?;
                                self.pages += 1;
                                if self.pages > budget.limits.pages {
                                    return Err(format!("more than {} sheets", budget.limits.pages));
                                }
                                draft.page();
                                draft.heading(1, &tag.attribute("name").unwrap_or_default());
                            }
                        }
                    }
                    "table-row" if self.tables == 1 => {
                        (self.column, self.rows) = (0, number("number-rows-repeated"))
                    }
                    "table-cell" | "covered-table-cell" if self.tables == 1 => {
                        self.text.clear();
                        self.columns = number("number-columns-repeated");
                    }
                    "h" => {
                        self.text.clear();
                        self.level = Some(u8::try_from(number("outline-level")).unwrap_or(9));
                    }
                    "p" if self.tables == 0 => self.text.clear(),
                    "p" if !self.text.is_empty() => self.text.push('\n'),
                    "s" => self.text.extend(std::iter::repeat_n(' ', number("c").min(64) as usize)),
                    "tab" => self.text.push('\t'),
                    "line-break" => self.text.push('\n'),
                    "list" => self.lists += 1,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn close(&mut self, name: &str, draft: &mut Draft) {
        match name {
            "table-cell" | "covered-table-cell" if self.tables == 1 => {
                let text = std::mem::take(&mut self.text).trim().to_owned();
                // A filled cell is seldom repeated; an empty one often fills the row.
                let repeated = if text.is_empty() { 0 } else { self.columns.min(64) };
                for column in 0..repeated {
                    self.full |= !self.sheet.put(self.row, self.column.saturating_add(column), text.clone());
                }
                self.column = self.column.saturating_add(self.columns);
            }
            "table-row" if self.tables == 1 => self.row = self.row.saturating_add(self.rows),
            "table" => {
                self.tables = self.tables.saturating_sub(1);
                if self.tables == 0 {
                    table::write(&std::mem::take(&mut self.sheet).rows, draft);
                    if std::mem::take(&mut self.full) {
                        draft.note("a table was too large: only the cells near its beginning were read");
                    }
                }
            }
            "list" => self.lists = self.lists.saturating_sub(1),
            "h" if self.tables == 0 => {
                let text = std::mem::take(&mut self.text);
                draft.heading(self.level.take().unwrap_or(1), &text);
            }
            "p" if self.tables == 0 => {
                let text = std::mem::take(&mut self.text);
                if self.lists > 0 { draft.item(self.lists - 1, "-", &text) } else { draft.text(&text) }
            }
            _ => {}
        }
    }
}
