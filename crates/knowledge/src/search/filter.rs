//! Which documents are searched.

use crate::Result;
use rusqlite::Connection;
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
    pub(crate) fn documents(&self, connection: &Connection) -> Result<Option<Vec<u32>>> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut read = connection.prepare_cached(
            "SELECT d.id FROM documents d JOIN sources s ON s.id = d.source
             WHERE (?1 IS NULL OR s.name = ?1) AND (?7 IS NULL OR s.name != ?7)
               AND (?2 IS NULL OR substr(d.item, 1, length(?2)) = ?2)
               AND (?3 = '[]' OR d.format IN (SELECT value FROM json_each(?3)))
               AND (?4 IS NULL OR d.date >= ?4) AND (?5 IS NULL OR d.date <= ?5)
               AND NOT EXISTS (SELECT 1 FROM json_each(?6) wanted
                               WHERE wanted.value NOT IN (SELECT value FROM json_each(d.tags)))
             ORDER BY d.source, d.item, d.inside",
        )?;
        let list = |list: &[String]| serde_json::to_string(list).unwrap_or_default();
        let folder = self.folder.as_ref().map(|folder| folder.trim_start_matches("./"));
        let ids = read.query_map(
            (
                &self.source,
                folder,
                list(&self.formats),
                &self.after,
                &self.before,
                list(&self.tags),
                &self.except,
            ),
            |row| row.get(0),
        )?;
        Ok(Some(ids.collect::<rusqlite::Result<_>>()?))
    }
}
