//! Where items come from.

use super::Base;
use crate::store::{Connection, Row, values};
use crate::{KnowledgeError, Result};
use serde::{Deserialize, Serialize};

/// A folder, a database, a feed: whatever gives items.
#[derive(Clone, Debug, Serialize)]
pub struct Source {
    /// Its number.
    pub id: i64,
    /// What people call it.
    pub name: String,
    /// `folder`, `rss`, `sqlite`, ….
    pub kind: String,
    /// What there is to know for reading it; no secrets.
    pub definition: serde_json::Value,
    /// How it stands.
    pub state: SourceState,
    /// Items read.
    pub items: u64,
    /// Documents that came of them.
    pub documents: u64,
    /// Items of which something could not be read.
    pub failures: u64,
}

/// How a source stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceState {
    /// When it was last tried, in seconds since 1970.
    pub tried: Option<u64>,
    /// When it was last read to its end.
    pub synced: Option<u64>,
    /// Why the last try failed; what was known before is kept.
    pub error: Option<String>,
    /// Where the next sync goes on; the source's own affair.
    pub cursor: serde_json::Value,
    /// What changed in the shape of what it gives.
    pub drift: Vec<String>,
}

const SELECT: &str = "SELECT id, name, kind, definition, state,
    (SELECT count(*) FROM items WHERE source = sources.id),
    (SELECT count(*) FROM documents WHERE source = sources.id),
    (SELECT count(*) FROM items WHERE source = sources.id AND reasons != '[]') FROM sources";

fn source(row: &Row) -> Result<Source> {
    Ok(Source {
        id: row.get(0)?,
        name: row.get(1)?,
        kind: row.get(2)?,
        definition: serde_json::from_str(row.get(3)?).unwrap_or_default(),
        state: serde_json::from_str(row.get(4)?).unwrap_or_default(),
        items: row.get(5)?,
        documents: row.get(6)?,
        failures: row.get(7)?,
    })
}

fn by_name(connection: &dyn Connection, name: &str) -> Result<Option<Source>> {
    connection.one(&format!("{SELECT} WHERE name = ?1"), values![name], source)
}

impl Base {
    /// All sources, by name.
    ///
    /// # Errors
    /// If the store fails.
    pub fn sources(&self) -> Result<Vec<Source>> {
        self.read(|connection, _| connection.all(&format!("{SELECT} ORDER BY name"), &[], source))
    }

    /// The source of that name.
    ///
    /// # Errors
    /// If there is none: the message lists those that there are.
    pub fn source(&self, name: &str) -> Result<Source> {
        if let Some(source) = self.read(|connection, _| by_name(connection, name))? {
            return Ok(source);
        }
        let names: Vec<String> = self.sources()?.into_iter().map(|source| source.name).collect();
        let there = if names.is_empty() {
            "there is none yet".into()
        } else {
            format!("there are: {}", names.join(", "))
        };
        Err(KnowledgeError::Asked(format!("no source is called {name:?}; {there}")))
    }

    /// Adds a source, or gives one of that name another definition.
    ///
    /// # Errors
    /// If one of that name is of another kind.
    pub fn set_source(&self, name: &str, kind: &str, definition: &serde_json::Value) -> Result<Source> {
        self.change(|connection| {
            if let Some(old) = by_name(connection, name)? {
                if old.kind != kind {
                    return Err(KnowledgeError::Asked(format!(
                        "the source {name:?} is of the kind {}; remove it first, or choose another name",
                        old.kind
                    )));
                }
                let set = "UPDATE sources SET definition = ?2 WHERE id = ?1";
                connection.execute(set, values![old.id, &definition.to_string()])?;
            } else {
                let put = "INSERT INTO sources (name, kind, definition, state) VALUES (?1, ?2, ?3, '{}')";
                connection.execute(put, values![name, kind, &definition.to_string()])?;
            }
            by_name(connection, name)?.ok_or_else(|| KnowledgeError::Damaged(format!("the source {name:?}")))
        })
    }

    /// What each item of a source was when it was last read: key, stamp, hash.
    ///
    /// # Errors
    /// If the store fails.
    pub fn items(&self, source: i64) -> Result<std::collections::HashMap<String, (String, u64)>> {
        self.read(|connection, _| {
            let read = "SELECT key, stamp, hash FROM items WHERE source = ?1";
            let items = connection.all(read, values![source], |row| {
                Ok((row.get(0)?, (row.get(1)?, row.get::<i64>(2)? as u64)))
            })?;
            Ok(items.into_iter().collect())
        })
    }
}
