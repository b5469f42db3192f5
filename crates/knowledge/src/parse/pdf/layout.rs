//! Letters to words, words to lines, lines to columns, paragraphs and tables.

use super::content::{Letter, Read};
use super::ruled;
use crate::parse::table;

/// A page's content in reading order.
pub(crate) struct Laid {
    pub(crate) pieces: Vec<Piece>,
}

/// A part of a page.
pub(crate) enum Piece {
    Paragraph(Paragraph),
    Table { header: bool, rows: Vec<Vec<String>> },
}

/// Lines that belong together.
#[derive(Clone)]
pub(crate) struct Paragraph {
    pub(crate) text: String,
    pub(crate) size: f32,
    pub(crate) bold: bool,
    /// Whether it is set as source code is: its lines and their indentation are kept.
    pub(crate) code: bool,
    pub(crate) lines: usize,
    /// Of its first line, from 0 at the top of what is written on the page to 1.
    pub(crate) height: f32,
}

/// Letters without a gap; or a table in their place.
#[derive(Clone)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) x0: f32,
    pub(crate) x1: f32,
    pub(crate) y: f32,
    pub(crate) size: f32,
    bold: bool,
    mono: bool,
    /// Whether a space follows.
    space: bool,
    table: Option<usize>,
}

/// Words of one line without a large gap.
struct Segment {
    words: Vec<Word>,
}

/// What stands on one height.
pub(crate) struct Row {
    segments: Vec<Segment>,
    y: f32,
    size: f32,
}

/// Lays out a page.
pub(crate) fn page(read: Read) -> Laid {
    let mut pieces = Vec::new();
    let Read { letters, lines, .. } = read;
    for (turn, letters) in letters.into_iter().enumerate() {
        let mut words = words(&letters);
        let mut tables = Vec::new();
        if turn == 0 {
            let found;
            (found, words) = ruled::tables(&lines, words);
            for table in found {
                let (x0, x1, y) = (table.x0, table.x1, table.y0);
                let place = tables.len();
                tables.push(Some(table.rows));
                let text = String::new();
                words.push(Word {
                    text,
                    x0,
                    x1,
                    y,
                    size: 10.0,
                    bold: false,
                    mono: false,
                    space: false,
                    table: Some(place),
                });
            }
        }
        let mut groups = Vec::new();
        arrange(words, 0, &mut groups);
        let heights = groups.iter().flatten().map(|row| row.y);
        let (top, bottom) =
            heights.fold((f32::MAX, f32::MIN), |(top, bottom), y| (top.min(y), bottom.max(y)));
        for group in groups {
            column(&group, (top, bottom), &mut tables, &mut pieces);
        }
    }
    Laid { pieces }
}

/// A gap of less than this, in sizes, parts no words.
const WORD_GAP: f32 = 0.18;
/// A gap of more than this, in sizes, parts cells or columns.
const CELL_GAP: f32 = 1.2;

fn words(letters: &[Letter]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut open = false;
    for letter in letters {
        if letter.char.is_whitespace() || letter.char.is_control() {
            if let Some(last) = words.last_mut().filter(|_| open) {
                last.space = true;
            }
            open = false;
            continue;
        }
        if let Some(last) = words.last_mut().filter(|_| open) {
            let gap = letter.x0 - last.x1;
            let joins = (letter.y - last.y).abs() < 0.1 * last.size
                && gap.abs() < WORD_GAP * last.size
                && (letter.size - last.size).abs() < 0.2 * last.size
                && letter.bold == last.bold;
            if joins {
                last.text.push(letter.char);
                last.x1 = last.x1.max(letter.x1);
                continue;
            }
        }
        words.push(Word {
            text: letter.char.to_string(),
            x0: letter.x0,
            x1: letter.x1,
            y: letter.y,
            size: letter.size,
            bold: letter.bold,
            mono: letter.mono,
            space: false,
            table: None,
        });
        open = true;
    }
    words
}

