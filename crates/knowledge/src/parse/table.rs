//! Rows of cells to blocks: finds the tables in a sheet and whether their first row names the columns.

use super::draft::Draft;

/// Writes rows as tables: empty rows part them, rows of one cell above a table are text.
pub(crate) fn write(rows: &[Vec<String>], draft: &mut Draft) {
    for group in rows.split(|row| row.iter().all(|cell| cell.trim().is_empty())) {
        let filled = |row: &[String]| row.iter().filter(|cell| !cell.trim().is_empty()).count();
        let widest = group.iter().map(|row| filled(row)).max().unwrap_or(0);
        let begin =
            if widest < 2 { group.len() } else { group.iter().take_while(|row| filled(row) < 2).count() };
        for row in &group[..begin] {
            draft.text(row.iter().map(|cell| cell.trim()).find(|cell| !cell.is_empty()).unwrap_or(""));
        }
        let table = &group[begin..];
        // Columns that are empty to the left of all rows.
        let left = |row: &Vec<String>| row.iter().take_while(|cell| cell.trim().is_empty()).count();
        let left = table.iter().map(left).min().unwrap_or(0);
        if left == 0 {
            draft.table(has_header(table), table);
        } else {
            let table: Vec<_> = table.iter().map(|row| row[left..].to_vec()).collect();
            draft.table(has_header(&table), &table);
        }
    }
}

/// Whether the first row names the columns: it is filled, holds words, none twice, and rows follow.
pub(crate) fn has_header(rows: &[Vec<String>]) -> bool {
    let [first, rest @ ..] = rows else { return false };
    let last = first.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |last| last + 1);
    let mut names: Vec<&str> = first[..last].iter().map(|cell| cell.trim()).collect();
    let words = names.iter().all(|name| name.chars().any(char::is_alphabetic) && name.chars().count() <= 80);
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    !rest.is_empty() && count > 1 && words && names.len() == count
}
