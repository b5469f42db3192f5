//! Files that were given to the base itself. They are nowhere but in it and among its originals, so that any server on its
//! store has them.

use super::definition::UPLOADS;
use super::ingest::{Loaded, Means, Report, Task, ingest};
use crate::base::{Base, Item, Source, SourceState, Writer};
use crate::chunk::Size;
use crate::parse::Limits;
use crate::{KnowledgeError, Result};
use serde_json::json;
use shuyuan_text::now;

impl Base {
    /// Puts a file into the source `uploads`, in the place of one of that name.
    ///
    /// # Errors
    /// If originals are kept nowhere, or the base or they cannot be written.
    pub fn upload(&self, writer: &mut Writer, name: &str, bytes: Vec<u8>, size: Size) -> Result<Report> {
        if !self.keeps_originals() {
            return Err(KnowledgeError::Asked(
                "files are uploaded to a shared store only where originals are kept: start the server with \
                 --originals s3://bucket/prefix"
                    .into(),
            ));
        }
        let source = self.set_source(UPLOADS, UPLOADS, &json!({}))?;
        let now = now();
        let item = Item {
            key: name.into(),
            stamp: now.to_string(),
            date: Some(shuyuan_text::strftime(now, "%F")),
            ..Item::default()
        };
        let length = bytes.len() as u64;
        let task = Task {
            item,
            name: name.into(),
            size: length,
            load: Box::new(move |limits| match length > limits.file {
                true => super::files::too_large(limits),
                false => Loaded::Bytes(bytes, None),
            }),
        };
        let known = self.items(source.id)?;
        let means =
            Means { source: source.id, known: &known, total: Some(1), limits: Limits::default(), size };
        let mut report = Report::default();
        let late = ingest(writer, std::iter::once(task), &means, &mut report, &mut |_| true)?;
        if late.items > 0 {
            writer.remove(source.id, name)?;
            writer.commit()?;
            return Err(KnowledgeError::Source(late.reason));
        }
        writer.set_state(source.id, &fresh())?;
        writer.commit()?;
        Ok(report)
    }

    /// Takes an uploaded file out; says whether it was there.
    ///
    /// # Errors
    /// If the base cannot be written.
    pub fn remove_upload(&self, writer: &mut Writer, name: &str) -> Result<bool> {
        let Some(source) = self.sources()?.into_iter().find(|source| source.name == UPLOADS) else {
            return Ok(false);
        };
        if !self.items(source.id)?.contains_key(name) {
            return Ok(false);
        }
        writer.remove(source.id, name)?;
        writer.commit()?;
        Ok(true)
    }
}

/// There is nowhere to look for changes.
pub(super) fn sync(writer: &mut Writer, source: &Source) -> Result<Report> {
    writer.set_state(source.id, &fresh())?;
    writer.commit()?;
    Ok(Report { unchanged: source.items, ..Report::default() })
}

fn fresh() -> SourceState {
    let now = now();
    SourceState { tried: Some(now), synced: Some(now), ..SourceState::default() }
}
