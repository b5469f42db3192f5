//! Tables with lines drawn around their cells.

use super::content::Line;
use super::layout::{Word, join, rows};

/// A table and where it stands.
pub(crate) struct Table {
    pub(crate) x0: f32,
    pub(crate) x1: f32,
    pub(crate) y0: f32,
    pub(crate) rows: Vec<Vec<String>>,
}

/// Points within which lines meet.
const NEAR: f32 = 3.0;
/// Pairs of level and upright lines that are compared: a drawing has more, and is no table.
const PAIRS: usize = 4_000_000;

/// Finds the tables among the lines of a page and takes their words.
pub(crate) fn tables(lines: &[Line], words: Vec<Word>) -> (Vec<Table>, Vec<Word>) {
    let level: Vec<Line> =
        lines.iter().copied().filter(|line| line.y1 - line.y0 < NEAR && line.x1 - line.x0 > 8.0).collect();
    let upright: Vec<Line> =
        lines.iter().copied().filter(|line| line.x1 - line.x0 < NEAR && line.y1 - line.y0 > 6.0).collect();
    if level.len() < 3 || upright.len() < 3 || level.len() * upright.len() > PAIRS {
        return (Vec::new(), words);
    }
    // Lines that meet belong to one grid.
    let mut parents: Vec<usize> = (0..level.len() + upright.len()).collect();
    for (a, flat) in level.iter().enumerate() {
        for (b, tall) in upright.iter().enumerate() {
            let meet = tall.x0 >= flat.x0 - NEAR
                && tall.x1 <= flat.x1 + NEAR
                && flat.y0 >= tall.y0 - NEAR
                && flat.y1 <= tall.y1 + NEAR;
            if meet {
                let (a, b) = (root(&mut parents, a), root(&mut parents, level.len() + b));
                parents[a] = b;
            }
        }
    }
    let mut grids: Vec<(usize, Grid)> = Vec::new();
    for index in 0..parents.len() {
        let root = root(&mut parents, index);
        let place = grids.iter().position(|(other, _)| *other == root).unwrap_or_else(|| {
            grids.push((root, Grid::default()));
            grids.len() - 1
        });
        match index.checked_sub(level.len()) {
            Some(index) => grids[place].1.upright.push(upright[index]),
            None => grids[place].1.level.push(level[index]),
        }
        if grids.len() > 1000 {
            return (Vec::new(), words);
        }
    }
    let mut found = Vec::new();
    let mut rest = words;
    for (_, grid) in grids {
        rest = grid.take(rest, &mut found);
    }
    (found, rest)
}

fn root(parents: &mut [usize], mut index: usize) -> usize {
    while parents[index] != index {
        parents[index] = parents[parents[index]];
        index = parents[index];
    }
    index
}

/// Lines that meet.
#[derive(Default)]
struct Grid {
    level: Vec<Line>,
    upright: Vec<Line>,
}

impl Grid {
    /// Takes the words that stand in its cells, if it is a table; returns the others.
    fn take(self, words: Vec<Word>, found: &mut Vec<Table>) -> Vec<Word> {
        let xs = places(self.upright.iter().map(|line| (line.x0 + line.x1) / 2.0));
        let ys = places(self.level.iter().map(|line| (line.y0 + line.y1) / 2.0));
        if xs.len() < 3 || ys.len() < 3 || xs.len() * ys.len() > 20_000 {
            return words;
        }
        let (columns, lines) = (xs.len() - 1, ys.len() - 1);
        // Where no line parts two cells they are one: its text goes to the left, or up.
        let mut owner: Vec<(usize, usize)> = Vec::with_capacity(columns * lines);
        for row in 0..lines {
            for column in 0..columns {
                let (x, y) = ((xs[column] + xs[column + 1]) / 2.0, (ys[row] + ys[row + 1]) / 2.0);
                let left = column > 0
                    && !self
                        .upright
                        .iter()
                        .any(|line| (line.x0 - xs[column]).abs() < NEAR + 1.0 && line.y0 < y && line.y1 > y);
                let above = row > 0
                    && !self
                        .level
                        .iter()
                        .any(|line| (line.y0 - ys[row]).abs() < NEAR + 1.0 && line.x0 < x && line.x1 > x);
                owner.push(match (left, above) {
                    (true, _) => owner[row * columns + column - 1],
                    (_, true) => owner[(row - 1) * columns + column],
                    _ => (row, column),
                });
            }
        }
        let mut cells: Vec<Vec<Word>> = vec![Vec::new(); columns * lines];
        let mut rest = Vec::new();
        for word in words {
            let (x, y) = ((word.x0 + word.x1) / 2.0, word.y - 0.3 * word.size);
            let column =
                xs.partition_point(|&edge| edge <= x).checked_sub(1).filter(|&column| column < columns);
            let row = ys.partition_point(|&edge| edge <= y).checked_sub(1).filter(|&row| row < lines);
            match (row, column) {
                (Some(row), Some(column)) => {
                    let (row, column) = owner[row * columns + column];
                    cells[row * columns + column].push(word);
                }
                _ => rest.push(word),
            }
        }
        let filled = cells.iter().filter(|cell| !cell.is_empty()).count();
        if filled < 2 || filled * 5 < columns * lines {
            // A drawing, or a frame.
            rest.extend(cells.into_iter().flatten());
            return rest;
        }
        let text = |words: &Vec<Word>| {
            let mut text = String::new();
            for row in rows(words.clone()) {
                if text.is_empty() { text = row.text() } else { join(&mut text, &row.text()) }
            }
            text
        };
        let rows = cells.chunks(columns).map(|row| row.iter().map(text).collect()).collect();
        found.push(Table { x0: xs[0], x1: xs[columns], y0: ys[0], rows });
        rest
    }
}

/// Places that differ.
fn places(places: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut places: Vec<f32> = places.collect();
    places.sort_by(f32::total_cmp);
    places.dedup_by(|next, kept| *next - *kept < NEAR);
    places
}