/// Words to lines, from top to bottom.
pub(crate) fn rows(mut words: Vec<Word>) -> Vec<Row> {
    words.sort_by(|a, b| a.y.total_cmp(&b.y).then(a.x0.total_cmp(&b.x0)));
    let mut clusters: Vec<Vec<Word>> = Vec::new();
    for word in words {
        let joins = clusters.last().and_then(|cluster| cluster.first()).is_some_and(|first| {
            word.table.is_none()
                && first.table.is_none()
                && word.y - first.y < 0.4 * word.size.max(first.size)
        });
        match clusters.last_mut().filter(|_| joins) {
            Some(cluster) => cluster.push(word),
            None => clusters.push(vec![word]),
        }
    }
    clusters.into_iter().map(row).collect()
}

fn row(mut words: Vec<Word>) -> Row {
    words.sort_by(|a, b| a.x0.total_cmp(&b.x0));
    let size = words.iter().map(|word| word.size).fold(0.0, f32::max);
    let y = words.iter().filter(|word| word.size > 0.8 * size).map(|word| word.y).fold(f32::MIN, f32::max);
    let mut segments: Vec<Segment> = Vec::new();
    for word in words {
        let Some(last) = segments
            .last_mut()
            .and_then(|segment| segment.words.last_mut().map(|word| (word.x0, word.x1, word.text.clone())))
        else {
            segments.push(Segment { words: vec![word] });
            continue;
        };
        // Drawn twice, a little apart, to look bold.
        if last.2 == word.text && (word.x0 - last.0).abs() < 0.15 * word.size {
            continue;
        }
        if word.x0 - last.1 > CELL_GAP * word.size {
            segments.push(Segment { words: vec![word] });
        } else if let Some(segment) = segments.last_mut() {
            segment.words.push(word);
        }
    }
    Row { segments, y, size }
}

impl Segment {
    fn x0(&self) -> f32 {
        self.words.first().map_or(0.0, |word| word.x0)
    }

    fn x1(&self) -> f32 {
        self.words.iter().map(|word| word.x1).fold(f32::MIN, f32::max)
    }

