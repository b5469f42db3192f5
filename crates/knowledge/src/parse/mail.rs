//! Mail: the head as text, the body, the attachments as documents of their own.

use super::archive::clean_path;
use super::budget::Budget;
use super::draft::Draft;
use super::{Item, Part, date, encoding, html, read as read_part, text};
use crate::Document;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Address, Encoding, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// Reads a mail; it and its attachments go to `out`.
pub(crate) fn read(
    inner: &str,
    bytes: &[u8],
    depth: usize,
    budget: &Budget,
    out: &Sender<Item>,
) -> Result<(), String> {
    let message = MessageParser::default()
        .parse(bytes)
        .ok_or("expected a mail, found no head with From, To or Subject; save it anew as EML")?;
    let mut draft = Draft::new("eml", budget);
    if let Some(subject) = message.subject() {
        draft.title(subject);
    }
    let sent = message.date();
    draft.date(sent.and_then(|date| date::date(date.year.into(), date.month.into(), date.day.into())));
    draft.text(&head(&message));
    let mut body = false;
    for part in message.text_bodies().take(1000) {
        match &part.body {
            PartType::Text(text) => {
                let text = decoded(&message, part).unwrap_or_else(|| text.to_string());
                let text = super::draft::clean(&text);
                for span in text::paragraphs(&text) {
                    draft.text(&text[span]);
                }
                body = true;
            }
            PartType::Html(page) => {
                html::write(
                    &decoded(&message, part).unwrap_or_else(|| page.to_string()),
                    &mut draft,
                    budget,
                )?;
                body = true;
            }
            _ => {}
        }
    }
    if !body {
        draft.note("no body: a head and perhaps attachments only");
    }
    if draft.is_empty() {
        return Err("expected a mail, found no head and no body; save it anew as EML".into());
    }
    let (parts, notes) = attachments(&message, inner, depth, budget, out);
    notes.into_iter().for_each(|note| draft.note(note));
    // The mail first, then what hangs on it.
    let _ = out.send(Ok(Document { inner: inner.to_owned(), ..draft.finish() }));
    parts.into_iter().for_each(|part| read_part(part, budget, out));
    Ok(())
}

/// The text of a part that names no encoding, or a wrong one: found by its bytes.
fn decoded(message: &Message<'_>, part: &MessagePart<'_>) -> Option<String> {
    let broken =
        matches!(&part.body, PartType::Text(text) | PartType::Html(text) if text.contains('\u{fffd}'));
    if !broken && !part.is_encoding_problem {
        return None;
    }
    encoding::decode(&bytes(message, part)?, None).ok()
}

/// The bytes of a part, as they were before anything made text of them.
fn bytes(message: &Message<'_>, part: &MessagePart<'_>) -> Option<Vec<u8>> {
    let raw = message.raw_message().get(part.offset_body as usize..part.offset_end as usize)?;
    match part.encoding {
        Encoding::None => Some(raw.to_vec()),
        Encoding::Base64 => base64_decode(raw),
        Encoding::QuotedPrintable => quoted_printable_decode(raw),
    }
}

fn head(message: &Message<'_>) -> String {
    let mut head = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            head.push_str(&format!("{name}: {value}\n"));
        }
    };
    line("Subject", message.subject().unwrap_or("").to_owned());
    line("From", addresses(message.from()));
    line("To", addresses(message.to()));
    line("Cc", addresses(message.cc()));
    line("Date", message.date().map_or(String::new(), |date| date.to_rfc3339()));
    head
}

fn addresses(address: Option<&Address<'_>>) -> String {
    let Some(address) = address else { return String::new() };
    let one = |address: &mail_parser::Addr<'_>| match (address.name(), address.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => name.or(address).unwrap_or("").to_owned(),
    };
    address.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The attachments that are to be read, and notes on those that are not.
fn attachments(
    message: &Message<'_>,
    inner: &str,
    depth: usize,
    budget: &Budget,
    out: &Sender<Item>,
) -> (Vec<Part>, Vec<String>) {
    let (mut parts, mut notes, mut pictures) = (Vec::new(), Vec::new(), 0);
    for (index, part) in message.attachments().enumerate() {
        let number = index + 1;
        if let Err(reason) = budget.file().and_then(|()| budget.check()) {
            notes.push(format!("attachments from number {number} on were not read: {reason}"));
            break;
        }
        let (content, ending) = match &part.body {
            // Its bytes tell the encoding better than its envelope does.
            PartType::Text(text) => {
                (bytes(message, part).unwrap_or_else(|| text.as_bytes().to_vec()), ".txt")
            }
            PartType::Html(text) => {
                (bytes(message, part).unwrap_or_else(|| text.as_bytes().to_vec()), ".html")
            }
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => (bytes.to_vec(), ""),
            PartType::Message(message) => (message.raw_message().to_vec(), ".eml"),
            PartType::Multipart(_) => continue,
        };
        let kind = part.content_type().map_or("", |kind| kind.ctype());
        // Those in the text itself: logos, signatures.
        if kind == "image" && matches!(part.body, PartType::InlineBinary(_)) {
            pictures += 1;
            continue;
        }
        let name = part.attachment_name().map(clean_path).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| format!("attachment {number}{ending}"));
        let name = if ending == ".eml" && !name.ends_with(".eml") { format!("{name}.eml") } else { name };
        let inner = if inner.is_empty() { name.clone() } else { format!("{inner}/{name}") };
        if depth >= budget.limits.depth {
            let limit = budget.limits.depth;
            let reason =
                format!("lies deeper than the {limit} levels that are opened; take it out and add it");
            let _ = out.send(Err(super::Unread { inner, reason }));
            continue;
        }
        if let Err(reason) = budget.unpack(content.len() as u64) {
            notes.push(format!("attachments from {name} on were not read: {reason}"));
            break;
        }
        parts.push(Part { name, inner, bytes: Arc::new(content), depth: depth + 1 });
    }
    if pictures > 0 {
        notes.push(format!("pictures within the text, not read: {pictures}"));
    }
    (parts, notes)
}
