//! Tries a source without writing anything: what would come of it.

use super::definition::{Definition, Plan};
use super::env::Mask;
use super::files::File;
use super::ingest::Loaded;
use super::record::Record;
use super::records::check;
use super::shape::Shape;
use crate::parse::{Limits, parse};
use crate::{KnowledgeError, Result};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Items that are shown.
const ITEMS: usize = 5;
/// Characters of a text that are shown.
const TEXT: usize = 400;
/// Records after which a source is left.
const RECORDS: u64 = 1_000;
/// Seconds after which it is left too.
const SECONDS: Duration = Duration::from_secs(20);

/// What would be synced.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Preview {
    /// The source's name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// The first items.
    pub items: Vec<PreviewItem>,
    /// The fields of records and their types.
    pub columns: Vec<(String, String)>,
    /// Items that were counted.
    pub count: u64,
    /// Whether there are more.
    pub more: bool,
    /// Whether it is asked live only, and nothing would be synced.
    pub live_only: bool,
}

/// An item as it would be.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PreviewItem {
    /// What tells it from others.
    pub key: String,
    /// What it is called.
    pub title: String,
    /// How its text begins; of a file that cannot be read, why.
    pub text: String,
    /// Where people find it.
    pub url: Option<String>,
    /// When it is from.
    pub date: Option<String>,
    /// Who may read it; empty: everyone.
    pub groups: Vec<String>,
}

/// Tries a source and shows what would be synced. `dir` is where a copy of a repository may be kept: the base's folder.
///
/// # Errors
/// As a sync: the message holds no secret.
pub fn test(definition: &Definition, dir: &Path) -> Result<Preview> {
    let mask = Mask::of(&definition.value);
    let mut preview = tried(definition, dir).map_err(|error| mask.error(error))?;
    for item in &mut preview.items {
        for text in [&mut item.key, &mut item.title, &mut item.text].into_iter().chain(&mut item.url) {
            *text = mask.hide(text);
        }
    }
    Ok(preview)
}

fn tried(definition: &Definition, dir: &Path) -> Result<Preview> {
    let plan = definition.plan()?;
    let mut preview =
        Preview { name: definition.name.clone(), kind: definition.kind.clone(), ..Preview::default() };
    if !plan.is_synced() {
        preview.live_only = true;
        return Ok(preview);
    }
    match plan {
        Plan::Folder => {
            let folder = definition.folder()?;
            let root = dir.join(&folder.path);
            std::fs::read_dir(&root).map_err(KnowledgeError::io("read", &root))?;
            let mut refused = Vec::new();
            let files = super::folder::files(&root, &mut refused)?;
            preview.count = files.len() as u64;
            for file in files.iter().take(ITEMS) {
                let read = super::folder::load(&file.path, &Limits::default());
                let loaded = read.map_or_else(Loaded::Unread, |bytes| Loaded::Bytes(bytes, None));
                let groups = folder.groups_of(&file.key).to_vec();
                preview.items.push(PreviewItem { groups, ..item(&file.key, loaded) });
            }
        }
        Plan::Listing(_) | Plan::Git(_) | Plan::Bucket(_) => files(definition, &plan, dir, &mut preview)?,
        _ => records(definition, &plan, &mut preview)?,
    }
    Ok(preview)
}

fn files(definition: &Definition, plan: &Plan, dir: &Path, preview: &mut Preview) -> Result<()> {
    let groups = definition.common()?.groups;
    let files = plan.list(dir, &Arc::new(AtomicBool::new(false)))?;
    preview.count = files.len() as u64;
    for File { key, url, date, load, .. } in files.into_iter().take(ITEMS) {
        let loaded = load(None, &Limits::default());
        preview.items.push(PreviewItem { url, date, groups: groups.clone(), ..item(&key, loaded) });
    }
    Ok(())
}

fn item(key: &str, loaded: Loaded) -> PreviewItem {
    let mut shown = PreviewItem { key: key.into(), title: key.into(), ..PreviewItem::default() };
    match loaded {
        Loaded::Bytes(bytes, _) => {
            let parsed = parse(key, &bytes, &Limits::default());
            if let Some(document) = parsed.documents.into_iter().next() {
                shown.title = document.title.unwrap_or(shown.title);
                shown.text = begin(&document.text);
            } else if let Some(unread) = parsed.unread.first() {
                shown.text = unread.to_string();
            }
        }
        Loaded::Ready(document) => shown.text = begin(&document.text),
        Loaded::Unread(reason) | Loaded::Later(reason) => shown.text = reason,
        Loaded::Same => {}
    }
    shown
}

fn records(definition: &Definition, plan: &Plan, preview: &mut Preview) -> Result<()> {
    let records = definition.records()?.unwrap_or_default();
    let groups = definition.common()?.groups;
    let (map, cursor) = (&records.map, records.cursor.as_deref());
    let (begun, mut shape, mut wrong) = (Instant::now(), Shape::default(), None);
    let mut sink = |some: Vec<Record>| {
        if preview.count == 0
            && !some.is_empty()
            && let Err(error) = check(map, cursor, &some, true)
        {
            wrong = Some(error);
            return false;
        }
        for record in some {
            shape.see(&record);
            preview.count += 1;
            if preview.items.len() >= ITEMS {
                continue;
            }
            let Some(told) = map.told(&record) else { continue };
            let text =
                if map.format.is_some() { map.body(&record) } else { map.document(&told, &record).text };
            preview.items.push(PreviewItem {
                title: told.title.clone().unwrap_or_else(|| told.key.clone()),
                text: begin(&text),
                groups: if told.groups.is_empty() { groups.clone() } else { told.groups },
                key: told.key,
                url: told.url,
                date: told.date,
            });
        }
        preview.more = preview.count >= RECORDS || begun.elapsed() > SECONDS;
        !preview.more
    };
    plan.fetch(&records, None, None, &mut sink, &AtomicBool::new(false))?;
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    preview.columns = shape.columns();
    Ok(())
}

fn begin(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_string(),
    }
}
