//! A file of text as a whole, for sets of questions rather than corpora.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The most text that is taken from one file.
const MOST: u64 = 1 << 30;

/// Reads a UTF-8 file, also one ending in `.zst` or `.gz`.
///
/// Errors: a file that is missing, not UTF-8, or holds more than 1 GiB of text.
pub fn read_text(path: &Path) -> Result<String> {
    let wrong = |reason: String| Error::Input { path: path.to_path_buf(), reason };
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let ending = path.extension().and_then(|ending| ending.to_str());
    let reader: Box<dyn Read> = match ending {
        Some("zst") => Box::new(zstd::Decoder::new(file).map_err(|error| wrong(error.to_string()))?),
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    let mut bytes = Vec::new();
    reader.take(MOST + 1).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > MOST {
        return Err(wrong(format!("holds more than {MOST} bytes of text: split it")));
    }
    String::from_utf8(bytes)
        .map_err(|error| wrong(format!("is not UTF-8 text (byte {})", error.utf8_error().valid_up_to())))
}
