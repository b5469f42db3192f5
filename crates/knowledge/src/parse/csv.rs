//! Values apart by commas, semicolons, tabs or bars: one table.

use super::budget::Budget;
use super::draft::{Draft, write_row};
use super::{table, text};
use crate::Document;

/// Rows in which titles, empty lines and several tables are looked for.
const LOOKED_AT: usize = 10_000;

/// Reads CSV or TSV; `name` tells which, where the lines do not.
pub(crate) fn read(name: &str, bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    budget.check()?;
    let text = text::decoded(bytes)?;
    let tabs = name.to_ascii_lowercase().ends_with(".tsv");
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(&text, if tabs { b'\t' } else { b',' }))
        .from_reader(text.as_bytes());
    let mut rows: Vec<Vec<String>> = Vec::new();
    // Of a long file, the rows after those that are looked at: cells apart would take many times its size.
    let mut rest = String::new();
    let mut record = csv::StringRecord::new();
    let format = if tabs { "tsv" } else { "csv" };
    let mut draft = Draft::new(format, budget);
    loop {
        match reader.read_record(&mut record) {
            Ok(true) if rows.len() < LOOKED_AT => rows.push(record.iter().map(str::to_owned).collect()),
            Ok(true) => write_row(&mut rest, record.iter()),
            Ok(false) => break,
            Err(error) => {
                draft.note(format!(
                    "rows from line {} on could not be read: {error}",
                    record.position().map_or(0, |at| at.line())
                ));
                break;
            }
        }
    }
    if rest.is_empty() {
        table::write(&rows, &mut draft);
    } else {
        let mut all = String::with_capacity(text.len() + text.len() / 4);
        rows.iter().for_each(|row| write_row(&mut all, row.iter().map(String::as_str)));
        all.push('\n');
        all.push_str(&rest);
        draft.table_of(table::has_header(&rows), &all);
    }
    if draft.is_empty() {
        return Err("expected rows of values, found none: the file is empty".into());
    }
    Ok(draft.finish())
}

/// The one that stands outside quotes in most of the first lines, equally often.
fn delimiter(text: &str, default: u8) -> u8 {
    let lines: Vec<[usize; 4]> =
        text.lines().filter(|line| !line.trim().is_empty()).take(20).map(count).collect();
    let marks = [b',', b'\t', b';', b'|'];
    let score = |mark: usize| {
        let first = lines.first().map_or(0, |counts| counts[mark]);
        if first == 0 { 0 } else { lines.iter().filter(|counts| counts[mark] == first).count() }
    };
    let best = (0..4).max_by_key(|&mark| (score(mark), marks[mark] == default, std::cmp::Reverse(mark)));
    best.filter(|&mark| score(mark) > 0).map_or(default, |mark| marks[mark])
}

fn count(line: &str) -> [usize; 4] {
    let mut counts = [0; 4];
    let mut quoted = false;
    for byte in line.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => counts[0] += 1,
            b'\t' if !quoted => counts[1] += 1,
            b';' if !quoted => counts[2] += 1,
            b'|' if !quoted => counts[3] += 1,
            _ => {}
        }
    }
    counts
}
