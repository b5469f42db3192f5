//! Files made to break a reader, and real ones cut or damaged: each ends within its limits, with a reason.

mod parse_common;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use parse_common::{check, document, files, goldens, parsed, parsed_within};
use shuyuan_knowledge::parse::{Limits, Parsed, parse};
use std::io::{Cursor, Write};
use std::time::{Duration, Instant};
use zip::write::SimpleFileOptions;

/// A ZIP file of these parts.
fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).expect("a part");
        zip.write_all(bytes).expect("its bytes");
    }
    zip.finish().expect("a file").into_inner()
}

fn small() -> Limits {
    Limits { unpacked: 4 << 20, files: 20, seconds: 20.0, ..Limits::default() }
}

/// All reasons, in one.
fn reasons(parsed: &Parsed) -> String {
    parsed.unread.iter().map(|unread| format!("{unread}\n")).collect()
}

fn assert_says(parsed: &Parsed, words: &[&str]) {
    let reasons = reasons(parsed);
    assert!(words.iter().all(|word| reasons.contains(word)), "expected {words:?} in: {reasons}");
}

#[test]
fn parse_empty_and_foreign() {
    assert_says(&parsed("a.txt", b""), &["empty"]);
    assert_says(&parsed("a.txt", b" \n\t\r\n"), &["expected text, found none"]);
    assert_says(&parsed("a.txt", &[0, 1, 2, 3, 4, 5, 6, 7].repeat(50)), &["binary"]);
    assert_says(&parsed("a.docx", b"\x89PNG\r\n\x1a\n"), &["picture (PNG)", "OCR"]);
    assert_says(&parsed("a.pdf", b"%PDF-1.7\nnothing more"), &["PDF"]);
    assert_says(&parsed("a.docx", b"PK\x03\x04 and no more"), &["docx", "damaged or cut"]);
    let large = Limits { file: 10, ..Limits::default() };
    assert_says(&parsed_within("a.txt", b"eleven bytes", &large), &["12 bytes", "more than the 10"]);
}

#[test]
fn parse_zip_bombs() {
    let zeros = vec![b'0'; 8 << 20];
    let flat = zipped(&[("zeros.txt", &zeros)]);
    assert_says(
        &parsed_within("flat.zip", &flat, &small()),
        &["zeros.txt", "more than 4194304 bytes when unpacked"],
    );
    // Each level harmless by itself: 3 MB of text in all, thrice.
    let level = zipped(&[("a.txt", &zeros[..3 << 20])]);
    let nested = zipped(&[("a.zip", &level), ("b.zip", &level), ("c.zip", &level)]);
    let read = parsed_within("nested.zip", &nested, &small());
    assert_eq!(read.documents.len(), 1);
    assert_says(&read, &["more than 4194304 bytes when unpacked"]);
    // Archives all the way down.
    let mut deep = zipped(&[("a.txt", b"deep down")]);
    for _ in 0..10 {
        deep = zipped(&[("a.zip", &deep)]);
    }
    assert_says(
        &parsed_within("deep.zip", &deep, &small()),
        &["a.zip/a.zip/a.zip", "deeper than the 3 levels"],
    );
    // Many files.
    let names: Vec<String> = (0..100).map(|index| format!("{index}.txt")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"a text"[..])).collect();
    let read = parsed_within("many.zip", &zipped(&many), &small());
    assert_eq!(read.documents.len(), 20);
    assert_says(&read, &["more than 20 files"]);
    // In every format that is a ZIP file.
    for (name, parts) in [
        ("a.docx", &["[Content_Types].xml", "word/document.xml"][..]),
        ("a.xlsx", &["[Content_Types].xml", "xl/workbook.xml"]),
        ("a.pptx", &["[Content_Types].xml", "ppt/presentation.xml"]),
        ("a.epub", &["META-INF/container.xml"]),
    ] {
        let parts: Vec<(&str, &[u8])> = parts.iter().map(|part| (*part, &zeros[..])).collect();
        assert_says(
            &parsed_within(name, &zipped(&parts), &small()),
            &["more than 4194304 bytes when unpacked"],
        );
    }
}

