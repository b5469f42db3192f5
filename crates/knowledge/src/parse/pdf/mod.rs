//! PDF: text in reading order, headings by the size of their letters, tables by lines or columns, pages.
//!
//! `hayro-syntax` reads objects and streams, `hayro-cmap` the maps of Chinese, Japanese and Korean fonts; what letters mean
//! ([`font`]), where they stand ([`content`]) and what lines, columns and tables they make ([`layout`]) is here.

mod content;
mod font;
mod layout;
mod measure;
mod outline;
mod ruled;

use super::budget::Budget;
use super::draft::Draft;
use super::{date, isolate};
use crate::Document;
use hayro_syntax::{LoadPdfError, Pdf};
use std::sync::Arc;

/// Reads a PDF in a thread of its own, in half of the time that is left: one among many must not use up all.
pub(crate) fn isolated(name: &str, bytes: &Arc<Vec<u8>>, budget: &Budget) -> Result<Document, String> {
    let (name, bytes, inner) = (name.to_owned(), Arc::clone(bytes), budget.half());
    let (items, ended) = isolate::collect(&budget.half(), move |out| {
        let read = isolate::caught(&name, || read(bytes, &inner));
        let _ = out.send(read.map_err(|reason| super::Unread { inner: String::new(), reason }));
    });
    match items.into_iter().next() {
        Some(item) => item.map_err(|unread| unread.reason),
        None => Err(ended.err().unwrap_or_else(|| "its reader ended without a word; report it".into())),
    }
}

fn read(bytes: Arc<Vec<u8>>, budget: &Budget) -> Result<Document, String> {
    measure::check(&bytes, budget)?;
    let pdf = Pdf::new(bytes).map_err(|error| match error {
        LoadPdfError::Decryption(_) => {
            "encrypted: a PDF that opens with a password only; save it without and add it again".to_owned()
        }
        LoadPdfError::Invalid => {
            "expected a whole PDF, found a damaged or cut one; open and print it as PDF anew".to_owned()
        }
    })?;
    let mut draft = Draft::new("pdf", budget);
    let metadata = pdf.metadata();
    if let Some(title) = &metadata.title {
        draft.title(&sensible_title(&text_string(title)));
    }
    let day = metadata.modification_date.or(metadata.creation_date);
    draft.date(day.and_then(|day| date::date(day.year.into(), day.month.into(), day.day.into())));

    let pages = pdf.pages();
    let mut fonts = content::Fonts::default();
    let mut laid = Vec::new();
    let (mut pictures, mut empty, mut total, mut mono, mut unknown) = (Vec::new(), 0, 0, 0, 0);
    for (index, page) in pages.iter().enumerate() {
        let number = index + 1;
        let stop = if index >= budget.limits.pages {
            Some(format!("there are {}, more than the {index} that may be read", pages.len()))
        } else if budget.left().as_secs_f64() < budget.limits.seconds / 20.0 {
            Some("they would take too long".to_owned())
        } else {
            None
        };
        if let Some(reason) = stop {
            draft.note(format!(
                "pages from {number} on were not read: {reason}; split the file, or raise the limit"
            ));
            break;
        }
        let mut read = content::read(page, &mut fonts, budget);
        total += read.count();
        mono += read.letters.iter().flatten().filter(|letter| letter.mono).count();
        if mono * 2 > total {
            // All of it is set so: then it says nothing.
            read.letters.iter_mut().flatten().for_each(|letter| letter.mono = false);
        }
        unknown += read.unknown;
        if read.count() == 0 {
            if read.pictures > 0 { pictures.push(number) } else { empty += 1 }
        }
        if read.cut {
            draft.note(format!("page {number} was read in part only: it draws too much"));
        }
        laid.push(layout::page(read));
    }
    if laid.is_empty() {
        return Err("expected pages, found none; open and print it as PDF anew".into());
    }
    if total == 0 {
        return Err(if pictures.is_empty() && unknown == 0 && empty > 0 {
            "expected text, found empty pages".into()
        } else if unknown > 0 {
            "its fonts do not say which characters their signs are; recognise its text (OCR) and add that"
                .into()
        } else {
            format!(
                "there is no text layer: its {} pages are pictures; recognise their text (OCR) and add that",
                pictures.len()
            )
        });
    }
    if !pictures.is_empty() {
        draft.note(format!(
            "{} hold pictures only, no text layer: recognise their text (OCR)",
            listed(&pictures)
        ));
    }
    if unknown > 20 && unknown * 50 > total {
        draft.note(format!(
            "{unknown} signs of {} could not be read: their fonts do not say what they are",
            total + unknown
        ));
    }
    outline::write(laid, &mut draft);
    if draft.is_empty() {
        return Err("expected text, found none that can be read; recognise it (OCR) and add that".into());
    }
    Ok(draft.finish())
}

/// `pages 3 to 5, 9`.
fn listed(pages: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &page in pages {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == page => *last = page,
            _ => runs.push((page, page)),
        }
    }
    let run = |&(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first} to {last}") }
    };
    let shown: Vec<String> = runs.iter().take(50).map(run).collect();
    format!("pages {}{}", shown.join(", "), if runs.len() > 50 { ", …" } else { "" })
}

/// A text string: UTF-16 or UTF-8 with a mark, else about Windows-1252.
fn text_string(bytes: &[u8]) -> String {
    let encoding =
        encoding_rs::Encoding::for_bom(bytes).map_or(encoding_rs::WINDOWS_1252, |(encoding, _)| encoding);
    encoding.decode_with_bom_removal(bytes).0.into_owned()
}

/// Without what programs put there when nobody gave a title.
fn sensible_title(title: &str) -> String {
    let title = title.trim();
    let title = ["Microsoft Word - ", "Microsoft PowerPoint - "]
        .iter()
        .find_map(|by| title.strip_prefix(by))
        .unwrap_or(title);
    let lower = title.to_lowercase();
    if matches!(&*lower, "untitled" | "(anonymous)" | "anonymous" | "untitled document" | "无标题") {
        String::new()
    } else {
        title.into()
    }
}
