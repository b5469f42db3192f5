//! Files as memory, read from the disk when they are first used.

use memmap2::Mmap;
use std::fs::File;
use std::io::Result;
use std::path::Path;

/// A map of a file; none of a folder or device.
///
/// The file must not be changed or cut short while it is mapped. Programs that replace files by renaming, as this one does,
/// are no danger.
pub(crate) fn map(path: &Path) -> Result<Option<Mmap>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    #[expect(
        unsafe_code,
        reason = "Mapped bytes are only ever read, as plain bytes that are valid whatever they are. Another process that \
                  writes to the file meanwhile could change them under a reader, and one that cuts it short ends this \
                  program with SIGBUS: the known limit of maps, and it writes nothing out of bounds."
    )]
    // SAFETY: as said above.
    unsafe { Mmap::map(&file) }.map(Some)
}
