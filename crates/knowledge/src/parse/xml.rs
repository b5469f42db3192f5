//! XML of a known vocabulary (office files, EPUB packages) as a stream of tags and text. Names come without their prefix,
//! references to entities that a file declares itself are left out: nothing expands, nothing recurses.

use super::budget::Budget;
use super::encoding;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// A piece of XML.
pub(crate) enum Piece<'a> {
    Open(Tag<'a>),
    Close(&'a str),
    Text(&'a str),
}

/// An opening tag.
pub(crate) struct Tag<'a> {
    start: &'a BytesStart<'a>,
    /// Without its prefix.
    pub(crate) name: &'a str,
}

impl Tag<'_> {
    /// The value of the attribute of this name, prefix aside.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        self.find(|key| key.rsplit_once(':').map_or(key, |(_, local)| local) == name)
    }

    /// The value of the attribute of exactly this name.
    pub(crate) fn exact(&self, name: &str) -> Option<String> {
        self.find(|key| key == name)
    }

    fn find(&self, matches: impl Fn(&str) -> bool) -> Option<String> {
        let mut attributes = self.start.attributes();
        let found =
            attributes.with_checks(false).flatten().find(|attribute| matches(attribute.key.as_ref()))?;
        Some(super::markup::resolved(&found.value).into_owned())
    }
}

/// Decodes an XML file and hands its pieces to `take` in order. An error in the XML ends it: the reason is returned, with
/// all that stood before it taken.
pub(crate) fn walk(
    bytes: &[u8],
    budget: &Budget,
    mut take: impl FnMut(Piece<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let text = encoding::decode(bytes, encoding::declared(bytes).as_deref())?;
    let mut reader = Reader::from_str(&text);
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    let mut count = 0usize;
    loop {
        count += 1;
        if count.is_multiple_of(4096) {
            budget.check()?;
        }
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                take(Piece::Open(Tag { start: &start, name: start.local_name().as_ref() }))?;
            }
            Ok(Event::Empty(start)) => {
                let name = start.local_name();
                take(Piece::Open(Tag { start: &start, name: name.as_ref() }))?;
                take(Piece::Close(name.as_ref()))?;
            }
            Ok(Event::End(end)) => take(Piece::Close(end.local_name().as_ref()))?,
            Ok(Event::Text(text)) => take(Piece::Text(&text))?,
            Ok(Event::CData(text)) => take(Piece::Text(&text))?,
            Ok(Event::GeneralRef(name)) => {
                let whole = format!("&{};", &*name);
                let resolved = super::markup::resolved(&whole);
                if resolved != whole {
                    take(Piece::Text(&resolved))?;
                }
            }
            Ok(Event::Eof) => return Ok(()),
            Ok(_) => {}
            Err(error) => {
                return Err(format!("not well-formed XML at byte {} ({error})", reader.error_position()));
            }
        }
    }
}
