//! Numbers and settings of the base as a whole.

use crate::Result;
use crate::store::{Connection, values};

/// The embedder whose vectors are searched.
pub(crate) fn chosen_embedder(connection: &dyn Connection) -> Result<Option<i64>> {
    connection.meta("embedder")
}

/// Has the vectors of this embedder searched from now on.
pub(crate) fn choose_embedder(connection: &dyn Connection, id: i64) -> Result<()> {
    connection.set_meta("embedder", id)
}

impl super::Base {
    /// A setting that was kept with the base.
    ///
    /// # Errors
    /// If the store fails.
    pub fn setting(&self, name: &str) -> Result<Option<String>> {
        self.read(|connection, _| {
            let read = "SELECT CAST(value AS TEXT) FROM meta WHERE key = ?1";
            let key = format!("setting {name}");
            Ok(connection.one(read, values![&key], |row| row.get::<Option<String>>(0))?.flatten())
        })
    }

    /// Keeps a setting with the base.
    ///
    /// # Errors
    /// If the store fails.
    pub fn set_setting(&self, name: &str, value: &str) -> Result<()> {
        self.change(|connection| {
            let put = "INSERT INTO meta (key, value) VALUES (?1, ?2)
                       ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            connection.execute(put, values![&format!("setting {name}"), value])?;
            Ok(())
        })
    }
}
