//! Which documents are searched.

use crate::Result;
use crate::store::{Connection, values};
use serde::{Deserialize, Serialize};

/// What a document must be; what is empty asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// The source's name.
    pub source: Option<String>,
    /// Not this source.
    pub except: Option<String>,
    /// What the item's path begins with: a folder.
    pub folder: Option<String>,
    /// One of these formats.
    pub formats: Vec<String>,
    /// Not before this date, `YYYY-MM-DD`. Documents without a date are left out.
    pub after: Option<String>,
    /// Not after this date.
    pub before: Option<String>,
    /// All of these.
    pub tags: Vec<String>,
}

impl Filter {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The documents that it lets through, whoever may read them; `None`: all.
    pub(crate) fn documents(&self, connection: &dyn Connection) -> Result<Option<Vec<u32>>> {
        if self.is_empty() {
            return Ok(None);
        }
        let read = "SELECT d.id, d.format, d.tags FROM documents d JOIN sources s ON s.id = d.source
                    WHERE (CAST(?1 AS TEXT) IS NULL OR s.name = ?1) AND (CAST(?2 AS TEXT) IS NULL OR s.name != ?2)
                      AND (CAST(?3 AS TEXT) IS NULL OR substr(d.item, 1, length(?3)) = ?3)
                      AND (CAST(?4 AS TEXT) IS NULL OR d.date >= ?4) AND (CAST(?5 AS TEXT) IS NULL OR d.date <= ?5)
                    ORDER BY d.source, d.item, d.inside";
        let folder = self.folder.as_ref().map(|folder| folder.trim_start_matches("./"));
        let values = values![
            self.source.as_ref(),
            self.except.as_ref(),
            folder,
            self.after.as_ref(),
            self.before.as_ref(),
        ];
        let mut ids = Vec::new();
        connection.query(read, values, &mut |row| {
            let format: &str = row.get(1)?;
            if !self.formats.is_empty() && !self.formats.iter().any(|wanted| wanted == format) {
                return Ok(());
            }
            if !self.tags.is_empty() {
                let tags: Vec<String> = serde_json::from_str(row.get(2)?).unwrap_or_default();
                if !self.tags.iter().all(|tag| tags.contains(tag)) {
                    return Ok(());
                }
            }
            ids.push(row.get(0)?);
            Ok(())
        })?;
        Ok(Some(ids))
    }
}
