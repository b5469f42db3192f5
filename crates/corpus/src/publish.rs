//! Files that are either whole or not there.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes `parts` one after the other to a temporary file beside `path`, then renames it.
pub(crate) fn write_atomic(path: &Path, parts: &[&[u8]]) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let write = || -> std::io::Result<()> {
        let mut file = File::create(temporary)?;
        for part in parts {
            file.write_all(part)?;
        }
        file.sync_all()
    };
    write().map_err(Error::io(temporary))?;
    fs::rename(temporary, path).map_err(Error::io(path))
}
