//! Values apart by commas, semicolons, tabs or bars: one table.

use super::budget::Budget;
use super::draft::Draft;
use super::{table, text};
use crate::Document;

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
    let mut record = csv::StringRecord::new();
    let format = if tabs { "tsv" } else { "csv" };
    let mut draft = Draft::new(format, budget);
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => rows.push(record.iter().map(str::to_owned).collect()),
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
    table::write(&rows, &mut draft);
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
