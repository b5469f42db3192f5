//! EPUB: the chapters in the order of the spine.

use super::budget::Budget;
use super::draft::Draft;
use super::package::{Package, resolve};
use super::xml::{self, Piece};
use super::{encoding, html};
use crate::Document;
use rustc_hash::FxHashMap;

/// Reads an EPUB file.
pub(crate) fn read(bytes: &[u8], budget: &Budget) -> Result<Document, String> {
    let mut package = Package::open(bytes, budget)?;
    let container = package.read("META-INF/container.xml")?;
    let mut root = None;
    xml::walk(&container, budget, |piece| {
        if let Piece::Open(tag) = piece
            && tag.name == "rootfile"
            && root.is_none()
        {
            root = tag.attribute("full-path");
        }
        Ok(())
    })?;
    let root = root.ok_or("expected the name of the book's package in META-INF/container.xml, found none")?;
    let opf = package.read(&root)?;
    let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut draft = Draft::new("epub", budget);
    package.dublin_core(&opf, &mut draft);
    let mut manifest: FxHashMap<String, (String, bool)> = FxHashMap::default();
    let mut spine = Vec::new();
    xml::walk(&opf, budget, |piece| {
        if let Piece::Open(tag) = piece {
            match tag.name {
                "item" => {
                    if let (Some(id), Some(href)) = (tag.attribute("id"), tag.attribute("href")) {
                        // The table of contents says again what the headings say.
                        let contents =
                            tag.attribute("properties").is_some_and(|properties| properties.contains("nav"));
                        manifest.insert(id, (resolve(folder, &unescaped(&href)), contents));
                    }
                }
                "itemref" => spine.extend(tag.attribute("idref")),
                _ => {}
            }
        }
        Ok(())
    })?;
    let mut unread = 0;
    for id in spine.iter().take(budget.limits.pages) {
        budget.check()?;
        let Some((part, false)) = manifest.get(id) else { continue };
        let chapter = package.read(part).and_then(|chapter| {
            let text = encoding::decode(&chapter, encoding::declared(&chapter).as_deref())?;
            html::write(&text, &mut draft, budget)
        });
        if let Err(reason) = chapter {
            unread += 1;
            if unread <= 3 {
                draft.note(format!("{part}: {reason}"));
            }
        }
    }
    if draft.is_empty() && package.has("META-INF/encryption.xml") {
        return Err("encrypted: the book is protected against copying; add a copy that is not".into());
    }
    if draft.is_empty() {
        return Err("expected chapters with text, found none: they may be pictures only, or missing".into());
    }
    Ok(draft.finish())
}

/// Resolves `%20` and its like.
fn unescaped(href: &str) -> String {
    let mut out = Vec::with_capacity(href.len());
    let mut bytes = href.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digit = |byte: Option<u8>| byte.and_then(|byte| (byte as char).to_digit(16));
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
