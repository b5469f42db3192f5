//! Files of real programs to text: what `goldens/documents/expected` says, read by eye.

mod parse_common;

use parse_common::{document, files, goldens, parsed};
use shuyuan_knowledge::parse::Parsed;
use shuyuan_knowledge::{Document, Kind};

/// A file's documents, to be read by people.
fn shown(parsed: &Parsed) -> String {
    let mut out = String::new();
    for document in &parsed.documents {
        out += &show(document);
    }
    for unread in &parsed.unread {
        out += &format!("== unread {unread}\n");
    }
    out
}

fn show(document: &Document) -> String {
    let Document { inner, format, title, date, text, blocks, pages, notes } = document;
    let title = title.as_deref().unwrap_or("-");
    let date = date.as_deref().unwrap_or("-");
    let mut out = format!("== {format} {inner}\n   title {title}, date {date}, {} pages\n", pages.len());
    for note in notes {
        out += &format!("   note: {note}\n");
    }
    let mut last = None;
    for block in blocks {
        let page = document.page(block.span.start);
        if page != last {
            out += &format!("-- page {}\n", page.unwrap_or(0));
            last = page;
        }
        let kind = match block.kind {
            Kind::Heading(level) => format!("h{level}"),
            Kind::Text => "text".into(),
            Kind::Table { header: true } => "head".into(),
            Kind::Table { header: false } => "rows".into(),
            Kind::Code => "code".into(),
        };
        for (index, line) in text[block.span.clone()].lines().enumerate() {
            let kind = if index == 0 { &kind } else { "" };
            out += format!("{kind:>5} {line}").trim_end();
            out.push('\n');
        }
    }
    out
}

/// `SHUYUAN_UPDATE=1` writes them anew.
#[test]
fn parse_goldens() {
    let folder = goldens().join("expected");
    let mut wrong = Vec::new();
    for (name, bytes) in files() {
        let found = shown(&parsed(&name, &bytes));
        let path = folder.join(format!("{name}.txt"));
        if std::env::var_os("SHUYUAN_UPDATE").is_some() {
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(&path, found).expect("written");
        } else if std::fs::read_to_string(&path).unwrap_or_default() != found {
            wrong.push(format!("{name}:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "differ from goldens/documents/expected:\n{}", wrong.join("\n"));
}

/// A file says what it is by its bytes, whatever it is called.
#[test]
fn parse_by_content() {
    for (name, bytes) in files() {
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        if matches!(ending, "pdf" | "docx" | "xlsx" | "pptx" | "xls" | "ods" | "odt" | "epub") {
            let (named, nameless) = (parsed(&name, &bytes), parsed("download", &bytes));
            assert_eq!(shown(&named), shown(&nameless), "{name}");
        }
    }
}

/// Every encoding of a text gives the same text.
#[test]
fn parse_encodings() {
    let bytes = |name: &str| std::fs::read(goldens().join("files").join(name)).expect("a golden");
    let text = document("utf8.txt", &bytes("utf8.txt")).text;
    for name in ["utf8-mark.txt", "utf16le.txt", "utf16-mark.txt", "gb18030.txt"] {
        assert_eq!(document(name, &bytes(name)).text, text, "{name}");
    }
}

/// A long CSV file is one table, whatever its length.
#[test]
fn parse_long_csv() {
    let mut text = String::from("Part,Stock\n");
    for row in 0..25_000 {
        text += &format!("Bolt {row},{}\n", row % 7);
    }
    let read = document("long.csv", text.as_bytes());
    assert_eq!(read.blocks.len(), 1);
    assert_eq!(read.blocks[0].kind, Kind::Table { header: true });
    assert_eq!(read.text, text.trim_end().replace(',', " | "));
}
