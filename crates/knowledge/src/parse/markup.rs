//! HTML and loose XML to tags and text, one after the other. Builds no tree: nothing nests, nothing recurses.

use std::borrow::Cow;

/// A piece of markup.
pub(crate) enum Token<'a> {
    Open(Tag<'a>),
    Close(Cow<'a, str>),
    Text(Cow<'a, str>),
}

/// An opening tag.
pub(crate) struct Tag<'a> {
    /// In lower case, without a prefix.
    pub(crate) name: Cow<'a, str>,
    /// Whether it closes itself: `<br/>`.
    pub(crate) closed: bool,
    attributes: &'a str,
}

impl Tag<'_> {
    /// The value of an attribute, references resolved.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let mut rest = self.attributes;
        loop {
            rest = rest
                .trim_start_matches(|char: char| char.is_ascii_whitespace() || char == '/' || char == '=');
            let end = rest
                .find(|char: char| char.is_ascii_whitespace() || char == '=' || char == '/')
                .unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            let (key, after) = rest.split_at(end);
            let after = after.trim_start();
            let mut value = "";
            rest = after;
            if let Some(after) = after.strip_prefix('=') {
                let after = after.trim_start();
                let quote = after.as_bytes().first().copied().filter(|byte| matches!(byte, b'"' | b'\''));
                (value, rest) = match quote {
                    Some(quote) => after[1..].split_once(quote as char).unwrap_or((&after[1..], "")),
                    None => after
                        .split_at(after.find(|char: char| char.is_ascii_whitespace()).unwrap_or(after.len())),
                };
            }
            if key.eq_ignore_ascii_case(name) {
                return Some(resolved(value).into_owned());
            }
        }
    }
}

/// The tokens of a text.
pub(crate) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// Text up to here is none of tags: within `script`, `title`, ….
    raw: Option<(usize, bool)>,
    xml: bool,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a str, xml: bool) -> Self {
        Self { text, at: 0, raw: None, xml }
    }

    /// The tokens from a place on that is between two.
    pub(crate) fn from(text: &'a str, at: usize) -> Self {
        Self { at, ..Self::new(text, false) }
    }

    /// Where the next token begins.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// After a tag whose content is text, whatever it looks like: up to its closing tag.
    fn raw_text(&mut self, name: &str) {
        let plain = matches!(name, "script" | "style" | "xmp" | "iframe" | "noembed" | "noframes");
        if self.xml || !(plain || matches!(name, "title" | "textarea")) {
            return;
        }
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        while let Some(next) = self.text[at..].find("</") {
            at += next;
            let begin = at + 2;
            if bytes
                .get(begin..begin + name.len())
                .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
            {
                break;
            }
            at = begin;
        }
        let end = if self.text[at..].starts_with("</") { at } else { self.text.len() };
        self.raw = Some((end, plain));
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if let Some((end, plain)) = self.raw.take() {
                let text = &self.text[self.at..end];
                self.at = end;
                if !text.is_empty() {
                    return Some(Token::Text(if plain { text.into() } else { resolved(text) }));
                }
            }
            let rest = &self.text[self.at..];
            if rest.is_empty() {
                return None;
            }
            let Some(inner) = rest.strip_prefix('<') else {
                let end = rest.find('<').unwrap_or(rest.len());
                self.at += end;
                return Some(Token::Text(resolved(&rest[..end])));
            };
            let to = |mark: &str, from: usize| {
                rest[from..].find(mark).map_or(rest.len(), |end| from + end + mark.len())
            };
            match inner.as_bytes().first() {
                Some(b'!') if inner.starts_with("!--") => self.at += to("-->", 4),
                Some(b'!') if inner.starts_with("![CDATA[") => {
                    let end = to("]]>", 9);
                    self.at += end;
                    return Some(Token::Text(rest[9..end].trim_end_matches("]]>").into()));
                }
                // A document type may hold declarations in brackets: no entity is ever taken from them.
                Some(b'!') if inner.get(1..8).is_some_and(|word| word.eq_ignore_ascii_case("doctype")) => {
                    let close = rest.find('>').unwrap_or(rest.len());
                    self.at +=
                        if rest[..close].contains('[') { to("]>", 8).min(rest.len()) } else { to(">", 0) };
                }
                Some(b'!' | b'?') => self.at += to(">", 1),
                Some(b'/') if inner[1..].starts_with(|char: char| char.is_alphabetic() || char == '_') => {
                    let end = to(">", 1);
                    self.at += end;
                    return Some(Token::Close(local(name(&rest[2..end]))));
                }
                Some(b'/') => self.at += to(">", 1),
                Some(byte) if byte.is_ascii_alphabetic() || (self.xml && (*byte == b'_' || *byte >= 128)) => {
                    let end = tag_end(rest);
                    self.at += end;
                    let body = rest[1..end].trim_end_matches('>');
                    let name = name(body);
                    let attributes = &body[name.len()..];
                    let tag = Tag { name: local(name), closed: attributes.ends_with('/'), attributes };
                    if !tag.closed {
                        self.raw_text(&tag.name);
                    }
                    return Some(Token::Open(tag));
                }
                _ => {
                    // A lone `<`.
                    let end = inner.find('<').map_or(rest.len(), |end| end + 1);
                    self.at += end;
                    return Some(Token::Text(resolved(&rest[..end])));
                }
            }
        }
    }
}

/// Where a tag ends: at the first `>` outside quotes. A quote never closed takes the rest, as in browsers.
fn tag_end(rest: &str) -> usize {
    let mut quote = None;
    let mut before = b' ';
    for (at, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') if before == b'=' => quote = Some(byte),
            (None, b'>') => return at + 1,
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            before = byte;
        }
    }
    rest.len()
}

fn name(body: &str) -> &str {
    let end = body
        .find(|char: char| char.is_ascii_whitespace() || char == '/' || char == '>')
        .unwrap_or(body.len());
    &body[..end]
}

fn local(name: &str) -> Cow<'_, str> {
    let local = name.rsplit_once(':').map_or(name, |(_, local)| local);
    if local.bytes().any(|byte| byte.is_ascii_uppercase()) {
        local.to_ascii_lowercase().into()
    } else {
        local.into()
    }
}

/// Resolves `&amp;`, `&#20013;` and HTML's named characters; what is none stays as it is.
pub(crate) fn resolved(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.bytes().take(40).position(|byte| byte == b';');
        let found = end.map(|end| &rest[..end]).and_then(|name| match name.strip_prefix('#') {
            Some(number) => numbered(number).map(String::from),
            None => quick_xml::escape::resolve_html5_entity(name).map(str::to_owned),
        });
        match (found, end) {
            (Some(found), Some(end)) => {
                out.push_str(&found);
                rest = &rest[end + 1..];
            }
            _ => out.push('&'),
        }
    }
    out.push_str(rest);
    out.into()
}

fn numbered(number: &str) -> Option<char> {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    // Windows-1252, which pages mean by numbers that Unicode gives to control characters.
    if let Ok(byte @ 0x80..=0x9f) = u8::try_from(code) {
        return encoding_rs::WINDOWS_1252.decode_without_bom_handling(&[byte]).0.chars().next();
    }
    char::from_u32(code)
}
