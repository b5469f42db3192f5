//! Pages to blocks: what are headings, what is said again on every page.

use super::layout::{Laid, Paragraph, Piece, is_item};
use crate::parse::draft::Draft;
use rustc_hash::FxHashMap;

/// Writes the pages.
pub(crate) fn write(mut pages: Vec<Laid>, draft: &mut Draft) {
    without_margins(&mut pages);
    let paragraphs = || pages.iter().flat_map(|page| &page.pieces).filter_map(paragraph);
    let mut sizes: FxHashMap<u32, usize> = FxHashMap::default();
    for paragraph in paragraphs() {
        *sizes.entry(half_points(paragraph.size)).or_default() += paragraph.text.chars().count();
    }
    let body = sizes.iter().max_by_key(|&(&size, &count)| (count, size)).map_or(0, |(&size, _)| size);
    let is_large = |paragraph: &Paragraph| half_points(paragraph.size) as f32 >= 1.15 * body as f32;
    let is_short = |paragraph: &Paragraph| {
        !paragraph.code
            && paragraph.lines < 4
            && paragraph.text.chars().count() < 200
            && paragraph.text.chars().any(char::is_alphanumeric)
    };
    let mut large: Vec<u32> = paragraphs()
        .filter(|paragraph| is_large(paragraph) && is_short(paragraph))
        .map(|p| half_points(p.size))
        .collect();
    large.sort_unstable_by(|a, b| b.cmp(a));
    // Sizes half a point apart are one.
    large.dedup_by(|next, kept| *kept - *next < 2);
    let is_bold = |paragraph: &Paragraph| {
        paragraph.bold
            && !paragraph.code
            && paragraph.lines < 3
            && paragraph.text.chars().count() < 100
            && !paragraph.text.ends_with(['.', '。', '，', ',', '；', ';', '：', ':'])
            && paragraph.text.chars().any(char::is_alphabetic)
    };
    // In a text that is bold throughout it says nothing.
    let letters = |bold: bool| -> usize {
        paragraphs()
            .filter(|paragraph| paragraph.bold == bold)
            .map(|paragraph| paragraph.text.chars().count())
            .sum()
    };
    let bold = letters(true) * 2 < letters(false);
    for page in &pages {
        draft.page();
        for piece in &page.pieces {
            match piece {
                Piece::Table { header, rows } => draft.table(*header, rows),
                Piece::Paragraph(paragraph) if is_large(paragraph) && is_short(paragraph) => {
                    let size = half_points(paragraph.size);
                    let level = large.iter().position(|&other| size + 1 >= other).unwrap_or(large.len());
                    draft.heading(level.min(5) as u8 + 1, &paragraph.text);
                }
                Piece::Paragraph(paragraph) if bold && is_bold(paragraph) && !is_item(&paragraph.text) => {
                    draft.heading(large.len().min(5) as u8 + 1, &paragraph.text);
                }
                Piece::Paragraph(paragraph) if paragraph.code => draft.code(&paragraph.text),
                Piece::Paragraph(paragraph) => draft.text(&paragraph.text),
            }
        }
    }
}

fn half_points(size: f32) -> u32 {
    (2.0 * size).round() as u32
}

fn paragraph(piece: &Piece) -> Option<&Paragraph> {
    if let Piece::Paragraph(paragraph) = piece { Some(paragraph) } else { None }
}

/// Takes away page numbers, and what stands on top or at the bottom of most pages.
fn without_margins(pages: &mut [Laid]) {
    let margin = |paragraph: &Paragraph| paragraph.lines == 1 && !(0.06..=0.94).contains(&paragraph.height);
    let key = |text: &str| -> String {
        text.chars()
            .map(|char| if char.is_ascii_digit() { '#' } else { char })
            .collect::<String>()
            .replace("##", "#")
    };
    let mut counts: FxHashMap<String, usize> = FxHashMap::default();
    for page in &*pages {
        let mut keys: Vec<String> =
            page.pieces.iter().filter_map(paragraph).filter(|p| margin(p)).map(|p| key(&p.text)).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            *counts.entry(key).or_default() += 1;
        }
    }
    let most = (pages.len() * 2 / 5).max(2);
    for page in pages {
        let count = page.pieces.len();
        page.pieces.retain(|piece| {
            let Some(paragraph) = paragraph(piece).filter(|paragraph| margin(paragraph)) else { return true };
            let number =
                paragraph.text.chars().all(|char| char.is_ascii_digit() || "-–— /第页頁".contains(char));
            let again = counts.get(&key(&paragraph.text)).is_some_and(|&count| count > most);
            !(again || (number && count > 1))
        });
    }
}
