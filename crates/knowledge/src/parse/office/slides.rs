//! PPTX: slides are pages, titles headings; speaker's notes follow their slide.

use crate::Document;
use crate::parse::budget::Budget;
use crate::parse::draft::Draft;
use crate::parse::package::Package;
use crate::parse::xml::{self, Piece};
use rustc_hash::FxHashMap;

/// Reads a PPTX file.
pub(crate) fn pptx(bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    let mut package = Package::open(bytes, budget)?;
    let mut draft = Draft::new("pptx", budget);
    package.properties(&mut draft);
    let main = package.read("ppt/presentation.xml")?;
    let mut ids = Vec::new();
    let listed = xml::walk(&main, budget, |piece| {
        if let Piece::Open(tag) = piece
            && tag.name == "sldId"
        {
            ids.extend(tag.exact("r:id"));
        }
        Ok(())
    });
    if let Err(reason) = listed {
        draft.note(format!("not all slides were found: {reason}"));
    }
    let slides: FxHashMap<String, String> = package
        .relations("ppt/presentation.xml")
        .into_iter()
        .map(|relation| (relation.id, relation.target))
        .collect();
    let mut without = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let number = index + 1;
        if number > budget.limits.pages {
            draft.note(format!("slides from {number} on were not read: there are {}", ids.len()));
            break;
        }
        budget.check()?;
        draft.page();
        let before = draft.blocks().len();
        let Some(part) = slides.get(id) else { continue };
        match package.read(part) {
            Ok(slide) => write(&slide, budget, &mut draft, false).unwrap_or_else(|reason| {
                draft.note(format!("slide {number}: {reason}"));
            }),
            Err(reason) => draft.note(format!("slide {number}: {reason}")),
        }
        for relation in package.relations(part) {
            if relation.kind == "notesSlide"
                && let Ok(notes) = package.read(&relation.target)
            {
                let _ = write(&notes, budget, &mut draft, true);
            }
        }
        if draft.blocks().len() == before {
            without.push(number.to_string());
        }
    }
    if draft.is_empty() {
        return Err("expected slides with text, found none: they may be pictures only; add their text".into());
    }
    if !without.is_empty() {
        draft.note(format!("slides without text: {}", without.join(", ")));
    }
    Ok(draft.finish())
}

/// Writes a slide, or the notes to one.
fn write(bytes: &[u8], budget: &Budget, draft: &mut Draft, notes: bool) -> Result<(), String> {
    // What the open shape is for; the open paragraph.
    let (mut role, mut text, mut depth, mut is_text) = (None::<String>, String::new(), 0, false);
    let mut bullet = true;
    let mut table: Option<Vec<Vec<String>>> = None;
    let mut header = false;
    let mut title = Vec::new();
    let mut body = String::new();
    let mut skipped = 0usize;
    let ended = xml::walk(bytes, budget, |piece| {
        match piece {
            Piece::Open(tag) if tag.name == "Fallback" => skipped += 1,
            Piece::Close("Fallback") => skipped = skipped.saturating_sub(1),
            _ if skipped > 0 => {}
            Piece::Open(tag) => match tag.name {
                "sp" => role = None,
                "ph" => role = Some(tag.attribute("type").unwrap_or_else(|| "body".into())),
                "tbl" => (table, header) = (Some(Vec::new()), false),
                "tblPr" => header = tag.attribute("firstRow").is_some_and(|first| first == "1"),
                "tr" => {
                    if let Some(rows) = &mut table {
                        rows.push(Vec::new());
                    }
                }
                "tc" => {
                    if let Some(row) = table.as_mut().and_then(|rows| rows.last_mut()) {
                        row.push(String::new());
                    }
                }
                "p" => (text, depth, bullet) = (String::new(), 0, true),
                "pPr" => depth = tag.attribute("lvl").and_then(|depth| depth.parse().ok()).unwrap_or(0),
                "buNone" => bullet = false,
                "t" => is_text = true,
                "br" => text.push('\n'),
                _ => {}
            },
            Piece::Text(piece) if is_text => text.push_str(piece),
            Piece::Text(_) => {}
            Piece::Close("t") => is_text = false,
            Piece::Close("p") => {
                let paragraph = std::mem::take(&mut text);
                if let Some(cell) =
                    table.as_mut().and_then(|rows| rows.last_mut()).and_then(|row| row.last_mut())
                {
                    if !cell.is_empty() {
                        cell.push('\n');
                    }
                    cell.push_str(&paragraph);
                } else if notes {
                    if role.as_deref() == Some("body") && !paragraph.trim().is_empty() {
                        body.push_str(&paragraph);
                        body.push('\n');
                    }
                } else {
                    match role.as_deref() {
                        Some("title" | "ctrTitle") => title.push(paragraph),
                        Some("dt" | "ftr" | "sldNum" | "hdr") => {}
                        Some("body" | "obj") if bullet => draft.item(depth, "-", &paragraph),
                        _ => draft.text(&paragraph),
                    }
                }
            }
            Piece::Close("sp") => {
                // One heading, however many lines the title has.
                draft.heading(1, &std::mem::take(&mut title).join(" "));
                role = None;
            }
            Piece::Close("tbl") => {
                if let Some(rows) = table.take() {
                    draft.table(header && rows.len() > 1, &rows);
                }
            }
            Piece::Close(_) => {}
        }
        Ok(())
    });
    if !body.trim().is_empty() {
        draft.text(&format!("Notes: {}", body.trim()));
    }
    ended
}
