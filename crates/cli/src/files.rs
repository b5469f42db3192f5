//! Text files that someone names: read whole, or refused with the reason.

use anyhow::{Context, Result, bail};
use std::path::Path;

/// The text in a file.
///
/// Errors: a file that is missing, a folder, empty, or not UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    if path.is_dir() {
        bail!("{} is a folder: expected a text file", path.display());
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.is_empty() {
        bail!("{} is empty: there is nothing to read", path.display());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            bail!(
                "{} is not text in UTF-8: byte {at} begins no character. Convert it, for example with \
                 iconv -f GB18030 -t UTF-8",
                path.display()
            )
        }
    }
}

/// Refuses inputs that are not there before anything is begun.
pub(crate) fn exist<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    for path in paths {
        std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(())
}
