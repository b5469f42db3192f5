//! What a file is: by its first bytes, then by its ending.

use super::cfb::Cfb;
use super::code;
use std::io::Cursor;

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Pdf,
    Docx,
    Pptx,
    Xlsx,
    Xls,
    Ods,
    Odt,
    Epub,
    Mail,
    Zip,
    Html,
    Xml,
    Markdown,
    Csv,
    Json,
    Jsonl,
    Code,
    Text,
}

/// What is recognised by its beginning and cannot be read: the mark, what it is, what to do.
const FOREIGN: [(&[u8], &str, &str); 22] = [
    (b"\x89PNG", "a picture (PNG)", PICTURE),
    (b"\xff\xd8\xff", "a picture (JPEG)", PICTURE),
    (b"GIF8", "a picture (GIF)", PICTURE),
    (b"II*\0", "a picture (TIFF)", PICTURE),
    (b"MM\0*", "a picture (TIFF)", PICTURE),
    (b"\x1f\x8b", "a gzip file", UNPACK),
    (b"BZh", "a bzip2 file", UNPACK),
    (b"\xfd7zXZ", "an xz file", UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd file", UNPACK),
    (b"{\\rtf", "an RTF file", "save it as DOCX or PDF"),
    (b"SQLite format 3", "a database (SQLite)", "export its tables as CSV"),
    (b"\x7fELF", "a program", "there is no text to read"),
    (b"MZ\x90", "a program", "there is no text to read"),
    (b"ID3", "sound (MP3)", SOUND),
    (b"OggS", "sound (Ogg)", SOUND),
    (b"fLaC", "sound (FLAC)", SOUND),
    (b"\x1a\x45\xdf\xa3", "a film (Matroska)", SOUND),
    (b"wOFF", "a font", "there is no text to read"),
    (b"%!PS", "PostScript", "convert it to PDF"),
    (b"AC10", "a drawing (DWG)", "export it as PDF"),
];
const PICTURE: &str = "recognise its text (OCR) and add that";
const UNPACK: &str = "unpack it, or pack it as ZIP";
const SOUND: &str = "transcribe it and add the text";

/// The format of a file; the reason, if it is one that cannot be read.
pub(crate) fn detect(name: &str, bytes: &[u8]) -> Result<Format, String> {
    if bytes.is_empty() {
        return Err("expected a file with something in it, found an empty one".into());
    }
    let head = &bytes[..bytes.len().min(1024)];
    // Some programs put a few bytes before the mark; a text may speak of it.
    let plain = std::str::from_utf8(head).is_ok_and(|head| !head.contains('\0'));
    let named = name.to_ascii_lowercase().ends_with(".pdf");
    if head.starts_with(b"%PDF-") || ((named || !plain) && head.windows(5).any(|window| window == b"%PDF-")) {
        return Ok(Format::Pdf);
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return packed(name, bytes);
    }
    if head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return compound(bytes);
    }
    for (mark, what, todo) in FOREIGN {
        // `ID3` may begin a text about music.
        let letters = mark.iter().all(u8::is_ascii_alphanumeric);
        if head.starts_with(mark) && !(letters && plain) {
            return Err(format!("expected a document, found {what}; {todo}"));
        }
    }
    if head.len() > 12 && &head[4..8] == b"ftyp" {
        return Err(format!("expected a document, found a film, sound or picture (MP4); {SOUND}"));
    }
    if head.starts_with(b"RIFF") && head.len() > 12 && matches!(&head[8..12], b"WAVE" | b"AVI " | b"WEBP") {
        return Err(format!("expected a document, found sound, a film or a picture (RIFF); {SOUND}"));
    }
    Ok(textual(name, head))
}

