//! Where knowledge comes from, and how it is kept fresh.

mod folder;
mod ingest;

pub use folder::{Folder, Rule};
pub use ingest::{Progress, Report, Watch};

use crate::base::{Base, Writer};
use crate::chunk::Size;
use crate::{KnowledgeError, Result};

impl Base {
    /// Reads what has changed in a source.
    ///
    /// # Errors
    /// If the source cannot be read: what was known of it is kept, and its state says why. If the base cannot be written.
    pub fn sync(&self, writer: &mut Writer, name: &str, size: Size, watch: &mut Watch) -> Result<Report> {
        let source = self.source(name)?;
        let done = match source.kind.as_str() {
            "folder" => folder::sync(self, writer, &source, size, watch),
            other => Err(KnowledgeError::Asked(format!(
                "the source {name:?} is of the kind {other:?}, which is not known"
            ))),
        };
        if let Err(error) = &done
            && !matches!(error, KnowledgeError::Stopped)
        {
            let mut state = source.state.clone();
            state.tried = Some(ingest::now());
            state.error = Some(error.to_string());
            writer.set_state(source.id, &state)?;
            writer.commit()?;
        }
        done
    }
}
