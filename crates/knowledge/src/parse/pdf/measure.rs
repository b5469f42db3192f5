//! Finds PDFs that would unpack to more than memory holds, before anything unpacks them.

use crate::parse::budget::Budget;
use flate2::read::ZlibDecoder;
use std::io::Read;

/// Unpacks each stream that is no picture, keeps nothing, and fails where it is too much. Streams of an encrypted file cannot
/// be looked into: they count by their length.
pub(crate) fn check(bytes: &[u8], budget: &Budget) -> Result<(), String> {
    let mut at = 0;
    let mut chunk = vec![0; 64 << 10];
    let encrypted = find(bytes, b"/Encrypt").is_some();
    while let Some(found) = find(&bytes[at..], b"stream") {
        let begin = at + found;
        at = begin + b"stream".len();
        if bytes[..begin].ends_with(b"end") {
            continue;
        }
        let head = &bytes[begin.saturating_sub(512)..begin];
        let head = head.iter().rposition(|&byte| byte == b'j').map_or(head, |last| &head[last..]);
        if find(head, b"/Image").is_some() || find(head, b"/FontFile").is_some() {
            continue;
        }
        let data = &bytes[at..];
        let data = data.strip_prefix(b"\r\n").or_else(|| data.strip_prefix(b"\n")).unwrap_or(data);
        let len = find(data, b"endstream").unwrap_or(data.len());
        // A byte of these makes up to two thousand, of the other filters a few.
        if find(head, b"LZW").is_some() || encrypted {
            let most = if encrypted { len as u64 } else { len as u64 * 2000 };
            budget.unpack(most)?;
            at += len;
            continue;
        }
        // Twice packed: each byte may make a million. No program writes such for text.
        let filters = head.windows(11).filter(|window| window == b"FlateDecode").count();
        if filters > 1 {
            return Err(
                "its streams are packed twice over, as no usual program does; print it as PDF anew".into()
            );
        }
        if filters == 1 || data.first().is_some_and(|byte| byte & 0x0f == 8) {
            let mut inflate = ZlibDecoder::new(&data[..len]);
            while let Ok(count) = inflate.read(&mut chunk) {
                if count == 0 {
                    break;
                }
                budget.unpack(count as u64)?;
                budget.check()?;
            }
        }
        at += len;
    }
    Ok(())
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes[at..].iter().position(|&byte| byte == word[0])?;
        if bytes[at..].starts_with(word) {
            return Some(at);
        }
        at += 1;
    }
}
