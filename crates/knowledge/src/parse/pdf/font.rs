//! Fonts, as far as text needs them: which characters a string means and how wide they are.

use super::measure::is_picture;
use hayro_cmap::{BfString, CMap, CMapName, CidFamily, WritingMode, load_embedded};
use hayro_syntax::object::{Array, Dict, Name, Object, Stream, String as Bytes};
use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// The glyph names of Adobe's list that Latin and Greek text and its signs use.
static GLYPHS: LazyLock<FxHashMap<&'static str, char>> = LazyLock::new(|| {
    let lines = include_str!("glyphs.txt").lines();
    lines
        .filter_map(|line| {
            let (name, code) = line.split_once(' ')?;
            Some((name, char::from_u32(u32::from_str_radix(code, 16).ok()?)?))
        })
        .collect()
});

/// A font.
pub(crate) struct Font {
    codes: Codes,
    to_unicode: ToUnicode,
    /// Whether text runs from top to bottom.
    pub(crate) vertical: bool,
    pub(crate) bold: bool,
    /// Whether all letters are as wide: source code is set so. By its name, as Chinese fonts often say so of themselves.
    pub(crate) mono: bool,
}

enum ToUnicode {
    Missing,
    /// Codes are UTF-16.
    Identity,
    Map(Box<CMap>),
}

enum Codes {
    /// One byte a character.
    Simple { chars: Box<[Option<char>; 256]>, widths: Box<[f32; 256]> },
    /// One to four bytes, to a number in a collection of characters.
    Composite { map: Box<CMap>, collection: Option<Box<CMap>>, widths: Vec<(u32, u32, f32)>, default: f32 },
}

/// A character of a string.
pub(crate) struct Sign<'a> {
    /// What it means; `None` if the font does not say.
    pub(crate) text: Option<&'a str>,
    /// In units of the size.
    pub(crate) width: f32,
    /// Whether word spacing widens it.
    pub(crate) space: bool,
}

impl Font {
    pub(crate) fn new(dict: &Dict<'_>) -> Self {
        let subtype = dict.get::<Name<'_>>(b"Subtype");
        let base = dict.get::<Name<'_>>(b"BaseFont").map_or(String::new(), |name| name.as_str().to_owned());
        let lower = base.to_ascii_lowercase();
        let bold = ["bold", "black", "heavy", "semibold", "-bd"].iter().any(|word| lower.contains(word));
        let names = ["courier", "mono", "consola", "menlo", "typewriter", "cmtt", "sourcecode"];
        let mono = names.iter().any(|word| lower.contains(word)) && !lower.contains("cjk");
        let to_unicode = to_unicode(dict);
        let mut vertical = false;
        let codes = if subtype.as_ref().is_some_and(|name| name.as_str() == "Type0") {
            let (codes, downwards) = composite(dict);
            vertical = downwards;
            codes
        } else {
            let type3 = subtype.is_some_and(|name| name.as_str() == "Type3");
            Codes::Simple { chars: chars(dict, &lower), widths: widths(dict, &lower, type3) }
        };
        Self { codes, to_unicode, vertical, bold, mono }
    }

    /// Takes a string apart.
    pub(crate) fn signs(&self, bytes: &[u8], mut take: impl FnMut(Sign<'_>)) {
        let mut at = 0;
        while at < bytes.len() {
            let mut buffer = [0; 4];
            match &self.codes {
                Codes::Simple { chars, widths } => {
                    let code = bytes[at];
                    at += 1;
                    let mapped = self.mapped(u32::from(code));
                    let own = chars[usize::from(code)].map(|char| &*char.encode_utf8(&mut buffer));
                    let text = mapped.as_deref().or(own);
                    take(Sign { text, width: widths[usize::from(code)], space: code == 32 });
                }
                Codes::Composite { map, collection, widths, default } => {
                    let (code, len, cid) = next_code(map, &bytes[at..]);
                    at += len;
                    let mapped = self.mapped(code);
                    let text = mapped.or_else(|| collection.as_ref().and_then(|map| looked_up(map, cid)));
                    let after = widths.partition_point(|&(first, _, _)| first <= cid);
                    let width = widths[..after]
                        .last()
                        .filter(|&&(_, last, _)| cid <= last)
                        .map_or(*default, |&(_, _, width)| width);
                    take(Sign { text: text.as_deref(), width, space: len == 1 && code == 32 });
                }
            }
        }
    }

    fn mapped(&self, code: u32) -> Option<String> {
        match &self.to_unicode {
            ToUnicode::Missing => None,
            ToUnicode::Identity => char::from_u32(code).map(String::from),
            ToUnicode::Map(map) => looked_up(map, code),
        }
    }
}

fn looked_up(map: &CMap, code: u32) -> Option<String> {
    let text = match map.lookup_bf_string(code)? {
        BfString::Char(char) => char.to_string(),
        BfString::String(text) => text,
    };
    // Programs that do not know write one of these. A private one may be a sign that no font here has.
    let known = |char: char| !matches!(char, '\0' | '\u{fffd}' | '\u{e000}'..='\u{f8ff}');
    (text.chars().count() <= 16 && text.chars().any(known)).then_some(text)
}

/// The code at the beginning of a string, its length, and its number in the collection.
fn next_code(map: &CMap, bytes: &[u8]) -> (u32, usize, u32) {
    let mut code = 0;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        code = code << 8 | u32::from(byte);
        if let Some(cid) = map.lookup_cid_code(code, index as u8 + 1) {
            return (code, index + 1, cid);
        }
    }
    let len = bytes.len().min(2);
    (bytes[..len].iter().fold(0, |code, &byte| code << 8 | u32::from(byte)), len, 0)
}

