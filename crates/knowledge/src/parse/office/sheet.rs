//! XLSX and XLS: sheets are pages, what stands in them tables.

use crate::Document;
use crate::parse::budget::Budget;
use crate::parse::cfb::Cfb;
use crate::parse::draft::Draft;
use crate::parse::package::Package;
use crate::parse::table;
use calamine::{Data, DataRef, ExcelDateTime, Reader, Xls, Xlsx};
use std::io::Cursor;

/// Cells of a sheet that are kept, empty ones between included.
const CELLS: usize = 16 << 20;

/// Reads an XLSX file.
pub(crate) fn xlsx(bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    let mut package = Package::open(bytes, budget)?;
    // The reader below unpacks without counting.
    package.measure()?;
    let mut draft = Draft::new("xlsx", budget);
    package.properties(&mut draft);
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(damaged)?;
    for (index, name) in book.sheet_names().into_iter().enumerate() {
        if !begin(index, &name, budget, &mut draft)? {
            break;
        }
        let mut sheet = Sheet::default();
        let mut cells = match book.worksheet_cells_reader(&name) {
            Ok(cells) => cells,
            // A sheet of charts has none.
            Err(error) => {
                draft.note(format!("sheet {name}: {error}"));
                continue;
            }
        };
        let mut count = 0usize;
        loop {
            count += 1;
            if count.is_multiple_of(65_536) {
                budget.check()?;
            }
            match cells.next_cell() {
                Ok(Some(cell)) => {
                    let (row, column) = cell.get_position();
                    if !sheet.put(row, column, text_ref(cell.get_value())) {
                        draft.note(format!("sheet {name}: only its first {CELLS} cells were read"));
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    draft.note(format!("sheet {name}: only the beginning was read ({error})"));
                    break;
                }
            }
        }
        table::write(&sheet.rows, &mut draft);
    }
    finished(draft)
}

/// Reads an XLS file.
pub(crate) fn xls(bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    let cfb = Cfb::open(bytes).ok_or("expected an Excel file, found a damaged one; open and save it anew")?;
    let stream = ["Workbook", "Book"].iter().find_map(|name| cfb.stream(name));
    extent(&stream.ok_or("expected a workbook within the file, found none; open and save it anew")?)?;
    let mut book: Xls<_> = Xls::new(Cursor::new(bytes)).map_err(damaged)?;
    let mut draft = Draft::new("xls", budget);
    for (index, name) in book.sheet_names().into_iter().enumerate() {
        if !begin(index, &name, budget, &mut draft)? {
            break;
        }
        match book.worksheet_range(&name) {
            Ok(range) => {
                let rows: Vec<Vec<String>> = range.rows().map(|row| row.iter().map(text).collect()).collect();
                table::write(&rows, &mut draft);
            }
            Err(error) => draft.note(format!("sheet {name}: {error}")),
        }
    }
    finished(draft)
}

/// Begins a sheet's page; says whether it may still be read.
fn begin(index: usize, name: &str, budget: &Budget, draft: &mut Draft) -> Result<bool, String> {
    budget.check()?;
    if index >= budget.limits.pages {
        draft.note(format!("sheets from {name} on were not read: there are more than {index}"));
        return Ok(false);
    }
    draft.page();
    draft.heading(1, name);
    Ok(true)
}

/// A document, unless its sheets are all empty.
fn finished(draft: Draft) -> Result<Document, String> {
    if draft.blocks().iter().all(|block| matches!(block.kind, crate::Kind::Heading(_))) {
        return Err("expected sheets with cells, found none that holds anything".into());
    }
    Ok(draft.finish())
}

fn damaged(error: impl std::fmt::Display) -> String {
    let error = error.to_string();
    if error.to_lowercase().contains("password") {
        return "encrypted: remove the password and add it again".into();
    }
    format!("expected an Excel file, found a damaged one ({error}); open and save it anew")
}

/// The cells of a sheet, by rows.
#[derive(Default)]
pub(crate) struct Sheet {
    pub(crate) rows: Vec<Vec<String>>,
    cells: usize,
}

impl Sheet {
    /// Puts a cell; `false` if there is no room. Many empty rows in a run are as good as one.
    pub(crate) fn put(&mut self, row: u32, column: u32, text: String) -> bool {
        let (row, column) = (row as usize, column as usize);
        if text.is_empty() {
            return true;
        }
        let more = (row + 1).saturating_sub(self.rows.len())
            + (column + 1).saturating_sub(self.rows.get(row).map_or(0, Vec::len));
        if self.cells + more > CELLS {
            return false;
        }
        self.cells += more;
        if self.rows.len() <= row {
            self.rows.resize(row + 1, Vec::new());
        }
        let cells = &mut self.rows[row];
        if cells.len() <= column {
            cells.resize(column + 1, String::new());
        }
        cells[column] = text;
        true
    }
}

/// Fails if the cells of a sheet stand so far apart that the table between them would not fit into memory: XLS says rows and
/// columns in 16 bits each, and the reader fills what is between.
fn extent(stream: &[u8]) -> Result<(), String> {
    let (mut at, mut rows, mut columns) = (0, 0u64, 0u64);
    let half =
        |at: usize| stream.get(at..at + 2).map(|pair| u64::from(u16::from_le_bytes([pair[0], pair[1]])));
    while let (Some(kind), Some(len)) = (half(at), half(at + 2)) {
        at += 4;
        match kind {
            0x0009 | 0x0209 | 0x0409 | 0x0809 => (rows, columns) = (0, 0),
            // Any cell; those of several end with the last column.
            0x0001..=0x0008 | 0x00bd | 0x00be | 0x00d6 | 0x00fd | 0x0201..=0x0208 | 0x027e | 0x0406 => {
                rows = rows.max(half(at).unwrap_or(0) + 1);
                let last =
                    half((at + len as usize).saturating_sub(2)).filter(|_| matches!(kind, 0x00bd | 0x00be));
                columns = columns.max(half(at + 2).unwrap_or(0).max(last.unwrap_or(0)) + 1);
            }
            _ => {}
        }
        if rows * columns > CELLS as u64 {
            return Err(format!(
                "expected at most {CELLS} cells in a sheet, found {rows} rows of {columns}; save it anew as XLSX"
            ));
        }
        at += len as usize;
    }
    Ok(())
}

fn text(data: &Data) -> String {
    match data {
        Data::Int(number) => number.to_string(),
        Data::Float(number) => number.to_string(),
        Data::String(text) => text.clone(),
        Data::Bool(value) => truth(*value),
        Data::DateTime(time) => time_text(time),
        Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Error(error) => error.to_string(),
        _ => String::new(),
    }
}

fn text_ref(data: &DataRef<'_>) -> String {
    match data {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_string(),
        DataRef::Bool(value) => truth(*value),
        DataRef::DateTime(time) => time_text(time),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(error) => error.to_string(),
        _ => String::new(),
    }
}

fn truth(value: bool) -> String {
    if value { "TRUE".into() } else { "FALSE".into() }
}

fn time_text(time: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
    if !time.is_datetime() {
        let seconds = (time.as_f64() * 86_400.0).round() as i64;
        return format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
    let clock = if second > 0 {
        format!("{hour:02}:{minute:02}:{second:02}")
    } else {
        format!("{hour:02}:{minute:02}")
    };
    // Without a day it is a time of day, without a fraction a date.
    if time.as_f64() < 1.0 {
        clock
    } else if time.as_f64().fract() == 0.0 {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02} {clock}")
    }
}
