//! Where knowledge comes from, and how it is kept fresh.
//!
//! A source is written down once, as a [`Definition`], and used in two ways: *synced* into the base, or asked *live*.

mod address;
mod bucket;
mod definition;
pub(crate) mod env;
mod feed;
mod files;
mod folder;
mod git;
mod http;
mod ingest;
mod listing;
pub mod live;
mod preview;
mod record;
mod records;
mod server;
mod shape;
mod sqlite;
mod statement;
mod uploads;
mod web;
pub(crate) mod when;

pub use definition::Definition;
pub use folder::{Folder, Rule};
pub use ingest::{Progress, Report, Watch};
pub use preview::{Preview, PreviewItem, test};
pub use when::due;

use crate::base::{Base, Source, Writer};
use crate::chunk::Size;
use crate::store::values;
use crate::{KnowledgeError, Result};
use definition::Plan;
use shuyuan_text::now;

/// Where the base keeps which bucket has all originals of a source.
const ORIGINALS: &str = "originals of";

impl Base {
    /// Reads what has changed in a source.
    ///
    /// # Errors
    /// If the source cannot be read: what was known of it is kept, and its state says why. If the base cannot be written.
    pub fn sync(&self, writer: &mut Writer, name: &str, size: Size, watch: &mut Watch) -> Result<Report> {
        let source = self.source(name)?;
        let done = self.sync_with_originals(writer, &source, size, watch);
        // What of the source was not as it should be, without secrets.
        let done = done.map_err(|error| match env::Mask::of(&source.definition).error(error) {
            KnowledgeError::Asked(reason) => KnowledgeError::Source(reason),
            other => other,
        });
        if let Err(error) = &done
            && !matches!(error, KnowledgeError::Stopped)
        {
            let mut state = source.state.clone();
            state.tried = Some(now());
            state.error = Some(error.to_string());
            writer.set_state(source.id, &state)?;
            writer.commit()?;
        }
        done
    }

    /// Reads all files of a source again whose originals were never kept where they are kept now.
    fn sync_with_originals(
        &self,
        writer: &mut Writer,
        source: &Source,
        size: Size,
        watch: &mut Watch,
    ) -> Result<Report> {
        let kept = format!("{ORIGINALS} {}", source.id);
        let Some(originals) = self.originals() else { return sync(self, writer, source, size, watch) };
        if !Definition::of(source).plan()?.gives_files()
            || self.setting(&kept)?.as_ref() == Some(&originals.address)
        {
            return sync(self, writer, source, size, watch);
        }
        writer.within(|connection| {
            connection.execute("UPDATE items SET stamp = '' WHERE source = ?1", values![source.id])
        })?;
        writer.commit()?;
        let report = sync(self, writer, source, size, watch)?;
        self.set_setting(&kept, &originals.address)?;
        Ok(report)
    }

    /// Syncs every source that is due by its schedule; one that fails does not keep the others from it.
    ///
    /// # Errors
    /// If someone asked to stop, or the base cannot be read.
    pub fn sync_due(
        &self,
        writer: &mut Writer,
        size: &Size,
        watch: &mut Watch,
    ) -> Result<Vec<(String, Result<Report>)>> {
        let now = now();
        let mut all = Vec::new();
        for source in self.sources()?.into_iter().filter(|source| due(source, now)) {
            let size = Size { most: size.most, count: size.count };
            match self.sync(writer, &source.name, size, watch) {
                Err(KnowledgeError::Stopped) => return Err(KnowledgeError::Stopped),
                done => all.push((source.name, done)),
            }
        }
        Ok(all)
    }
}

fn sync(base: &Base, writer: &mut Writer, source: &Source, size: Size, watch: &mut Watch) -> Result<Report> {
    let plan = Definition::of(source).plan()?;
    match plan {
        Plan::Folder => folder::sync(base, writer, source, size, watch),
        // They are as they were given.
        Plan::Uploads => uploads::sync(writer, source),
        Plan::Listing(_) | Plan::Git(_) | Plan::Bucket(_) => files::sync(base, writer, source, size, watch),
        _ if plan.is_synced() => records::sync(base, writer, source, size, watch),
        // Asked live only: what was once synced is no longer kept fresh.
        _ => {
            let mut report = Report::default();
            for key in base.items(source.id)?.keys() {
                writer.remove(source.id, key)?;
                report.removed += 1;
            }
            writer.commit()?;
            Ok(report)
        }
    }
}