fn to_unicode(dict: &Dict<'_>) -> ToUnicode {
    if let Some(stream) = dict.get::<Stream<'_>>(b"ToUnicode") {
        let data = if is_picture(&stream) { None } else { stream.decoded_data().ok() };
        let map = data.and_then(|data| CMap::parse(&data, load_embedded));
        return map.map_or(ToUnicode::Missing, |map| ToUnicode::Map(Box::new(map)));
    }
    match dict.get::<Name<'_>>(b"ToUnicode") {
        Some(name) if name.as_str().starts_with("Identity") => ToUnicode::Identity,
        _ => ToUnicode::Missing,
    }
}

fn composite(dict: &Dict<'_>) -> (Codes, bool) {
    let named =
        dict.get::<Name<'_>>(b"Encoding").and_then(|name| match CMapName::from_bytes(name.as_ref()) {
            CMapName::IdentityH => Some(CMap::identity_h()),
            CMapName::IdentityV => Some(CMap::identity_v()),
            name => CMap::parse(load_embedded(name)?, load_embedded),
        });
    let map = named.or_else(|| {
        let stream = dict.get::<Stream<'_>>(b"Encoding").filter(|stream| !is_picture(stream))?;
        CMap::parse(&stream.decoded_data().ok()?, load_embedded)
    });
    let map = map.unwrap_or_else(CMap::identity_h);
    let vertical = map.metadata().writing_mode == Some(WritingMode::Vertical);
    let descendant =
        dict.get::<Array<'_>>(b"DescendantFonts").and_then(|fonts| fonts.iter::<Dict<'_>>().next());
    let Some(descendant) = descendant else {
        return (
            Codes::Composite { map: Box::new(map), collection: None, widths: Vec::new(), default: 1.0 },
            vertical,
        );
    };
    let system = descendant.get::<Dict<'_>>(b"CIDSystemInfo");
    let family = system.and_then(|system| {
        let (registry, ordering) =
            (system.get::<Bytes<'_>>(b"Registry")?, system.get::<Bytes<'_>>(b"Ordering")?);
        Some(CidFamily::from_registry_ordering(registry.as_bytes(), ordering.as_bytes()))
    });
    let collection = family.and_then(|family| family.ucs2_cmap()).and_then(load_embedded);
    let collection = collection.and_then(|data| CMap::parse(data, load_embedded)).map(Box::new);
    let default = descendant.get::<f32>(b"DW").unwrap_or(1000.0) / 1000.0;
    let widths = descendant.get::<Array<'_>>(b"W").map(|array| ranges(&array)).unwrap_or_default();
    (Codes::Composite { map: Box::new(map), collection, widths, default }, vertical)
}

/// `[first [w w …] first last w …]`.
fn ranges(array: &Array<'_>) -> Vec<(u32, u32, f32)> {
    let mut widths = Vec::new();
    let mut numbers: Vec<f32> = Vec::new();
    for object in array.iter::<Object<'_>>().take(1 << 18) {
        match object {
            Object::Array(list) => {
                let Some(first) = numbers.pop() else { continue };
                numbers.clear();
                for (index, width) in list.iter::<f32>().take(1 << 16).enumerate() {
                    let cid = first as u32 + index as u32;
                    widths.push((cid, cid, width / 1000.0));
                }
            }
            object => {
                numbers.extend(object.into_f32());
                if let [first, last, width] = numbers[..] {
                    widths.push((first as u32, last as u32, width / 1000.0));
                    numbers.clear();
                }
            }
        }
        if widths.len() > 1 << 18 {
            break;
        }
    }
    widths.sort_by_key(|&(first, _, _)| first);
    widths
}

