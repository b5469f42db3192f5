//! Finds PDFs that would unpack to more than memory holds, before anything unpacks them.

use crate::parse::budget::Budget;
use flate2::read::{DeflateDecoder, ZlibDecoder};
use std::io::Read;

/// Bytes before a stream in which its dictionary is looked for.
const HEAD: usize = 32 << 10;

/// Unpacks each stream that is no picture, keeps nothing, and fails where it is too much. Streams of an encrypted file cannot
/// be looked into: they count by their length.
pub(crate) fn check(bytes: &[u8], budget: &Budget) -> Result<(), String> {
    let encrypted = find(bytes, b"/Encrypt").is_some();
    let mut at = 0;
    while let Some(found) = find(&bytes[at..], b"stream") {
        let begin = at + found;
        at = begin + b"stream".len();
        if bytes[..begin].ends_with(b"end") {
            continue;
        }
        budget.check()?;
        let head = &bytes[begin.saturating_sub(HEAD)..begin];
        let head = head.windows(4).rposition(|window| window == b" obj").map_or(head, |last| &head[last..]);
        let has = |word: &[u8]| find(head, word).is_some();
        // Pictures and fonts are never unpacked here; what only says so would be. `#` can hide any name.
        let objects = has(b"ObjStm") || has(b"XRef") || has(b"#");
        if !objects
            && ((has(b"/Image") && has(b"/Width"))
                || has(b"/Length1")
                || has(b"/Type1C")
                || has(b"/OpenType"))
        {
            continue;
        }
        let data = &bytes[at..];
        let data = data.strip_prefix(b"\r\n").or_else(|| data.strip_prefix(b"\n")).unwrap_or(data);
        let len = find(data, b"endstream").unwrap_or(data.len());
        at += len;
        let data = &data[..len];
        // Twice packed: each byte may make a million. No program writes such for text.
        let filters = [&b"FlateDecode"[..], b"LZWDecode"].iter().map(|name| count(head, name)).sum::<usize>();
        if filters > 1 {
            return Err(
                "its streams are packed twice over, as no usual program does; print it as PDF anew".into()
            );
        }
        if encrypted || !(filters == 1 || has(b"/Filter") || has(b"/F ")) {
            budget.unpack(len as u64)?;
        } else if has(b"LZWDecode") {
            budget.unpack(lzw(data))?;
        } else {
            inflate(data, budget)?;
        }
    }
    Ok(())
}

/// Whether a stream is a picture, as it says itself; then it was not measured.
pub(crate) fn is_picture(stream: &hayro_syntax::object::Stream<'_>) -> bool {
    let dict = stream.dict();
    dict.contains_key(b"Length1")
        || dict.get::<hayro_syntax::object::Name<'_>>(b"Subtype").is_some_and(|name| name.as_str() != "Form")
}

fn inflate(data: &[u8], budget: &Budget) -> Result<(), String> {
    let mut chunk = [0; 32 << 10];
    let mut all = |mut from: Box<dyn Read + '_>| -> Result<bool, String> {
        let mut any = false;
        while let Ok(count) = from.read(&mut chunk) {
            if count == 0 {
                break;
            }
            any = true;
            budget.unpack(count as u64)?;
            budget.check()?;
        }
        Ok(any)
    };
    // Some programs leave the head of the stream away.
    if !all(Box::new(ZlibDecoder::new(data)))? {
        all(Box::new(DeflateDecoder::new(data)))?;
    }
    Ok(())
}

/// How long an LZW stream is unpacked: each code is as long as the one before it and one more.
fn lzw(data: &[u8]) -> u64 {
    let mut lengths: Vec<u64> = vec![1; 258];
    let (mut bits, mut held, mut width, mut before, mut total) = (0u32, 0u32, 9u32, None::<u64>, 0u64);
    for &byte in data {
        bits = bits << 8 | u32::from(byte);
        held += 8;
        if held < width {
            continue;
        }
        held -= width;
        let code = (bits >> held & ((1 << width) - 1)) as usize;
        match code {
            256 => {
                lengths.truncate(258);
                (width, before) = (9, None);
                continue;
            }
            257 => break,
            _ => {}
        }
        let len = lengths.get(code).copied().unwrap_or(before.unwrap_or(0) + 1);
        total = total.saturating_add(len);
        if let Some(before) = before
            && lengths.len() < 4096
        {
            lengths.push(before + 1);
        }
        before = Some(len);
        width = match lengths.len() {
            0..511 => 9,
            511..1023 => 10,
            1023..2047 => 11,
            _ => 12,
        };
    }
    total
}

fn count(bytes: &[u8], word: &[u8]) -> usize {
    bytes.windows(word.len()).filter(|window| *window == word).count()
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