/// Formats of text: by the beginning where it tells, by the ending where not.
fn textual(name: &str, head: &[u8]) -> Format {
    let begin = String::from_utf8_lossy(head);
    let begin = begin.trim_start_matches('\u{feff}').trim_start();
    let lower = begin.get(..begin.len().min(256)).unwrap_or("").to_ascii_lowercase();
    let path = name.split(['?', '#']).next().unwrap_or(name);
    let path = if path.rsplit('/').next().unwrap_or("").contains('.') { path } else { name };
    let ending = path
        .rsplit(['/', '\\'])
        .next()
        .and_then(|file| file.rsplit_once('.'))
        .map_or("", |(_, ending)| ending);
    let ending = ending.to_ascii_lowercase();
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        return Format::Html;
    }
    if lower.starts_with("<?xml") {
        let html = lower.contains("<html") || lower.contains("doctype html");
        return if html || matches!(&*ending, "xhtml" | "html" | "htm") { Format::Html } else { Format::Xml };
    }
    match &*ending {
        "md" | "markdown" | "mdown" | "mkd" | "mdx" => return Format::Markdown,
        "html" | "htm" | "xhtml" | "shtml" => return Format::Html,
        "xml" | "rss" | "atom" | "svg" | "xsd" | "xsl" => return Format::Xml,
        "csv" | "tsv" => return Format::Csv,
        "json" | "geojson" | "ipynb" | "webmanifest" => return Format::Json,
        "jsonl" | "ndjson" => return Format::Jsonl,
        "eml" | "mht" | "mhtml" => return Format::Mail,
        "txt" | "text" | "log" => return Format::Text,
        _ => {}
    }
    if code::ending(path).is_some() {
        return Format::Code;
    }
    if is_mail(begin) {
        return Format::Mail;
    }
    if lower.starts_with("<head") || lower.starts_with("<body") || lower.starts_with("<!doctype") {
        return Format::Html;
    }
    if begin.starts_with("{\"") || begin.starts_with("[{") || begin.starts_with("{\n") {
        return Format::Json;
    }
    Format::Text
}

/// Whether a text begins with lines as mails do: at least two of the usual ones.
fn is_mail(begin: &str) -> bool {
    let names = [
        "from:",
        "to:",
        "subject:",
        "date:",
        "received:",
        "return-path:",
        "message-id:",
        "mime-version:",
        "delivered-to:",
    ];
    let first = begin.lines().next().unwrap_or("").to_ascii_lowercase();
    let is_head = |line: &str| names.iter().any(|name| line.to_ascii_lowercase().starts_with(name));
    is_head(&first)
        && begin.contains("\nMIME-Version:")
            | begin.contains("\nMessage-ID:")
            | begin.contains("\nMessage-Id:")
        && begin.lines().take_while(|line| !line.is_empty()).filter(|line| is_head(line)).count() > 1
}

/// What is made of a ZIP file.
fn packed(name: &str, bytes: &[u8]) -> Result<Format, String> {
    let Ok(zip) = zip::ZipArchive::new(Cursor::new(bytes)) else {
        let ending = name.rsplit('.').next().unwrap_or("").to_ascii_lowercase();
        let what = if matches!(&*ending, "docx" | "xlsx" | "pptx" | "epub" | "ods" | "odt") {
            &*ending
        } else {
            "ZIP"
        };
        return Err(format!("expected a whole {what} file, found a damaged or cut one; fetch it anew"));
    };
    let has = |name: &str| zip.index_for_name(name).is_some();
    if has("[Content_Types].xml") {
        for (part, format) in [
            ("word/document.xml", Format::Docx),
            ("ppt/presentation.xml", Format::Pptx),
            ("xl/workbook.xml", Format::Xlsx),
        ] {
            if has(part) {
                return Ok(format);
            }
        }
        if has("xl/workbook.bin") {
            return Err("expected XLSX, found its binary kind (XLSB); save it as XLSX".into());
        }
        if zip.file_names().flatten().any(|name| name.starts_with("word/")) {
            return Ok(Format::Docx);
        }
    }
    if has("META-INF/container.xml") {
        return Ok(Format::Epub);
    }
    if has("mimetype") && has("content.xml") {
        let mut mimetype = zip.clone();
        let mut kind = String::new();
        if let Ok(entry) = mimetype.by_name("mimetype") {
            let _ = std::io::Read::read_to_string(&mut std::io::Read::take(entry, 200), &mut kind);
        }
        if kind.contains("opendocument.spreadsheet") {
            return Ok(Format::Ods);
        }
        if kind.contains("opendocument") {
            return Ok(Format::Odt);
        }
    }
    Ok(Format::Zip)
}

/// What is in a compound file.
fn compound(bytes: &[u8]) -> Result<Format, String> {
    let Some(cfb) = Cfb::open(bytes) else {
        return Err("expected a whole office file, found a damaged or cut one; fetch it anew".into());
    };
    if cfb.has("EncryptedPackage") || cfb.has("EncryptionInfo") {
        return Err("encrypted: an office file with a password; remove it and add the file again".into());
    }
    if cfb.has("Workbook") || cfb.has("Book") {
        return Ok(Format::Xls);
    }
    let what = if cfb.has("WordDocument") {
        ("an old Word file (DOC)", "save it as DOCX")
    } else if cfb.has("PowerPoint Document") {
        ("an old PowerPoint file (PPT)", "save it as PPTX")
    } else if cfb.has("__properties_version1.0") {
        ("an Outlook mail (MSG)", "save it as EML")
    } else {
        ("a compound file of another kind", "save it in a newer format")
    };
    Err(format!("expected a document, found {}; {}", what.0, what.1))
}