/// What the 256 codes of a simple font mean.
fn chars(dict: &Dict<'_>, base: &str) -> Box<[Option<char>; 256]> {
    let mut chars = Box::new([None; 256]);
    let encoding = dict.get::<Dict<'_>>(b"Encoding");
    let name =
        dict.get::<Name<'_>>(b"Encoding").or_else(|| encoding.as_ref()?.get::<Name<'_>>(b"BaseEncoding"));
    let mac = name.as_ref().is_some_and(|name| name.as_str() == "MacRomanEncoding");
    let code_page = if mac { encoding_rs::MACINTOSH } else { encoding_rs::WINDOWS_1252 };
    // Signs for bullets and ticks: they stand for no letters.
    let signs = name.is_none()
        && ["dingbats", "wingdings", "symbol", "webdings"].iter().any(|word| base.contains(word));
    for code in 32..=255u8 {
        let char = code_page.decode_without_bom_handling(&[code]).0.chars().next();
        let char = char.filter(|char| !char.is_control());
        chars[usize::from(code)] = if signs && code > 32 { Some('•') } else { char };
    }
    if let Some(differences) = encoding.and_then(|encoding| encoding.get::<Array<'_>>(b"Differences")) {
        let mut code = 0usize;
        for object in differences.iter::<Object<'_>>().take(1024) {
            match object {
                Object::Name(name) => {
                    if code < 256 {
                        chars[code] = glyph(name.as_str());
                    }
                    code += 1;
                }
                object => {
                    code = object.into_i32().and_then(|code| usize::try_from(code).ok()).unwrap_or(code)
                }
            }
        }
    }
    chars
}

/// The character of a glyph's name: `A`, `eacute`, `uni4E2D`, `u1F600`, `f_i`.
fn glyph(name: &str) -> Option<char> {
    let name = name.split('.').next().filter(|name| !name.is_empty())?;
    let mut chars = name.chars();
    if let (Some(only), None) = (chars.next(), chars.next()) {
        return Some(only);
    }
    if let Some(&char) = GLYPHS.get(name) {
        return Some(char);
    }
    let hex = name.strip_prefix("uni").filter(|hex| hex.len() >= 4).map(|hex| &hex[..4]);
    let hex = hex.or_else(|| name.strip_prefix('u').filter(|hex| (4..=6).contains(&hex.len())))?;
    char::from_u32(u32::from_str_radix(hex, 16).ok()?)
}

/// How wide the 256 codes of a simple font are.
fn widths(dict: &Dict<'_>, base: &str, type3: bool) -> Box<[f32; 256]> {
    let descriptor = dict.get::<Dict<'_>>(b"FontDescriptor");
    let missing = descriptor.and_then(|descriptor| descriptor.get::<f32>(b"MissingWidth"));
    // The scale of glyphs that are drawn by operators.
    let scale = if type3 {
        dict.get::<Array<'_>>(b"FontMatrix")
            .and_then(|matrix| matrix.iter::<f32>().next())
            .unwrap_or(0.001)
            .abs()
    } else {
        0.001
    };
    let mut widths = Box::new([missing.unwrap_or(500.0) * scale; 256]);
    if let Some(list) = dict.get::<Array<'_>>(b"Widths") {
        let first = dict.get::<i32>(b"FirstChar").and_then(|first| usize::try_from(first).ok()).unwrap_or(0);
        for (index, width) in list.iter::<f32>().take(256).enumerate() {
            if let Some(slot) = widths.get_mut(first.saturating_add(index)) {
                *slot = width * scale;
            }
        }
        return widths;
    }
    // The fonts that every reader has may come without.
    if base.contains("courier") {
        widths.fill(0.6);
        return widths;
    }
    let serif = base.contains("times") || base.contains("serif") || base.contains("roman");
    let table = if serif { &TIMES } else { &HELVETICA };
    let bold = if base.contains("bold") { 1.04 } else { 1.0 };
    for (slot, &width) in widths[32..127].iter_mut().zip(table) {
        *slot = f32::from(width) * bold / 1000.0;
    }
    widths
}

/// Of the ASCII characters from space on.
#[rustfmt::skip]
const HELVETICA: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556, 556, 556, 556,
    278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667,
    611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833,
    556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];
#[rustfmt::skip]
const TIMES: [u16; 95] = [
    250, 333, 408, 500, 500, 833, 778, 180, 333, 333, 500, 564, 250, 333, 250, 278, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500,
    278, 278, 564, 564, 564, 444, 921, 722, 667, 667, 722, 611, 556, 722, 722, 333, 389, 722, 611, 889, 722, 722, 556, 722, 667, 556,
    611, 722, 722, 944, 722, 722, 611, 333, 278, 333, 469, 500, 333, 444, 500, 444, 500, 444, 333, 500, 500, 278, 278, 500, 278, 778,
    500, 500, 500, 500, 333, 389, 278, 500, 500, 722, 500, 500, 444, 480, 200, 480, 541,
];
