//! What the tests of parsing share.

use shuyuan_knowledge::Document;
use shuyuan_knowledge::parse::{Limits, Parsed, parse};
use std::path::PathBuf;

/// The folder of the golden documents.
pub fn goldens() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../goldens/documents")
}

/// The golden documents: name and bytes, by name.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let folder = std::fs::read_dir(goldens().join("files")).expect("goldens/documents/files");
    let mut files: Vec<_> = folder
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

/// Parses with the usual limits and checks what comes out.
pub fn parsed(name: &str, bytes: &[u8]) -> Parsed {
    parsed_within(name, bytes, &Limits::default())
}

/// Parses and checks what comes out.
pub fn parsed_within(name: &str, bytes: &[u8], limits: &Limits) -> Parsed {
    let parsed = parse(name, bytes, limits);
    assert!(!parsed.documents.is_empty() || !parsed.unread.is_empty(), "{name}: neither read nor unread");
    parsed.documents.iter().for_each(check);
    for unread in &parsed.unread {
        assert!(unread.reason.len() > 20, "{name}: a reason says more than {:?}", unread.reason);
        check_inner(&unread.inner);
    }
    parsed
}

/// The one document of a file of which all can be read.
pub fn document(name: &str, bytes: &[u8]) -> Document {
    let mut parsed = parsed(name, bytes);
    assert_eq!(parsed.unread, [], "{name}");
    assert_eq!(parsed.documents.len(), 1, "{name}");
    parsed.documents.remove(0)
}

/// What every document promises.
pub fn check(document: &Document) {
    let Document { text, blocks, pages, inner, .. } = document;
    let mut at = 0;
    for block in blocks {
        let span = block.span.clone();
        assert!(span.start >= at && span.end > span.start && span.end <= text.len(), "{span:?} after {at}");
        assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end), "{span:?}");
        assert!(text[at..span.start].trim().is_empty(), "between blocks: {:?}", &text[at..span.start]);
        let inner = &text[span.clone()];
        assert!(!inner.trim().is_empty() && inner.trim_end() == inner, "{inner:?}");
        at = span.end;
    }
    assert!(text[at..].trim().is_empty(), "after the last block: {:?}", &text[at..]);
    assert!(!blocks.is_empty(), "a document without text is none");
    assert!(pages.first().is_none_or(|&first| first == 0) && pages.is_sorted(), "{pages:?}");
    assert!(pages.iter().all(|&page| page <= text.len() && text.is_char_boundary(page)), "{pages:?}");
    assert!(
        !text.contains(|char: char| char.is_control() && char != '\n' && char != '\t'),
        "control characters"
    );
    if let Some(date) = &document.date {
        assert!(date.len() == 10 && date.as_bytes()[4] == b'-' && date.as_bytes()[7] == b'-', "{date}");
    }
    assert!(document.title.as_ref().is_none_or(|title| !title.trim().is_empty()));
    check_inner(inner);
}

fn check_inner(inner: &str) {
    assert!(!inner.starts_with('/') && inner.split('/').all(|part| part != ".." && part != "."), "{inner}");
}
