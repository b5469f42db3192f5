//! Files of questions: JSON lines, plain or compressed with zstd.

use crate::{EvalError, Item, Skipped};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The questions of a file.
#[derive(Clone, Debug, Default)]
pub struct Items {
    /// In the file's order.
    pub items: Vec<Item>,
    /// Lines that are none.
    pub skipped: Skipped,
}

/// Longer lines are skipped: no question is as long, and a file without line breaks must not fill the memory.
const LINE: u64 = 16 << 20;

/// Reads the questions of a `.jsonl` or `.jsonl.zst` file, at most `limit` of them. Bad lines are skipped and counted.
///
/// # Errors
/// A file that cannot be read, or without a single question; what was found is said.
pub fn read_items(path: &Path, limit: Option<usize>) -> Result<Items, EvalError> {
    let read = |source| EvalError::Read { path: path.to_path_buf(), source };
    let mut reader = open(path)?;
    let mut all = Items::default();
    let mut line = Vec::new();
    for number in 1.. {
        if limit.is_some_and(|limit| all.items.len() >= limit) {
            break;
        }
        line.clear();
        if reader.by_ref().take(LINE).read_until(b'\n', &mut line).map_err(read)? == 0 {
            break;
        }
        let item = if line.len() as u64 == LINE && !line.ends_with(b"\n") {
            reader.skip_until(b'\n').map_err(read)?;
            Err(format!("longer than {LINE} bytes"))
        } else if line.trim_ascii().is_empty() {
            continue;
        } else {
            serde_json::from_slice(&line)
                .map_err(|error| format!("not JSON: {error}"))
                .and_then(|value| Item::from_json(&value))
        };
        match item {
            Ok(item) => all.items.push(item),
            Err(why) => all.skipped.record(|| format!("{}:{number}: {why}", path.display())),
        }
    }
    if all.items.is_empty() {
        let why = all.skipped.first.unwrap_or_else(|| "it is empty".into());
        return Err(EvalError::NoItems { path: path.to_path_buf(), why });
    }
    Ok(all)
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, EvalError> {
    let read = |source| EvalError::Read { path: path.to_path_buf(), source };
    let file = std::fs::File::open(path).map_err(read)?;
    if path.extension().is_some_and(|e| e == "zst") {
        return Ok(Box::new(BufReader::new(zstd::Decoder::new(file).map_err(read)?)));
    }
    Ok(Box::new(BufReader::new(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"query": "a", "choices": ["b", "c"], "gold": 0}"#;

    fn read(name: &str, bytes: &[u8], limit: Option<usize>) -> Result<Items, EvalError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        read_items(&path, limit)
    }

    #[test]
    fn good_lines_are_read_and_bad_ones_counted() {
        let text = format!("{GOOD}\n\n{{oops\n{GOOD}\n{{\"query\": \"a\"}}\n\u{feff}\n{GOOD}");
        let all = read("x.jsonl", text.as_bytes(), None).unwrap();
        assert_eq!((all.items.len(), all.skipped.count), (3, 3));
        assert!(all.skipped.first.unwrap().contains("x.jsonl:3: not JSON"));
        let packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
        assert_eq!(read("x.jsonl.zst", &packed, Some(2)).unwrap().items.len(), 2);
        // Cut off in the middle.
        assert!(matches!(
            read("x.jsonl.zst", &packed[..packed.len() / 2], None),
            Err(EvalError::Read { .. })
        ));
    }

    #[test]
    fn a_line_that_never_ends_is_skipped() {
        let mut bytes = vec![b'x'; LINE as usize + 5];
        bytes.extend_from_slice(format!("\n{GOOD}\n").as_bytes());
        let all = read("x.jsonl", &bytes, None).unwrap();
        assert_eq!((all.items.len(), all.skipped.count), (1, 1));
    }

    #[test]
    fn nothing_to_ask_is_an_error() {
        for (bytes, named) in
            [("", "it is empty"), ("\u{0}\u{1}", "not JSON"), ("{\"text\": 1}", "found text")]
        {
            let error = read("x.jsonl", bytes.as_bytes(), None).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        let error = read_items(Path::new("/none.jsonl"), None).unwrap_err().to_string();
        assert!(error.contains("/none.jsonl"), "{error}");
        assert!(read("x.jsonl.zst", b"not zstd", None).is_err());
    }
}