#[test]
fn parse_names_stay_within() {
    let names =
        ["../../etc/passwd.txt", "/root.txt", "C:\\windows\\a.txt", "a/./b/../c.txt", "..\\..\\up.txt"];
    let parts: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, &b"a text"[..])).collect();
    let read = parsed("names.zip", &zipped(&parts));
    let inner: Vec<&str> = read.documents.iter().map(|document| document.inner.as_str()).collect();
    assert_eq!(inner, ["etc/passwd.txt", "root.txt", "windows/a.txt", "a/b/c.txt", "up.txt"]);
}

/// Entities that a file declares itself are never expanded.
#[test]
fn parse_entity_bombs() {
    let mut bomb = String::from("<?xml version=\"1.0\"?><!DOCTYPE w [<!ENTITY a \"ha\">");
    for level in 1..12u8 {
        let (name, before) = ((b'a' + level) as char, (b'a' + level - 1) as char);
        bomb += &format!("<!ENTITY {name} \"{}\">", format!("&{before};").repeat(10));
    }
    bomb += "]><w:document xmlns:w=\"w\"><w:body><w:p><w:r><w:t>before &l;&l; after</w:t></w:r></w:p></w:body></w:document>";
    let docx = zipped(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", bomb.as_bytes())]);
    assert_eq!(document("a.docx", &docx).text, "before  after");
    let read = document("a.xml", bomb.as_bytes());
    assert!(read.text.contains("before") && read.text.len() < 100, "{}", read.text);
}

/// Depth costs nothing: no stack grows with it.
#[test]
fn parse_deep_nesting() {
    let deep = 300_000;
    for (name, text) in [
        ("a.html", format!("{}deep{}", "<div>".repeat(deep), "</div>".repeat(deep))),
        ("lists.html", format!("{}deep", "<ul><li>".repeat(deep))),
        ("tables.html", format!("<table><tr><td>x<td>{}deep", "<table><tr><td>".repeat(deep))),
        ("a.xml", format!("<?xml version='1.0'?>{}deep", "<a>".repeat(deep))),
        ("a.md", format!("{}deep\n\n{}deep\n{}", "> ".repeat(deep), "- ".repeat(deep), "[".repeat(deep))),
        ("a.json", format!("{}1{}", "[".repeat(deep), "]".repeat(deep))),
        ("b.json", format!("{}1", "{\"a\":".repeat(deep))),
        ("a.jsonl", format!("{{\"text\":\"x\"}}\n{}", "[".repeat(deep))),
        ("a.rs", format!("fn a() {}", "{".repeat(deep))),
        ("a.py", format!("def a(): {}", "(".repeat(deep))),
        ("quotes.html", "<a b=\"".repeat(deep)),
        ("comments.html", "<!--<script><title>".repeat(deep)),
        ("amps.html", "&amp".repeat(deep)),
        ("bars.md", "|".repeat(deep) + "\n" + &"|-".repeat(deep) + "\n"),
        ("fences.md", "```\n~~~\n".repeat(deep)),
    ] {
        let begun = Instant::now();
        let read = parsed(name, text.as_bytes());
        assert!(begun.elapsed() < Duration::from_secs(10), "{name} took {:?}", begun.elapsed());
        assert!(read.documents.len() + read.unread.len() == 1, "{name}");
    }
    let body = format!("{}<w:p><w:r><w:t>deep</w:t></w:r></w:p>", "<w:tbl><w:tr><w:tc>".repeat(deep));
    let body = format!("<w:document xmlns:w=\"w\"><w:body>{body}");
    let docx = zipped(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", body.as_bytes())]);
    assert_eq!(document("a.docx", &docx).text, "deep");
    // A mail in a mail in a mail, and parts in parts.
    let mut mail = String::from("From: a@b.c\nSubject: deep\nMIME-Version: 1.0\n\nBody.\n");
    for _ in 0..200 {
        mail = format!("From: a@b.c\nSubject: x\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n{mail}");
    }
    parsed("a.eml", mail.as_bytes());
    let mut mail = String::from("From: a@b.c\nSubject: deep\nMIME-Version: 1.0\n");
    for part in 0..20_000 {
        mail += &format!("Content-Type: multipart/mixed; boundary=b{part}\n\n--b{part}\n");
    }
    parsed("b.eml", mail.as_bytes());
}

/// A PDF of these objects, numbered from 1, the first one the catalogue; without a table of them, which readers rebuild.
fn pdf(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n".to_vec();
    for (index, object) in objects.iter().enumerate() {
        out.extend_from_slice(format!("{} 0 obj\n", index + 1).as_bytes());
        out.extend_from_slice(object);
        out.extend_from_slice(b"\nendobj\n");
    }
    out.extend_from_slice(b"trailer << /Root 1 0 R >>\n%%EOF\n");
    out
}

fn stream(head: &str, data: &[u8]) -> Vec<u8> {
    let mut out = format!("<< {head} /Length {} >>\nstream\n", data.len()).into_bytes();
    out.extend_from_slice(data);
    out.extend_from_slice(b"\nendstream");
    out
}

#[test]
fn parse_hostile_pdfs() {
    let catalogue = b"<< /Type /Catalog /Pages 2 0 R >>".to_vec();
    let font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_vec();
    let page = |contents: &str| {
        format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {contents} /Resources << /Font << /F 4 0 R >> \
             /XObject << /X 6 0 R >> >> >>"
        )
        .into_bytes()
    };
    let text = stream("", b"BT /F 12 Tf 72 700 Td (A line of text.) Tj ET");
    let whole = [
        catalogue.clone(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        page("5 0 R"),
        font.clone(),
        text.clone(),
    ];
    assert_eq!(document("a.pdf", &pdf(&whole)).text, "A line of text.");

    // A tree of pages that holds itself.
    let mut looped = whole.to_vec();
    looped[1] = b"<< /Type /Pages /Kids [2 0 R 3 0 R 2 0 R 7 0 R] /Count 4 >>".to_vec();
    looped.push(b"null".to_vec());
    looped.push(b"<< /Type /Pages /Kids [2 0 R 7 0 R] /Parent 2 0 R >>".to_vec());
    assert_eq!(document("loop.pdf", &pdf(&looped)).text, "A line of text.");

    // Forms that draw themselves, many times over.
    let mut forms = whole.to_vec();
    forms[4] = stream("", &b"/X Do ".repeat(1000));
    forms.push(stream(
        "/Type /XObject /Subtype /Form /Resources << /XObject << /X 6 0 R >> >>",
        &b"/X Do ".repeat(1000),
    ));
    let begun = Instant::now();
    parsed("forms.pdf", &pdf(&forms));
    assert!(begun.elapsed() < Duration::from_secs(60));

    // A stream that unpacks to more than may be, and one packed twice.
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    for _ in 0..80 {
        packed.write_all(&[b' '; 1 << 20]).expect("packed");
    }
    let packed = packed.finish().expect("packed");
    let mut bomb = whole.to_vec();
    bomb[4] = stream("/Filter /FlateDecode", &packed);
    assert_says(
        &parsed_within("bomb.pdf", &pdf(&bomb), &small()),
        &["more than 4194304 bytes when unpacked"],
    );
    let mut twice = ZlibEncoder::new(Vec::new(), Compression::best());
    twice.write_all(&packed).expect("packed");
    bomb[4] = stream("/Filter [/FlateDecode /FlateDecode]", &twice.finish().expect("packed"));
    assert_says(&parsed_within("twice.pdf", &pdf(&bomb), &small()), &["packed twice"]);

    // Objects within objects, numbers out of range, a page tree of pages.
    let mut odd = whole.to_vec();
    odd[4] = stream("", b"BT /F 1e38 Tf 1e38 1e38 1e38 1e38 1e38 1e38 Tm (x) Tj /F 12 Tf -1e30 Tz (y) Tj ET 0 0 1e38 1e38 re S");
    parsed("odd.pdf", &pdf(&odd));
    odd[4] = stream("", [&b"["[..]].concat().repeat(100_000).as_slice());
    parsed("deep.pdf", &pdf(&odd));
    odd[4] = stream("", &b"q BT ".repeat(300_000));
    parsed("states.pdf", &pdf(&odd));
    odd[4] = [b"[".repeat(200_000), b"]".repeat(200_000)].concat();
    parsed("arrays.pdf", &pdf(&odd));
}

/// The time ends it, and what was read until then stays.
#[test]
fn parse_out_of_time() {
    let limits = Limits { seconds: 0.0, ..Limits::default() };
    for (name, bytes) in files() {
        let begun = Instant::now();
        let read = parse(&name, &bytes, &limits);
        assert!(begun.elapsed() < Duration::from_secs(5), "{name} took {:?}", begun.elapsed());
        read.documents.iter().for_each(check);
        assert!(!read.unread.is_empty() || !read.documents.is_empty(), "{name}");
    }
}

#[test]
fn parse_too_many_pages() {
    let limits = Limits { pages: 1, ..Limits::default() };
    for name in ["chinese.pdf", "slides.pptx", "book.xlsx"] {
        let bytes = std::fs::read(goldens().join("files").join(name)).expect("a golden");
        let read = parsed_within(name, &bytes, &limits);
        assert_eq!(read.documents.len(), 1, "{name}: {:?}", read.unread);
        let notes = &read.documents[0].notes;
        assert!(notes.iter().any(|note| note.contains("not read")), "{name}: {notes:?}");
    }
}

/// Limits under which damage cannot cost much.
fn tight() -> Limits {
    Limits { unpacked: 64 << 20, seconds: 10.0, ..Limits::default() }
}

#[test]
fn parse_cut_files() {
    for (name, bytes) in files() {
        for step in 0..24 {
            let len = bytes.len() * step / 24 + usize::from(step % 3 == 1);
            cost(&name, &bytes[..len.min(bytes.len())]);
        }
    }
}

/// `SHUYUAN_MUTATIONS=20000` for more; the seed is in every message.
#[test]
fn parse_damaged_files() {
    let count: u64 =
        std::env::var("SHUYUAN_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(2000);
    let files = files();
    for seed in 1..=count {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below.max(1) as u64) as usize
        };
        let (name, bytes) = &files[random(files.len())];
        let mut bytes = bytes.clone();
        for _ in 0..1 + random(8) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes[at] ^= 1 << random(8),
                2 => {
                    let end = (at + 1 + random(16)).min(bytes.len());
                    bytes.drain(at..end);
                }
                _ => {
                    let from = random(bytes.len());
                    let piece = bytes[from..(from + random(64)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        let seeded = format!("seed {seed} {name}");
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
        cost(&format!("{seeded} {stem}.{ending}"), &bytes);
    }
}

/// Parses, checks, and looks at the clock.
fn cost(name: &str, bytes: &[u8]) {
    let begun = Instant::now();
    let read = parsed_within(name, bytes, &tight());
    assert!(begun.elapsed() < Duration::from_secs(12), "{name} took {:?}", begun.elapsed());
    let reasons = reasons(&read);
    assert!(!reasons.contains("broke its reader"), "{name} ({} bytes): {reasons}", bytes.len());
}

/// XLS says places in 16 bits each, and the reader below fills what is between two cells.
#[test]
fn parse_far_cells() {
    let mut bytes = std::fs::read(goldens().join("files/old.xls")).expect("a golden");
    // The last text cell of the first sheet: a record of kind 0xfd and ten bytes.
    let cells: Vec<usize> = (0..bytes.len() - 4)
        .filter(|&at| bytes[at..at + 4] == [0xfd, 0, 10, 0] && bytes[at + 6] < 3)
        .collect();
    let last = cells[cells.len() - 2];
    bytes[last + 4..last + 8].fill(0xff);
    assert_says(&parsed("far.xls", &bytes), &["65536 rows of 65536", "save it anew as XLSX"]);
    // XLSX and ODS: far cells, few of them.
    let sheet = br#"<worksheet><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>near</t></is></c></row>
        <row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>far</t></is></c></row></sheetData></worksheet>"#;
    let book =
        br#"<workbook xmlns:r="r"><sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
    let relations = br#"<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;
    let root = br#"<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
    let parts: [(&str, &[u8]); 5] = [
        ("[Content_Types].xml", b"<Types/>"),
        ("_rels/.rels", root),
        ("xl/workbook.xml", book),
        ("xl/_rels/workbook.xml.rels", relations),
        ("xl/worksheets/sheet1.xml", sheet),
    ];
    assert_eq!(document("far.xlsx", &zipped(&parts)).text, "S\n\nnear\n\nfar");
    let cell = r#"<table:table-cell table:number-columns-repeated="4000000000"><text:p>x</text:p></table:table-cell>"#;
    let row =
        format!(r#"<table:table-row table:number-rows-repeated="4000000000">{cell}{cell}</table:table-row>"#);
    let content = format!("<body><table:table table:name=\"S\">{row}{row}</table:table></body>");
    let parts: [(&str, &[u8]); 2] = [
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", content.as_bytes()),
    ];
    let read = parsed("far.ods", &zipped(&parts));
    assert!(read.documents[0].notes[0].contains("too large"), "{:?}", read.documents[0].notes);
}
