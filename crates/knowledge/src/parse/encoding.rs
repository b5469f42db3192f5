//! Bytes to text: finds the encoding.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Decodes `bytes`. `said` is the encoding that the file or its envelope names: it is believed if the bytes fit it. The byte
/// order mark goes.
pub(crate) fn decode(bytes: &[u8], said: Option<&str>) -> Result<String, String> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return Ok(encoding.decode_without_bom_handling(&bytes[mark..]).0.into_owned());
    }
    let nuls = bytes.iter().take(65_536).filter(|&&byte| byte == 0).count();
    match std::str::from_utf8(bytes) {
        Ok(text) if nuls * 50 <= bytes.len().min(65_536) => return Ok(text.to_owned()),
        // Cut within a character at the end, or a few broken ones.
        Err(error) if nuls == 0 && mostly_utf8(bytes, error.valid_up_to()) => {
            return Ok(String::from_utf8_lossy(bytes).into_owned());
        }
        _ => {}
    }
    if let Some(encoding) = utf16(bytes) {
        return Ok(encoding.decode_without_bom_handling(bytes).0.into_owned());
    }
    let controls = bytes
        .iter()
        .take(65_536)
        .filter(|&&byte| byte < 9 || (14..27).contains(&byte) || byte == 127)
        .count();
    if controls * 50 > bytes.len().min(65_536) {
        return Err("expected text, found binary data; give it in one of the formats that are read, such as PDF, DOCX or \
                    plain text"
            .into());
    }
    if let Some(encoding) = said.and_then(|said| Encoding::for_label(said.trim().as_bytes()))
        && encoding != UTF_8
        && let (text, false) = encoding.decode_without_bom_handling(bytes)
    {
        return Ok(text.into_owned());
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(&bytes[..bytes.len().min(4 << 20)], true);
    let encoding = detector.guess(None, Utf8Detection::Deny);
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    let broken = text.chars().filter(|&char| char == '\u{fffd}').count();
    if broken * 10 > text.len() {
        return Err("expected text, found bytes that fit no encoding known here; save it as UTF-8".into());
    }
    Ok(text.into_owned())
}

/// Whether at most one sequence in fifty characters beyond ASCII is broken.
fn mostly_utf8(bytes: &[u8], valid: usize) -> bool {
    if bytes.len() - valid < 4 && valid > 0 {
        return true;
    }
    let (mut wide, mut broken) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        wide += chunk.valid().chars().filter(|char| !char.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    broken * 50 < wide
}

/// Which UTF-16 it is, without a mark: by how many characters are of the usual ranges.
fn utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(8192) & !1];
    if sample.len() < 4 {
        return None;
    }
    let usual = |unit: u16| matches!(unit, 9 | 10 | 13 | 0x20..=0x7e | 0x2010..=0x203b | 0x3000..=0x30ff | 0x4e00..=0x9fff | 0xff00..=0xffef);
    // Letters alone do not tell: two Latin ones make a Chinese character. A space or a line end in a unit does.
    let telling = |unit: u16| matches!(unit, 9 | 10 | 13 | 0x20..=0x7e | 0x3001 | 0x3002 | 0xff0c);
    for (encoding, unit) in [
        (UTF_16LE, u16::from_le_bytes as fn([u8; 2]) -> u16),
        (UTF_16BE, u16::from_be_bytes as fn([u8; 2]) -> u16),
    ] {
        let units = || sample.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        let (count, fit) = (sample.len() / 2, units().filter(|&unit| usual(unit)).count());
        if fit * 20 >= count * 19 && units().filter(|&unit| telling(unit)).count() * 50 > count {
            return Some(encoding);
        }
    }
    None
}

/// The encoding that an XML declaration or an HTML `meta` names, in the first two kilobytes.
pub(crate) fn declared(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(2048)]).to_ascii_lowercase();
    let (at, skip) = match (head.find("<?xml"), head.find("charset")) {
        (Some(0), _) => (head.find("encoding")?, "encoding".len()),
        (_, Some(at)) => (at, "charset".len()),
        _ => return None,
    };
    let rest = head[at + skip..].trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
    let label: String =
        rest.chars().take_while(|char| char.is_ascii_alphanumeric() || "-_:.".contains(*char)).collect();
    // A file that can be read so far is not UTF-16, whatever it says.
    (!label.is_empty() && !label.starts_with("utf-16")).then_some(label)
}