    fn write(&self, out: &mut String) {
        let mut before: Option<&Word> = None;
        for word in &self.words {
            if let Some(before) = before {
                let gap = word.x0 - before.x1 > WORD_GAP * word.size.min(before.size);
                // Chinese that is set wide has gaps, but no spaces.
                if before.space || (gap && !(ends_wide(out) && begins_wide(&word.text))) {
                    out.push(' ');
                }
            }
            out.push_str(&word.text);
            before = Some(word);
        }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

impl Row {
    fn x0(&self) -> f32 {
        self.segments.first().map_or(0.0, Segment::x0)
    }

    fn x1(&self) -> f32 {
        self.segments.last().map_or(0.0, Segment::x1)
    }

    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for segment in &self.segments {
            if !out.is_empty() {
                out.push(' ');
            }
            segment.write(&mut out);
        }
        out
    }

    fn table(&self) -> Option<usize> {
        self.segments.first()?.words.first()?.table
    }

    /// Whether most of its letters are such.
    fn mostly(&self, such: impl Fn(&Word) -> bool) -> bool {
        let (mut all, mut those) = (0, 0);
        for word in self.segments.iter().flat_map(|segment| &segment.words) {
            let count = word.text.chars().count();
            all += count;
            those += if such(word) { count } else { 0 };
        }
        those * 10 > all * 9
    }

    fn bold(&self) -> bool {
        self.mostly(|word| word.bold)
    }

    fn mono(&self) -> bool {
        self.mostly(|word| word.mono)
    }
}

/// Whether a character is written without spaces beside it: Chinese, Japanese, full-width signs.
fn is_wide(char: char) -> bool {
    matches!(char, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}

fn ends_wide(text: &str) -> bool {
    text.chars().next_back().is_some_and(is_wide)
}

fn begins_wide(text: &str) -> bool {
    text.chars().next().is_some_and(is_wide)
}

/// Puts words in reading order: groups of lines, each one column or the whole width.
fn arrange(words: Vec<Word>, depth: usize, out: &mut Vec<Vec<Row>>) {
    let rows = rows(words);
    let Some(gutter) = (if depth < 4 { gutter(&rows) } else { None }) else {
        if !rows.is_empty() {
            out.push(rows);
        }
        return;
    };
    // Runs of lines that cross the gutter, and of those that do not.
    let mut runs: Vec<(bool, Vec<Row>)> = Vec::new();
    for row in rows {
        let crosses = crosses(&row, gutter);
        match runs.last_mut().filter(|(other, _)| *other == crosses) {
            Some((_, run)) => run.push(row),
            None => runs.push((crosses, vec![row])),
        }
    }
    let mut whole: Vec<Row> = Vec::new();
    for (crosses, run) in runs {
        let sides = |left: bool| run.iter().filter(|row| has_side(row, gutter, left)).count();
        if crosses || sides(true) < 3 || sides(false) < 3 {
            whole.extend(run);
            continue;
        }
        if !whole.is_empty() {
            out.push(std::mem::take(&mut whole));
        }
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for segment in run.into_iter().flat_map(|row| row.segments) {
            let side = if segment.x0() < gutter { &mut left } else { &mut right };
            side.extend(segment.words);
        }
        arrange(left, depth + 1, out);
        arrange(right, depth + 1, out);
    }
    if !whole.is_empty() {
        out.push(whole);
    }
}

fn crosses(row: &Row, gutter: f32) -> bool {
    row.segments.iter().any(|segment| segment.x0() < gutter && segment.x1() > gutter)
}

fn has_side(row: &Row, gutter: f32, left: bool) -> bool {
    row.segments.iter().any(|segment| (segment.x0() < gutter) == left)
}

/// Where two columns of text part, if there are such.
fn gutter(rows: &[Row]) -> Option<f32> {
    if rows.len() < 6 {
        return None;
    }
    let x0 = rows.iter().map(Row::x0).fold(f32::MAX, f32::min);
    let x1 = rows.iter().map(Row::x1).fold(f32::MIN, f32::max);
    let mut sizes: Vec<f32> = rows.iter().map(|row| row.size).collect();
    sizes.sort_by(f32::total_cmp);
    let size = sizes[sizes.len() / 2];
    let width = x1 - x0;
    if !(20.0 * size..10_000.0).contains(&width) {
        return None;
    }
    // How many lines cover each two points of the width.
    let bins = (width / 2.0) as usize + 1;
    let mut cover = vec![0i32; bins + 1];
    for segment in rows.iter().flat_map(|row| &row.segments) {
        let bin = |x: f32| (((x - x0) / 2.0).max(0.0) as usize).min(bins);
        cover[bin(segment.x0())] += 1;
        cover[bin(segment.x1())] -= 1;
    }
    let mut sum = 0;
    for count in &mut cover {
        sum += *count;
        *count = sum;
    }
    let (from, to) = (bins * 15 / 100, bins * 85 / 100);
    let least = *cover[from..to].iter().min()?;
    // The widest gap of those that the fewest lines cross.
    let (mut best, mut at) = (0..0, from);
    while at < to {
        let run = cover[at..to].iter().take_while(|&&count| count == least).count();
        if run > best.len() {
            best = at..at + run;
        }
        at += run.max(1);
    }
    if (best.len() as f32) * 2.0 < 0.5 * size || least as usize * 10 > rows.len() * 6 {
        return None;
    }
    let gutter = x0 + (best.start + best.end) as f32;
    let is_text = |left: bool| {
        let side = |segment: &&Segment| (segment.x0() < gutter) == left;
        let beside = rows.iter().filter(|row| !crosses(row, gutter) && row.table().is_none());
        let mut widths: Vec<f32> = Vec::new();
        let (mut from, mut to) = (f32::MAX, f32::MIN);
        for row in beside {
            let segments = || row.segments.iter().filter(side);
            if segments().next().is_some() {
                widths.push(segments().map(|segment| segment.x1() - segment.x0()).sum());
                from = segments().map(Segment::x0).fold(from, f32::min);
                to = segments().map(Segment::x1).fold(to, f32::max);
            }
        }
        widths.sort_by(f32::total_cmp);
        // Text fills its column, cells do not.
        widths.len() >= 4
            && widths[widths.len() / 2] > 0.6 * (to - from)
            && widths[widths.len() / 2] > 9.0 * size
    };
    (is_text(true) && is_text(false)).then_some(gutter)
}

/// The paragraphs and tables of one column.
fn column(
    rows: &[Row],
    (top, bottom): (f32, f32),
    tables: &mut [Option<Vec<Vec<String>>>],
    out: &mut Vec<Piece>,
) {
    let left = rows.iter().map(Row::x0).fold(f32::MAX, f32::min);
    let right = rows.iter().map(Row::x1).fold(f32::MIN, f32::max);
    let mut gaps: Vec<f32> =
        rows.windows(2).map(|pair| pair[1].y - pair[0].y).filter(|&gap| gap > 0.0).collect();
    gaps.sort_by(f32::total_cmp);
    let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(0.0);
    let mut open: Option<(Paragraph, &Row)> = None;
    let mut at = 0;
    while at < rows.len() {
        let row = &rows[at];
        if let Some(place) = row.table() {
            out.extend(open.take().map(|(paragraph, _)| Piece::Paragraph(paragraph)));
            if let Some(rows) = tables[place].take() {
                out.push(Piece::Table { header: table::has_header(&rows), rows });
            }
            at += 1;
            continue;
        }
        if let Some((count, rows)) = grid(&rows[at..]) {
            out.extend(open.take().map(|(paragraph, _)| Piece::Paragraph(paragraph)));
            out.push(Piece::Table { header: table::has_header(&rows), rows });
            at += count;
            continue;
        }
        at += 1;
        let text = row.text();
        if text.is_empty() {
            continue;
        }
        let goes_on = open.as_ref().is_some_and(|(paragraph, last)| {
            let size = paragraph.size;
            let gap = row.y - last.y;
            // A centred heading of two lines goes on, whatever its margins.
            let large = size > 1.15 * usual && usual > 0.0;
            let far = gap > 1.7 * size.max(row.size) || (gap > 1.35 * usual && gap > 1.25 * size && !large);
            let indented = row.x0() - left > 0.8 * size && last.x0() - left < 0.5 * size;
            // The text of an item stands behind its mark.
            let indented = indented && !(paragraph.lines == 1 && is_item(&paragraph.text));
            let short = last.x1() < right - 0.3 * (right - left) && ends_sentence(&paragraph.text);
            if paragraph.code || row.mono() {
                return paragraph.code && row.mono() && gap > 0.0 && gap < 3.0 * size;
            }
            let alike = (row.size - size).abs() < 0.08 * size && row.bold() == paragraph.bold;
            alike && gap > 0.0 && (large || !indented) && !(far || short || is_item(&text))
        });
        match open.as_mut().filter(|_| goes_on) {
            Some((paragraph, last)) => {
                if paragraph.code {
                    let empty = if row.y - last.y > 1.8 * row.size { "\n\n" } else { "\n" };
                    let indent = ((row.x0() - left) / (0.6 * row.size)).clamp(0.0, 80.0).round() as usize;
                    paragraph.text.push_str(&format!("{empty}{:indent$}{text}", ""));
                } else {
                    join(&mut paragraph.text, &text);
                }
                paragraph.lines += 1;
                *last = row;
            }
            None => {
                out.extend(open.take().map(|(paragraph, _)| Piece::Paragraph(paragraph)));
                let height = if bottom > top { (row.y - top) / (bottom - top) } else { 0.5 };
                open = Some((
                    Paragraph { text, size: row.size, bold: row.bold(), code: row.mono(), lines: 1, height },
                    row,
                ));
            }
        }
    }
    out.extend(open.map(|(paragraph, _)| Piece::Paragraph(paragraph)));
}

/// Appends a line: a hyphen at the end goes, between Chinese characters stands no space.
pub(crate) fn join(text: &mut String, line: &str) {
    let soft = text.ends_with('\u{ad}');
    let hyphen = text.ends_with('-')
        && line.starts_with(char::is_lowercase)
        && text[..text.len() - 1].ends_with(char::is_lowercase);
    if soft || hyphen {
        text.pop();
    } else if !(ends_wide(text) && begins_wide(line)) {
        text.push(' ');
    }
    text.push_str(line);
}

fn ends_sentence(text: &str) -> bool {
    text.ends_with(['.', '!', '?', ':', ';', '。', '！', '？', '：', '；', '”', '"'])
}

/// Whether a line begins an item of a list.
pub(crate) fn is_item(text: &str) -> bool {
    if text.starts_with(['•', '·', '●', '○', '■', '□', '▪', '◆', '–', '—', '➢', '✓', '-', '*'])
    {
        return text.chars().nth(1).is_none_or(|char| char.is_whitespace() || is_wide(char));
    }
    let rest = text.trim_start_matches(['(', '（']);
    let number =
        rest.trim_start_matches(|char: char| char.is_ascii_digit() || "一二三四五六七八九十".contains(char));
    let count = rest.len() - number.len();
    let mut after = number.chars();
    let mark = after.next();
    let space = after.next().is_none_or(|char| !char.is_ascii_digit());
    (1..=9).contains(&count) && mark.is_some_and(|char| ".)、．）".contains(char)) && space
}

/// A table without lines at the beginning of `rows`: how many of them it takes, and its cells.
fn grid(rows: &[Row]) -> Option<(usize, Vec<Vec<String>>)> {
    let first = rows.first().filter(|row| row.segments.len() > 1 && !row.mono())?;
    // Where each column's cells begin and end.
    let mut columns: Vec<(f32, f32)> =
        first.segments.iter().map(|segment| (segment.x0(), segment.x1())).collect();
    let mut taken: Vec<&Row> = vec![first];
    for row in &rows[1..] {
        let last = taken[taken.len() - 1];
        let gap = row.y - last.y;
        if row.table().is_some()
            || gap > 3.0 * last.size.max(row.size)
            || (row.size - first.size).abs() > 0.25 * first.size
        {
            break;
        }
        let merged = merge(&columns, row);
        if merged.len() < columns.len() || merged.len() < row.segments.len() {
            break;
        }
        if row.segments.len() < 2 {
            // A cell's second line: it stands in one column that is there, close below, and not in the first.
            let inside = columns
                .iter()
                .position(|&(x0, x1)| row.x0() >= x0 - 2.0 && row.x1() <= x1.max(x0 + 8.0 * row.size));
            if merged.len() != columns.len()
                || inside.is_none_or(|column| column == 0)
                || gap > 1.5 * row.size
            {
                break;
            }
        }
        columns = merged;
        taken.push(row);
    }
    while taken.last().is_some_and(|row| row.segments.len() < 2) {
        taken.pop();
    }
    let full = taken.iter().filter(|row| row.segments.len() > 1).count();
    if full < if columns.len() > 2 { 2 } else { 3 } {
        return None;
    }
    let mut cells: Vec<Vec<String>> = Vec::new();
    for row in &taken {
        let column = |segment: &Segment| {
            columns.iter().position(|&(x0, x1)| segment.x0() <= x1 && segment.x1() >= x0).unwrap_or(0)
        };
        if row.segments.len() < 2 {
            let at = column(&row.segments[0]);
            if let Some(cell) = cells.last_mut().and_then(|cells| cells.get_mut(at)) {
                join(cell, &row.segments[0].text());
                continue;
            }
        }
        let mut line = vec![String::new(); columns.len()];
        for segment in &row.segments {
            line[column(segment)] = segment.text();
        }
        cells.push(line);
    }
    // The marks of a list with a wide gap behind them make no column, and long texts side by side no table.
    let marks = cells
        .iter()
        .all(|row| row[0].is_empty() || (row[0].chars().count() < 5 && is_item(&format!("{} x", row[0]))));
    let letters: usize = cells.iter().flatten().map(|cell| cell.chars().count()).sum();
    let filled = cells.iter().flatten().filter(|cell| !cell.is_empty()).count().max(1);
    (!marks && letters / filled < 60).then_some((taken.len(), cells))
}

/// The columns with a row's cells added: those that overlap are one.
fn merge(columns: &[(f32, f32)], row: &Row) -> Vec<(f32, f32)> {
    let mut all: Vec<(f32, f32)> = columns.to_vec();
    all.extend(row.segments.iter().map(|segment| (segment.x0(), segment.x1())));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Vec<(f32, f32)> = Vec::new();
    for (x0, x1) in all {
        match merged.last_mut().filter(|last| x0 <= last.1 + 1.0) {
            Some(last) => last.1 = last.1.max(x1),
            None => merged.push((x0, x1)),
        }
    }
    merged
}
